"""Rows of a window merged into tables, in one transaction: afterwards the tables hold what was read, and nothing else of that window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from airflow_provider.engagement.extract.dialect import MARK, SQLITE, Dialect
from airflow_provider.engagement.extract.resource import SNAPSHOT, Reading
from airflow_provider.engagement.extract.table import Row, Table
from airflow_provider.engagement.extract.window import Window

_BUFFER = 1000


@dataclass(frozen=True, slots=True)
class Target:
    """Where the rows go.

    Attributes:
        dialect: the database's ways.
        schema: the schema; the connection's own if empty.
        prefix: what the tables' names begin with.
        delete_missing: rows of the window that were not read are deleted.
    """

    dialect: Dialect
    schema: str = ""
    prefix: str = ""
    delete_missing: bool = True

    def plain(self, table: Table) -> str:
        """A table's name without schema."""
        return f"{self.prefix}{table.name}"

    def quoted(self, table: Table) -> str:
        """A table's name as it stands in statements."""
        return self.dialect.quote(self.schema, self.plain(table))


@dataclass(slots=True)
class _Stage:
    """Rows on their way into one table, in a temporary table."""

    merge: Merge
    table: Table
    name: str
    waiting: list[Row] = field(default_factory=list)

    def write(self, rows: Sequence[Row]) -> None:
        """Take rows."""
        self.waiting += rows
        if len(self.waiting) >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Insert the rows that wait."""
        self.merge.target.dialect.insert(self.merge.cursor, self.name, self.table, self.waiting)
        self.waiting.clear()


class Merge:
    """One transaction that brings the rows of one window into their tables.

    What a window's transaction does, in this order: rows are collected in temporary tables; rows of the window that did not come are
    deleted, with their children; rows that the table knows in a newer state are left alone; children of all others are replaced; the
    rows themselves are inserted or updated by their key.

    Args:
        cursor: a cursor of the database, in a transaction.
        target: where the rows go.
        reading: what was read.
        window: the window; None for a snapshot.
        content_ids: the contents the reading was restricted to; None where it was not.
    """

    def __init__(
        self, cursor: Any, target: Target, reading: Reading, window: Window | None, content_ids: Sequence[str] | None = None
    ) -> None:
        self.cursor = cursor
        self.target = target
        self._reading = reading
        self._window = window
        self._content_ids = content_ids
        self._main, *self._children = reading.resource.tables
        self.stages = [
            _Stage(self, table, target.dialect.quote(f"engagement_stage_{number}")) for number, table in enumerate(reading.resource.tables)
        ]
        for stage in self.stages:
            self._prepare(stage)

    def finish(self) -> None:
        """Bring the collected rows into their tables."""
        for stage in self.stages:
            stage.flush()
        if self.target.delete_missing:
            self._delete_missing()
        self._keep_newer()
        for child in self._children:
            self._run(f"DELETE FROM {self.target.quoted(child)} WHERE {self._quote(child.parent)} IN ({self._staged_keys()})")
        for stage in self.stages:
            self._upsert(stage)
            self._run(f"DROP TABLE {stage.name}")

    # --- statements --------------------------------------------------------------------------------------------------

    def _prepare(self, stage: _Stage) -> None:
        dialect, table, quoted = self.target.dialect, stage.table, self.target.quoted(stage.table)
        self._run(dialect.exists, [self.target.plain(table) if dialect is SQLITE else quoted])
        if self.cursor.fetchone() is None:
            self._run(f"CREATE TABLE {quoted} ({dialect.columns(table)})")
            if table is self._main and (moments := tuple(self._reading.resource.windows.values())):
                index = self._quote(f"{self.target.plain(table)[:40]}_{moments[0]}_index")
                self._run(f"CREATE INDEX {index} ON {quoted} ({self._quote(moments[0])})")
        else:
            self._check_columns(table, quoted)
        self._run(f"CREATE TEMPORARY TABLE {stage.name} ({dialect.columns(table)})")

    def _check_columns(self, table: Table, quoted: str) -> None:
        self._run(f"SELECT * FROM {quoted} LIMIT 0")
        there = {str(column[0]) for column in self.cursor.description}
        missing = [column for column in table.columns if column.name not in there]
        if missing:
            types = self.target.dialect.types
            remedy = " ".join(f"ALTER TABLE {quoted} ADD COLUMN {self._quote(column.name)} {types[column.type]};" for column in missing)
            raise ValueError(
                f"the table {quoted} exists and lacks {', '.join(column.name for column in missing)}; add what is missing: {remedy}"
            )

    def _delete_missing(self) -> None:
        condition, parameters = self._of_the_window()
        if condition is None:
            return
        key = self._quote(self._main.key[0])
        gone = f"{condition} AND {key} NOT IN ({self._staged_keys()})"
        quoted = self.target.quoted(self._main)
        for child in self._children:
            parent = self._quote(child.parent)
            self._run(f"DELETE FROM {self.target.quoted(child)} WHERE {parent} IN (SELECT {key} FROM {quoted} WHERE {gone})", parameters)
        self._run(f"DELETE FROM {quoted} WHERE {gone}", parameters)

    def _of_the_window(self) -> tuple[str | None, list[Any]]:
        """The condition for rows that this reading should have brought, were they still there; None if nothing can be said."""
        resource, window = self._reading.resource, self._window
        condition, parameters = "1 = 1", list[Any]()
        if self._reading.by == "created" and window is not None:
            moment = self._quote(resource.windows["created"])
            adapt = self.target.dialect.adapt.get("moment", lambda value: value)
            condition = f"{moment} >= {MARK} AND {moment} < {MARK}"
            parameters = [adapt(edge.astimezone(UTC)) for edge in (window.start, window.end)]
        elif self._reading.by != SNAPSHOT:
            return None, []  # by last activity: what did not come may have moved on to a later window
        if self._content_ids is not None:
            if not self._content_ids:
                return None, []
            condition += f" AND {self._quote(resource.scope)} IN ({', '.join([MARK] * len(self._content_ids))})"
            parameters += self._content_ids
        return condition, parameters

    def _keep_newer(self) -> None:
        """Leave out what the table knows in a newer state: a run beside this one read it later and was faster."""
        version = self._reading.resource.version
        if not version:
            return
        stage, key, column = self.stages[0].name, self._quote(self._main.key[0]), self._quote(version)
        newer = (
            f"SELECT stage.{key} FROM {stage} AS stage JOIN {self.target.quoted(self._main)} AS known ON known.{key} = stage.{key} "
            f"WHERE known.{column} > stage.{column}"
        )
        for child in self.stages[1:]:
            self._run(f"DELETE FROM {child.name} WHERE {self._quote(child.table.parent)} IN ({newer})")
        self._run(f"DELETE FROM {stage} WHERE {key} IN ({newer})")

    def _upsert(self, stage: _Stage) -> None:
        table = stage.table
        names = ", ".join(map(self._quote, table.names))
        key = ", ".join(map(self._quote, table.key))
        others = [self._quote(name) for name in table.names if name not in table.key]
        change = f"DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in others)}" if others else "DO NOTHING"
        # `WHERE true`: SQLite would else take ON for the beginning of a join.
        self._run(
            f"INSERT INTO {self.target.quoted(table)} ({names}) SELECT {names} FROM {stage.name} WHERE true ORDER BY {key} "
            f"ON CONFLICT ({key}) {change}"
        )

    def _staged_keys(self) -> str:
        return f"SELECT {self._quote(self._main.key[0])} FROM {self.stages[0].name}"

    def _quote(self, name: str) -> str:
        return self.target.dialect.quote(name)

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        self.target.dialect.run(self.cursor, statement, parameters)


@contextmanager
def transaction(connect: Any, target: Target, lock: str) -> Iterator[Any]:
    """Open a connection and a transaction; gives its cursor, commits at the end, or rolls back on any error.

    Args:
        connect: opens a connection.
        target: where the rows go.
        lock: what no other transaction may write at the same time.
    """
    with closing(connect()) as connection, closing(connection.cursor()) as cursor:
        try:
            if target.dialect is SQLITE:
                cursor.execute("PRAGMA busy_timeout = 60000")
            target.dialect.run(cursor, target.dialect.begin, [lock] if MARK in target.dialect.begin else [])
            yield cursor
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
