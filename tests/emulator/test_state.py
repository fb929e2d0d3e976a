from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from airflow_provider.engagement.emulator.state import Clock, Collection, Incoming, Refused, Reply, Store, timestamp

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Real:
    """The real time, as the test wants it."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


def test_clock_runs_with_the_real_time_and_can_be_moved() -> None:
    real = Real()
    clock = Clock(real)
    clock.advance(60)
    real.time += timedelta(seconds=5)
    assert clock.now() == NOON + timedelta(seconds=65)
    clock.advance(timedelta(hours=-1))
    assert clock.now() == NOON + timedelta(seconds=65, hours=-1)
    clock.set(datetime(2030, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    real.time += timedelta(seconds=1)
    assert clock.now() == datetime(2030, 1, 1, 0, 0, 1, tzinfo=UTC)
    clock.reset()
    assert clock.now() == real.time


def test_stopped_clock_moves_only_when_told() -> None:
    real = Real()
    clock = Clock(real)
    clock.stop()
    real.time += timedelta(hours=1)
    assert (clock.now(), clock.stopped) == (NOON, True)
    clock.advance(2)
    assert clock.now() == NOON + timedelta(seconds=2)
    clock.run()
    real.time += timedelta(seconds=3)
    assert (clock.now(), clock.stopped) == (NOON + timedelta(seconds=5), False)


def test_clock_refuses_a_time_without_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        Clock().set(NOON.replace(tzinfo=None))


def test_timestamp_is_utc_with_milliseconds() -> None:
    local = datetime(2022, 10, 17, 14, 34, 56, 7999, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(local) == "2022-10-17T12:34:56.007+00:00"


def test_collection_keeps_order_and_indexes() -> None:
    things = Collection("things", indexes=("color",))
    for key, color in (("a", "red"), ("b", "blue"), ("c", "red")):
        things.put({"id": key, "color": color})
    things.put({"id": "a", "color": "blue"})
    assert [item["id"] for item in things.values()] == ["a", "b", "c"]
    assert [item["id"] for item in things.by("color", "red")] == ["c"]
    assert [item["id"] for item in things.by("color", "blue")] == ["b", "a"]
    assert [item["id"] for item in things.latest(2)] == ["c", "b"]
    assert things.delete("b") == {"id": "b", "color": "blue"}
    assert things.delete("b") is None
    assert ("b" in things, len(things), things.get("b"), things.get(None)) == (False, 2, None, None)
    assert things.by("color", "green") == []


def test_collection_sorts_again_only_after_a_write() -> None:
    things, sorted_how_often = Collection("things"), []

    def sort(documents: list[dict[str, object]]) -> list[dict[str, object]]:
        sorted_how_often.append(len(documents))
        return documents[::-1]

    things.put({"id": "a"})
    things.put({"id": "b"})
    assert things.ordered("back", sort).positions == {"b": 0, "a": 1}
    things.ordered("back", sort)
    assert sorted_how_often == [2]
    revision = things.revision
    things.put({"id": "c"})
    assert things.revision > revision
    assert [item["id"] for item in things.ordered("back", sort).documents] == ["c", "b", "a"]


def test_store_forgets_everything_but_keeps_its_collections() -> None:
    store = Store()
    things = store.collection("things")
    things.put({"id": "a"})
    store.clear()
    assert store.collection("things") is things
    assert (len(things), store.names()) == (0, ["things"])


def test_incoming_reads_single_and_several_values_in_every_form() -> None:
    incoming = Incoming("GET", "/", (("a", "1"), ("b[]", "2"), ("b[]", "3"), ("c", "4"), ("c", "5")))
    assert (incoming.one("a"), incoming.one("missing")) == ("1", None)
    assert (incoming.many("b"), incoming.many("c")) == (["2", "3"], ["4", "5"])
    assert incoming.names() == ["a", "b", "b", "c", "c"]
    with pytest.raises(Refused, match="c was given 2 times"):
        incoming.one("c")


def test_values_that_may_be_secret_are_not_shown() -> None:
    incoming = Incoming("POST", "/", headers={"authorization": "Bearer ak_secret"}, body=b"ak_secret")
    assert "ak_secret" not in repr(incoming)
    assert "ak_secret" not in repr(Reply(200, {}, b"ak_secret"))
