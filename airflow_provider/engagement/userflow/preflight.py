"""Would Userflow refuse a value? It does where an attribute is defined with another data type than the value's; pure.

A definition comes into being with the first value (https://userflow.com/docs/api#attribute-data-types), and is told by
"List attribute definitions". Knowing them, a row can be refused before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Protocol

from airflow_provider.engagement.userflow.attributes import DATA_TYPES, OPERATIONS

Definitions = Mapping[tuple[str, str], str]
"""Data types by scope (`user`, `group`, `group_membership`, `event`) and attribute name."""

_SCOPES: Final[Mapping[str, str]] = {"users": "user", "groups": "group", "events": "event"}
_COUNTING: Final = ("add", "subtract")
_SETTING: Final = ("set", "set_once")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EXACT: Final[Mapping[str, frozenset[type]]] = {
    "boolean": frozenset((bool,)),
    "number": frozenset((int, float, Decimal)),
    "string": frozenset((str,)),
}
_TOLD: Final[Mapping[str, str]] = {"boolean": "true or false", "datetime": "a date and time", "number": "a number", "string": "text"}


class _Definition(Protocol):
    @property
    def scope(self) -> str | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def data_type(self) -> str | None: ...


class _Hook(Protocol):
    def list_attribute_definitions(self) -> Iterable[_Definition]: ...


def read_definitions(hook: _Hook) -> Definitions:
    """Read all attribute definitions of an account.

    Args:
        hook: a `UserflowHook`.

    Raises:
        ApiError: they could not be read.
    """
    found = ((item.scope, item.name, item.data_type) for item in hook.list_attribute_definitions())
    return {(scope, name): data_type for scope, name, data_type in found if scope and name and data_type}


def check_types(kind: str, body: Mapping[str, Any], definitions: Definitions) -> str | None:
    """Say which values of a planned row Userflow would refuse because of their data type.

    Args:
        kind: `users`, `groups` or `events`.
        body: the request's body, checked and converted.
        definitions: see `read_definitions`; an attribute that is not defined takes any value.

    Returns:
        A sentence that names attributes, defined types and the values' types, or None.
    """
    problems: list[str] = []
    made: dict[tuple[str, str], str] = {}  # definitions that this request itself brings into being
    for scope, where, attributes in _parts(kind, body):
        for name, value in attributes.items():
            defined = definitions.get((scope, name)) or made.get((scope, name))
            if defined is None and not where and not isinstance(value, dict):
                continue  # nothing is known of it, and nothing else in this request can be about it
            if defined is not None and type(value) in _EXACT.get(defined, ()):
                continue
            problem = _problem(value, defined)
            if problem is not None:
                problems.append(f"{where}attribute {name!r} of the {scope.replace('_', ' ')} {problem}")
            elif defined is None and value is not None:
                made[scope, name] = _type_of(value)
    if not problems:
        return None
    return f"Userflow would refuse the row: {'; '.join(problems)}. Convert the value (data_types=…), or give it another attribute"


def _parts(kind: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Give scope, place and attributes of all objects in a body."""
    yield _SCOPES[kind], "", body.get("attributes", {})
    for index, group in enumerate(body.get("groups", ())):
        yield "group", f"groups[{index}]: ", group.get("attributes", {})
    for index, membership in enumerate(body.get("memberships", ())):
        yield "group", f"memberships[{index}]: ", membership["group"].get("attributes", {})
        yield "group_membership", f"memberships[{index}]: ", membership.get("attributes", {})


def _problem(value: Any, defined: str | None) -> str | None:
    if defined is not None and defined not in DATA_TYPES:
        return f"is of the data type {defined}, which only Userflow itself writes"
    if value is None:
        return None
    operation, operand, data_type = _split(value)
    wanted = data_type if operation in _SETTING else "number" if operation in _COUNTING else "list"
    if defined is not None and wanted is not None and wanted != defined:
        given = f"data_type {data_type!r}" if data_type is not None else f"the operation {operation!r}, which works on {wanted}s only"
        return f"is defined as {defined}, but the row gives {given}"
    if operation not in _SETTING:
        return None
    if wanted is not None and not _readable(operand, wanted):
        return f"is given as data_type {wanted!r}, but {_TOLD[_type_of(operand)]} cannot be read as that"
    if wanted is None and defined is not None and not _fits(operand, defined):
        return f"is defined as {defined}, but the row gives {_TOLD[_type_of(operand)]}"
    return None


def _split(value: Any) -> tuple[str, Any, str | None]:
    if not isinstance(value, Mapping):
        return "set", value, None
    operation = next(key for key in value if key in OPERATIONS)
    return operation, value[operation], value.get("data_type")


def _type_of(value: Any) -> str:
    """Say which data type a value would bring into being."""
    operation, operand, data_type = _split(value)
    if data_type is not None:
        return data_type
    if operation not in _SETTING:
        return "number" if operation in _COUNTING else "list"
    if isinstance(operand, bool):
        return "boolean"
    if isinstance(operand, str):
        return "datetime" if _is_moment(operand) else "string"
    return "number"


def _fits(value: Any, data_type: str) -> bool:
    if data_type == "datetime":
        return isinstance(value, str) and _is_moment(value)
    return type(value) in _EXACT.get(data_type, ())


def _readable(value: Any, data_type: str) -> bool:
    """Say whether a value can be read as the data type that is asked for beside it."""
    if _fits(value, data_type):
        return True
    if data_type == "string":
        return isinstance(value, bool | int | float | Decimal)
    if not isinstance(value, str):
        return False
    if data_type == "datetime":
        return _DATE.fullmatch(value) is not None and _is_moment(f"{value}T00:00:00Z")
    return value in ("true", "false") if data_type == "boolean" else _is_number(value)


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _is_moment(text: str) -> bool:
    if not _MOMENT.fullmatch(text):
        return False
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment.tzinfo is None or moment.astimezone(UTC) is not None
    except (ValueError, OverflowError):
        return False
