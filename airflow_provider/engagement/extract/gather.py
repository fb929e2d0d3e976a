"""Objects of a window, gathered on disk: one per id, the last one read wins, given back in order of id."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, NamedTuple

import msgspec

from airflow_provider.engagement.extract.window import Window


class Item(NamedTuple):
    """An object on its way.

    Attributes:
        id: what tells it from others.
        moment: what decides in which window it is, in seconds since 1970 (`datetime.timestamp`); None in a snapshot.
        body: the encoded object: bytes, or what gives bytes.
        completed: whether it is completed.
        children: how many children it has, for instance answers.
    """

    id: str
    moment: float | None
    body: Any
    completed: bool = False
    children: int = 0


_AnyItem = Item | tuple[str, float | None, Any, bool, int]


class Gathering(AbstractContextManager["Gathering"]):
    """A temporary folder of encoded objects, so that memory does not grow with the window.

    While objects come, their bodies are appended to a file and a page of them is one row in SQLite, for a row each would cost more
    than all the rest of reading. They are told apart, and put into order, when the first of them is asked for.
    """

    def __enter__(self) -> Gathering:
        self._folder = TemporaryDirectory(prefix="engagement-extract-")
        self._bodies = (self.folder / "bodies").open("w+b")
        self._size = 0
        # Filled by an event loop in a thread of its own, read when that has ended.
        self._database = sqlite3.connect(self.folder / "records.sqlite", isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; "
            "CREATE TABLE page (told BLOB NOT NULL); "
            "CREATE TABLE record (id TEXT NOT NULL, moment REAL, start INTEGER NOT NULL, size INTEGER NOT NULL, "
            "completed INTEGER NOT NULL, children INTEGER NOT NULL); "
            "BEGIN;"
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._database.close()
        self._bodies.close()
        self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """Where else to keep what belongs to this gathering."""
        return Path(self._folder.name)

    def add(self, items: Iterable[_AnyItem]) -> None:
        """Keep objects in place of earlier ones of the same id."""
        told, bodies = [], []
        for name, moment, body, completed, children in items:
            encoded = bytes(body)
            bodies.append(encoded)
            told.append((name, moment, len(encoded), completed, children))
        self._bodies.write(b"".join(bodies))
        self._database.execute("INSERT INTO page VALUES (?)", (msgspec.msgpack.encode(told),))

    def counts(self, window: Window | None = None) -> tuple[int, int, int]:
        """Count the objects of a window, or all: how many, how many of them completed, and all their children."""
        found: tuple[int, int, int] = self._select("count(*), coalesce(sum(completed), 0), coalesce(sum(children), 0)", window).fetchone()
        return found

    def bodies(self, window: Window | None = None) -> Iterator[bytes]:
        """Give the objects of a window, or all, in order of id."""
        self._bodies.flush()
        file = self._bodies.fileno()
        return (os.pread(file, size, start) for start, size in self._select("start, size", window, "ORDER BY id"))

    def selection(self, what: str, order: str = "", within: str = "") -> str:
        """Make the statement that selects the last of each object, read in order of the index."""
        last = "NOT EXISTS (SELECT 1 FROM record AS later WHERE later.id = record.id AND later.rowid > record.rowid)"
        return f"SELECT {what} FROM record INDEXED BY by_id WHERE {last} {within} {order}"

    def _select(self, what: str, window: Window | None, order: str = "") -> sqlite3.Cursor:
        self._tell_apart()
        if window is None:
            return self._database.execute(self.selection(what, order))
        bounds = (window.start.timestamp(), window.end.timestamp())
        return self._database.execute(self.selection(what, order, "AND moment >= ? AND moment < ?"), bounds)

    def _tell_apart(self) -> None:
        for (told,) in self._database.execute("SELECT told FROM page ORDER BY rowid"):
            rows = []
            for name, moment, size, completed, children in msgspec.msgpack.decode(told):
                rows.append((name, moment, self._size, size, completed, children))
                self._size += size
            self._database.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._database.execute("DELETE FROM page")
        self._database.execute("CREATE INDEX IF NOT EXISTS by_id ON record (id)")
