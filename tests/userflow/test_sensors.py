"""The sensor without a scheduler: what it checks, asks, defers and makes of events. (With a scheduler: tests/system.)"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)

from airflow_provider.engagement.userflow.sensors import UserflowContentSessionSensor
from airflow_provider.engagement.userflow.triggers import UserflowContentSessionTrigger
from tests.userflow.account import Account


def make(**arguments: Any) -> UserflowContentSessionSensor:
    return UserflowContentSessionSensor(task_id="wait", **arguments)


def test_poke_is_false_until_everybody_is_done(account: Account) -> None:
    account.begin("flow", "ann", "bob")
    account.complete("flow", "ann")
    sensor = make(content_id="flow", user_ids=["ann", "bob"])
    waiting = sensor.poke({})
    assert not waiting
    assert waiting.xcom_value == {"completed": 1, "users": 2, "sessions": 2, "wanted": 2}
    account.complete("flow", "bob")
    done = sensor.poke({})
    assert done
    assert done.xcom_value["completed"] == 2
    assert len(done.xcom_value["session_ids"]) == 2


def test_one_user_is_asked_for_by_the_server(account: Account) -> None:
    account.complete("flow", "ann")
    account.begin("flow", *(f"u{n}" for n in range(5)))
    assert make(content_id="flow", user_ids="ann").poke({})
    (request,) = account.server.requests("GET", "/content_sessions")
    assert "user_id=ann" in request.query
    assert "order_by=-created_at" in request.query


def test_a_walk_stops_as_soon_as_it_knows(account: Account) -> None:
    account.complete("flow", *(f"u{n}" for n in range(150)))
    assert make(content_id="flow", min_completed=20).poke({})
    assert len(account.server.requests("GET", "/content_sessions")) == 1
    account.server.received.clear()
    assert make(content_id="flow", min_completion_rate=1.0).poke({})
    assert len(account.server.requests("GET", "/content_sessions")) == 2


def test_since_ends_the_walk_and_cuts_what_counts(account: Account) -> None:
    account.complete("flow", *(f"old{n}" for n in range(150)))
    account.server.clock.advance(3600)
    since = account.server.clock.now()
    assert not make(content_id="flow", since=since).poke({})
    assert len(account.server.requests("GET", "/content_sessions")) == 1
    account.complete("flow", "new")
    assert make(content_id="flow", since=since.isoformat()).poke({})


def test_a_single_session(account: Account) -> None:
    account.complete("flow", "ann")
    session_id = next(account.hook.list_content_sessions(content_id="flow")).id
    account.server.received.clear()
    assert make(session_id=session_id).poke({})
    assert [request.path for request in account.server.requests()] == [f"/content_sessions/{session_id}"]


def test_an_unknown_session_fails_at_once(account: Account) -> None:
    with pytest.raises(AirflowFailException, match="NotFound"):
        make(session_id="nobody").poke({})


@pytest.mark.parametrize("deferrable", [True, False])
def test_contradictions_fail_at_once_before_anything_is_sent(account: Account, deferrable: bool) -> None:
    with pytest.raises(AirflowFailException, match="UserflowContentSessionSensor: give either session_id or content_id"):
        make(session_id="s", content_id="c", deferrable=deferrable).execute({})
    with pytest.raises(AirflowFailException, match="min_completed"):
        make(content_id="c", min_completed="many", deferrable=deferrable).execute({})
    assert account.server.requests() == []


def test_deferring_asks_nothing_on_the_worker_and_carries_no_secret(account: Account) -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    sensor = make(content_id="flow", user_ids=("ann",), since=since, deferrable=True, timeout=120, poke_interval=7)
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute({})
    trigger = caught.value.trigger
    assert isinstance(trigger, UserflowContentSessionTrigger)
    assert caught.value.timeout == timedelta(seconds=180)
    assert trigger.condition == {"content_id": "flow", "user_ids": ["ann"], "since": "2026-01-01T00:00:00+00:00"}
    assert trigger.poke_interval == 7
    assert trigger.deadline is not None
    assert 100 < trigger.deadline - datetime.now(UTC).timestamp() <= 120
    assert account.key not in repr(trigger)
    assert account.server.requests() == []


def test_the_shorter_of_timeout_and_execution_timeout_holds_while_deferred() -> None:
    with pytest.raises(TaskDeferred) as caught:
        make(content_id="flow", deferrable=True, timeout=3600, execution_timeout=timedelta(seconds=30)).execute({})
    assert caught.value.timeout == timedelta(seconds=90)


def test_events_end_the_task() -> None:
    sensor = make(content_id="flow", timeout=10)
    assert sensor.execute_complete({}, {"status": "done", "detail": {"completed": 1}}) == {"completed": 1}
    with pytest.raises(AirflowFailException, match="the key"):
        sensor.execute_complete({}, {"status": "failed", "reason": "the key"})
    with pytest.raises(AirflowSensorTimeout, match="within 10 s"):
        sensor.execute_complete({}, {"status": "timeout"})
    with pytest.raises(AirflowTaskTimeout, match="within 5 s"):
        make(content_id="flow", timeout=10, execution_timeout=timedelta(seconds=5)).execute_complete({}, {"status": "timeout"})


@pytest.mark.parametrize("event", [None, {}, {"status": "success"}, {"status": "error"}])
def test_unknown_events_fail(event: Any) -> None:
    with pytest.raises(AirflowFailException, match="unknown trigger event"):
        make(content_id="flow").execute_complete({}, event)


@pytest.mark.parametrize("event", [{"status": "timeout"}, {"status": "failed", "reason": "x"}])
def test_soft_fail_skips(event: Any) -> None:
    with pytest.raises(AirflowSkipException):
        make(content_id="flow", soft_fail=True).execute_complete({}, event)


@pytest.mark.parametrize("wrong", [2.7, True, "2.5", "many", float("nan"), float("inf")])
def test_a_count_that_is_no_whole_number_is_refused(wrong: Any) -> None:
    with pytest.raises(AirflowFailException, match="min_completed must be a whole number"):
        make(content_id="c", min_completed=wrong).condition()


def test_rendered_text_is_taken_as_numbers() -> None:
    condition = make(content_id="c", min_completed="3", min_completion_rate="0.5", user_ids=None, group_id="", since="").condition()
    assert (condition.min_completed, condition.min_completion_rate, condition.group_id, condition.since) == (3, 0.5, None, None)


def test_answers_come_with_the_result_where_they_are_wanted(account: Account) -> None:
    account.complete("flow", "ann", *(f"u{number}" for number in range(30)))
    one = make(content_id="flow", user_ids=["ann"], include_answers=True).poke({})
    (answer,) = one.xcom_value["answers"]["flow-ann"]
    assert answer == {"question_cvid": "feedback", "question_name": "Feedback", "answer_type": "text", "answer_value": "Fine"}
    assert "answers" not in make(content_id="flow", user_ids=["ann"]).poke({}).xcom_value
    account.server.received.clear()
    many = make(content_id="flow", min_completed=31, include_answers=True).poke({})
    assert len(many.xcom_value["answers"]) == 31
    assert len(account.server.requests("GET")) == 2, "a page to see who has completed it, and one with the answers"


def test_answers_do_not_come_by_the_trigger_whose_events_are_logged(account: Account) -> None:
    account.complete("flow", "ann")
    sensor = make(content_id="flow", include_answers=True, deferrable=True)
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute({})
    event = {"status": "done", "detail": {"completed": 1, "session_ids": ["flow-ann", "flow-deleted"]}}
    result = sensor.execute_complete({}, event)
    assert caught.value.trigger.condition == {"content_id": "flow", "include_answers": True}
    assert result["answers"]["flow-ann"][0]["answer_value"] == "Fine"
    assert "flow-deleted" not in result["answers"]


def test_what_can_never_hold_fails_at_once_where_that_is_wanted(account: Account) -> None:
    account.begin("flow", "ann")
    cohort = {"content_id": "flow", "user_ids": ["ann", "nobody"]}
    assert not make(**cohort).poke({})
    with pytest.raises(AirflowFailException, match="of the 2 users waited for, 1 do not exist"):
        make(**cohort, fail_if_user_deleted=True).poke({})
    assert not make(content_id="flow", fail_if_unpublished=True).poke({})
    account.server.userflow.seed({"content": [{"id": "flow", "published": None}]})
    with pytest.raises(AirflowFailException, match="content flow is not published, with 0 completed"):
        make(content_id="flow", fail_if_unpublished=True).poke({})
