"""Would Usertour keep a value? An attribute keeps values of the data type it was defined with and no other; pure.

v1 drops such a value and answers 201 all the same, v2 refuses the whole request. A definition comes into being with the first
value; "List attribute definitions" tells them, so a row can be refused before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

Definitions = Mapping[tuple[str, str], str]
"""Data types by scope (`user`, `company`, `companyMembership`, `eventDefinition`) and attribute name."""

_SCOPES: Final[Mapping[str, str]] = {"users": "user", "companies": "company", "events": "eventDefinition"}
_SHOWN: Final[Mapping[str, str]] = {"companyMembership": "membership", "eventDefinition": "event"}
_EXACT: Final[Mapping[str, frozenset[type]]] = {
    "boolean": frozenset((bool,)),
    "list": frozenset((list,)),
    "number": frozenset((int, float, Decimal)),
    "string": frozenset((str,)),  # a date and time is text, too
}
_TYPES: Final = ("boolean", "datetime", "list", "number", "string")
_TOLD: Final[Mapping[str, str]] = {
    "boolean": "true or false",
    "datetime": "a date and time",
    "list": "a list",
    "number": "a number",
    "string": "text",
}


class _Definition(Protocol):
    @property
    def scope(self) -> str | None: ...
    @property
    def code_name(self) -> str | None: ...
    @property
    def data_type(self) -> str | None: ...


class _Hook(Protocol):
    def list_attribute_definitions(self, *, allow_incomplete: bool) -> Iterable[_Definition]: ...


def read_definitions(hook: _Hook) -> Definitions:
    """Read the attribute definitions of an account; one that v1's list leaves out is one that is not checked.

    Args:
        hook: a `UsertourHook`.

    Raises:
        ApiError: they could not be read.
    """
    found = ((item.scope, item.code_name, item.data_type) for item in hook.list_attribute_definitions(allow_incomplete=True))
    return {(scope, name): data_type for scope, name, data_type in found if scope and name is not None and data_type in _TYPES}


def check_types(kind: str, body: Mapping[str, Any], definitions: Definitions) -> str | None:
    """Say which values of a planned row Usertour would not keep because of their data type.

    Args:
        kind: `users`, `companies` or `events`.
        body: the row, checked and converted.
        definitions: see `read_definitions`; an attribute that is not defined takes any value.

    Returns:
        A sentence that names attributes, defined types and the values' types, or None.
    """
    problems: list[str] = []
    made: dict[tuple[str, str], str] = {}  # definitions that this row itself brings into being
    for scope, where, attributes in _parts(kind, body):
        for name, value in attributes.items():
            defined = definitions.get((scope, name)) or made.get((scope, name))
            if value is None or (not where if defined is None else type(value) in _EXACT.get(defined, ())):
                continue  # outside of companies, one name stands in one place only
            given = _type_of(value)
            if defined is None:
                made[scope, name] = given
            elif given != defined:
                shown = _SHOWN.get(scope, scope)
                problems.append(f"{where}attribute {name!r} of the {shown} is defined as {defined}, but the row gives {_TOLD[given]}")
    if not problems:
        return None
    return f"Usertour would not keep all values: {'; '.join(problems)}. Convert the value (data_types=…), or give it another attribute"


def _parts(kind: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Give scope, place and attributes of all objects in a row."""
    yield _SCOPES[kind], "", body.get("attributes", {})
    for index, company in enumerate(body.get("companies", ())):
        yield "company", f"companies[{index}]: ", company.get("attributes", {})
    for index, membership in enumerate(body.get("memberships", ())):
        yield "company", f"memberships[{index}]: ", membership["company"].get("attributes", {})
        yield "companyMembership", f"memberships[{index}]: ", membership.get("attributes", {})


def _type_of(value: Any) -> str:
    """Say which data type the server takes a value for."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "datetime" if _is_moment(value) else "string"
    return "list" if isinstance(value, list) else "number"


def _is_moment(text: str) -> bool:
    if "T" not in text:  # a date alone is text
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
