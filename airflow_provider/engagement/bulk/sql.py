"""Rows of a query on any database that Airflow has a `DbApiHook` for, read as a stream."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

from airflow_provider.engagement.bulk.rows import UnusableSource

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

log = logging.getLogger(__name__)

FETCH_SIZE: Final = 2000
"""Rows fetched at once."""

_NAMED_CURSORS: Final = ("psycopg", "psycopg2")
"""Drivers whose cursors hold the whole result on the client, unless they have a name: then it stays on the server."""


def find_sql_hook(conn_id: str) -> DbApiHook:
    """Give the hook of a connection to a database.

    Args:
        conn_id: id of a connection of any SQL database.

    Raises:
        UnusableSource: the connection is of something else.
        AirflowException: there is no such connection, or no provider for its type is installed.
    """
    from airflow.sdk import BaseHook

    connection: Any = BaseHook.get_connection(conn_id)
    hook = connection.get_hook()
    try:
        from airflow.providers.common.sql.hooks.sql import DbApiHook
    except ImportError:  # every provider of a database brings it
        fits = False
    else:
        fits = isinstance(hook, DbApiHook)
    if not fits:
        raise UnusableSource(
            f"connection {conn_id!r} is of type {connection.conn_type!r}, which is no SQL database ({type(hook).__name__})"
        )
    return cast("DbApiHook", hook)


def read_query(
    hook: DbApiHook, sql: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None, *, fetch_size: int = FETCH_SIZE
) -> Iterator[dict[str, Any]]:
    """Run a query and yield its rows as dicts, without holding all of them.

    With PostgreSQL the result stays on the server (a named cursor); with other databases memory depends on what their driver's
    `fetchmany` holds. The connection is closed with the last row, with any error, and when the iterator is closed.

    Args:
        hook: the database.
        sql: one query.
        parameters: its parameters, as its driver takes them.
        fetch_size: rows fetched at once.

    Raises:
        UnusableSource: the statement gives no rows, or two columns of one name.
        Exception: whatever the driver raises, with a note of how far reading came.
    """
    if not isinstance(sql, str) or not sql.strip():
        raise UnusableSource("sql must be the text of one query")
    read, started = 0, time.monotonic()
    try:
        with closing(hook.get_conn()) as connection, closing(_open_cursor(connection)) as cursor:
            if parameters:
                cursor.execute(sql, parameters)
            else:  # a driver that is given parameters, even none, takes % and ? in the text for their places
                cursor.execute(sql)
            columns: list[str] | None = None
            while rows := _fetch(cursor, fetch_size):
                columns = columns or _columns(cursor)
                for row in rows:
                    read += 1
                    yield dict(row) if isinstance(row, Mapping) else dict(zip(columns, row, strict=True))
            _columns(cursor)
    except Exception as error:
        error.add_note(f"(connection {_name(hook)}, after {read} rows)")
        raise
    log.info("Read %d rows from connection %s in %.1f s", read, _name(hook), time.monotonic() - started)


def _open_cursor(connection: Any) -> Any:
    if type(connection).__module__.partition(".")[0] in _NAMED_CURSORS:
        return connection.cursor(name=f"engagement_{uuid4().hex}")
    return connection.cursor()


def _fetch(cursor: Any, size: int) -> Any:
    # Before the first fetch a named cursor of psycopg2 has no description; any other that has none has no rows to fetch either.
    return cursor.fetchmany(size) if cursor.description is not None or getattr(cursor, "name", None) else ()


def _columns(cursor: Any) -> list[str]:
    if cursor.description is None:
        raise UnusableSource("sql gives no rows; it must be a query")
    columns = [str(column[0]) for column in cursor.description]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise UnusableSource(f"the query gives two columns of the name {', '.join(map(repr, twice))}; name one of them with AS")
    return columns


def _name(hook: Any) -> str:
    return repr(getattr(hook, getattr(hook, "conn_name_attr", ""), type(hook).__name__))
