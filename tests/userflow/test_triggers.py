"""The trigger against a served emulator: its events, what it survives, what it raises, and that it never blocks."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.userflow.triggers import UserflowContentSessionTrigger
from airflow_provider.engagement.wire.errors import ServerFailed
from tests.userflow.account import Account


class PromptTrigger(UserflowContentSessionTrigger):
    """Fires without waiting for a scheduler that is not there."""

    earliest_event = 0.0


def make(condition: dict[str, Any], **values: Any) -> PromptTrigger:
    return PromptTrigger(**{"userflow_conn_id": "userflow_default", "condition": condition, "poke_interval": 0.05, **values})


async def first_event(trigger: UserflowContentSessionTrigger) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


def test_it_serializes_to_json_without_a_secret_and_comes_back() -> None:
    trigger = UserflowContentSessionTrigger(userflow_conn_id="mine", condition={"content_id": "c"}, poke_interval=30.0, deadline=1.5)
    path, arguments = trigger.serialize()
    assert path == "airflow_provider.engagement.userflow.triggers.UserflowContentSessionTrigger"
    assert json.loads(json.dumps(arguments)) == {
        "userflow_conn_id": "mine",
        "condition": {"content_id": "c"},
        "poke_interval": 30.0,
        "deadline": 1.5,
        "max_consecutive_failures": 5,
    }
    assert UserflowContentSessionTrigger(**arguments).serialize() == (path, arguments)


def test_done(account: Account) -> None:
    account.complete("flow", "ann", "bob")
    payload = asyncio.run(first_event(make({"content_id": "flow", "user_ids": ["ann", "bob"]})), debug=True)
    assert payload["status"] == "done"
    assert payload["detail"]["completed"] == 2
    assert len(payload["detail"]["session_ids"]) == 2
    json.dumps(payload)


def test_it_waits_until_people_are_done(account: Account) -> None:
    account.begin("flow", "ann")

    async def run() -> tuple[Any, int]:
        task = asyncio.create_task(first_event(make({"content_id": "flow"})))
        await asyncio.sleep(0.3)
        assert not task.done()
        account.complete("flow", "ann")
        return await task, len(account.server.requests("GET", "/content_sessions"))

    payload, polls = asyncio.run(run(), debug=True)
    assert payload["status"] == "done"
    assert polls >= 2


def test_two_triggers_do_not_block_each_other(account: Account) -> None:
    account.begin("flow", "ann")

    async def run() -> list[Any]:
        tasks = [asyncio.create_task(first_event(make({"content_id": "flow"}))) for _ in range(2)]
        beats = 0
        for _ in range(20):
            await asyncio.sleep(0.01)
            beats += 1
        account.complete("flow", "ann")
        assert beats == 20
        return list(await asyncio.gather(*tasks))

    assert [payload["status"] for payload in asyncio.run(run(), debug=True)] == ["done", "done"]


def test_the_deadline_is_an_outcome(account: Account) -> None:
    account.begin("flow", "ann")
    payload = asyncio.run(first_event(make({"content_id": "flow"}, deadline=time.time() + 0.2, poke_interval=60.0)))
    assert payload == {"status": "timeout"}


@pytest.mark.parametrize("gone_by", [-0.2, 60.0], ids=["before the deadline", "after the deadline"])
def test_a_poll_held_up_by_a_rate_limit_does_not_outlast_the_deadline(account: Account, gone_by: float) -> None:
    class HastyTrigger(PromptTrigger):
        last_poll = 0.2

    account.server.faults.add(Status(status=429, retry_after="seconds", seconds=20))
    trigger = HastyTrigger(
        userflow_conn_id="userflow_default", condition={"content_id": "flow"}, poke_interval=0.05, deadline=time.time() - gone_by
    )
    began = time.monotonic()
    assert asyncio.run(first_event(trigger)) == {"status": "timeout"}
    assert time.monotonic() - began < 15
    assert len(account.server.requests("GET")) == 1


def test_a_poll_that_begins_after_the_deadline_may_still_find_it_done(account: Account) -> None:
    account.complete("flow", "ann")
    assert asyncio.run(first_event(make({"content_id": "flow"}, deadline=time.time() - 60)))["status"] == "done"


def test_a_final_no_is_an_outcome(account: Account) -> None:
    payload = asyncio.run(first_event(make({"session_id": "nobody"})))
    assert payload["status"] == "failed"
    assert payload["reason"].startswith("NotFound: GET /content_sessions/nobody")


@pytest.mark.usefixtures("wrong_key")
def test_a_wrong_key_is_an_outcome_without_the_key(account: Account) -> None:
    payload = asyncio.run(first_event(make({"content_id": "flow"})))
    assert payload["status"] == "failed"
    assert "Unauthorized" in payload["reason"]
    assert "ak_wrong" not in payload["reason"]


def test_temporary_failures_are_survived(account: Account) -> None:
    account.complete("flow", "ann")
    account.server.faults.add(Status(status=503, html=True, times=2))
    assert asyncio.run(first_event(make({"content_id": "flow"})))["status"] == "done"


def test_too_many_failures_in_a_row_are_raised(account: Account) -> None:
    account.server.faults.add(Status(status=500))
    with pytest.raises(ServerFailed):
        asyncio.run(first_event(make({"content_id": "flow"}, max_consecutive_failures=0)))


def test_no_event_before_the_scheduler_can_take_it(account: Account) -> None:
    class PatientTrigger(PromptTrigger):
        earliest_event = 0.5

    account.complete("flow", "ann")
    trigger = PatientTrigger(userflow_conn_id="userflow_default", condition={"content_id": "flow"}, poke_interval=60.0)
    began = time.monotonic()
    assert asyncio.run(first_event(trigger))["status"] == "done"
    assert time.monotonic() - began >= 0.5
    assert len(account.server.requests("GET")) == 1
