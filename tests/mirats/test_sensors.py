"""The sensor without a scheduler, and its trigger: what they check, ask, defer, survive and make of events."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.mirats.sensors import MiratsQuantoUserSessionSensor
from airflow_provider.engagement.mirats.triggers import MiratsQuantoUserSessionTrigger
from airflow_provider.engagement.wire.errors import ServerFailed
from tests.mirats.project import SURVEY, Project


class PromptTrigger(MiratsQuantoUserSessionTrigger):
    """Fires without waiting for a scheduler that is not there."""

    earliest_event = 0.0


def make(**arguments: Any) -> MiratsQuantoUserSessionSensor:
    return MiratsQuantoUserSessionSensor(task_id="wait", **arguments)


def trigger(condition: dict[str, Any], **values: Any) -> PromptTrigger:
    return PromptTrigger(**{"mirats_quanto_conn_id": "mirats_quanto_default", "condition": condition, "poke_interval": 0.05, **values})


async def first_event(made: MiratsQuantoUserSessionTrigger) -> Any:
    async for event in made.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


def test_poke_is_false_until_there_are_enough(project: Project) -> None:
    project.session("a")
    project.session("b", status="terminated")
    sensor = make(survey_number=SURVEY, min_sessions="2")
    waiting = sensor.poke({})
    assert not waiting
    assert waiting.xcom_value == {"sessions": 1, "wanted": 2, "status": "completed"}
    project.session("c")
    assert sensor.poke({})
    assert make(survey_number=str(SURVEY), status="all", min_sessions=3).poke({})
    assert not make(survey_number=SURVEY, session_type="test").poke({})


def test_one_session(project: Project) -> None:
    project.session("a", status=None)
    assert not make(rid="a").poke({})
    assert make(rid="a", status="all").poke({})
    project.session("a")
    assert make(rid="a").poke({}).xcom_value["rids"] == ["a"]


def test_the_window_is_cut_by_the_moment(project: Project) -> None:
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    project.session("early", noon - timedelta(milliseconds=1))
    project.session("late", noon + timedelta(hours=1))
    window = {"start": noon.isoformat(), "end": noon + timedelta(hours=1)}
    assert not make(survey_number=SURVEY, **window).poke({})
    project.session("right", noon)
    assert make(survey_number=SURVEY, **window).poke({})
    assert make(survey_number=SURVEY, min_sessions=3, start=noon.date(), end="2026-03-11").poke({})


@pytest.mark.parametrize("hours", [-12, 14])
def test_the_servers_time_zone_does_not_matter(project: Project, hours: float) -> None:
    project.server.mirats.quirks.day_offset_hours = hours
    for hour in (0, 12, 23):
        project.session(f"r{hour}", datetime(2026, 3, 10, hour, 30, tzinfo=UTC))
    assert make(survey_number=SURVEY, min_sessions=3, start="2026-03-10", end="2026-03-11").poke({})


@pytest.mark.parametrize("deferrable", [True, False])
def test_contradictions_fail_at_once_before_anything_is_sent(project: Project, deferrable: bool) -> None:
    with pytest.raises(AirflowFailException, match="MiratsQuantoUserSessionSensor: give either rid or survey_number"):
        make(deferrable=deferrable).execute({})
    with pytest.raises(AirflowFailException, match="min_sessions must be a whole number"):
        make(survey_number=SURVEY, min_sessions="many", deferrable=deferrable).execute({})
    assert project.server.requests() == []


@pytest.mark.parametrize("wrong", [{"password": "wrong_marked"}, {"extra": {"web_api_key": "wrong_marked"}}])
def test_a_wrong_key_fails_at_once(project: Project, wrong: dict[str, Any]) -> None:
    project.connect(**wrong)
    with pytest.raises(AirflowFailException, match="Unauthorized") as caught:
        make(survey_number=SURVEY).poke({})
    assert "wrong_marked" not in str(caught.value)
    assert len(project.server.requests()) == 1


def test_deferring_asks_nothing_on_the_worker(project: Project) -> None:
    sensor = make(survey_number=SURVEY, min_sessions=2, start=datetime(2026, 1, 1, tzinfo=UTC), deferrable=True, timeout=120)
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute({})
    made = caught.value.trigger
    assert isinstance(made, MiratsQuantoUserSessionTrigger)
    assert made.condition == {
        "survey_number": str(SURVEY),
        "min_sessions": 2,
        "status": "completed",
        "session_type": 0,
        "start": "2026-01-01T00:00:00+00:00",
    }
    path, arguments = made.serialize()
    assert path == "airflow_provider.engagement.mirats.triggers.MiratsQuantoUserSessionTrigger"
    assert arguments["mirats_quanto_conn_id"] == "mirats_quanto_default"
    assert MiratsQuantoUserSessionTrigger(**json.loads(json.dumps(arguments))).serialize() == (path, arguments)
    assert project.server.requests() == []


def test_events_end_the_task() -> None:
    sensor = make(survey_number=SURVEY, timeout=10)
    assert sensor.execute_complete({}, {"status": "done", "detail": {"sessions": 1}}) == {"sessions": 1}
    with pytest.raises(AirflowFailException, match="the key"):
        sensor.execute_complete({}, {"status": "failed", "reason": "the key"})


# --- the trigger -----------------------------------------------------------------------------------------------------


def test_it_waits_until_people_are_done(project: Project) -> None:
    project.server.mirats.walk({"survey_number": SURVEY, "people": 3, "every": 0, "seconds": 600})

    async def run() -> Any:
        task = asyncio.create_task(first_event(trigger({"survey_number": str(SURVEY), "min_sessions": 3})))
        await asyncio.sleep(0.2)
        assert not task.done()
        project.server.clock.advance(601)
        return await task

    payload = asyncio.run(run(), debug=True)
    assert payload["status"] == "done"
    assert {name: payload["detail"][name] for name in ("sessions", "wanted", "status")} == {
        "sessions": 3,
        "wanted": 3,
        "status": "completed",
    }
    assert len(payload["detail"]["rids"]) == len(payload["detail"]["ended_at"]) == 3
    assert project.asked() >= 2


def test_the_deadline_is_an_outcome(project: Project) -> None:
    payload = asyncio.run(first_event(trigger({"rid": "nobody"}, deadline=time.time() + 0.2, poke_interval=60.0)))
    assert payload == {"status": "timeout"}


def test_a_wrong_key_is_an_outcome_without_the_key(project: Project) -> None:
    project.connect({"web_api_key": "wrong_marked"})
    payload = asyncio.run(first_event(trigger({"rid": "r"})))
    assert payload["status"] == "failed"
    assert "Unauthorized" in payload["reason"]
    assert "wrong_marked" not in payload["reason"]


def test_temporary_failures_are_survived_also_in_answers_of_200(project: Project) -> None:
    project.session("r")
    project.patience_is_short()
    project.server.mirats.quirks.errors_as_200 = True
    project.server.faults.add(Status(status=500, times=3))
    assert asyncio.run(first_event(trigger({"rid": "r"})))["status"] == "done"


def test_too_many_failures_in_a_row_are_raised(project: Project) -> None:
    project.patience_is_short()
    project.server.faults.add(Status(status=500))
    with pytest.raises(ServerFailed):
        asyncio.run(first_event(trigger({"rid": "r"}, max_consecutive_failures=0)))


def test_a_condition_of_another_version_is_an_outcome(project: Project) -> None:
    payload = asyncio.run(first_event(trigger({"rid": "r", "mood": "fine"})))
    assert payload == {"status": "failed", "reason": "ValueError: unknown fields in a condition: mood"}
    assert project.server.requests() == []


def test_what_ended_otherwise_fails_at_once_where_that_is_wanted(project: Project) -> None:
    project.session("a", status="overquota")
    assert not make(rid="a").poke({})
    with pytest.raises(AirflowFailException, match="session a ended with another status than completed"):
        make(rid="a", fail_if_ended=True).poke({})
    with pytest.raises(AirflowFailException, match="fail_if_ended goes with rid and the status completed"):
        make(survey_number=SURVEY, fail_if_ended=True).poke({})
    with pytest.raises(AirflowFailException, match="survey 5 does not exist"):
        make(survey_number=5, fail_if_unpublished=True).poke({})
