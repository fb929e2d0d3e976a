"""Records of a window, gathered on disk: one per id, the last one read wins, given back in order of id."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType


class Gathering(AbstractContextManager["Gathering"]):
    """A temporary SQLite file of encoded records, so that memory does not grow with the window."""

    def __enter__(self) -> Gathering:
        self._folder = TemporaryDirectory(prefix="engagement-extract-")
        # Filled by an event loop in a thread of its own, read when that has ended.
        self._database = sqlite3.connect(Path(self._folder.name) / "records.sqlite", isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; "
            "CREATE TABLE record (id TEXT PRIMARY KEY, body BLOB NOT NULL, completed INTEGER NOT NULL, answers INTEGER NOT NULL);"
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._database.close()
        self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """Where else to keep what belongs to this gathering."""
        return Path(self._folder.name)

    def add(self, records: Iterable[tuple[str, bytes, bool, int]]) -> None:
        """Keep records in place of earlier ones of the same id.

        Args:
            records: id, encoded record, whether it is completed, and how many answers it has.
        """
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", records)
        self._database.execute("COMMIT")

    def counts(self) -> dict[str, int]:
        """Count what is kept: `sessions`, `completed`, `answers`."""
        row = self._database.execute("SELECT count(*), coalesce(sum(completed), 0), coalesce(sum(answers), 0) FROM record").fetchone()
        return dict(zip(("sessions", "completed", "answers"), row, strict=True))

    def bodies(self) -> Iterator[bytes]:
        """Give the records in order of id."""
        return (body for (body,) in self._database.execute("SELECT body FROM record ORDER BY id"))
