"""What a state keeps locally while a task runs: the working copy that rows are compared with, and what was sent and is not published.

Both are SQLite's own temporary databases: files that only this user can read and that are gone when the process is, however it ends.
They are in the folder that `TMPDIR` names, and take about 60 MB for a million keys.
"""

from __future__ import annotations

import sqlite3
import struct
import tempfile
from collections.abc import Iterable, Iterator
from itertools import count
from threading import Lock
from typing import IO

import msgspec

from airflow_provider.engagement.bulk.state_files import Entry, Value

_CACHE_KILOBYTES = 16 * 1024
_WAITING = 4096
"""Entries that wait in memory until they are written together, in order of their keys."""
_SIZE = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[str, bytes | None]]).decode


def _database(table: str) -> sqlite3.Connection:
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for setting in ("journal_mode=OFF", "synchronous=OFF", "temp_store=FILE", f"cache_size=-{_CACHE_KILOBYTES}"):
        database.execute(f"PRAGMA {setting}")
    database.execute(f"CREATE TABLE {table} WITHOUT ROWID")
    database.execute("BEGIN")  # never committed: nobody else reads it, and it does not outlive the connection
    return database


class WorkingCopy:
    """The entries of a state, changed by what is planned. One thread at a time.

    Args:
        entries: what is recorded, in order of the keys.
    """

    _ADD = "INSERT INTO entries VALUES (?, ?, ?, 0)"
    _GET = "SELECT value, number, planned FROM entries WHERE key = ?"
    # 1: what is recorded no longer holds once sending begins; 2: nothing is recorded that could be wrong.
    _PLAN = (
        "INSERT INTO entries VALUES (?, ?, NULL, 2) ON CONFLICT (key) DO UPDATE SET "
        "planned = CASE WHEN planned = 0 THEN 2 - (length(value) > 0) ELSE planned END, value = excluded.value"
    )

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._database = _database("entries (key TEXT PRIMARY KEY, value BLOB, number INTEGER, planned INTEGER)")
        try:
            numbers = count()
            self._database.executemany(self._ADD, ((key, value, next(numbers)) for key, value in entries))
        except BaseException:
            self._database.close()
            raise
        self.known = next(numbers)
        self._present = bytearray((self.known + 7) // 8)
        self._waiting: dict[str, Value] = {}
        self._last: tuple[str | None, int | None, bool] = (None, None, False)

    def get(self, key: str) -> Value:
        """Give the planned, else the recorded value of a key; None if there is none."""
        if key in self._waiting:
            return self._waiting[key]
        return self._find(key)

    def plan(self, key: str, value: Value) -> bool:
        """Plan a value for a key, and say whether one was planned before."""
        if key not in self._waiting and key != self._last[0]:
            self._find(key)
        again = key in self._waiting or self._last[2]
        self._waiting[key] = value
        if len(self._waiting) >= _WAITING:
            self._write()
        return again

    def present(self, key: str) -> None:
        """Mark a recorded key."""
        if key != self._last[0]:
            self._find(key)
        number = self._last[1]
        if number is not None:
            self._present[number >> 3] |= 1 << (number & 7)

    def missing(self) -> Iterator[str]:
        """Give the recorded keys that are not marked, in order. What is planned meanwhile does not disturb it."""
        for key, number in self._database.execute("SELECT key, number FROM entries WHERE number IS NOT NULL ORDER BY key"):
            if not self._present[number >> 3] >> (number & 7) & 1:
                yield key

    def outdated(self) -> Iterator[str]:
        """Give the keys, in order, whose recorded fingerprints no longer hold once what is planned is being sent."""
        self._write()
        return (key for (key,) in self._database.execute("SELECT key FROM entries WHERE planned = 1 ORDER BY key"))

    def close(self) -> None:
        """Delete it."""
        self._database.close()

    def _find(self, key: str) -> Value:
        value: Value
        value, number, planned = self._database.execute(self._GET, (key,)).fetchone() or (None, None, 0)
        self._last = (key, number, planned != 0)
        return value

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._database.executemany(self._PLAN, sorted(waiting.items()))


class Outbox:
    """Entries on their way to the storage. Adding never waits for what is being published."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: list[Entry] = []
        self._spilled: IO[bytes] | None = None
        self._taken: sqlite3.Connection | None = None
        self._clean = True

    @property
    def empty(self) -> bool:
        """Whether nothing was added since what was dropped."""
        return self._clean and not self._waiting and self._spilled is None

    def add(self, key: str, value: Value) -> None:
        """Add an entry."""
        with self._lock:
            self._waiting.append((key, value))
            if len(self._waiting) >= _WAITING:
                if self._spilled is None:
                    self._spilled = tempfile.TemporaryFile()  # noqa: SIM115
                data = _encode(self._waiting)
                self._spilled.write(_SIZE.pack(len(data)) + data)
                self._waiting = []

    def take(self) -> Iterator[Entry]:
        """Give what was added and not dropped, in order of the keys, the last entry of each."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            spilled, self._spilled = self._spilled, None
        self._clean = False
        if self._taken is None:
            self._taken = _database("entries (key TEXT PRIMARY KEY, value BLOB)")
        if spilled is not None:
            with spilled:
                spilled.seek(0)
                while head := spilled.read(_SIZE.size):
                    self._insert(self._taken, _decode(spilled.read(*_SIZE.unpack(head))))
        self._insert(self._taken, waiting)
        return iter(self._taken.execute("SELECT key, value FROM entries ORDER BY key"))

    def drop(self) -> None:
        """Drop what was taken last: it is published."""
        if self._taken is not None:
            self._taken.execute("DELETE FROM entries")
        self._clean = True

    def close(self) -> None:
        """Delete it."""
        if self._spilled is not None:
            self._spilled.close()
        if self._taken is not None:
            self._taken.close()

    @staticmethod
    def _insert(database: sqlite3.Connection, entries: list[Entry]) -> None:
        database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", entries)
