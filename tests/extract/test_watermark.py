"""Where the last run ended: kept in the asset state store, or derived from the asset's events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException

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
    dag_id: str = "daily"
    task_id: str = "read"
    map_index: int | None = -1


@dataclass
class Event:
    """An event as Airflow gives it to a task."""

    source_dag_id: str
    source_task_id: str
    source_map_index: int
    source_run_id: str
    extra: dict[str, Any] | None


class Memory:
    """What Airflow keeps between runs."""

    store: Store | None = None
    told: list[Event]

    def __init__(self) -> None:
        self.told = []

    def context(self, day: int, **instance: Any) -> Any:
        """Give a task's context."""
        inlets = self._inlets()([])
        stores = {} if self.store is None else {"asset_state_store": {ASSET: self.store}}
        return {"dag_run": Run(f"run-{day}", DAY + timedelta(days=day)), "ti": Instance(**instance), "inlet_events": inlets, **stores}

    def succeed(self, context: Any, found: Window) -> None:
        """Do what a task does that succeeds."""
        remember(context, ASSET, found)
        ti, run = context["ti"], context["dag_run"]
        told = {"start": found.start.isoformat(), "end": found.end.isoformat(), "watermark": True}
        self.told.append(Event(ti.dag_id, ti.task_id, -1 if ti.map_index is None else ti.map_index, run.run_id, told))

    def _inlets(self) -> type[Any]:
        told = self.told

        class Accessors:
            """What Airflow gives tasks as `inlet_events`, as far as it is asked: one asset, the latest events first."""

            def __init__(self, inlets: list[Asset]) -> None:
                self.inlets = inlets

            def __getitem__(self, asset: Asset) -> Accessors:
                assert asset in self.inlets
                return self

            def ascending(self, ascending: bool) -> Accessors:
                assert not ascending
                return self

            def limit(self, count: int) -> Iterator[Event]:
                return iter(told[::-1][:count])

        return Accessors


class MemoryWithStore(Memory):
    """Airflow 3.3."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()


@pytest.fixture(params=[MemoryWithStore, Memory], ids=["3.3", "3.2"])
def memory(request: pytest.FixtureRequest) -> Memory:
    """Both kinds of memory: a run must not notice which one there is."""
    made: Memory = request.param()
    return made


def window(first: int, last: int) -> Window:
    return Window(DAY + timedelta(days=first), DAY + timedelta(days=last))


def read(day: int, memory: Memory, start: Any = None, **instance: Any) -> Window:
    context = memory.context(day, **instance)
    found = next_window(context, ASSET, start)
    memory.succeed(context, found)
    return found


def test_each_run_begins_where_the_last_one_ended(memory: Memory) -> None:
    assert read(1, memory, start=DAY) == window(0, 1)
    assert read(2, memory, start=DAY) == window(1, 2)
    assert read(5, memory, start="2020-01-01T00:00:00Z") == window(2, 5)


def test_a_run_that_failed_is_caught_up_by_the_next(memory: Memory) -> None:
    read(1, memory, start=DAY)
    next_window(memory.context(2), ASSET, DAY)  # and then it failed, so nothing is remembered
    assert read(3, memory) == window(1, 3)


def test_a_run_that_is_cleared_reads_its_own_window_again(memory: Memory) -> None:
    for day in (1, 2, 3):
        read(day, memory, start=DAY)
    assert read(2, memory) == window(1, 2)
    assert read(4, memory) == window(3, 4)


def test_a_run_that_comes_late_has_nothing_left_to_read(memory: Memory) -> None:
    for day in (1, 3):
        read(day, memory, start=DAY)
    for day in (2, 3):
        context = memory.context(day)
        context["dag_run"].run_id = "another"
        with pytest.raises(AirflowSkipException, match=r"was due at 2026-03-0.*, and all up to 2026-03-04.*without watermark"):
            next_window(context, ASSET, DAY)
    assert read(4, memory) == window(3, 4)


def test_only_so_many_runs_are_remembered(memory: Memory) -> None:
    for day in range(1, 131):
        read(day, memory, start=DAY)
    if memory.store is not None:
        (kept,) = memory.store.kept.values()
        assert len(json.loads(kept)["windows"]) == 100
        assert len(kept) < 20_000
    assert read(31, memory) == window(30, 31)
    with pytest.raises(AirflowSkipException, match=r"was due at 2026-03-02.*read by other runs.*give start= and end= without watermark"):
        read(1, memory)


def test_the_first_run_wants_a_start(memory: Memory) -> None:
    with pytest.raises(ValueError, match="knows of no earlier run: give start="):
        next_window(memory.context(1), ASSET, None)


def test_tasks_and_their_copies_have_places_of_their_own(memory: Memory) -> None:
    assert read(3, memory, start=DAY) == window(0, 3)
    assert read(3, memory, start=DAY + timedelta(days=1), task_id="other") == window(1, 3)
    assert read(3, memory, start=DAY + timedelta(days=2), map_index=0) == window(2, 3)
    assert read(4, memory, task_id="other", map_index=None) == window(3, 4)
    assert memory.store is None or len(memory.store.kept) == 3


def test_events_of_other_readings_are_no_places() -> None:
    memory = Memory()
    read(1, memory, start=DAY)
    told = {"start": (DAY + timedelta(days=2)).isoformat(), "end": (DAY + timedelta(days=3)).isoformat()}
    for extra in (told, None):  # by start= and end= in place of watermark, and by hand in Airflow's UI
        memory.told.append(Event("daily", "read", -1, "by hand", extra))
    assert read(4, memory) == window(1, 4)


def test_a_task_without_airflow_knows_of_no_earlier_run() -> None:
    context: Any = {"dag_run": Run("run", DAY + timedelta(days=1)), "ti": Instance()}
    assert next_window(context, ASSET, DAY) == window(0, 1)
