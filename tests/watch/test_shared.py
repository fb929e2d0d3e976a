"""One poll for all: real triggers in one event loop against the served emulator, counted by the requests it received."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.watch import trigger as trigger_module
from airflow_provider.engagement.watch.line import Line
from airflow_provider.engagement.watch.shared import PollEnded, SharedPoll, registry
from airflow_provider.engagement.wire.errors import ServerFailed, Unauthorized
from tests.userflow.account import Account
from tests.watch.waiting import Userflow, first_event, run, start, until, userflow

LISTS = "/content_sessions"
NOBODY = {"content_id": "flow", "user_ids": ["nobody"]}


def lists(account: Account) -> list[str]:
    return [request.query for request in account.server.requests("GET", LISTS)]


def states(payloads: list[dict[str, Any]]) -> list[str]:
    return [payload["status"] for payload in payloads]


def test_a_hundred_triggers_make_the_requests_of_one(account: Account) -> None:
    account.begin("flow", *(f"u{number}" for number in range(250)))

    async def main() -> tuple[int, int, list[Any]]:
        tasks = start(*(userflow({"content_id": "flow", "min_completed": 2 + number % 3}, 0.3) for number in range(100)))
        await until(lambda: len(lists(account)) >= 4)
        first = len(lists(account))
        await asyncio.sleep(1.0)
        later = len(lists(account)) - first
        account.complete("flow", "u1", "u2", "u3", "u4")
        return first, later, await asyncio.gather(*tasks)

    first, later, payloads = run(main)
    assert states(payloads) == ["done"] * 100
    assert {payload["detail"]["completed"] for payload in payloads} == {4}
    assert first == 4, "one page by last activity, three of the walk"
    assert later <= 20, "a hundred triggers would have made 300 requests and more"


def test_different_questions_about_one_content_share_a_walk(account: Account) -> None:
    account.begin("flow", *(f"u{number}" for number in range(150)))
    since = account.server.clock.now().isoformat()
    account.server.clock.advance(60)
    account.begin("flow", "late")
    conditions: list[dict[str, Any]] = [
        {"content_id": "flow", "min_completed": 5},
        {"content_id": "flow", "min_completion_rate": 0.5},
        {"content_id": "flow", "user_ids": [f"u{number}" for number in range(20)]},
        {"content_id": "flow", "user_ids": ["late"], "since": since},
    ]

    async def main() -> tuple[list[str], list[Any]]:
        tasks = start(*(userflow(condition, 0.2) for condition in conditions))
        await until(lambda: len(lists(account)) >= 3)
        asked = lists(account)
        account.complete("flow", "late", *(f"u{number}" for number in range(150)))
        return asked, await asyncio.gather(*tasks)

    asked, payloads = run(main)
    assert states(payloads) == ["done"] * 4
    assert sum("order_by=-created_at" in query for query in asked) == 2, "one walk of two pages for all four"
    assert not any("user_id" in query for query in asked)


def test_after_the_walk_a_poll_reads_what_moved_and_nothing_else(account: Account) -> None:
    account.complete("flow", *(f"u{number}" for number in range(450)))
    account.begin("flow", "ann")

    async def main() -> tuple[list[str], Any]:
        (task,) = start(userflow({"content_id": "flow", "min_completion_rate": 1.0}, 0.1))
        await until(lambda: len(lists(account)) >= 12)  # a page, a walk of five, and a first look at all that moved in the last minute
        account.server.received.clear()
        await until(lambda: len(lists(account)) >= 5)
        polls = lists(account)
        account.server.clock.advance(1)
        account.complete("flow", "ann")
        return polls, await task

    polls, payload = run(main)
    assert payload["status"] == "done"
    assert (payload["detail"]["completed"], len(payload["detail"]["session_ids"])) == (451, 451)
    assert set(polls) == {"content_id=flow&order_by=-last_activity_at&limit=100"}


def test_few_users_are_asked_for_one_by_one_and_many_by_a_walk(account: Account) -> None:
    account.begin("flow", *(f"u{number}" for number in range(150)))

    async def main() -> tuple[list[str], list[str], list[Any]]:
        few = start(*(userflow({"content_id": "flow", "user_ids": [f"u{number}"]}, 0.3) for number in range(3)))
        await until(lambda: len(lists(account)) >= 3)
        alone = lists(account)
        more = start(*(userflow({"content_id": "flow", "user_ids": [f"u{number}"]}, 0.3) for number in range(3, 9)))
        await until(lambda: any("order_by=-last_activity_at" in query for query in lists(account)))
        await until(lambda: len(lists(account)) >= 6)
        account.server.received.clear()
        await until(lambda: len(lists(account)) >= 2)
        together = lists(account)
        account.complete("flow", *(f"u{number}" for number in range(9)))
        return alone, together, await asyncio.gather(*few, *more)

    alone, together, payloads = run(main)
    assert states(payloads) == ["done"] * 9
    assert all("user_id=u" in query for query in alone)
    assert not any("user_id=u" in query for query in together)


def test_users_who_are_done_are_asked_for_no_more(account: Account) -> None:
    account.complete("flow", "ann")
    account.begin("flow", "bob")

    async def main() -> tuple[list[str], Any]:
        (task,) = start(userflow({"content_id": "flow", "user_ids": ["ann", "bob"]}))
        await until(lambda: len(lists(account)) >= 4)
        asked = lists(account)
        account.complete("flow", "bob")
        return asked, await task

    asked, payload = run(main)
    assert payload["detail"]["session_ids"] == ["flow-ann", "flow-bob"]
    assert sum("user_id=ann" in query for query in asked) == 1


def test_who_comes_later_is_told_what_is_known_without_a_request(account: Account) -> None:
    account.complete("flow", "ann")

    async def main() -> tuple[int, Any]:
        waiting = start(userflow({"content_id": "flow", "min_completed": 2}, 60.0))
        await until(lambda: len(lists(account)) == 1)
        await asyncio.sleep(0.1)
        payload = await first_event(userflow({"content_id": "flow", "min_completed": 1}, 60.0))
        asked = len(lists(account))
        waiting[0].cancel()
        await asyncio.wait(waiting)
        return asked, payload

    asked, payload = run(main)
    assert payload["status"] == "done"
    assert asked == 1


def test_the_poll_ends_with_its_last_waiter(account: Account) -> None:
    account.begin("flow", "ann")

    async def main() -> list[int]:
        tasks = start(*(userflow({"content_id": "flow"}, 0.05) for _ in range(3)))
        await until(lambda: len(lists(account)) >= 2)
        counts = [len(registry())]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await until(lambda: len(registry()) == 0)
        asked = len(lists(account))
        await asyncio.sleep(0.3)
        return [*counts, len(lists(account)) - asked]

    assert run(main) == [1, 0]


def test_a_trigger_that_is_killed_does_not_disturb_the_others(account: Account) -> None:
    account.begin("flow", "ann")

    async def main() -> tuple[Any, Any]:
        first, second = start(userflow({"content_id": "flow"}), userflow({"content_id": "flow"}))
        await until(lambda: len(lists(account)) >= 2)
        first.cancel()
        await asyncio.wait([first])
        account.complete("flow", "ann")
        return first.cancelled(), await second

    killed, payload = run(main)
    assert killed
    assert payload["status"] == "done"


def test_a_trigger_that_ends_before_its_poll_began_leaves_nothing_behind(account: Account) -> None:
    async def main() -> int:
        (task,) = start(userflow({"content_id": "flow"}))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await until(lambda: len(registry()) == 0)
        return len(lists(account))

    assert run(main) == 0


def test_questions_of_one_connection_share_a_client(account: Account) -> None:
    account.connect(extra={"requests_per_minute": 60})
    account.begin("flow", "ann")
    account.begin("other", "ann")

    async def main() -> float:
        tasks = start(userflow({"content_id": "flow"}, 0.1), userflow({"content_id": "other"}, 0.1))
        await until(lambda: len(lists(account)) >= 4)
        moments = [request.at for request in account.server.requests("GET", LISTS)]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return moments[3] - moments[0]

    assert run(main) >= 2.0, "sixty a minute are three seconds for four, whoever sends them"


def test_news_are_spread_and_every_one_is_told(account: Account) -> None:
    account.begin("flow", "ann")

    async def main() -> tuple[list[Any], float]:
        told: list[float] = []
        tasks = start(*(userflow({"content_id": "flow"}, 1.0) for _ in range(20)))
        for task in tasks:
            task.add_done_callback(lambda _: told.append(asyncio.get_running_loop().time()))
        await until(lambda: len(lists(account)) >= 1)
        await asyncio.sleep(0.1)
        account.complete("flow", "ann")
        payloads = await asyncio.gather(*tasks)
        return payloads, max(told) - min(told)

    payloads, seconds = run(main)
    assert states(payloads) == ["done"] * 20
    assert seconds >= 0.4


# --- what it survives ------------------------------------------------------------------------------------------------


def test_each_trigger_counts_the_failures_it_survives(account: Account) -> None:
    account.patience_is_short()
    account.begin("flow", "ann")

    async def main() -> list[Any]:
        tasks = start(*(userflow({"content_id": "flow"}, 0.1, max_consecutive_failures=most) for most in (0, 1, 50)))
        await until(lambda: len(lists(account)) >= 2)
        account.server.faults.add(Status(status=500))
        await asyncio.wait(tasks[:2])
        account.server.faults.clear()
        account.complete("flow", "ann")
        return await asyncio.gather(*tasks, return_exceptions=True)

    impatient, patient, survivor = run(main)
    assert isinstance(impatient, ServerFailed)
    assert isinstance(patient, ServerFailed)
    assert impatient is not patient
    assert survivor["status"] == "done"


def test_failures_with_successes_between_are_not_in_a_row(account: Account) -> None:
    account.patience_is_short()
    account.begin("flow", "ann")

    async def main() -> Any:
        (task,) = start(userflow({"content_id": "flow"}, 0.05, max_consecutive_failures=1))
        for _ in range(3):
            account.server.received.clear()
            await until(lambda: any(request.status == 200 for request in account.server.requests("GET", LISTS)))
            account.server.faults.add(Status(status=500, times=2))
            await until(lambda: sum(request.status == 500 for request in account.server.requests("GET", LISTS)) == 2)
        account.complete("flow", "ann")
        return await task

    assert run(main)["status"] == "done"


def test_a_key_that_was_replaced_in_the_connection_is_taken_up(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.begin("flow", "ann")

    async def main() -> list[Any]:
        tasks = start(*(userflow({"content_id": "flow"}) for _ in range(2)))
        await until(lambda: len(lists(account)) >= 2)
        monkeypatch.setattr(account.server.userflow, "_keys", ("ak_new",))
        account.connect(password="ak_new")
        account.complete("flow", "ann")
        return await asyncio.gather(*tasks)

    assert states(run(main)) == ["done", "done"]


def test_a_key_that_worked_may_fail_for_a_while(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.begin("flow", "ann")

    async def main() -> tuple[Any, Any]:
        patient, impatient = start(userflow({"content_id": "flow"}), userflow({"content_id": "flow"}, max_consecutive_failures=1))
        await until(lambda: len(lists(account)) >= 2)
        monkeypatch.setattr(account.server.userflow, "_keys", ("ak_new",))
        await asyncio.wait([impatient])
        account.connect(password="ak_new")
        account.complete("flow", "ann")
        return await patient, impatient.exception()

    payload, error = run(main)
    assert payload["status"] == "done"
    assert isinstance(error, Unauthorized)


def test_the_connection_is_read_again_now_and_then(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Line, "keep_for", 0.0)
    account.begin("flow", "ann")

    async def main() -> Any:
        (task,) = start(userflow({"content_id": "flow"}))
        await until(lambda: len(lists(account)) >= 2)
        monkeypatch.setattr(account.server.userflow, "_keys", ("ak_test", "ak_new"))
        account.connect(password="ak_new")
        account.server.received.clear()
        await until(lambda: len(lists(account)) >= 2)
        monkeypatch.setattr(account.server.userflow, "_keys", ("ak_new",))
        account.complete("flow", "ann")
        return await task

    assert run(main)["status"] == "done"
    assert all(request.status == 200 for request in account.server.requests("GET", LISTS))


@pytest.mark.parametrize("broken", ["not json", json.dumps({"conn_type": "userflow", "host": "https://u.example", "password": ""})])
def test_a_connection_that_breaks_meanwhile_is_used_as_it_was(account: Account, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setattr(Line, "keep_for", 0.0)
    account.begin("flow", "ann")

    async def main() -> Any:
        (task,) = start(userflow({"content_id": "flow"}))
        await until(lambda: len(lists(account)) >= 2)
        monkeypatch.setenv("AIRFLOW_CONN_USERFLOW_DEFAULT", broken)
        account.server.received.clear()
        await until(lambda: len(lists(account)) >= 2)
        account.complete("flow", "ann")
        return await task

    assert run(main)["status"] == "done"


def test_an_api_server_that_is_away_for_a_while_is_survived(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.begin("flow", "ann")
    original, away = UserflowHook.aget_async_client, [3]

    async def read_connection(hook: UserflowHook) -> Any:
        if away[0]:
            away[0] -= 1
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"message": "away"}))
        return await original(hook)

    monkeypatch.setattr(UserflowHook, "aget_async_client", read_connection)
    monkeypatch.setattr(Line, "keep_for", 0.0)

    async def main() -> Any:
        (task,) = start(userflow({"content_id": "flow"}, 0.05))
        await until(lambda: len(lists(account)) >= 2)
        away[0] = 10
        account.server.received.clear()
        await until(lambda: len(lists(account)) >= 3)
        account.complete("flow", "ann")
        return await task

    assert run(main)["status"] == "done"


def test_a_connection_that_does_not_exist_is_raised_at_once(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_USERFLOW_DEFAULT")
    with pytest.raises(AirflowNotFoundException):
        run(lambda: first_event(userflow({"content_id": "flow"})))


def test_an_unusable_connection_is_an_outcome(account: Account) -> None:
    account.connect(password="")
    payloads = run(lambda: _gather(userflow({"content_id": "flow"}), userflow({"content_id": "other"})))
    assert states(payloads) == ["failed", "failed"]
    assert "password is empty" in payloads[0]["reason"]


def test_moving_the_clock_neither_ends_the_waiting_nor_prolongs_it(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.begin("flow", "ann")

    async def main() -> tuple[bool, Any, Any]:
        lasting, ending = start(
            userflow({"content_id": "flow"}, deadline=time.time() + 3600), userflow({"content_id": "flow"}, deadline=time.time() + 1.0)
        )
        await until(lambda: len(lists(account)) >= 2)
        monkeypatch.setattr(trigger_module, "time", SimpleNamespace(time=lambda: time.time() + 86_400))
        await asyncio.sleep(0.3)
        early = lasting.done() or ending.done()
        monkeypatch.setattr(trigger_module, "time", SimpleNamespace(time=lambda: time.time() - 86_400))
        timeout = await ending
        account.complete("flow", "ann")
        return early, timeout, await lasting

    early, timeout, payload = run(main)
    assert not early
    assert timeout == {"status": "timeout"}
    assert payload["status"] == "done"


def test_at_the_deadline_one_last_look_is_taken(account: Account) -> None:
    account.begin("flow", "ann")

    async def main() -> list[Any]:
        deadline = time.time() + 1.0
        tasks = start(*(userflow({"content_id": "flow"}, 60.0, deadline=deadline) for _ in range(5)))
        await until(lambda: len(lists(account)) >= 1)
        await asyncio.sleep(0.2)
        account.complete("flow", "ann")
        return await asyncio.gather(*tasks)

    assert states(run(main)) == ["done"] * 5
    assert len(lists(account)) == 2, "one last look for all five"


def test_after_a_restart_of_the_triggerer_it_goes_on(account: Account) -> None:
    account.begin("flow", "ann")
    waiting = userflow({"content_id": "flow"}, deadline=time.time() + 3600)

    async def before() -> tuple[str, dict[str, Any]]:
        (task,) = start(waiting)
        await until(lambda: len(lists(account)) >= 2)
        assert not task.done()
        return waiting.serialize()

    _path, arguments = run(before)
    account.complete("flow", "ann")
    (payload,) = run(lambda: _gather(Userflow(**json.loads(json.dumps(arguments)))))
    assert payload["status"] == "done"


def test_an_error_of_our_own_reaches_all_who_wait(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.begin("flow", "ann")

    def broken(*_: Any) -> Any:
        raise KeyError("moon")

    async def main() -> list[Any]:
        tasks = start(*(userflow({"content_id": "flow"}) for _ in range(2)))
        await until(lambda: len(lists(account)) >= 2)
        monkeypatch.setattr(SharedPoll, "_wanted", broken)
        found = await asyncio.gather(*tasks, return_exceptions=True)
        return [*found, len(registry())]

    first, second, left = run(main)
    assert isinstance(first, PollEnded)
    assert isinstance(second, PollEnded)
    assert "moon" in str(first)
    assert left == 0


def test_the_poll_logs_into_nobodys_task_log(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    account.patience_is_short()
    account.begin("flow", "ann")
    whose: contextvars.ContextVar[str] = contextvars.ContextVar("whose")
    seen: list[str | None] = []

    class Remembering(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(whose.get(None))

    async def main() -> Any:
        whose.set("the first trigger")
        (task,) = start(userflow({"content_id": "flow"}))
        await until(lambda: len(lists(account)) >= 2)
        account.server.faults.add(Status(status=500, times=2))
        await until(lambda: bool(seen))
        account.complete("flow", "ann")
        return await task

    logger, handler = logging.getLogger("airflow_provider.engagement.watch.shared"), Remembering()
    logger.addHandler(handler)
    caplog.set_level(logging.INFO, logger.name)
    try:
        assert run(main)["status"] == "done"
    finally:
        logger.removeHandler(handler)
    assert seen[0] is None


async def _gather(*triggers: Any) -> list[Any]:
    return await asyncio.gather(*start(*triggers))
