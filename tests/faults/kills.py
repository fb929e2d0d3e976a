"""Kills a task's process with SIGKILL at a moment of its own, and notes what Airflow knew of its progress then."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import psutil
from psycopg2.extensions import connection as Connection

from airflow_provider.engagement.bulk.progress import Progress

FINAL_STATES = {"success", "failed", "upstream_failed", "skipped", "removed"}
_START_SECONDS = 120
_MOMENT_SECONDS = 120
_LOOK_SECONDS = 0.1
_TICK_SECONDS = 0.005
_END_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill.

    Attributes:
        kind: `planning`: where the source stops at a row; `sending`: after a part of the rows that are still to be sent;
            `end`: so many rows before the last; `anywhere`: so many seconds after the process began.
        number: that row, that part from 0 to 1, so many rows, so many seconds.
    """

    kind: Literal["planning", "sending", "end", "anywhere"]
    number: float


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill.

    Attributes:
        at: when, in seconds of `time.monotonic`.
        received: requests with rows that had come in until then.
        kind: of the moment.
        progress: the checkpoint that the next try finds, or None.
    """

    at: float
    received: int
    kind: str
    progress: Progress | None


def choose_moments(chance: random.Random, count: int) -> list[Moment]:
    """Choose when a task is killed, one to three times."""
    first = chance.choices(("sending", "planning", "end"), (5, 1, 1))[0]
    moments = [_moment(first, chance, count)]
    for _ in range(chance.choices((0, 1, 2), (5, 4, 1))[0]):
        moments.append(_moment(chance.choices(("sending", "end", "anywhere"), (5, 1, 1))[0], chance, count))
    return moments


def _moment(kind: str, chance: random.Random, count: int) -> Moment:
    if kind == "planning":
        return Moment("planning", chance.randrange(count))
    if kind == "sending":
        return Moment("sending", chance.uniform(0.02, 0.98))
    return Moment("end", chance.randrange(10)) if kind == "end" else Moment("anywhere", chance.uniform(0.0, 3.0))


class Metadata:
    """Airflow's database, looked into often: a look costs a thousandth of one through the REST API.

    Args:
        connection: closed at the end of the `with` block.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._connection.autocommit = True

    def __enter__(self) -> Metadata:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def task(self, run_id: str, task_id: str) -> tuple[str | None, int, int | None]:
        """Look up a task's state, the number of its try, and its process."""
        found = self._one("SELECT state, try_number, pid FROM task_instance WHERE run_id = %s AND task_id = %s", (run_id, task_id))
        return found if found is not None else (None, 0, None)

    def progress(self, run_id: str, task_id: str) -> Progress | None:
        """Look up a task's checkpoint."""
        found = self._one(
            "SELECT value FROM task_state_store WHERE run_id = %s AND task_id = %s AND key = 'engagement_bulk'", (run_id, task_id)
        )
        return None if found is None else Progress.restore(json.loads(found[0]))

    def _one(self, query: str, values: Sequence[Any]) -> Any:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(query, values)
            return cursor.fetchone()


@dataclass(slots=True)
class Hunt:
    """Kills one task of one run.

    Attributes:
        metadata: Airflow's database.
        run_id: the run.
        task_id: the task.
        planned: rows that its plan holds.
        skips_reserved: rows that may have been under way at a kill are not sent again.
        received: counts the requests with its rows that came in.
        marker: the file that its source makes where it stops.
        kills: what was done so far.
    """

    metadata: Metadata
    run_id: str
    task_id: str
    planned: int
    skips_reserved: bool
    received: Callable[[], int]
    marker: Path
    kills: list[Kill] = field(default_factory=list)

    def run(self, moments: Sequence[Moment]) -> list[Kill]:
        """Kill at each of the moments, one per try; ends early where the task does."""
        tried = 0
        for moment in moments:
            found = self._wait_for_try(tried)
            if found is None:
                break
            tried, process = found
            if not self._wait_for(moment, process) or not self._kill(moment, process, tried):
                break
        return self.kills

    def _wait_for_try(self, after: int) -> tuple[int, psutil.Process] | None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            state, number, pid = self.metadata.task(self.run_id, self.task_id)
            if state in FINAL_STATES:
                return None
            if state == "running" and number > after and pid is not None:
                with suppress(psutil.NoSuchProcess):  # it ended just now
                    return number, _own_process(pid)
            time.sleep(_LOOK_SECONDS)
        raise TimeoutError(f"try {after + 1} of {self.task_id} in {self.run_id} did not start within {_START_SECONDS} s")

    def _wait_for(self, moment: Moment, process: psutil.Process) -> bool:
        """Wait for a moment; False where the process ended before it."""
        due = self._condition(moment)
        began = looked = time.monotonic()
        while not due():
            now = time.monotonic()
            if now - looked > _LOOK_SECONDS:
                looked = now
                if not _alive(process):
                    return False
            if now - began > _MOMENT_SECONDS:
                raise TimeoutError(f"{self.task_id} in {self.run_id} did not come to {moment} within {_MOMENT_SECONDS} s")
            time.sleep(_TICK_SECONDS)
        return True

    def _condition(self, moment: Moment) -> Callable[[], bool]:
        left = self._left()
        if moment.kind == "planning":
            return self.marker.exists
        if moment.kind == "anywhere" or not left:
            due = time.monotonic() + (moment.number if moment.kind == "anywhere" else 1.0)
            return lambda: time.monotonic() >= due
        more = 1 + int(moment.number * left) if moment.kind == "sending" else max(1, left - int(moment.number))
        goal = self.received() + more
        return lambda: self.received() >= goal

    def _left(self) -> int:
        """Say how many rows the next try sends."""
        progress = self.kills[-1].progress if self.kills else None
        if progress is None:
            return self.planned
        done = progress.low + len(progress.above)
        if not self.skips_reserved:
            return self.planned - done
        return self.planned - max(done, min(progress.reserved, self.planned))

    def _kill(self, moment: Moment, process: psutil.Process, tried: int) -> bool:
        at, received = time.monotonic(), self.received()
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            return False
        self._wait_for_end(tried)
        self.kills.append(Kill(at, received, moment.kind, self.metadata.progress(self.run_id, self.task_id)))
        return True

    def _wait_for_end(self, tried: int) -> None:
        """Wait until Airflow knows of the end: what was on its way to the state store has arrived then, and no other try has begun."""
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            state, number, _ = self.metadata.task(self.run_id, self.task_id)
            if state != "running" or number > tried:
                return
            time.sleep(_LOOK_SECONDS)
        raise TimeoutError(f"Airflow did not notice the end of try {tried} of {self.task_id} in {self.run_id} within {_END_SECONDS} s")


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _own_process(pid: int) -> psutil.Process:
    process = psutil.Process(pid)
    if os.getpid() not in [parent.pid for parent in process.parents()]:
        raise RuntimeError(f"process {pid} was not started from here, so it is not killed")
    return process


def pauses(moments: Mapping[str, Sequence[Moment]]) -> dict[str, int]:
    """Say at which rows the sources must stop, by task."""
    return {task_id: int(first.number) for task_id, (first, *_) in moments.items() if first.kind == "planning"}
