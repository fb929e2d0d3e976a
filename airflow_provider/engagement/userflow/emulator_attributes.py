"""How the emulated Userflow merges attributes: operations, data types, definitions (https://userflow.com/docs/api#attributes).

Written from the reference alone, not from this package's own `attributes`, so that the two can catch each other's mistakes.
What the reference leaves open is decided here:

- a text that is an ISO 8601 date with time makes a new attribute a `datetime`; a date alone makes it a `string`;
- a value of another type than the attribute's definition is refused, never converted, unless `data_type` asks for it;
- a whole list as a value, an empty object and a null inside an operation are refused;
- a sum of decimals is exact, as in a database, and not a binary fraction's neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from airflow_provider.engagement.emulator.state import Refused, timestamp

TYPES = ("boolean", "datetime", "list", "number", "string")
_SETTING = ("set", "set_once")
_COUNTING = {"add": 1, "subtract": -1}
_LISTING = ("append", "prepend", "remove")
_OPERATIONS = (*_SETTING, *_COUNTING, *_LISTING)
_NAME = re.compile(r"[a-zA-Z0-9_\- ]+")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?([Zz]|[+-]\d{2}:?\d{2})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def valid_name(name: object) -> bool:
    """Say whether a text may name an attribute or an event."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def parse_moment(text: object) -> datetime | None:
    """Read an ISO 8601 date with time, without a zone as UTC; None if it is not one."""
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class Merger:
    """Merges the attributes of one request; remembers the definitions that it needs but are not there yet.

    Args:
        known: answers an attribute's data type by scope and name, or None.

    Attributes:
        created: data types of new attributes by scope and name.
    """

    def __init__(self, known: Callable[[str, str], str | None]) -> None:
        self._known = known
        self.created: dict[tuple[str, str], str] = {}

    def merge(self, scope: str, current: Mapping[str, Any], changes: Any, where: str = "attributes") -> dict[str, Any]:
        """Merge values and operations into attributes.

        Args:
            scope: `user`, `group`, `group_membership` or `event`.
            current: the attributes as they are.
            changes: values and operations by name, as they came; None for no change.
            where: how to call them in an error.

        Raises:
            Refused: a name, an operation or a value is wrong.
        """
        merged = dict(current)
        if changes is None:
            return merged
        if not isinstance(changes, Mapping):
            raise _refused(f"{where} must be an object")
        for name, change in changes.items():
            if not valid_name(name):
                raise _refused(f"{where}: {name!r} is no attribute name; only a-z, A-Z, 0-9, underscores, dashes and spaces are allowed")
            self._change(scope, merged, name, change, f"{where}.{name}")
        return merged

    def _change(self, scope: str, merged: dict[str, Any], name: str, change: Any, where: str) -> None:
        defined = self.created.get((scope, name)) or self._known(scope, name)
        if defined is not None and defined not in TYPES:
            raise _refused(f"{where} is of the internal data type {defined} and not writable through the API")
        if change is None:
            merged.pop(name, None)
            return
        operation, operand, wanted = _operation(change, where)
        if wanted is not None and defined is not None and wanted != defined:
            raise _refused(f"{where} is a {defined} attribute, it cannot take data_type {wanted}")
        kind, value = _result(operation, operand, merged.get(name), wanted, defined, where)
        if defined is None:
            self.created[scope, name] = kind
        merged[name] = value


def _operation(change: Any, where: str) -> tuple[str, Any, str | None]:
    if not isinstance(change, Mapping):
        return "set", change, None
    found = [key for key in change if key in _OPERATIONS]
    unknown = [key for key in change if key not in _OPERATIONS and key != "data_type"]
    if len(found) != 1 or unknown:
        raise _refused(
            f"{where} must hold exactly one of {', '.join(_OPERATIONS)} (and data_type), it holds {', '.join(change) or 'nothing'}"
        )
    wanted = change.get("data_type")
    if wanted is not None and wanted not in TYPES:
        raise _refused(f"{where}: data_type must be one of {', '.join(TYPES)}")
    return found[0], change[found[0]], wanted


def _result(operation: str, operand: Any, current: Any, wanted: str | None, defined: str | None, where: str) -> tuple[str, Any]:
    """Work out an attribute's data type and its new value."""
    if operation in _SETTING:
        kind = wanted or defined or _infer(operand)
        value = _converted(operand, kind, where) if wanted else _checked(operand, kind, where)
        return kind, current if operation == "set_once" and current is not None else value
    kind = "number" if operation in _COUNTING else "list"
    for said in (wanted, defined):
        if said is not None and said != kind:
            raise _refused(f"{where}: {operation} works on {kind} attributes only, this is a {said}")
    if kind == "number":
        return kind, _sum(0 if current is None else current, _COUNTING[operation], _checked(operand, kind, where))
    return kind, _listed(operation, [] if current is None else current, _texts(operand, where))


def _infer(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "datetime" if parse_moment(value) is not None else "string"
    return "string"


def _checked(value: Any, kind: str, where: str) -> Any:
    """Check a value against its data type, without converting but for the form of a date."""
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "datetime" and (moment := parse_moment(value)) is not None:
        return timestamp(moment)
    if kind == "list" or isinstance(value, list):
        raise _refused(f"{where}: a list is changed by append, prepend or remove, it cannot be set")
    raise _refused(f"{where} is a {kind} attribute, it cannot take {'null' if value is None else type(value).__name__}")


def _converted(value: Any, kind: str, where: str) -> Any:
    """Convert a value to the data type that was asked for, as far as that is no guess."""
    if isinstance(value, str):
        if kind == "number":
            return _number(value, where)
        if kind == "boolean" and value in ("true", "false"):
            return value == "true"
        if kind == "datetime" and _DATE.fullmatch(value):
            return _checked(f"{value}T00:00:00Z", kind, where)
    elif kind == "string" and isinstance(value, bool):
        return "true" if value else "false"
    elif kind == "string" and isinstance(value, int | float):
        return str(value)
    return _checked(value, kind, where)


def _number(text: str, where: str) -> int | float:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _refused(f"{where}: {text!r} is no number") from None
    if not number.is_finite():
        raise _refused(f"{where}: {text!r} is no number")
    return _plain(number)


def _sum(current: Any, sign: int, operand: int | float) -> int | float:
    if isinstance(current, int) and isinstance(operand, int):
        return current + sign * operand
    return _plain(Decimal(str(current)) + sign * Decimal(str(operand)))


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() and number.adjusted() < 40 else float(number)


def _texts(operand: Any, where: str) -> list[str]:
    texts = [operand] if isinstance(operand, str) else operand
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _refused(f"{where} must be a string or a list of strings")
    return list(dict.fromkeys(texts))


def _listed(operation: str, current: list[str], texts: list[str]) -> list[str]:
    if operation == "remove":
        return [text for text in current if text not in texts]
    fresh = [text for text in texts if text not in current]
    return [*current, *fresh] if operation == "append" else [*fresh, *current]


def _refused(text: str) -> Refused:
    return Refused(400, "invalid_attributes", text)
