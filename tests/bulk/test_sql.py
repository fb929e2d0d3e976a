"""Rows of real databases: SQLite and PostgreSQL."""

from __future__ import annotations

import gc
import json
import logging
import sqlite3
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.providers.postgres.hooks.postgres import PostgresHook
from psycopg2 import extras

from airflow_provider.engagement.bulk.rows import UnusableSource
from airflow_provider.engagement.bulk.sql import find_sql_hook, read_query
from tests.system.postgres import SUPERUSER, EmbeddedPostgres
from tests.system.processes import Guard


class SqliteHook(DbApiHook):
    """A database of which the engine knows nothing but that it has a `DbApiHook`."""

    conn_name_attr = "some_conn_id"
    default_conn_name = "some_default"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.some_conn_id = "warehouse"
        self._path = path
        self.opened: list[sqlite3.Connection] = []

    def get_conn(self) -> sqlite3.Connection:
        self.opened.append(sqlite3.connect(self._path))
        return self.opened[-1]

    @property
    def all_closed(self) -> bool:
        return bool(self.opened) and not any(map(is_open, self.opened))


def is_open(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1").close()
    except sqlite3.ProgrammingError:
        return False
    return True


@pytest.fixture
def sqlite(tmp_path: Path) -> SqliteHook:
    path = tmp_path / "warehouse.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE users (id TEXT, age INT, plan TEXT)")
    connection.executemany("INSERT INTO users VALUES (?, ?, ?)", [(f"u{n:05}", n % 90, None if n % 2 else "10%") for n in range(5001)])
    connection.commit()
    connection.close()
    return SqliteHook(path)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with Guard() as guard, EmbeddedPostgres(logs=tmp_path_factory.mktemp("postgres"), guard=guard) as server:
        yield server


class Psycopg2Hook(PostgresHook):
    """What the hook is where only the older driver is installed."""

    def __init__(self, server: EmbeddedPostgres, **options: Any) -> None:
        super().__init__(postgres_conn_id="warehouse")
        self._server = server
        self._options = options

    def get_conn(self) -> Any:
        options = {"host": str(self._server.folder), "user": SUPERUSER, "dbname": SUPERUSER}
        return psycopg2.connect(**options, **self._options)


@pytest.fixture(params=["psycopg", "psycopg2"])
def warehouse(request: pytest.FixtureRequest, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> PostgresHook:
    return connect(postgres, monkeypatch) if request.param == "psycopg" else Psycopg2Hook(postgres)


def connect(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, **extra: str) -> PostgresHook:
    fields = {"conn_type": "postgres", "host": str(postgres.folder), "login": SUPERUSER, "schema": SUPERUSER, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))
    hook = find_sql_hook("warehouse")
    assert isinstance(hook, PostgresHook)
    return hook


# --- SQLite: any DbApiHook -------------------------------------------------------------------------------------------


def test_rows_as_dicts_in_order_and_closed_at_the_end(sqlite: SqliteHook, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        rows = list(read_query(sqlite, "SELECT id, age AS years, plan FROM users WHERE plan LIKE '%10%' OR age = 1 ORDER BY id"))
    assert rows[:2] == [{"id": "u00000", "years": 0, "plan": "10%"}, {"id": "u00001", "years": 1, "plan": None}]
    assert len(rows) == 2501 + 56
    assert sqlite.all_closed
    assert [record.getMessage().partition(" in ")[0] for record in caplog.records] == ["Read 2557 rows from connection 'warehouse'"]


@pytest.mark.parametrize(("text", "parameters"), [("age = ?", [5]), ("age = ?", (5,)), ("age = :age", {"age": 5})])
def test_parameters(sqlite: SqliteHook, text: str, parameters: Any) -> None:
    rows = list(read_query(sqlite, f"SELECT * FROM users WHERE {text}", parameters))
    assert {row["age"] for row in rows} == {5}


def test_nothing_is_opened_before_the_first_row_is_wanted(sqlite: SqliteHook) -> None:
    rows = read_query(sqlite, "SELECT * FROM users")
    assert sqlite.opened == []
    next(rows)
    assert not sqlite.all_closed
    rows.close()  # type: ignore[attr-defined]
    assert sqlite.all_closed


def test_no_rows_are_fine(sqlite: SqliteHook) -> None:
    assert list(read_query(sqlite, "SELECT * FROM users WHERE age > 1000")) == []


@pytest.mark.parametrize("where", ["1 = 1", "1 = 0"])
def test_two_columns_of_one_name_are_refused(sqlite: SqliteHook, where: str) -> None:
    with pytest.raises(UnusableSource, match=r"two columns of the name 'id'; name one of them with AS"):
        list(read_query(sqlite, f"SELECT a.id, a.age, b.id FROM users a JOIN users b ON a.id = b.id WHERE {where}"))
    assert sqlite.all_closed


def test_a_statement_without_rows_is_refused(sqlite: SqliteHook) -> None:
    with pytest.raises(UnusableSource, match="sql gives no rows; it must be a query"):
        list(read_query(sqlite, "UPDATE users SET age = 0"))
    assert {row["n"] for row in read_query(sqlite, "SELECT max(age) AS n FROM users")} == {89}


@pytest.mark.parametrize("sql", ["", "  ", None, ["SELECT 1"]])
def test_what_is_no_query_is_refused(sqlite: SqliteHook, sql: Any) -> None:
    with pytest.raises(UnusableSource, match="sql must be the text of one query"):
        list(read_query(sqlite, sql))
    assert sqlite.opened == []


def test_an_error_keeps_the_drivers_message_and_tells_how_far_reading_came(sqlite: SqliteHook) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such column: nope") as caught:
        list(read_query(sqlite, "SELECT nope FROM users"))
    assert caught.value.__notes__ == ["(connection 'warehouse', after 0 rows)"]
    with pytest.raises(sqlite3.OperationalError, match="integer overflow") as caught:
        list(read_query(sqlite, "SELECT abs(CASE WHEN id = 'u04500' THEN -9223372036854775807 - 1 ELSE 0 END) FROM users"))
    assert caught.value.__notes__ == ["(connection 'warehouse', after 4000 rows)"]
    assert sqlite.all_closed


def test_a_consumer_that_fails_leaves_nothing_open(sqlite: SqliteHook) -> None:
    def consume() -> None:
        for row in read_query(sqlite, "SELECT * FROM users"):
            raise KeyError(row["id"])

    with pytest.raises(KeyError):
        consume()
    gc.collect()
    assert sqlite.all_closed


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def test_values_come_as_they_are(warehouse: PostgresHook) -> None:
    sql = """SELECT 'Łódź' AS name, 1.50 AS price, true AS paid, ARRAY['a', 'b'] AS tags, NULL AS gone, DATE '2026-01-02' AS day,
             TIMESTAMPTZ '2026-01-02 03:04:05+00' AS at, '10%' AS share"""
    (row,) = read_query(warehouse, sql)
    assert row == {
        "name": "Łódź",
        "price": Decimal("1.50"),
        "paid": True,
        "tags": ["a", "b"],
        "gone": None,
        "day": date(2026, 1, 2),
        "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "share": "10%",
    }


def test_every_kind_of_cursor_a_connection_may_ask_for(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = [connect(postgres, monkeypatch, cursor=cursor) for cursor in ("dictcursor", "namedtuplecursor")]
    kinds = (None, extras.DictCursor, extras.RealDictCursor, extras.NamedTupleCursor)
    older = [Psycopg2Hook(postgres, cursor_factory=kind) for kind in kinds]
    for hook in (*newer, *older):
        rows = list(read_query(hook, "SELECT n, n * 2 AS double FROM generate_series(1, %(most)s) n", {"most": 3}))
        assert rows == [{"n": 1, "double": 2}, {"n": 2, "double": 4}, {"n": 3, "double": 6}]
        assert {type(row) for row in rows} == {dict}


def test_the_result_stays_on_the_server_and_memory_stays_flat(warehouse: PostgresHook, postgres: EmbeddedPostgres) -> None:
    rows = 300_000
    stream = read_query(warehouse, f"SELECT n, repeat('x', 300) AS text FROM generate_series(1, {rows}) n")
    first = next(stream)
    watcher = postgres.connect()
    with watcher.cursor() as cursor:
        cursor.execute("SELECT query, state FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()", ("%engagement_%",))
        ((query, state),) = cursor.fetchall()
    watcher.close()
    assert query.startswith("FETCH FORWARD 2000 FROM")
    assert state == "idle in transaction"
    process, peak = psutil.Process(), 0
    before = process.memory_info().rss
    read = first["n"]
    for row in stream:
        read += 1
        assert row["n"] == read
        if read % 10_000 == 0:
            peak = max(peak, process.memory_info().rss)
    assert read == rows
    assert peak - before < 40_000_000  # the rows' text alone is 90 MB


def test_the_server_side_is_closed_too(warehouse: PostgresHook, postgres: EmbeddedPostgres) -> None:
    def others() -> int:
        watcher = postgres.connect()
        with watcher.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", (SUPERUSER,))
            (count,) = cursor.fetchone() or (-1,)
        watcher.close()
        return int(count)

    stream = read_query(warehouse, "SELECT * FROM generate_series(1, 100000) n")
    next(stream)
    assert others() == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream.close()  # type: ignore[attr-defined]
    wait_until_gone(others)


def wait_until_gone(count: Any) -> None:
    for _ in range(200):
        if count() == 0:
            return
    raise AssertionError("the connection is still open")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nope FROM pg_class", 'column "nope" does not exist'),
        ("SELECT 1 / (5000 - n) AS x FROM generate_series(1, 10000) n", "division by zero"),
        ("DELETE FROM pg_class", "syntax error"),
    ],
)
def test_errors_of_the_server_keep_their_message(warehouse: PostgresHook, sql: str, said: str) -> None:
    with pytest.raises(Exception, match=said) as caught:
        list(read_query(warehouse, sql))
    assert type(caught.value).__module__.startswith("psycopg")
    assert caught.value.__notes__[0].startswith("(connection 'warehouse', after ")


def test_two_columns_of_one_name_are_refused_by_postgres_too(warehouse: PostgresHook) -> None:
    for most in (1, 0):
        with pytest.raises(UnusableSource, match="two columns of the name 'n'"):
            list(read_query(warehouse, f"SELECT n, n FROM generate_series(1, {most}) n"))


# --- connections -----------------------------------------------------------------------------------------------------


def test_a_connection_of_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "userflow", "password": "ak_test"}))
    with pytest.raises(UnusableSource, match=r"connection 'other' is of type 'userflow', which is no SQL database \(UserflowHook\)"):
        find_sql_hook("other")


def test_the_hooks_that_airflow_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FILE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "x.db")}))
    assert list(read_query(find_sql_hook("file"), "SELECT ? AS n, '100%' AS share", [7])) == [{"n": 7, "share": "100%"}]
