"""Event triggers: what they tell, and that nothing is missed; against the served emulator."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.mirats.triggers import MiratsQuantoUserSessionEventTrigger
from airflow_provider.engagement.userflow.triggers import UserflowContentSessionEventTrigger
from airflow_provider.engagement.usertour.triggers import UsertourContentSessionEventTrigger
from airflow_provider.engagement.watch.event import CompletionEventTrigger
from airflow_provider.engagement.watch.shared import registry
from airflow_provider.engagement.watch.standing import Mark, Scope, WatchedSession, news_after
from airflow_provider.engagement.watch.watermark import Watermark
from tests.mirats.project import SURVEY, Project
from tests.userflow.account import Account
from tests.usertour.account import Account as Tour
from tests.watch.waiting import first_event, run, start, until, userflow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Store:
    """An asset's state store, as Airflow 3.3 gives it to a trigger."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.fails = 0

    async def aget(self, key: str) -> Any:
        return self.values.get(key)

    async def aset(self, key: str, value: Any) -> None:
        if self.fails:
            self.fails -= 1
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR, detail={"message": "no store now"}))
        self.values[key] = json.loads(json.dumps(value))


class Watching:
    """An event trigger at work; what it told is in `told`."""

    def __init__(self, trigger: CompletionEventTrigger, store: Any = None) -> None:
        type(trigger).told_for_sure = 0.05
        trigger.asset_state_store = store
        self.told: list[dict[str, Any]] = []
        self.task = asyncio.create_task(self._watch(trigger))

    async def _watch(self, trigger: CompletionEventTrigger) -> None:
        async with aclosing(trigger.run()) as events:  # type: ignore[type-var]
            async for event in events:
                self.told.append(event.payload)

    async def heard(self, count: int) -> None:
        await until(lambda: len(self.told) >= count)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


@pytest.fixture(autouse=True)
def _told_for_sure() -> Any:
    seconds = CompletionEventTrigger.told_for_sure
    kinds = (UserflowContentSessionEventTrigger, UsertourContentSessionEventTrigger, MiratsQuantoUserSessionEventTrigger)
    yield
    for kind in kinds:
        kind.told_for_sure = seconds


def watch_flow(**values: Any) -> UserflowContentSessionEventTrigger:
    return UserflowContentSessionEventTrigger(**{"content_id": "flow", "poke_interval": 0.1, **values})


def test_completions_before_it_began_are_old_news(account: Account) -> None:
    account.complete("flow", "ann")
    store = Store()

    async def main() -> list[dict[str, Any]]:
        watching = Watching(watch_flow(), store)
        await until(lambda: bool(store.values))
        await asyncio.sleep(0.3)
        quiet = list(watching.told)
        account.server.clock.advance(1)
        account.complete("flow", "bob", "cid")
        await watching.heard(1)
        account.server.clock.advance(1)
        account.complete("flow", "dan")
        await watching.heard(2)
        await watching.stop()
        await until(lambda: len(registry()) == 0)
        return quiet + watching.told

    first, second = run(main)
    assert (first["content_id"], first["completed"], second["completed"]) == ("flow", 2, 1)
    assert first["until"] == second["since"]
    assert "ann" not in json.dumps([first, second])
    assert "bob" not in json.dumps([first, second])


def test_what_happened_while_the_triggerer_was_down_is_told_once(account: Account) -> None:
    account.complete("flow", "ann")
    store = Store()

    async def once(count: int) -> list[dict[str, Any]]:
        watching = Watching(watch_flow(), store)
        await until(lambda: bool(store.values))
        await watching.heard(count)
        await asyncio.sleep(0.4)
        await watching.stop()
        return watching.told

    assert run(lambda: once(0)) == []
    account.server.clock.advance(5)
    account.complete("flow", *(f"u{number}" for number in range(250)))
    (event,) = run(lambda: once(1))
    assert event["completed"] == 250
    assert run(lambda: once(0)) == []


def test_an_event_that_may_not_have_been_stored_is_told_again(account: Account) -> None:
    store = Store()

    async def main() -> tuple[list[Any], list[Any]]:
        first = Watching(watch_flow(), store)
        type(watch_flow()).told_for_sure = 60.0
        await until(lambda: bool(store.values))
        account.complete("flow", "ann")
        await first.heard(1)
        await first.stop()
        second = Watching(watch_flow(), store)
        await second.heard(1)
        await second.stop()
        return first.told, second.told

    first, second = run(main)
    assert [event["completed"] for event in first + second] == [1, 1]


def test_without_a_store_a_start_tells_of_the_last_hour(account: Account) -> None:
    account.server.clock.advance(-3 * 3600)
    account.complete("flow", "old")
    account.server.clock.advance(3 * 3600 - 60)
    account.complete("flow", "ann", "bob")
    account.server.clock.advance(60)

    async def main() -> list[dict[str, Any]]:
        watching = Watching(watch_flow())
        await watching.heard(1)
        account.complete("flow", "cid")
        await watching.heard(2)
        await watching.stop()
        return watching.told

    assert [event["completed"] for event in run(main)] == [2, 1]


def test_it_shares_the_poll_of_a_sensor(account: Account) -> None:
    account.begin("flow", "ann")

    async def main() -> tuple[int, Any, list[Any]]:
        sensors = start(userflow({"content_id": "flow"}, 0.1))
        watching = Watching(watch_flow(), Store())
        await until(lambda: len(account.server.requests("GET", "/content_sessions")) >= 4)
        polls = len(registry())
        account.complete("flow", "ann")
        payload = await sensors[0]
        await watching.heard(1)
        await watching.stop()
        return polls, payload, watching.told

    polls, payload, told = run(main)
    assert polls == 1
    assert payload["status"] == "done"
    assert told[0]["completed"] == 1


def test_a_group_and_previews(account: Account) -> None:
    account.server.userflow.seed({"groups": [{"id": "acme"}], "users": [{"id": user} for user in ("ann", "bob", "cid")]})
    at = account.server.clock.now() + timedelta(seconds=1)
    done = {"content_id": "flow", "completed_at": at.isoformat()}
    store = Store()

    async def main() -> list[dict[str, Any]]:
        watching = Watching(watch_flow(group_id="acme"), store)
        await until(lambda: bool(store.values))
        account.server.userflow.seed(
            {
                "content_sessions": [
                    {**done, "user_id": "ann", "group_id": "acme"},
                    {**done, "user_id": "bob"},
                    {**done, "user_id": "cid", "group_id": "acme", "is_preview": True},
                ]
            }
        )
        await watching.heard(1)
        await watching.stop()
        return watching.told

    (event,) = run(main)
    assert (event["completed"], event["group_id"]) == (1, "acme")


def test_it_never_ends_whatever_fails(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.patience_is_short()
    account.connect(password="ak_wrong")
    store = Store()
    store.fails = 1

    async def main() -> list[dict[str, Any]]:
        watching = Watching(watch_flow(), store)
        await until(lambda: any(request.status == 401 for request in account.server.requests()))
        account.connect(password="")
        await asyncio.sleep(0.3)
        account.connect()
        await until(lambda: bool(store.values))
        account.server.faults.add(Status(status=500, times=6))
        await asyncio.sleep(0.3)
        monkeypatch.setattr(account.server.userflow, "_keys", ("ak_new",))
        await asyncio.sleep(0.3)
        monkeypatch.setattr(account.server.userflow, "_keys", ("ak_test",))
        account.complete("flow", "ann")
        await watching.heard(1)
        assert not watching.task.done()
        await watching.stop()
        return watching.told

    assert run(main)[0]["completed"] == 1


def test_usertour(tour: Tour) -> None:
    store = Store()
    tour.begin("flow", "ann", "bob", "cid")
    tour.complete("flow", "old")

    async def main() -> list[dict[str, Any]]:
        watching = Watching(UsertourContentSessionEventTrigger(content_id="flow", poke_interval=0.1), store)
        await until(lambda: bool(store.values))
        tour.server.clock.advance(2)
        tour.dismiss("flow", "ann")
        tour.complete("flow", "bob")
        await watching.heard(1)
        await watching.stop()
        return watching.told

    (event,) = run(main)
    assert event.pop("since") < event.pop("until")
    assert event == {"content_id": "flow", "company_id": None, "completed": 1}


def test_mirats(project: Project) -> None:
    store = Store()
    project.session("old", project.server.clock.now() - timedelta(hours=2), endTime=_zulu(project, -60))

    async def main() -> list[dict[str, Any]]:
        watching = Watching(MiratsQuantoUserSessionEventTrigger(survey_number=SURVEY, poke_interval=0.1), store)
        await until(lambda: bool(store.values))
        project.session("a", project.server.clock.now() - timedelta(hours=3), endTime=_zulu(project, 1))
        project.session("b", status="terminated", endTime=_zulu(project, 1))
        await watching.heard(1)
        await watching.stop()
        return watching.told

    (event,) = run(main)
    assert (event["survey_number"], event["completed"]) == (str(SURVEY), 1)


def _zulu(project: Project, seconds: float) -> str:
    at = project.server.clock.now() + timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize(
    "trigger",
    [
        UserflowContentSessionEventTrigger(content_id="c", group_id="g", include_previews=True, userflow_conn_id="mine"),
        UsertourContentSessionEventTrigger(content_id="c", company_id="g", usertour_conn_id="mine"),
        MiratsQuantoUserSessionEventTrigger(survey_number=SURVEY, session_type="test", mirats_quanto_conn_id="mine"),
    ],
    ids=lambda trigger: type(trigger).__name__,
)
def test_they_come_back_from_their_arguments(trigger: CompletionEventTrigger) -> None:
    path, arguments = trigger.serialize()
    assert path == f"{type(trigger).__module__}.{type(trigger).__qualname__}"
    assert type(trigger)(**json.loads(json.dumps(arguments))).serialize() == (path, arguments)
    assert trigger.hash(path, arguments) == trigger.hash(path, arguments)


# --- marks -----------------------------------------------------------------------------------------------------------


def completed(name: str, at: datetime | None) -> WatchedSession:
    return WatchedSession(name, name, None, True, NOON, False, completed_at=at)


def test_completions_at_the_same_moment_as_the_mark_are_told_apart_by_their_number() -> None:
    mark = news_after(Mark(), Scope(), [completed("a", NOON), completed("b", NOON)]).mark
    assert mark == Mark(NOON, 2)
    late = news_after(mark, Scope(), [completed("a", NOON), completed("b", NOON), completed("c", NOON)])
    assert (late.completed, late.mark) == (1, Mark(NOON, 3))
    later = news_after(late.mark, Scope(), [completed("d", NOON + timedelta(seconds=1)), completed("e", None)])
    assert (later.completed, later.mark) == (1, Mark(NOON + timedelta(seconds=1), 1))
    assert news_after(later.mark, Scope(), [completed("a", NOON)]).completed == 0


def test_of_several_assets_the_earliest_mark_counts_and_all_are_written() -> None:
    class Stores:
        def __init__(self) -> None:
            self._by_name = {"one": Store(), "two": Store()}

    stores = Stores()
    watermark = Watermark(stores, "k")

    async def main() -> Mark | None:
        await watermark.save(Mark(NOON, 1))
        await stores._by_name["two"].aset("k", {"at": (NOON - timedelta(hours=1)).isoformat(), "count": 3})
        return await watermark.load()

    assert run(main) == Mark(NOON - timedelta(hours=1), 3)
    assert Watermark(None, "k").kept is False


def test_a_first_event_of_a_sensor_is_not_held_up_by_an_event_trigger(account: Account) -> None:
    account.complete("flow", "ann")

    async def main() -> Any:
        watching = Watching(watch_flow(poke_interval=60.0), Store())
        await until(lambda: len(account.server.requests("GET", "/content_sessions")) >= 1)
        payload = await first_event(userflow({"content_id": "flow"}, 60.0))
        await watching.stop()
        return payload

    assert run(main)["status"] == "done"
