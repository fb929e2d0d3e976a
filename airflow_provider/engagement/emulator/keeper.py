"""Keeps an emulator's documents in a SQLite file: written through, loaded at the start."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from airflow_provider.engagement.emulator.state import Document
from airflow_provider.engagement.wire.message import decode_json, encode_json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (collection, id)
)
"""


class SqliteKeeper:
    """A SQLite file as an emulator's memory.

    Args:
        path: the file, made if it is not there.
    """

    def __init__(self, path: str | Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False)
        # The file outlives the process, not a power cut: an emulator's data is not worth waiting for the disk.
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(_SCHEMA)
        self._connection.commit()

    def load(self) -> Iterator[tuple[str, str, Document]]:
        """Read everything kept, in the order of creation."""
        for name, key, body in self._connection.execute("SELECT collection, id, body FROM documents ORDER BY place"):
            yield name, key, decode_json(body)

    def put(self, collection: str, key: str, document: Document) -> None:
        """Keep a document; one with the same id keeps its place."""
        self._connection.execute(
            "INSERT INTO documents (collection, id, body) VALUES (?, ?, ?) ON CONFLICT (collection, id) DO UPDATE SET body = excluded.body",
            (collection, key, encode_json(document)),
        )

    def delete(self, collection: str, key: str) -> None:
        """Forget a document."""
        self._connection.execute("DELETE FROM documents WHERE collection = ? AND id = ?", (collection, key))

    def clear(self) -> None:
        """Forget everything."""
        self._connection.execute("DELETE FROM documents")
        self._connection.commit()

    def commit(self) -> None:
        """Make what was written durable."""
        if self._connection.in_transaction:
            self._connection.commit()

    def close(self) -> None:
        """Close the file."""
        self._connection.commit()
        self._connection.close()
