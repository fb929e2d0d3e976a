"""A database that rows are brought to: SQLite in a file, or a real PostgreSQL, with the Airflow connection `warehouse`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.system.postgres import SUPERUSER, EmbeddedPostgres


class Warehouse:
    """A database.

    Args:
        connect: opens a connection.
        connection: Airflow's fields for it.
        kind: `sqlite` or `postgres`.
    """

    def __init__(self, connect: Callable[[], Any], connection: dict[str, Any], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connect = connect
        self.kind = kind
        self.connection = connection
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))

    @classmethod
    def sqlite(cls, path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
        return cls(lambda: sqlite3.connect(path), {"conn_type": "sqlite", "host": str(path)}, "sqlite", monkeypatch)

    @classmethod
    def postgres(cls, server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
        name = f"w{uuid4().hex}"
        server.create_database(name)
        fields = {"conn_type": "postgres", "host": str(server.folder), "login": SUPERUSER, "schema": name}
        return cls(lambda: server.connect(name), fields, "postgres", monkeypatch)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a query."""
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]

    def run(self, statement: str) -> None:
        """Run a statement."""
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement)
            connection.commit()
