"""Where the tests of the state happen: a clock that is moved, a storage that can die, and a look at what is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider.engagement.bulk.lease import LEASE_SECONDS, Owner
from airflow_provider.engagement.bulk.state import State
from airflow_provider.engagement.bulk.state_files import Value, merge, read_file
from airflow_provider.engagement.bulk.state_folder import Folder
from airflow_provider.engagement.bulk.state_store import find_manifest

BINDING = {"destination": "userflow_default at https://api.userflow.com", "mapping": "key id", "mode": "mirror", "what": "users"}


class Clock:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **parts: float) -> None:
        self.now += timedelta(**parts)


class World:
    """A state's folder, and the tasks that use it."""

    def __init__(self, path: str, storage_conn_id: str | None = None) -> None:
        self.path = path
        self.storage_conn_id = storage_conn_id
        self.clock = Clock()

    def open(
        self,
        run: str = "run",
        *,
        full_refresh: bool = False,
        max_age: timedelta | None = None,
        lease_seconds: float = LEASE_SECONDS,
        **binding: str,
    ) -> State:
        return State.open(
            self.path,
            self.storage_conn_id,
            binding={**BINDING, **binding},
            owner=owner(run),
            full_refresh=full_refresh,
            max_age=max_age,
            clock=self.clock,
            lease_seconds=lease_seconds,
        )

    def send(self, run: str, rows: Mapping[str, Value], **how: Any) -> None:
        """One run from start to end."""
        with self.open(run, **how) as state:
            for key, value in rows.items():
                state.plan(key, value)
            state.begin()
            for key, value in rows.items():
                state.sent(key, value)

    def recorded(self) -> dict[str, Value]:
        """What the newest complete generation says."""
        folder = Folder(self.path, self.storage_conn_id)
        manifest = find_manifest(folder)
        files = [read_file(folder, file) for file in manifest.files] if manifest is not None else []
        return {key: value for key, value in merge(files) if value is not None} if files else {}

    def names(self) -> list[str]:
        return sorted(Folder(self.path, self.storage_conn_id).names())


class Killed(BaseException):
    """The process died."""


class Storage(MemoryFileSystem):  # type: ignore[misc]
    """An object storage in memory; after so many operations the process that uses it dies, in the middle of a write if it is one.

    A file is seen while it is being written, as the worst of storages do it.
    """

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]
        self.operations = 0
        self.dies_at: int | None = None

    def operate(self) -> None:
        if self.dies_at is not None and self.operations >= self.dies_at:
            raise Killed
        self.operations += 1

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        self.operate()
        return super().ls(path, detail, **kwargs)

    def info(self, path: str, **kwargs: Any) -> Any:
        self.operate()
        return super().info(path, **kwargs)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> Any:
        self.operate()
        return super().cat_file(path, start, end, **kwargs)

    def rm_file(self, path: str) -> None:
        self.operate()
        super().rm_file(path)

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        self.operate()
        if mode != "wb":
            return super().open(path, mode, **kwargs)
        file = Written(self, self._strip_protocol(path))
        file.commit()
        return file


class Written(MemoryFile):  # type: ignore[misc]
    """A file that is being written."""

    def write(self, data: Any) -> int:
        try:
            self.fs.operate()
        except Killed:
            super().write(bytes(data)[: len(data) // 2])
            raise
        return int(super().write(data))


def in_memory(storage: MemoryFileSystem) -> World:
    """A world on a storage of its own."""
    connection = uuid4().hex
    attach("memory", conn_id=connection, fs=storage)
    return World("memory://bucket/states/users", connection)


def _local(tmp_path: Path) -> World:
    return World(str(tmp_path / "states" / "users"))


def _local_url(tmp_path: Path) -> World:
    return World((tmp_path / "states" / "users").as_uri())


def _remote(_tmp_path: Path) -> World:
    return in_memory(Storage())


def each_world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A fixture's function: a world on each kind of storage."""
    make: Callable[[Path], World] = request.param
    return make(tmp_path)


WORLDS = (_local, _local_url, _remote)


def owner(run: str = "run", map_index: int = -1) -> Owner:
    return Owner("sync", run, "users", map_index)


def fingerprint(value: object) -> bytes:
    return blake2b(repr(value).encode(), digest_size=8).digest()
