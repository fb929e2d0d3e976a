"""Bulk writes as Airflow runs them: a task instance, its tries, and the store that survives them."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fsspec
import pytest
from airflow.sdk.io import attach

from airflow_provider.engagement.bulk import send
from airflow_provider.engagement.bulk.state import State
from airflow_provider.engagement.emulator.faults import Fault, Moment, Plan
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow import operators
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.wire.config import ClientConfig, Patience

KEY = "engagement_bulk"


class Died(OSError):
    """What stands for the end of a task's process: nothing can be kept from here on."""


class Store:
    """Where Airflow keeps what a task instance wants to survive its retries: JSON by key.

    Attributes:
        dead: whether the process has died, so that nothing it stores arrives.
        kept: all values stored so far, oldest first.
    """

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self.kept: list[dict[str, Any]] = []
        self.dead = False

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self._values[key]) if key in self._values else default

    def set(self, key: str, value: Any) -> None:
        if self.dead:
            raise Died("the process is gone")
        self._values[key] = json.dumps(value, allow_nan=False)
        self.kept.append(json.loads(self._values[key]))

    def delete(self, key: str) -> None:
        self._values.pop(key, None)

    def die(self) -> None:
        self.dead = True

    @property
    def checkpoint(self) -> dict[str, Any]:
        """The last checkpoint."""
        return dict(self.get(KEY))


@dataclass(slots=True, kw_only=True)
class At(Fault):
    """Does something when so many requests have come in; that request itself is answered as usual."""

    number: int
    do: Callable[[], Any]

    def apply(self, plan: Plan, now: Moment) -> None:
        self.number -= 1
        if self.number == 0:
            self.do()


@dataclass(slots=True)
class Instance:
    """What is read of Airflow's task instance."""

    dag_id: str = "dag"
    run_id: str = "run"
    task_id: str = "task"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 2


class Task:
    """One task instance that writes to an emulated Userflow.

    Attributes:
        server: the emulator.
        folder: where its temporary files are.
        store: the task state store; None for an Airflow that has none.
        instance: which task instance it is.
    """

    def __init__(self, server: EmulatorServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        self.folder = folder
        self.store: Store | None = Store()
        self.instance = Instance()
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        monkeypatch.setattr(send, "CHECKPOINT_SECONDS", 0.02)
        monkeypatch.setattr(send, "PUBLISH_SECONDS", 0.05)
        monkeypatch.setattr(send, "RESERVED_SECONDS", 0.005)
        original = State.publish

        def publish(state: State) -> None:
            if self.store is not None and self.store.dead:
                raise Died("the process is gone")
            original(state)

        monkeypatch.setattr(State, "publish", publish)
        self.connect()
        self.be_patient(attempts=3)

    def connect(self, *, password: str = "ak_test", host: str = "", **extra: Any) -> None:
        """Make the connection `userflow_default`; without a rate, nothing holds the tests back."""
        traffic = {"requests_per_minute": 600_000, "concurrency": 8, **extra}
        connection = {"conn_type": "userflow", "host": host or self.server.base_url, "password": password, "extra": traffic}
        self._monkeypatch.setenv("AIRFLOW_CONN_USERFLOW_DEFAULT", json.dumps(connection))

    def be_patient(self, **settings: Any) -> None:
        """Set how long calls are tried; short, so that tests of failures need not wait."""
        original = _MAKE_CONFIG

        def make_config(hook: UserflowHook, fields: Any) -> ClientConfig:
            return replace(original(hook, fields), patience=Patience(**{"first_wait": 0.005, "longest_wait": 0.01, **settings}))

        self._monkeypatch.setattr(UserflowHook, "make_config", make_config)

    @property
    def context(self) -> Any:
        """The context of a try."""
        stored = {} if self.store is None else {"task_state_store": self.store}
        return {"ti": self.instance, **stored}

    def run(self, kind: str, rows: Any, **arguments: Any) -> dict[str, Any]:
        """Run one try.

        Args:
            kind: `users`, `groups` or `events`.
            rows: the source.
            **arguments: the operator's; without a preflight, so that only rows are sent.
        """
        arguments = {"preflight": False, **arguments}
        return OPERATORS[kind](task_id="task", rows=rows, **arguments).execute(self.context)  # type: ignore[no-any-return]

    def die_at(self, number: int, path: str = "/") -> None:
        """Let the process die when so many requests have come in; checkpoints of that moment and later are lost."""
        assert self.store is not None
        self.server.faults.add(At(path=path, number=number, do=self.store.die))

    def run_and_die(self, number: int, kind: str, rows: Any, **arguments: Any) -> None:
        """Run one try that dies when so many requests have come in, and begin the next try."""
        self.die_at(number)
        with pytest.raises(Died):
            self.run(kind, rows, **arguments)
        self.settle()
        self.retry()

    def settle(self) -> None:
        """Wait until the server is done with what was under way."""
        before = -1
        while before != (before := len(self.server.requests())):
            time.sleep(0.05)

    def retry(self) -> None:
        """Begin the next try, as Airflow does after a failure."""
        self.instance.try_number += 1
        self.server.faults.clear()
        if self.store is not None:
            self.store.dead = False

    def clear(self) -> None:
        """Clear the task, as a person does in the UI."""
        self.instance.max_tries = self.instance.try_number + 2
        self.retry()

    @property
    def confirmed(self) -> int:
        """How many rows the last checkpoint knows to be done."""
        assert self.store is not None
        return done(self.store.checkpoint)

    @property
    def doubtful(self) -> int:
        """How many rows the last checkpoint leaves in doubt, where they must not be sent twice."""
        assert self.store is not None
        found = self.store.checkpoint
        return max(0, min(int(found["reserved"]), int(found["planned"]["planned"])) - done(found))

    @property
    def plans(self) -> list[Path]:
        """Plans on the worker's disk, complete or not."""
        return sorted(path for path in self.folder.rglob("*") if ".plan" in path.name)

    def lose_plan(self) -> None:
        """Lose the worker's disk."""
        for path in self.plans:
            path.unlink()

    def sent(self, path: str) -> int:
        """How many requests to a path were received."""
        return len(self.server.requests("POST", path))

    def users(self) -> dict[str, Any]:
        """The attributes of all users by id, as the account has them."""
        with self.server.emulation.store.lock:
            return {str(user["id"]): dict(user["attributes"]) for user in self.server.userflow.objects.users.values()}

    def events(self) -> list[Any]:
        """The number of each event that was processed, in order."""
        with self.server.emulation.store.lock:
            return [event["attributes"].get("n") for event in self.server.userflow.objects.events.values()]


OPERATORS: dict[str, Any] = {
    "users": operators.UserflowUpsertUsersOperator,
    "groups": operators.UserflowUpsertGroupsOperator,
    "events": operators.UserflowTrackEventsOperator,
}
_MAKE_CONFIG = UserflowHook.make_config


def people(count: int, **attributes: Any) -> list[dict[str, Any]]:
    """Make rows of users."""
    return [{"id": f"u{number}", "attributes": {"n": number, **attributes}} for number in range(count)]


def clicks(count: int) -> list[dict[str, Any]]:
    """Make rows of events."""
    return [{"name": "clicked", "user_id": "u", "attributes": {"n": number}} for number in range(count)]


def lines(folder: Path) -> list[dict[str, Any]]:
    """Read all rejects below a folder, in order of the parts' names."""
    return [json.loads(line) for path in sorted(folder.rglob("*.jsonl")) for line in path.read_bytes().splitlines()]


def counted(report: dict[str, Any], **expected: int) -> None:
    """Check counts of a report, and that they add up."""
    assert {name: report[name] for name in expected} == expected
    parts = ("unchanged", "sent", "skipped", "rejected", "in_doubt", "unsent")
    if not report["deleted"]:
        assert report["read"] == sum(report[name] for name in parts)


def done(checkpoint: dict[str, Any]) -> int:
    """Count the rows that a checkpoint knows to be done."""
    return int(checkpoint["low"] + sum(last - first + 1 for first, last in checkpoint["above"]))


def make_task(engagement_emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    """The fixture `task` of the tests that use it."""
    folder = tmp_path / "worker"
    folder.mkdir()
    return Task(engagement_emulator, folder, monkeypatch)


def make_memory() -> Iterator[Any]:
    """The fixture `in_memory`: an empty object storage in memory."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    attach("memory", fs=system)  # Airflow finds file systems by its providers, and none brings this one
    yield system
    system.store.clear()
