"""Sending a plan to a served emulator: counts, refusals, order, doubt, and where it stops."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider.engagement.bulk.outcome import Outcome
from airflow_provider.engagement.bulk.plan import RowCalls, make_plan
from airflow_provider.engagement.bulk.send import FAILURES_IN_A_ROW, send_plan
from airflow_provider.engagement.emulator.faults import Drop, Status
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.rows import event_call, user_call
from airflow_provider.engagement.wire.clients import AsyncClient
from airflow_provider.engagement.wire.config import ClientConfig, Patience
from airflow_provider.engagement.wire.errors import ServerFailed, Unauthorized


def send(server: EmulatorServer, rows: list[Any], make_call: Any, *, key: str = "ak_test", concurrency: int = 8) -> Outcome:
    plan = make_plan(rows, make_call)
    assert not plan.refused

    async def run() -> Outcome:
        config = ClientConfig(
            base_url=server.base_url,
            dialect=api.DIALECT,
            headers=api.headers(key),
            requests_per_minute=600_000,
            concurrency=concurrency,
            patience=Patience(attempts=3, first_wait=0.01, longest_wait=0.05),
        )
        async with AsyncClient(config) as client:
            outcome = Outcome()
            await send_plan(client, plan, outcome, lambda _outcome: None)
            return outcome

    return asyncio.run(run())


def test_every_row_is_sent_once(engagement_emulator: EmulatorServer) -> None:
    outcome = send(engagement_emulator, [{"id": f"u{n}", "attributes": {"n": n}} for n in range(200)], user_call())
    assert (outcome.sent, outcome.refusals, outcome.stopped, outcome.requests, outcome.retried) == (200, [], None, 200, 0)
    assert len(engagement_emulator.requests("POST", "/users")) == 200


def test_rows_of_one_key_arrive_in_order(engagement_emulator: EmulatorServer) -> None:
    rows = [{"id": f"u{n % 3}", "attributes": {"n": n, "seen": {"append": str(n)}}} for n in range(60)]
    send(engagement_emulator, rows, user_call(), concurrency=16)
    async_read = asyncio.run(_read_users(engagement_emulator))
    for user in async_read:
        first = int(user.id[1:])
        assert user.attributes is not None
        assert user.attributes["seen"] == [str(n) for n in range(first, 60, 3)]
        assert user.attributes["n"] == 57 + first


def test_a_refused_row_does_not_stop_the_others(engagement_emulator: EmulatorServer) -> None:
    send(engagement_emulator, [{"id": "first", "attributes": {"age": 7}}], user_call())
    rows = [{"id": f"u{n}", "attributes": {"age": "old" if n == 5 else n}} for n in range(20)]
    outcome = send(engagement_emulator, rows, user_call())
    assert outcome.sent == 19
    assert [(refusal.position, refusal.key, refusal.in_doubt) for refusal in outcome.refusals] == [(5, "u5", False)]
    assert outcome.refusals[0].code
    assert "age" in outcome.refusals[0].reason
    assert outcome.stopped is None


def test_a_refused_key_stops_at_once(engagement_emulator: EmulatorServer) -> None:
    outcome = send(engagement_emulator, [{"id": f"u{n}"} for n in range(500)], user_call(), key="ak_wrong", concurrency=4)
    assert isinstance(outcome.stopped, Unauthorized)
    assert outcome.sent == 0
    assert outcome.requests <= 8


def test_a_server_that_stays_down_stops_it_and_nothing_is_in_doubt(engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Status(status=500))
    outcome = send(engagement_emulator, [{"id": f"u{n}"} for n in range(100)], user_call(), concurrency=2)
    assert isinstance(outcome.stopped, ServerFailed)
    assert (outcome.sent, outcome.in_doubt) == (0, 0)


@pytest.mark.parametrize("after", [False, True], ids=["before processing", "after processing"])
def test_a_lost_event_is_in_doubt_and_never_sent_again(engagement_emulator: EmulatorServer, after: bool) -> None:
    engagement_emulator.faults.add(Drop(path="/events", times=3, after=after))
    rows = [{"name": "clicked", "user_id": "u", "attributes": {"n": n}} for n in range(50)]
    outcome = send(engagement_emulator, rows, event_call(), concurrency=1)
    assert outcome.sent == 47
    assert outcome.in_doubt == 3
    assert outcome.stopped is None
    assert len(engagement_emulator.requests("POST", "/events")) == 50
    assert all("in doubt" in refusal.reason for refusal in outcome.refusals)


def test_a_lost_upsert_is_sent_again(engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Drop(path="/users", times=3, after=True))
    outcome = send(engagement_emulator, [{"id": f"u{n}"} for n in range(50)], user_call())
    assert (outcome.sent, outcome.refusals) == (50, [])
    assert outcome.retried == 3


def test_many_events_in_doubt_in_a_row_stop_it(engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Drop(path="/events"))
    outcome = send(engagement_emulator, [{"name": "clicked", "user_id": "u"} for _ in range(200)], event_call(), concurrency=1)
    assert outcome.stopped is not None
    assert outcome.in_doubt == FAILURES_IN_A_ROW
    assert len(engagement_emulator.requests("POST", "/events")) == FAILURES_IN_A_ROW


async def _read_users(server: EmulatorServer) -> list[api.User]:
    config = ClientConfig(base_url=server.base_url, dialect=api.DIALECT, headers=api.headers("ak_test"))
    async with AsyncClient(config) as client:
        return [user async for page in client.pages(api.LIST_USERS, {"limit": 100}) for user in page.items]


def test_a_row_of_several_calls_goes_in_order(engagement_emulator: EmulatorServer) -> None:
    def make_call(row: dict[str, str]) -> RowCalls:
        group = api.UPSERT_GROUP.call(json={"id": row["group"]})
        user = api.UPSERT_USER.call(json={"id": row["id"], "groups": [{"id": row["group"]}]})
        return RowCalls(row["id"], (group, user))

    outcome = send(engagement_emulator, [{"id": f"u{n}", "group": "g"} for n in range(10)], make_call)
    assert (outcome.sent, outcome.requests) == (10, 20)


def test_an_answer_that_does_not_pass_its_check_is_a_refusal(engagement_emulator: EmulatorServer) -> None:
    def make_call(row: dict[str, str]) -> RowCalls:
        return RowCalls(row["id"], (api.UPSERT_USER.call(json=row),), lambda user: None if user.id != "u3" else f"{user.id} lost something")

    outcome = send(engagement_emulator, [{"id": f"u{n}"} for n in range(5)], make_call)
    assert outcome.sent == 4
    assert [str(refusal) for refusal in outcome.refusals] == ["row 3 (u3): u3 lost something"]
    assert outcome.in_doubt == 0
