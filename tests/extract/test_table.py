"""Records become rows: values of their columns' types, children of their own, and errors that name the row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider.engagement.extract.resource import Resource, choose_resource
from airflow_provider.engagement.extract.table import POSITION, Column, RowReader, Table, Type, with_attributes


@dataclass
class Thing:
    id: Any = "a"
    value: Any = None
    attributes: Any = None
    inner: Any = None
    children: Any = None


def read(kind: Type, value: Any) -> Any:
    table = Table("things", "", (Column("id", "text", ""), Column("value", kind, "")))
    return RowReader(table)(Thing(value=value))[0][1]


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        ("text", "Łódź", "Łódź"),
        ("text", 3, "3"),
        ("text", ["b", "a"], '["b","a"]'),
        ("boolean", False, False),
        ("integer", 2**60, 2**60),
        ("decimal", 0.1, Decimal("0.1")),
        ("decimal", Decimal("1E+2"), Decimal(100)),
        ("moment", NOON.astimezone(timezone(timedelta(hours=2))), NOON),
        ("moment", "2026-03-01T12:00:00Z", NOON),
        ("json", {"b": 1, "a": [None, "ü"]}, '{"a":[null,"ü"],"b":1}'),
        *((kind, None, None) for kind in ("text", "boolean", "integer", "decimal", "moment", "json")),
    ],
)
def test_values(kind: Type, value: Any, found: Any) -> None:
    assert read(kind, value) == found
    if kind == "moment" and value is not None:
        assert read(kind, value).tzinfo is UTC


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("boolean", "true"),
        ("boolean", 1),
        ("integer", True),
        ("integer", 1.0),
        ("decimal", "1"),
        ("decimal", float("nan")),
        ("moment", "yesterday"),
        ("moment", "2026-03-01T12:00:00"),
        ("moment", 5),
    ],
)
def test_other_values_are_refused_by_row_and_column_and_not_shown(kind: Type, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^things: 'a' has a {type(value).__name__} where the column value takes {kind}$"):
        read(kind, value)


def test_fields_of_fields_and_functions() -> None:
    columns = (
        Column("id", "text", ""),
        Column("deep", "text", "", "inner.value"),
        Column("made", "integer", "", lambda thing: len(thing.id)),
    )
    reader = RowReader(Table("things", "", columns))
    assert reader(Thing(id="abc", inner=Thing(value="x"))) == [("abc", "x", 3)]
    assert reader(Thing(id="abc")) == [("abc", None, 3)]


def test_children_in_order_of_their_key_and_the_last_of_equals() -> None:
    columns = (Column("thing_id", "text", "", "id", parent=True), Column("id", "text", ""), Column("value", "integer", ""))
    table = Table("children", "", columns, ("thing_id", "id"), lambda thing: thing.children)
    rows = RowReader(table)(Thing(children=[Thing("y", 1), Thing("x", 2), Thing("y", 3)]))
    assert rows == [("a", "x", 2), ("a", "y", 3)]
    assert RowReader(table)(Thing()) == []
    assert table.parent == "thing_id"


def test_position_among_siblings() -> None:
    columns = (Column("thing_id", "text", "", "id", parent=True), Column("position", "integer", "", POSITION), Column("value", "text", ""))
    table = Table("children", "", columns, ("thing_id", "position"), lambda thing: thing.children)
    assert RowReader(table)(Thing(children=[Thing(value="x"), Thing()])) == [("a", 0, "x"), ("a", 1, None)]


def test_a_row_without_its_key_is_refused() -> None:
    with pytest.raises(ValueError, match=r"things: None lacks a part of its key \(id\)"):
        RowReader(Table("things", "", (Column("id", "text", ""),)))(Thing(id=None))


THINGS = Table("things", "", (Column("id", "text", ""), Column("attributes", "json", ""), Column("value", "text", "")))


def test_attributes_as_columns_in_place_of_one() -> None:
    table = with_attributes(THINGS, {"plan": "text", "Seat count": "integer"})
    assert table.names == ("id", "attribute_plan", "attribute_Seat count", "value")
    thing = Thing(attributes={"plan": "pro", "Seat count": 3, "other": 1})
    assert RowReader(table)(thing) == [("a", "pro", 3, None)]
    assert RowReader(table)(Thing()) == [("a", None, None, None)]
    assert with_attributes(THINGS, {}).names == ("id", "value")


def test_an_attribute_of_another_type_is_named() -> None:
    reader = RowReader(with_attributes(THINGS, {"seats": "integer"}))
    with pytest.raises(ValueError, match="things: 'a' has a str where the column attribute_seats takes integer"):
        reader(Thing(attributes={"seats": "three"}))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"plan": "number"}, "type of 'plan' must be one of text, boolean"),
        ({"plan": "text", "Plan": "text"}, "attribute_plan would be one column"),
        ({"ü" * 30: "text"}, "more than 63 bytes"),
        ("plan", "list of names"),
    ],
)
def test_unusable_choices_of_attributes(chosen: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Resource("things", "", Thing, (THINGS,)).with_attributes(chosen)


def test_names_alone_are_texts_and_not_everything_has_attributes() -> None:
    resource = Resource("things", "", Thing, (THINGS,))
    assert resource.with_attributes(["plan"]).tables[0].columns[1].type == "text"
    with pytest.raises(ValueError, match="things has no attributes to choose from"):
        Resource("things", "", Thing, (Table("things", "", (Column("id", "text", ""),)),)).with_attributes(["plan"])


def test_ways_to_read() -> None:
    resource = Resource("things", "", Thing, (THINGS,), {"created": "value"}, snapshot=True)
    assert [resource.choose_way(by) for by in (None, "", "created")] == ["snapshot", "snapshot", "created"]
    with pytest.raises(ValueError, match="things can be read by 'snapshot' or 'created', not by 'last_activity'"):
        resource.choose_way("last_activity")
    with pytest.raises(ValueError, match="resource must be one of things, got 'thing'"):
        choose_resource({"things": resource}, "thing")
