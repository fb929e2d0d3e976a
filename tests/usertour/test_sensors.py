"""The sensor and its trigger without a scheduler, with either version of the API."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from airflow_provider.engagement.usertour.sensors import UsertourContentSessionSensor
from airflow_provider.engagement.usertour.triggers import UsertourContentSessionTrigger
from tests.usertour.account import Account


def make(**arguments: Any) -> UsertourContentSessionSensor:
    return UsertourContentSessionSensor(task_id="wait", **arguments)


def test_dismissed_is_not_completed(account: Account) -> None:
    account.begin("flow", "ann", "bob")
    account.dismiss("flow", "ann")
    sensor = make(content_id="flow", user_ids=["ann", "bob"])
    waiting = sensor.poke({})
    assert not waiting
    assert waiting.xcom_value == {"completed": 0, "users": 2, "sessions": 2, "wanted": 2}
    account.complete("flow", "ann", "bob")
    done = sensor.poke({})
    assert done
    assert sorted(done.xcom_value["session_ids"]) == ["flow-ann", "flow-bob"]


def test_one_user_is_asked_for_by_the_server(account: Account) -> None:
    account.complete("flow", "ann")
    account.begin("flow", *(f"u{number}" for number in range(5)))
    assert make(content_id="flow", user_ids="ann").poke({})
    (request,) = account.server.requests("GET")
    assert "userId=ann" in request.query
    assert "orderBy=-createdAt" in request.query


def test_a_company_and_since(account: Account) -> None:
    account.server.usertour.seed({"users": [{"id": "a"}, {"id": "b"}], "companies": [{"id": "acme"}, {"id": "other"}]})
    account.complete("flow", "a", companyId="acme", createdAt="2026-03-01T12:00:00.000Z")
    account.complete("flow", "b", companyId="other", createdAt="2026-03-02T12:00:00.000Z")
    assert make(content_id="flow", company_id="acme").poke({}).xcom_value["sessions"] == 1
    assert not make(content_id="flow", min_completed=2, since=datetime(2026, 3, 2, tzinfo=UTC)).poke({})
    assert make(content_id="flow", min_completed=2).poke({})


def test_one_session(account: Account) -> None:
    account.begin("flow", "a")
    assert not make(session_id="flow-a").poke({})
    account.complete("flow", "a")
    assert make(session_id="flow-a").poke({})


def test_a_walk_of_many_pages(account: Account) -> None:
    for number in range(130):
        account.complete("flow", f"u{number}", createdAt=f"2026-03-01T12:00:00.{number % 40:03}Z")
    assert make(content_id="flow", min_completed=130).poke({})


def test_what_v1_cannot_prove_is_waited_for(v1: Account) -> None:
    v1.begin("flow", *(f"u{number}" for number in range(130)), createdAt="2026-03-01T12:00:00.000Z")
    v1.begin("flow", "old", createdAt="2026-02-01T12:00:00.000Z")
    waiting = make(content_id="flow", min_completed=1).poke({})
    assert not waiting
    assert waiting.xcom_value["unproved"] == ["2026-03-01T12:00:00.000Z"]
    assert not make(content_id="flow", min_completion_rate=0.9, since="2026-03-01T00:00:00+00:00").poke({})
    v1.complete("flow", *(f"u{number}" for number in range(130)))
    assert make(content_id="flow", min_completed=1).poke({})
    with pytest.raises(AirflowFailException, match=r"Incomplete: .*cannot prove.*min_completed in place of min_completion_rate"):
        make(content_id="flow", min_completion_rate=0.9, since="2026-03-01T00:00:00+00:00").poke({})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "give either session_id or content_id"),
        ({"session_id": "s", "company_id": "c"}, "session_id stands alone"),
        ({"content_id": "flow", "since": "2026-01-01T00:00:00"}, "time zone"),
    ],
)
def test_contradictions_fail_at_once(account: Account, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(AirflowFailException, match=said):
        make(**arguments).poke({})


def test_group_id_is_called_company_id() -> None:
    with pytest.raises(TypeError, match="takes company_id, not group_id"):
        make(content_id="flow", group_id="g")
    assert "group_id" not in UsertourContentSessionSensor.template_fields


def test_a_final_no_fails_at_once(account: Account) -> None:
    with pytest.raises(AirflowFailException, match="E1005"):
        make(session_id="nope").poke({})


def test_it_defers_without_a_request_and_the_trigger_holds_no_secret(account: Account) -> None:
    account.begin("flow", "ann")
    with pytest.raises(TaskDeferred) as deferred:
        make(content_id="flow", deferrable=True, company_id="", poke_interval=0.05, timeout=60).execute({})
    assert account.server.requests() == []
    trigger = deferred.value.trigger
    path, arguments = trigger.serialize()
    assert path == f"{UsertourContentSessionTrigger.__module__}.{UsertourContentSessionTrigger.__qualname__}"
    assert "_test" not in str({key: value for key, value in arguments["condition"].items() if not key.endswith("_id")})
    assert account.hook.get_config().secrets[0] not in str(arguments)
    account.complete("flow", "ann")
    event = asyncio.run(first_event(UsertourContentSessionTrigger(**arguments)))
    assert event["status"] == "done"
    assert event["detail"]["completed"] == 1


async def first_event(trigger: UsertourContentSessionTrigger) -> dict[str, Any]:
    trigger.earliest_event = 0.0  # type: ignore[misc]
    async for event in trigger.run():
        return dict(event.payload)
    raise AssertionError("no event")


def test_the_trigger_reports_a_final_no(account: Account) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        make(session_id="nope", deferrable=True, poke_interval=0.05, timeout=60).execute({})
    event = asyncio.run(first_event(deferred.value.trigger))
    assert event["status"] == "failed"
    assert "E1005" in event["reason"]


def test_what_ended_without_completion_fails_at_once_where_that_is_wanted(account: Account) -> None:
    account.begin("flow", "ann", "bob")
    account.dismiss("flow", "ann")
    assert not make(content_id="flow", user_ids=["ann"]).poke({})
    with pytest.raises(AirflowFailException, match="of the 1 users waited for, 1 ended it without completing it: ann"):
        make(content_id="flow", user_ids=["ann"], fail_if_ended=True).poke({})
    with pytest.raises(AirflowFailException, match="session flow-ann ended without being completed"):
        make(session_id="flow-ann", fail_if_ended=True).poke({})
    assert not make(content_id="flow", user_ids=["bob"], fail_if_ended=True).poke({})


def test_answers_come_with_the_result_where_they_are_wanted(account: Account) -> None:
    account.complete("flow", "ann")
    result = make(session_id="flow-ann", include_answers=True).poke({}).xcom_value
    values = {answer["question_cvid"]: answer["answer_value"] for answer in result["answers"]["flow-ann"]}
    assert values == {"score": 9, "parts": ["docs", "ui"], "why": "Fine"}
