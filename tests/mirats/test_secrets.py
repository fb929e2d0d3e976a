"""Neither key, nor the salt, nor an address shows anywhere: not in reprs, logs, exceptions, triggers, results or pickles."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, TaskDeferred

from airflow_provider.engagement.emulator.faults import NotJson, Status
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.mirats.operators import MiratsQuantoSurveyLinkOperator
from airflow_provider.engagement.mirats.sensors import MiratsQuantoUserSessionSensor
from airflow_provider.engagement.mirats.transfers import MiratsQuantoToObjectStorageOperator
from airflow_provider.engagement.mirats.triggers import MiratsQuantoUserSessionTrigger
from airflow_provider.engagement.wire.errors import ApiError
from tests.mirats.project import SURVEY, Project

KEY, WEB_KEY, SALT, ADDRESS = "marked_secret_key", "marked_web_key", "marked_salt_of_some_length", "198.51.100.77"
MARKED = (KEY, WEB_KEY, SALT, ADDRESS)


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.DEBUG)
    with EmulatorServer(keys=[KEY]) as server:
        server.mirats.web_keys = (WEB_KEY,)
        project = Project(server, monkeypatch)
        project.connect({"web_api_key": WEB_KEY, "ip_salt_secret": SALT}, password=KEY)
        project.patience_is_short()
        project.session("r", IP=ADDRESS)
        yield project


def leaks(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], *values: Any) -> list[str]:
    captured = capsys.readouterr()
    told = [caplog.text, captured.out, captured.err, *map(repr, values), *map(str, values)]
    return [secret for secret in MARKED if any(secret in text for text in told)]


def everything(tmp_path: Path) -> list[Callable[[], Any]]:
    return [
        lambda: MiratsQuantoUserSessionSensor(task_id="a", survey_number=SURVEY).poke({}),
        lambda: MiratsQuantoSurveyLinkOperator(task_id="b", survey_number=SURVEY).execute({}),
        lambda: MiratsQuantoToObjectStorageOperator(task_id="c", path=f"{tmp_path}/x.jsonl", start="2020-01-01", end="2100-01-01").execute(
            {}
        ),
    ]


def test_nothing_shows_when_all_goes_well(
    marked: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [act() for act in everything(tmp_path)]
    config = marked.hook.get_config()
    sessions = list(marked.hook.list_user_sessions())
    assert leaks(caplog, capsys, *results, config, *sessions, marked.hook.get_conn().config, *marked.server.requests()) == []
    assert [secret for secret in MARKED if secret in (tmp_path / "x.jsonl").read_text()] == []
    assert marked.server.requests()


@pytest.mark.parametrize(
    "fault",
    [
        Status(status=401, text=f"wrong: {KEY} {WEB_KEY}"),
        Status(status=500, text=f"broken by {WEB_KEY}"),
        NotJson(body=f'{{"authorizationKey": "{WEB_KEY}", "IP": "{ADDRESS}"}}'),
    ],
    ids=["an echo in a refusal", "an echo in a failure", "an echo in a strange answer"],
)
def test_nothing_shows_when_it_fails(
    marked: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], fault: Any
) -> None:
    marked.server.faults.add(fault)
    for act in everything(tmp_path):
        with pytest.raises((AirflowException, ApiError)) as caught:
            act()
        error = caught.value
        chain = "".join(traceback.format_exception(error))
        assert leaks(caplog, capsys, error, error.__dict__, chain, pickle.dumps(error)) == []


def test_nothing_shows_when_nobody_answers(
    marked: Project, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    marked.connect({"web_api_key": WEB_KEY, "ip_salt_secret": SALT}, password=KEY, host="http://127.0.0.1:1")
    for act in everything(tmp_path):
        with pytest.raises(ApiError) as caught:
            act()
        assert leaks(caplog, capsys, caught.value, "".join(traceback.format_exception(caught.value))) == []


def test_a_trigger_carries_the_connections_id_alone(
    marked: Project, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TaskDeferred) as caught:
        MiratsQuantoUserSessionSensor(task_id="a", survey_number=SURVEY, deferrable=True).execute({})
    trigger = caught.value.trigger
    assert isinstance(trigger, MiratsQuantoUserSessionTrigger)

    class PromptTrigger(MiratsQuantoUserSessionTrigger):
        earliest_event = 0.0

    async def payload() -> Any:
        async for event in PromptTrigger(**trigger.serialize()[1]).run():
            return event.payload

    event = asyncio.run(payload())
    assert event["status"] == "done"
    assert leaks(caplog, capsys, trigger.serialize(), vars(trigger), event, caught.value) == []


def test_tasks_hold_no_secret_in_their_fields(marked: Project) -> None:
    tasks = [
        MiratsQuantoUserSessionSensor(task_id="a", rid="r"),
        MiratsQuantoSurveyLinkOperator(task_id="b", survey_number=SURVEY),
        MiratsQuantoToObjectStorageOperator(task_id="c", path="x"),
    ]
    for task in tasks:
        assert set(task.template_fields) <= set(vars(task))
        assert [secret for secret in MARKED if any(secret in repr(value) for value in vars(task).values())] == []
    assert marked.server.requests() == []
