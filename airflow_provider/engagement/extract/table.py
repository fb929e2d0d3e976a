"""Tables as data: which columns a record becomes, their types and keys; pure.

Column types and what a value of each is in Python, in every kind of file and in every database:

- `text`: `str`; what is no text where one is wanted is written as JSON;
- `boolean`: `bool`; `integer`: `int`; `decimal`: `Decimal`, no float in between;
- `moment`: an aware `datetime` in UTC;
- `json`: a text that holds JSON, keys sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, get_args

from airflow_provider.engagement.wire.message import encode_json

Type = Literal["text", "boolean", "integer", "decimal", "moment", "json"]
Row = tuple[Any, ...]
POSITION = "#"
"""A column's source: where the child stands among its siblings, from 0."""
ATTRIBUTES = "attributes"
"""The column that holds all attributes, and the prefix (`attribute_`) of those that hold one."""
_MOST_NAME = 63
"""Bytes; PostgreSQL cuts longer names off without a word."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: its name.
        type: its type.
        doc: what it holds, a sentence without full stop.
        source: where the value comes from: a field of the record, with dots for a field of a field; a function of the record; or
            `POSITION`. The column's own name by default.
        parent: the value comes from the record whose child the row is.
    """

    name: str
    type: Type
    doc: str
    source: str | Callable[[Any], Any] = ""
    parent: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        name: its name, before any prefix.
        doc: what a row is, a sentence without full stop.
        columns: the columns, in order.
        key: the columns that tell two rows apart; none of them is ever null.
        children: gives what becomes the rows of a record; None where the record itself is the row.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("id",)
    children: Callable[[Any], Sequence[Any] | None] | None = None

    @property
    def parent(self) -> str:
        """The column that holds the key of the record whose child a row is; of a table with `children`."""
        return next(column.name for column in self.columns if column.parent)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)


def with_attributes(table: Table, chosen: Mapping[str, Type]) -> Table:
    """Give some attributes columns of their own, `attribute_<name>`, in place of the one column that holds all.

    Args:
        table: a table with a column `attributes`.
        chosen: the columns' types by the attributes' names.

    Raises:
        ValueError: a type is none, or two columns would have one name, or one would be too long for a database.
    """

    def column(name: str, kind: Type) -> Column:
        if kind not in get_args(Type):
            raise ValueError(f"attributes: the type of {name!r} must be one of {', '.join(get_args(Type))}, got {kind!r}")
        label = f"attribute_{name}"
        if len(label.encode()) > _MOST_NAME:
            raise ValueError(
                f"attributes: {name!r} makes a column name of more than {_MOST_NAME} bytes; leave it out, and take it from JSON"
            )
        return Column(label, kind, f"The attribute `{name}`", lambda record: (record.attributes or {}).get(name))

    own = [column(name, kind) for name, kind in chosen.items()]
    lowered = [item.name.lower() for item in own]
    twice = sorted({name for name in lowered if lowered.count(name) > 1})
    if twice:
        raise ValueError(f"attributes: {', '.join(twice)} would be one column in many databases, which do not look at capitals")
    columns = [item for item in table.columns if item.name != ATTRIBUTES]
    place = table.names.index(ATTRIBUTES)
    return replace(table, columns=(*columns[:place], *own, *columns[place:]))


class RowReader:
    """Makes a table's rows out of a record.

    Args:
        table: the table.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._columns = [(_getter(column), _FITS[column.type], column) for column in table.columns]
        self._key = [table.names.index(name) for name in table.key]

    def __call__(self, record: Any) -> list[Row]:
        """Give the record's rows in order of their key, one per key; of rows with the same key the last one counts.

        Raises:
            ValueError: a value is not of its column's type, or a part of the key is missing.
        """
        if self.table.children is None:
            return [self._row(record, record, 0)]
        rows: dict[Any, Row] = {}
        for position, child in enumerate(self.table.children(record) or ()):
            row = self._row(record, child, position)
            rows[tuple(row[place] for place in self._key)] = row
        return [rows[key] for key in sorted(rows)]

    def _row(self, record: Any, item: Any, position: int) -> Row:
        row: list[Any] = []
        for get, fit, column in self._columns:
            value = position if column.source == POSITION else get(record if column.parent else item)
            try:
                row.append(None if value is None else fit(value))
            except (TypeError, ValueError, ArithmeticError):
                raise ValueError(
                    f"{self.table.name}: {self._name(record, item)} has a {type(value).__name__} where the column {column.name} takes "
                    f"{column.type}"
                ) from None
        if any(row[place] is None for place in self._key):
            raise ValueError(f"{self.table.name}: {self._name(record, item)} lacks a part of its key ({', '.join(self.table.key)})")
        return tuple(row)

    def _name(self, record: Any, item: Any) -> str:
        found = [column for column in self.table.columns if column.name in self.table.key and column.source != POSITION]
        return " ".join(repr(_getter(column)(record if column.parent else item))[:80] for column in found)


def _getter(column: Column) -> Callable[[Any], Any]:
    source = column.source or column.name
    if callable(source):
        return source
    path = source.split(".")

    def get(record: Any) -> Any:
        value = record
        for name in path:
            if value is None:
                return None
            value = getattr(value, name)
        return value

    return get


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str) else encode_json(value).decode()


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError
    return number


def _moment(value: Any) -> datetime:
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(found, datetime) or found.tzinfo is None:
        raise TypeError
    return found.astimezone(UTC)


def _json(value: Any) -> str:
    return encode_json(value).decode()


_FITS: Mapping[Type, Callable[[Any], Any]] = {
    "text": _text,
    "boolean": _boolean,
    "integer": _integer,
    "decimal": _decimal,
    "moment": _moment,
    "json": _json,
}
