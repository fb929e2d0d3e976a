"""Where the last run ended: kept in the asset state store, or derived from the run before."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_provider.engagement.extract.watermark import next_window, remember
from airflow_provider.engagement.extract.window import Window

DAY = datetime(2026, 3, 1, tzinfo=UTC)
ASSET = Asset("userflow://userflow_default/content_sessions")


class Store:
    """An asset's state store that keeps what JSON keeps."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.kept[key]) if key in self.kept else default

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        del self.kept[key]


@dataclass
class Run:
    run_id: str
    run_after: datetime


@dataclass
class Instance:
    """A task instance before Airflow 3.3, or of it: what the watermark asks of one."""

    previous: Run | None = None
    task_id: str = "read"
    map_index: int | None = -1
    dag_id: str = "daily"
    asked: list[str] = field(default_factory=list)

    def get_previous_dagrun(self, state: str) -> Run | None:
        self.asked.append(state)
        return self.previous


def context(day: int, store: Store | None = None, **instance: Any) -> Any:
    run = Run(f"run-{day}", DAY + timedelta(days=day))
    stores = {} if store is None else {"asset_state_store": {ASSET: store}}
    return {"dag_run": run, "ti": Instance(**instance), **stores}


def window(first: int, last: int) -> Window:
    return Window(DAY + timedelta(days=first), DAY + timedelta(days=last))


def read(day: int, store: Store, start: Any = None, **instance: Any) -> Window:
    told = context(day, store, **instance)
    found = next_window(told, ASSET, start)
    remember(told, ASSET, found)
    return found


def test_each_run_begins_where_the_last_one_ended() -> None:
    store = Store()
    assert read(1, store, start=DAY) == window(0, 1)
    assert read(2, store, start=DAY) == window(1, 2)
    assert read(5, store, start="2020-01-01T00:00:00Z") == window(2, 5)


def test_a_run_that_failed_is_caught_up_by_the_next() -> None:
    store = Store()
    read(1, store, start=DAY)
    next_window(context(2, store), ASSET, DAY)  # and then it failed, so nothing is remembered
    assert read(3, store) == window(1, 3)


def test_a_run_that_is_cleared_reads_its_own_window_again() -> None:
    store = Store()
    for day in (1, 2, 3):
        read(day, store, start=DAY)
    assert read(2, store) == window(1, 2)
    assert read(4, store) == window(3, 4)


def test_only_so_many_runs_are_remembered() -> None:
    store = Store()
    for day in range(1, 131):
        read(day, store, start=DAY)
    (kept,) = store.kept.values()
    assert len(json.loads(kept)["windows"]) == 100
    assert len(kept) < 20_000
    with pytest.raises(ValueError, match=r"was due at 2026-03-02.*read by later runs.*give start= and end= without watermark"):
        read(1, store)


def test_the_first_run_wants_a_start() -> None:
    for store in (Store(), None):
        with pytest.raises(ValueError, match="knows of no earlier run: give start="):
            next_window(context(1, store), ASSET, None)


def test_tasks_and_their_copies_have_places_of_their_own() -> None:
    store = Store()
    read(3, store, start=DAY)
    assert read(3, store, start=DAY + timedelta(days=1), task_id="other") == window(1, 3)
    assert read(3, store, start=DAY + timedelta(days=2), map_index=0) == window(2, 3)
    assert len(store.kept) == 3


def test_before_the_state_store_the_run_before_tells_it() -> None:
    told = context(3, previous=Run("run-2", DAY + timedelta(days=2)))
    assert next_window(told, ASSET, None) == window(2, 3)
    assert told["ti"].asked == ["success"]
    remember(told, ASSET, window(2, 3))
    assert next_window(context(3), ASSET, "2026-03-01T00:00:00Z") == window(0, 3)
