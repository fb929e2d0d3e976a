"""What the columns of a flat row mean: declared once by a DAG's author, carried out by `airflow_provider.engagement.bulk.mapper`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from airflow_provider.engagement.bulk.data_types import DATA_TYPES
from airflow_provider.engagement.wire.message import encode_json

Kind = Literal["users", "groups", "events"]
Row = Mapping[str, Any]
Attributes = Sequence[str] | Mapping[str, str] | Callable[[Row], Mapping[str, Any]]
"""Columns; or attribute names by column; or a function from a row to its attributes, values and operations alike."""

_TAKES: Final[Mapping[str, frozenset[str]]] = {
    "users": frozenset(("key", "groups")),
    "groups": frozenset(("key",)),
    "events": frozenset(("event_name", "event_name_column", "user", "group", "time", "allow_missing_time")),
}
_OWN: Final = frozenset[str]().union(*_TAKES.values())
_ADVICE: Final = {"number": ("add", "subtract"), "list": ("append", "prepend", "remove")}


@dataclass(frozen=True, slots=True)
class Shape:
    """The words a vendor's API uses in a row, and what it knows of attributes.

    Attributes:
        vendor: the vendor's name, for errors.
        group: a group's name in a membership: `group`, `company`.
        user_id: the user's id in an event.
        group_id: the group's id in an event.
        time: when an event happened.
        check_name: refuses what cannot be an attribute's name; takes it and how to call it in the error, raises `ValueError`.
        groups: the groups' name in a user: `groups`, `companies`.
        operations: the operations on attributes that it knows.
        typed: whether a value can say its data type (`{"set": …, "data_type": …}`).
        group_events: whether there are events of a group without a user.
    """

    vendor: str
    group: str
    groups: str
    user_id: str
    group_id: str
    time: str
    check_name: Callable[[Any, str], Any]
    operations: tuple[str, ...] = ()
    typed: bool = False
    group_events: bool = False


@dataclass(frozen=True, slots=True)
class GroupColumns:
    """The columns of a user's row that are about a group (a company, for Usertour) the user belongs to.

    Args:
        id: column of the group's id. Where it is null, the user belongs to none.
        attributes: columns of the group's own attributes, or attribute names by column.
        membership: columns of what is true of this user in this group only (e.g. `role`), likewise.
    """

    id: str
    attributes: Sequence[str] | Mapping[str, str] = ()
    membership: Sequence[str] | Mapping[str, str] = ()

    def __post_init__(self) -> None:
        for name in ("attributes", "membership"):
            _check_columns(f"{name} of group {self.id!r}", getattr(self, name))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns it is made of."""
        return (self.id, *self.attributes, *self.membership)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RowMapping:
    """How a flat row of a query or file becomes a user, group or event of an API.

    Without any argument: the column `id` is the key, every other column an attribute of its own name.

    Values travel as the source gives them, by the rules of `airflow_provider.engagement.wire.values`; null unsets an attribute. With
    an operation other than `set` a null is left out, because there is nothing to add.

    **Groups.** A user has one row per group when users are joined with their groups. Rows of one user that stand together become one
    request with all its groups, so order the query by the key; rows that stand apart become requests of their own, one after the
    other. Rows joined like this must agree on the user's own attributes, and count as one row from then on.

    Args:
        key: users and groups: column of the id in your database; `id` by default.
        attributes: columns of the attributes (all that mean nothing else by default), or attribute names by column, or a function.
        data_types: the type a column's values are sent as, by column: `boolean`, `datetime`, `list`, `number` or `string`. Text is
            read as that type. Userflow is told it, too, so that a phone number stays a `string`.
        operations: what to do with a column's values instead of setting the attribute, by column: `add`, `subtract`, `set_once`,
            `append`, `prepend`, `remove` (Userflow).
        groups: users: the groups they belong to, columns or just the column of the id; one or several.
        event_name: events: the name of all of them.
        event_name_column: events: or the column of their names.
        user: events: column of the user's id.
        group: events: column of the group's id.
        time: events: column of when they happened; without it they happen when the API receives them.
        allow_missing_time: events: send a row whose time is null; it happens when the API receives it. Refused otherwise.
        transform: a function from a row to a row in the API's own shape, instead of all of the above.

    Raises:
        ValueError: the arguments contradict each other.
    """

    key: str | None = None
    attributes: Attributes | None = None
    data_types: Mapping[str, str] = field(default_factory=dict)
    operations: Mapping[str, str] = field(default_factory=dict)
    groups: str | GroupColumns | Sequence[str | GroupColumns] = ()
    event_name: str | None = None
    event_name_column: str | None = None
    user: str | None = None
    group: str | None = None
    time: str | None = None
    allow_missing_time: bool = False
    transform: Callable[[Row], Any] | None = None

    def __post_init__(self) -> None:
        given = {item.name for item in fields(self) if getattr(self, item.name)}
        if self.transform is not None and given != {"transform"}:
            raise ValueError(f"transform makes the whole row, so {', '.join(sorted(given - {'transform'}))} means nothing beside it")
        if callable(self.attributes) and (self.data_types or self.operations):
            raise ValueError("a function as attributes gives values and operations itself; leave out data_types and operations")
        if not callable(self.attributes):
            _check_columns("attributes", self.attributes or ())
        for column, data_type in self.data_types.items():
            if data_type not in DATA_TYPES:
                raise ValueError(f"data_types[{column!r}] is {data_type!r}; it must be one of {', '.join(DATA_TYPES)}")
        for data_type, operations in _ADVICE.items():
            for column, operation in self.operations.items():
                if operation in operations and self.data_types.get(column, data_type) != data_type:
                    raise ValueError(f"column {column!r}: {operation} works on {data_type} attributes, not on {self.data_types[column]}")

    @property
    def all_groups(self) -> tuple[GroupColumns, ...]:
        """The groups of a user, one value each."""
        given = (self.groups,) if isinstance(self.groups, str | GroupColumns) else self.groups
        return tuple(GroupColumns(group) if isinstance(group, str) else group for group in given)

    def check(self, kind: Kind, shape: Shape) -> None:
        """Check that it can be carried out.

        Args:
            kind: what the rows become.
            shape: the vendor's words.

        Raises:
            ValueError: an argument means nothing for this target or vendor, or one is missing.
        """
        if self.transform is not None:
            return
        given = {item.name for item in fields(self) if item.name in _OWN and getattr(self, item.name)}
        if wrong := given - _TAKES[kind]:
            raise ValueError(f"{', '.join(sorted(wrong))} means nothing for {kind}; they take {', '.join(sorted(_TAKES[kind]))}")
        for column, operation in self.operations.items():
            if operation not in shape.operations:
                known = ", ".join(shape.operations)
                raise ValueError(f"operations[{column!r}] is {operation!r}; {shape.vendor} knows {known or 'no operations on attributes'}")
        for column, data_type in self.data_types.items():
            if data_type == "list" and shape.typed and self.operations.get(column) not in _ADVICE["list"]:
                raise ValueError(f"column {column!r} is a list, which {shape.vendor} cannot set; give operations={{{column!r}: 'append'}}")
        if kind == "events":
            self._check_event(shape)

    def _check_event(self, shape: Shape) -> None:
        if (self.event_name is None) == (self.event_name_column is None):
            raise ValueError("events take either event_name, the name of all of them, or event_name_column")
        if self.user is None and (self.group is None or not shape.group_events):
            raise ValueError(f"events take user, the column of the user's id{', or group' if shape.group_events else ''}")

    def __repr__(self) -> str:
        # Airflow keeps it as text in the serialized DAG of a mapped task; an address in it would make a new version of each parsing.
        return f"RowMapping({self.describe()})"

    def describe(self) -> str:
        """Write it as text that is the same for the same mapping, and another one for another.

        Functions are told by module and name only: a change inside one of them does not show.
        """
        return encode_json({item.name: _told(getattr(self, item.name)) for item in fields(self)}).decode()


def _check_columns(where: str, columns: Sequence[str] | Mapping[str, str]) -> None:
    if isinstance(columns, str):
        raise ValueError(f"{where} is the text {columns!r}; give a list of columns")
    if isinstance(columns, Mapping) and len(set(columns.values())) != len(columns):
        raise ValueError(f"{where}: one name is given to two columns: {', '.join(map(repr, columns.values()))}")


def name_of(function: Callable[..., Any]) -> str:
    """Name a function as well as it can be."""
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _told(value: Any) -> Any:
    if isinstance(value, GroupColumns):
        return [value.id, _told(value.attributes), _told(value.membership)]
    if isinstance(value, Mapping):
        return {str(key): _told(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        told = [_told(item) for item in value]
        return sorted(told) if all(isinstance(item, str) for item in told) else told
    return name_of(value) if callable(value) else value


COLUMNS: Final = RowMapping()
"""The column `id` is the key, every other column an attribute of its own name."""
