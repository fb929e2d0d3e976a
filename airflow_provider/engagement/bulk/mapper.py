"""Carries out a mapping: rows of columns become rows in the API's own shape, one after the other.

What each column means is worked out once per set of columns, not per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from airflow_provider.engagement.bulk.data_types import as_data_type, is_missing
from airflow_provider.engagement.bulk.mapping import Kind, Row, RowMapping, Shape, name_of
from airflow_provider.engagement.bulk.rows import ApiRow, InvalidRow, MappedRow, UnusableSource

RENDERED_NULLS: Final = frozenset(("None", "nan", "NaN", "NaT", "null", "NULL", "<NA>", "undefined"))
"""What a missing value leaves behind where it was turned into text."""

_NUMBERS = ("add", "subtract")
_LISTED = 20
_SETS_KEPT = 64

Value = Callable[[Any], Any]
_LEFT_OUT: Final = object()


class Mapper:
    """Maps the rows of one source.

    Args:
        mapping: what the columns mean.
        kind: what the rows become.
        shape: the vendor's words.

    Raises:
        ValueError: the mapping means nothing for this target or vendor.
    """

    def __init__(self, mapping: RowMapping, kind: Kind, shape: Shape) -> None:
        mapping.check(kind, shape)
        self._mapping, self._kind, self._shape = mapping, kind, shape
        self._known: dict[tuple[Any, ...], _Columns | str] = {}
        self._names: tuple[Any, ...] | None = None
        self._columns: _Columns | str = "no row was read yet"

    def __call__(self, rows: Iterable[Any]) -> Iterator[ApiRow | MappedRow | InvalidRow]:
        """Map rows as they come.

        Args:
            rows: rows of columns; an `ApiRow` passes as it is.

        Raises:
            UnusableSource: the first row's columns do not fit; where a later row's do not, only that row is invalid.
        """
        mapped = map(self._transform if self._mapping.transform is not None else self._map, rows)
        return self._join(mapped) if self._mapping.groups else mapped

    def _map(self, row: Any) -> ApiRow | MappedRow | InvalidRow:
        if type(row) is not dict and not isinstance(row, Mapping):
            if isinstance(row, ApiRow):
                return row
            return InvalidRow(row, None, TypeError(f"a row must be a mapping of columns to values, got {type(row).__name__}"))
        names = tuple(row)
        if names != self._names:
            self._turn_to(names)
        columns = self._columns
        try:
            if isinstance(columns, str):
                raise UnusableSource(columns)
            return MappedRow(columns.make(row), row)
        except (ValueError, TypeError) as error:
            return InvalidRow(row, self._key_text(row), error)

    def _transform(self, row: Any) -> ApiRow | MappedRow | InvalidRow:
        if isinstance(row, ApiRow):
            return row
        try:
            return MappedRow(_ask(self._mapping.transform, row), row)
        except (ValueError, TypeError) as error:
            return InvalidRow(row, None, error)

    def _turn_to(self, names: tuple[Any, ...]) -> None:
        first = self._names is None
        found = self._known.get(names)
        if found is None:
            try:
                found = _Columns(self._mapping, self._kind, self._shape, names, check_names=first)
            except UnusableSource as error:
                if first:
                    raise
                found = str(error)
            if len(self._known) >= _SETS_KEPT:  # rows of ever new columns: nothing is gained by keeping them
                self._known.clear()
            self._known[names] = found
        self._names, self._columns = names, found

    def _join(self, mapped: Iterable[ApiRow | MappedRow | InvalidRow]) -> Iterator[ApiRow | MappedRow | InvalidRow]:
        """Make one row of those of one user that stand together."""
        begun: _Joined | None = None
        for item in mapped:
            if begun is not None and not isinstance(item, ApiRow) and begun.takes(item, self._key(item)):
                continue
            if begun is not None:
                yield begun.finish()
            begun = None
            key = None if isinstance(item, ApiRow) else self._key(item)
            if key is None or isinstance(item, ApiRow):
                yield item
            else:
                begun = _Joined(key, item, self._shape)
        if begun is not None:
            yield begun.finish()

    def _key(self, item: MappedRow | InvalidRow) -> str | None:
        return str(item.row["id"]) if isinstance(item, MappedRow) else item.key

    def _key_text(self, row: Row) -> str | None:
        key = row.get(key_column(self._mapping, self._kind) or "")
        return key if isinstance(key, str) and key else str(key) if isinstance(key, int) else None


class _Joined:
    """Rows of one user that stand together."""

    def __init__(self, key: str, first: MappedRow | InvalidRow, shape: Shape) -> None:
        self._key = key
        self._shape = shape
        self._items = [first]

    def takes(self, item: MappedRow | InvalidRow, key: str | None) -> bool:
        if key != self._key:
            return False
        self._items.append(item)
        return True

    def finish(self) -> MappedRow | InvalidRow:
        first = self._items[0]
        if len(self._items) == 1:
            return first
        sources = [item.source if isinstance(item, MappedRow) else item.row for item in self._items]
        try:
            return MappedRow(self._merge(), sources)
        except (ValueError, TypeError) as error:
            return InvalidRow(sources, self._key, error)

    def _merge(self) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        listed = self._shape.groups
        members: dict[str, tuple[str, Any]] = {}
        for item in self._items:
            if isinstance(item, InvalidRow):
                raise item.error
            row = item.row
            if not kept:
                kept = dict(row)
            elif differing := _differing(kept.get("attributes", {}), row.get("attributes", {})):
                raise ValueError(
                    f"rows of this user that stand together differ in {', '.join(map(repr, differing))}; "
                    "a user has one value of each: mend the query, or map them as attributes of the group or the membership"
                )
            listed = "memberships" if "memberships" in row else listed
            for member in row.get(listed, ()):
                group = member[self._shape.group] if listed == "memberships" else member
                known = members.setdefault(str(group["id"]), (listed, member))[1]
                if known is not member and known != member:
                    raise ValueError(f"two rows of this user name the same {self._shape.group} with different values; mend the query")
        if members:
            kept[listed] = [member for _, member in members.values()]
        return kept


class _Columns:
    """What one set of columns means."""

    def __init__(self, mapping: RowMapping, kind: Kind, shape: Shape, names: tuple[Any, ...], *, check_names: bool) -> None:
        self._mapping, self._shape = mapping, shape
        self._names = names
        self._key = key_column(mapping, kind)
        own = [self._key, mapping.event_name_column, mapping.user, mapping.group, mapping.time]
        self._own = [name for name in own if name is not None] + [name for group in mapping.all_groups for name in group.columns]
        self._check_columns()
        chosen = mapping.attributes
        self._function = chosen if callable(chosen) else None
        if chosen is None:
            chosen = [name for name in names if name not in self._own]
        self._attributes = _Attributes({} if callable(chosen) else _by_column(chosen), mapping, shape)
        self._groups = [
            (group.id, _Attributes(_by_column(group.attributes), mapping, shape), _Attributes(_by_column(group.membership), mapping, shape))
            for group in mapping.all_groups
        ]
        self._listed = "memberships" if any(group.membership for group in mapping.all_groups) else shape.groups
        if check_names:
            self._check_names()
        self._check_special()
        self.make = self._make_event if self._key is None else self._make_object

    def _make_object(self, row: Row) -> dict[str, Any]:
        made: dict[str, Any] = {"id": _id(row[self._key], self._key)}  # type: ignore[index]
        attributes = self._attributes.of(row) if self._function is None else _ask(self._function, row)
        if attributes:
            made["attributes"] = attributes
        if self._groups:
            made[self._listed] = [member for group in self._groups if (member := self._member(row, *group)) is not None]
        return made

    def _member(self, row: Row, column: str, of_group: _Attributes, of_membership: _Attributes) -> dict[str, Any] | None:
        if is_missing(row[column]):
            return None
        group: dict[str, Any] = {"id": _id(row[column], column)}
        if attributes := of_group.of(row):
            group["attributes"] = attributes
        if self._listed != "memberships":
            return group
        member: dict[str, Any] = {self._shape.group: group}
        if attributes := of_membership.of(row):
            member["attributes"] = attributes
        return member

    def _make_event(self, row: Row) -> dict[str, Any]:
        mapping, shape = self._mapping, self._shape
        named = mapping.event_name_column
        made: dict[str, Any] = {"name": mapping.event_name if named is None else _id(row[named], named)}
        alone = mapping.user is None or mapping.group is None or not shape.group_events
        for column, name, needed in ((mapping.user, shape.user_id, alone), (mapping.group, shape.group_id, mapping.user is None)):
            if column is not None and (needed or not is_missing(row[column])):
                made[name] = _id(row[column], column)
        if len(made) == 1:
            raise ValueError(f"columns {mapping.user!r} and {mapping.group!r} are both null; an event belongs to a user or a group")
        if mapping.time is not None and (time := self._time(row[mapping.time], mapping.time)) is not None:
            made[shape.time] = time
        if attributes := (self._attributes.of(row) if self._function is None else _ask(self._function, row)):
            made["attributes"] = attributes
        return made

    def _time(self, value: Any, column: str) -> Any:
        if not is_missing(value) and not (isinstance(value, str) and (not value.strip() or value.strip() in RENDERED_NULLS)):
            return value
        if not self._mapping.allow_missing_time:
            raise ValueError(
                f"column {column!r} has no time, and {self._shape.vendor} would take the moment it receives the event for it; "
                "leave such rows out, or set allow_missing_time=True"
            )
        return None

    def _check_columns(self) -> None:
        mapping, names = self._mapping, self._names
        chosen = () if callable(mapping.attributes) or mapping.attributes is None else tuple(mapping.attributes)
        wanted = dict.fromkeys((*self._own, *chosen, *mapping.data_types, *mapping.operations))
        missing = [name for name in wanted if name not in names]
        if missing:
            there = ", ".join(map(repr, names[:_LISTED])) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
            raise UnusableSource(
                f"the mapping names {', '.join(map(repr, missing))}, which the row has not; it has {there}. "
                "If some rows lack a column on purpose, give attributes as a function"
            )

    def _all_attributes(self) -> Iterator[_Attributes]:
        yield self._attributes
        for _, *parts in self._groups:
            yield from parts

    def _check_special(self) -> None:
        named = {column for attributes in self._all_attributes() for column in attributes.names}
        for column in (*self._mapping.data_types, *self._mapping.operations):
            if column not in named:
                raise UnusableSource(f"data_types or operations name column {column!r}, which is no attribute in this mapping")

    def _check_names(self) -> None:
        wrong = []
        for attributes in self._all_attributes():
            for column, name in attributes.names.items():
                try:
                    self._shape.check_name(name, f"column {column!r}: the attribute name")
                except (ValueError, TypeError) as error:
                    wrong.append(str(error))
        if wrong:
            more = f"; and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
            raise UnusableSource(
                f"{'; '.join(wrong[:_LISTED])}{more}. Rename the columns in the query, or map them: attributes={{column: name}}"
            )


@dataclass(slots=True)
class _Converted:
    """One column whose values are converted or wrapped in an operation."""

    column: str
    data_type: str | None
    operation: str | None
    typed: bool

    def of(self, value: Any) -> Any:
        if is_missing(value):
            return None if self.operation in (None, "set") else _LEFT_OUT
        where = f"column {self.column!r}"
        data_type = self.data_type or ("number" if self.operation in _NUMBERS else None)
        if data_type is not None:
            value = as_data_type(value, data_type, where)
        if not self.typed:
            return value
        made = {self.operation or "set": value}
        return made if self.data_type is None else {**made, "data_type": self.data_type}


class _Attributes:
    """How some columns become attributes."""

    def __init__(self, names: Mapping[str, str], mapping: RowMapping, shape: Shape) -> None:
        self.names = names
        special = {column for column in names if column in mapping.data_types or column in mapping.operations}
        self._plain = [(column, name) for column, name in names.items() if column not in special]
        self._special = [
            (column, name, _Converted(column, mapping.data_types.get(column), mapping.operations.get(column), shape.typed))
            for column, name in names.items()
            if column in special
        ]

    def of(self, row: Row) -> dict[str, Any]:
        attributes = {name: row[column] for column, name in self._plain}
        for column, name, converted in self._special:
            value = converted.of(row[column])
            if value is not _LEFT_OUT:
                attributes[name] = value
        return attributes


def key_column(mapping: RowMapping, kind: Kind) -> str | None:
    """Name the column of the key; events have none."""
    return None if kind == "events" else mapping.key or "id"


def _by_column(columns: Any) -> Mapping[str, str]:
    return columns if isinstance(columns, Mapping) else {column: column for column in columns}


def _id(value: Any, column: str | None) -> Any:
    if type(value) is str:
        if value in RENDERED_NULLS or not value.strip():
            what = f"the text {value!r}, which a missing value leaves behind" if value.strip() else "empty text"
            raise ValueError(f"column {column!r} holds {what}; leave such rows out, or send null where that is allowed")
    elif is_missing(value):
        raise ValueError(f"column {column!r} is null; every row needs its own")
    elif isinstance(value, float | Decimal):
        what = f"column {column!r} holds a {type(value).__name__}"
        raise TypeError(f"{what}: cast it to text or whole numbers (a whole-number column with nulls may have turned into floats)")
    return value


def _ask(function: Callable[[Row], Any] | None, row: Row) -> Any:
    """Call a DAG author's function; whatever goes wrong in it is the row's fault."""
    if function is None:
        raise TypeError("no function")
    try:
        return function(row)
    except (LookupError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"{name_of(function)} failed on this row with {type(error).__name__}: {error}") from error


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    if one == other:
        return []
    names = dict.fromkeys((*one, *other))
    return [name for name in names if not (one.get(name) == other.get(name) or (is_missing(one.get(name)) and is_missing(other.get(name))))]
