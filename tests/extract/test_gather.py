"""Objects gathered on disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from airflow_provider.engagement.extract.gather import Gathering, Item
from airflow_provider.engagement.extract.window import Window

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def at(hours: float) -> float:
    return (DAY + timedelta(hours=hours)).timestamp()


def test_the_last_one_read_wins_and_order_is_by_id() -> None:
    with Gathering() as gathering:
        gathering.add([Item("b", None, b"b1", False, 1), Item("a", None, b"a1", True, 2)])
        gathering.add([Item("b", None, msgspec.Raw(b"b2"), True, 3)])
        assert list(gathering.bodies()) == [b"a1", b"b2"]
        assert gathering.counts() == (2, 2, 5)
        folder = gathering.folder
        assert folder.exists()
    assert not folder.exists()


def test_nothing_gathered_counts_as_nothing() -> None:
    with Gathering() as gathering:
        assert gathering.counts() == (0, 0, 0)
        assert list(gathering.bodies()) == []


def test_each_window_gives_its_own() -> None:
    with Gathering() as gathering:
        gathering.add([Item(f"{hour:02}", at(hour), str(hour).encode(), False, hour) for hour in range(24)])
        noon = DAY + timedelta(hours=12)
        assert list(gathering.bodies(Window(noon, noon + timedelta(hours=2)))) == [b"12", b"13"]
        assert gathering.counts(Window(DAY, DAY + timedelta(microseconds=1))) == (1, 0, 0)


def test_what_was_seen_to_leave_the_window_has_left_it() -> None:
    with Gathering() as gathering:
        gathering.add([Item("a", at(1), b"then", False)])
        gathering.add([Item("a", at(30), b"now", False)])
        assert list(gathering.bodies(Window(DAY, DAY + timedelta(days=1)))) == []
        assert list(gathering.bodies(Window(DAY + timedelta(days=1), DAY + timedelta(days=2)))) == [b"now"]


def test_putting_into_order_sorts_no_bodies() -> None:
    with Gathering() as gathering:
        gathering.add([Item("a", None, b"")])
        assert list(gathering.bodies()) == [b""]
        plan = gathering._database.execute(f"EXPLAIN QUERY PLAN {gathering.selection('start, size', 'ORDER BY id')}").fetchall()
        assert not any("TEMP B-TREE" in step[-1] for step in plan)
