"""Rows of a window merged into real databases: SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider.engagement.extract.database import Database
from airflow_provider.engagement.extract.merge import Merge, transaction
from airflow_provider.engagement.extract.resource import Reading, Resource
from airflow_provider.engagement.extract.rows import pour
from airflow_provider.engagement.extract.table import Column, Table
from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.wire.message import encode_json
from airflow_provider.engagement.wire.record import Record, each, moment, reads
from tests.warehouse import Warehouse

DAY = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(DAY, DAY + timedelta(days=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Record):
    id: str
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit(Record):
    id: str
    place: str | None = None
    begun: datetime | None = reads(moment)
    seen: datetime | None = reads(moment)
    done: bool | None = None
    share: Decimal | None = reads(lambda text: Decimal(str(text)))
    number: int | None = None
    about: Any = None
    parts: list[Part] | None = reads(each(Part.read))


VISITS = Resource(
    "visits",
    "",
    Visit.read,
    (
        Table(
            "visits",
            "A visit",
            (
                Column("id", "text", "Id"),
                Column("place", "text", "Where"),
                Column("begun", "moment", "When"),
                Column("seen", "moment", "Last seen"),
                Column("done", "boolean", "Done"),
                Column("share", "decimal", "Share"),
                Column("number", "integer", "Number"),
                Column("about", "json", "About"),
            ),
        ),
        Table(
            "parts",
            "A part",
            (Column("visit_id", "text", "Visit", "id", parent=True), Column("id", "text", "Id"), Column("text", "text", "Text")),
            ("visit_id", "id"),
            lambda visit: visit.parts,
        ),
    ),
    windows={"created": "begun", "last_activity": "seen"},
    version="seen",
    scope="place",
)


def visit(key: str, hours: float = 1, *, parts: Sequence[str] = (), seen: float = 1, place: str = "here", **told: Any) -> dict[str, Any]:
    at = {"begun": (DAY + timedelta(hours=hours)).isoformat(), "seen": (DAY + timedelta(hours=seen)).isoformat()}
    return {"id": key, "place": place, **at, "parts": [{"id": part, "text": f"{part} of {key}"} for part in parts], **told}


def merge(
    *visits: dict[str, Any],
    by: str = "created",
    windows: tuple[Window, ...] = (WINDOW,),
    places: Sequence[str] | None = None,
    **target: Any,
) -> None:
    options = {"schema": None, "prefix": "my_", "delete_missing": True, **target}
    database = Database.find("warehouse", options["schema"], options["prefix"], delete_missing=options["delete_missing"])
    with transaction(database.connect, database.target, "visits") as cursor:
        work = Merge(cursor, database.target, Reading(VISITS, by, windows), windows[-1] if windows else None, places)
        pour((encode_json(item) for item in visits), VISITS, work.stages)
        work.finish()


def ids(warehouse: Warehouse) -> list[str]:
    return [row[0] for row in warehouse.rows("SELECT id FROM my_visits ORDER BY id")]


def parts(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return warehouse.rows("SELECT visit_id, id FROM my_parts ORDER BY 1, 2")


def test_values_arrive_as_what_they_are(warehouse: Warehouse) -> None:
    text = "Łódź 🚀 'quoted' \"and\" 100% ? \0 {}"
    merge(visit("a", place=text, done=True, share="0.4", number=2**60, about={"b": [1, None, text]}), visit("b", done=None))
    found = warehouse.rows("SELECT place, begun, done, share, number, about FROM my_visits ORDER BY id")
    if warehouse.kind == "postgres":
        clean = text.replace("\0", "\ufffd")
        assert found[0] == (clean, DAY + timedelta(hours=1), True, Decimal("0.4"), 2**60, {"b": [1, None, clean]})
    else:
        about = encode_json({"b": [1, None, text]}).decode()
        assert found[0] == (text, "2026-03-01T01:00:00.000000+00:00", 1, 0.4, 2**60, about)
    assert found[1][2:] == (None, None, None, None)


def test_the_same_window_again_leaves_the_same_rows(warehouse: Warehouse) -> None:
    rows = [visit("a", parts=["x", "y"]), visit("b", parts=["x"])]
    merge(*rows)
    before = warehouse.rows("SELECT * FROM my_visits ORDER BY id")
    merge(*rows)
    assert warehouse.rows("SELECT * FROM my_visits ORDER BY id") == before
    assert parts(warehouse) == [("a", "x"), ("a", "y"), ("b", "x")]


def test_what_changed_is_updated_and_children_are_replaced(warehouse: Warehouse) -> None:
    merge(visit("a", parts=["x", "y"], done=False))
    merge(visit("a", parts=["y", "z"], done=True))
    assert [bool(done) for (done,) in warehouse.rows("SELECT done FROM my_visits")] == [True]
    assert parts(warehouse) == [("a", "y"), ("a", "z")]


def test_what_the_server_no_longer_has_is_deleted_in_the_window_only(warehouse: Warehouse) -> None:
    yesterday = Window(DAY - timedelta(days=1), DAY)
    merge(visit("old", -1, parts=["x"]), windows=(yesterday,))
    merge(visit("a", parts=["x"]), visit("b", parts=["x"]), visit("first", 0), visit("last", 23.999))
    merge(visit("a", parts=["x"]))
    assert ids(warehouse) == ["a", "old"]
    assert parts(warehouse) == [("a", "x"), ("old", "x")]


def test_nothing_is_deleted_where_nobody_wants_it(warehouse: Warehouse) -> None:
    merge(visit("a"), visit("b"))
    merge(visit("a"), delete_missing=False)
    assert ids(warehouse) == ["a", "b"]


def test_a_choice_of_contents_deletes_among_those_only(warehouse: Warehouse) -> None:
    merge(visit("a", place="here"), visit("b", place="there"), visit("c", place="here"))
    merge(visit("a", place="here"), places=["here"])
    assert ids(warehouse) == ["a", "b"]
    merge(places=[])
    assert ids(warehouse) == ["a", "b"]


def test_by_last_activity_nothing_is_deleted(warehouse: Warehouse) -> None:
    merge(visit("a"), visit("b"))
    merge(visit("a"), by="last_activity")
    assert ids(warehouse) == ["a", "b"]


def test_a_snapshot_replaces_everything(warehouse: Warehouse) -> None:
    merge(visit("a", parts=["x"]), visit("far", 1000, parts=["x"]), by="snapshot", windows=())
    merge(visit("b", parts=["x"]), by="snapshot", windows=())
    assert ids(warehouse) == ["b"]
    assert parts(warehouse) == [("b", "x")]


def test_a_newer_state_is_not_overwritten_by_an_older_one(warehouse: Warehouse) -> None:
    merge(visit("a", seen=5, parts=["new"], done=True))
    merge(visit("a", seen=4, parts=["old"], done=False))
    assert [bool(done) for (done,) in warehouse.rows("SELECT done FROM my_visits")] == [True]
    assert parts(warehouse) == [("a", "new")]


def test_an_error_leaves_everything_as_it_was(warehouse: Warehouse) -> None:
    merge(visit("a", parts=["x"]))
    with pytest.raises(ValueError, match="visits: 'b' has a str where the column done takes boolean"):
        merge(visit("c"), visit("b", done="yes"))
    assert (ids(warehouse), parts(warehouse)) == (["a"], [("a", "x")])


def test_names_are_quoted(warehouse: Warehouse) -> None:
    prefix = "We \"ird'; 100%s ?-"
    merge(visit("a", parts=["x"]), prefix=prefix)
    merge(visit("b", parts=["x"]), prefix=prefix)
    quoted = '"' + prefix.replace('"', '""') + 'visits"'
    assert warehouse.rows(f"SELECT id FROM {quoted}") == [("b",)]


def test_a_name_the_database_would_cut_off_is_refused(postgres_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Warehouse.postgres(postgres_server, monkeypatch)
    with pytest.raises(ValueError, match="at most 63 bytes"):
        merge(prefix="x" * 60)


def test_an_older_table_is_told_what_it_lacks(warehouse: Warehouse) -> None:
    warehouse.run("CREATE TABLE my_visits (id TEXT PRIMARY KEY, place TEXT)")
    with pytest.raises(ValueError, match=r'lacks begun, .*ALTER TABLE "my_visits" ADD COLUMN "begun" T'):
        merge(visit("a"))


def test_a_table_with_columns_of_its_own_keeps_them(warehouse: Warehouse) -> None:
    merge(visit("a"))
    warehouse.run("ALTER TABLE my_visits ADD COLUMN note TEXT")
    warehouse.run("UPDATE my_visits SET note = 'kept'")
    merge(visit("a", done=True))
    assert warehouse.rows("SELECT note FROM my_visits") == [("kept",)]


def test_windows_side_by_side_do_not_disturb_each_other(warehouse: Warehouse) -> None:
    windows = [Window(DAY + timedelta(days=number), DAY + timedelta(days=number + 1)) for number in range(6)]

    def work(number: int) -> None:
        merge(*(visit(f"{number}-{key}", 24 * number + 1, parts=["x", "y"]) for key in range(50)), windows=(windows[number],))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert (len(ids(warehouse)), len(parts(warehouse))) == (300, 600)


def test_more_rows_than_one_statement_takes(warehouse: Warehouse) -> None:
    merge(*(visit(f"{number:05}", parts=["x"]) for number in range(2500)))
    assert (len(ids(warehouse)), len(parts(warehouse))) == (2500, 2500)


def test_other_databases_are_refused_by_name(postgres_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Warehouse.postgres(postgres_server, monkeypatch)
    Warehouse(found.connect, {**found.connection, "extra": {"redshift": True}}, "postgres", monkeypatch)
    with pytest.raises(ValueError, match=r"SQLite and PostgreSQL, and this connection is for Redshift"):
        merge()
    Warehouse(found.connect, {"conn_type": "userflow", "password": "ak_test"}, "userflow", monkeypatch)
    with pytest.raises(ValueError, match=r"connection 'warehouse' is of type userflow, which is no database"):
        merge()


def test_a_schema_of_its_own(postgres_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = Warehouse.postgres(postgres_server, monkeypatch)
    warehouse.run('CREATE SCHEMA "Analytics"')
    merge(visit("a"), schema="Analytics")
    merge(visit("b"), schema="Analytics")
    assert warehouse.rows('SELECT id FROM "Analytics".my_visits') == [("b",)]
