"""Attributes as Userflow takes them: names, values, operations (https://userflow.com/docs/api#attributes).

Operations are plain dicts, so that they survive XCom and Jinja templates: `add(1)` is `{"add": 1}`. Nothing is judged when
they are made, because a template may still stand in them; `check_attributes` judges and converts just before sending, by the
rules of `airflow_provider.engagement.wire.values`. "No value" (None, NaN, NaT) unsets the attribute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from airflow_provider.engagement.wire.values import convert, find_zone, shorten

Operation = dict[str, Any]
"""One operation: one key of `OPERATIONS`, and `data_type` if wanted."""

DATA_TYPES: Final = ("boolean", "datetime", "list", "number", "string")
INTERNAL_DATA_TYPES: Final = (
    "checklist_task",
    "content",
    "content_session",
    "content_version",
    "flow_step",
    "random_ab",
    "random_number",
)
"""Types of attributes that Userflow alone writes."""
OPERATIONS: Final = ("add", "append", "prepend", "remove", "set", "set_once", "subtract")

_NAME = re.compile(r"[A-Za-z0-9_\- ]+")
_NUMBERS = ("add", "subtract")
_LISTS = ("append", "prepend", "remove")
_LIST_ADVICE = "; setting a whole list is not documented: use append, prepend or remove"
_ADVICE: Final[Mapping[type, str]] = dict.fromkeys((list, tuple, set, frozenset), _LIST_ADVICE)

unset: Final = None
"""Removes the attribute: `{"trial_ends_at": unset}`."""


def set_(value: Any, data_type: str | None = None) -> Operation:
    """Set an attribute; the same as the bare value, but the data type can be said.

    Args:
        value: text, number, boolean, date or date with time.
        data_type: one of `DATA_TYPES`; by default Userflow infers it from the value.
    """
    return _operation("set", value, data_type)


def set_once(value: Any, data_type: str | None = None) -> Operation:
    """Set an attribute unless it has a value already. Arguments as for `set_`."""
    return _operation("set_once", value, data_type)


def add(value: Any, data_type: str | None = None) -> Operation:
    """Add a number to an attribute, from 0 if it has no value. Sent twice it counts twice, so it is never repeated blindly."""
    return _operation("add", value, data_type)


def subtract(value: Any, data_type: str | None = None) -> Operation:
    """Subtract a number from an attribute, from 0 if it has no value. Never repeated blindly, as `add`."""
    return _operation("subtract", value, data_type)


def append(value: str | list[str], data_type: str | None = None) -> Operation:
    """Put texts at the end of a list attribute; those already in it are ignored."""
    return _operation("append", value, data_type)


def prepend(value: str | list[str], data_type: str | None = None) -> Operation:
    """Put texts at the beginning of a list attribute; those already in it are ignored."""
    return _operation("prepend", value, data_type)


def remove(value: str | list[str], data_type: str | None = None) -> Operation:
    """Take texts out of a list attribute."""
    return _operation("remove", value, data_type)


def is_repeatable(attributes: Mapping[str, Any]) -> bool:
    """Say whether sending these attributes twice does the same as sending them once: no `add` and no `subtract`."""
    return not any(isinstance(value, Mapping) and ("add" in value or "subtract" in value) for value in attributes.values())


def check_attributes(attributes: Any, *, where: str = "attributes", timezone: tzinfo | str | None = None) -> dict[str, Any]:
    """Check a mapping of attributes and convert its values for sending.

    Args:
        attributes: values or operations by attribute name.
        where: how to call the mapping in an error.
        timezone: the zone of dates with time that carry none: a `tzinfo` or an IANA name; None to refuse them.

    Returns:
        A new dict of what JSON knows, `Decimal` included.

    Raises:
        TypeError: a value or operand is of a type that the operation or Userflow does not know.
        ValueError: a name, an operation or a value cannot be sent.
    """
    if not isinstance(attributes, Mapping):
        raise TypeError(f"{where} must be a mapping of names to values, got {type(attributes).__name__}")
    zone = find_zone(timezone)
    checked: dict[str, Any] = {}
    for name, value in attributes.items():
        _known_name(name, where)
        kind = type(value)
        if kind is int or kind is bool or value is None or (kind is str and value.isascii()):
            checked[name] = value
        elif isinstance(value, Mapping):
            checked[name] = _check_operation(value, f"{where}[{name!r}]", zone)
        else:
            checked[name] = convert(value, f"{where}[{name!r}]", zone, _ADVICE)
    return checked


def check_name(name: Any, what: str = "name") -> str:
    """Check the name of an attribute or event (https://userflow.com/docs/api#attribute-naming, #event-naming).

    Raises:
        TypeError: not text.
        ValueError: empty, or with a character other than a-z, A-Z, 0-9, underscore, dash and space.
    """
    if not isinstance(name, str):
        raise TypeError(f"{what} must be text, got {type(name).__name__}")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{what} {shorten(name)} may only hold a-z, A-Z, 0-9, underscores, dashes and spaces; rename it")
    return name


def _operation(name: str, value: Any, data_type: str | None) -> Operation:
    return {name: value} if data_type is None else {name: value, "data_type": data_type}


@lru_cache(maxsize=4096)
def _known_name(name: Any, where: str) -> None:
    # Every row of a source repeats the same few names.
    check_name(name, f"the attribute name in {where}")


def _check_operation(operation: Mapping[str, Any], where: str, zone: tzinfo | None) -> dict[str, Any] | None:
    names = [key for key in operation if key in OPERATIONS]
    unknown = [key for key in operation if key not in OPERATIONS and key != "data_type"]
    if unknown or len(names) != 1:
        raise ValueError(
            f"{where} must hold exactly one of {', '.join(OPERATIONS)}, and data_type if wanted; "
            f"it holds {shorten(', '.join(map(str, operation)) or 'nothing')}. An object cannot be an attribute's value"
        )
    name = names[0]
    value = _check_operand(name, operation[name], f"{where}[{name!r}]", zone)
    data_type = operation.get("data_type")
    if data_type is not None:
        _check_data_type(name, data_type, where)
    if value is None:
        return None
    return {name: value} if data_type is None else {name: value, "data_type": data_type}


def _check_operand(operation: str, value: Any, where: str, zone: tzinfo | None) -> Any:
    if operation in _LISTS:
        return _check_texts(value, where)
    converted = convert(value, where, zone, _ADVICE)
    if converted is None and operation != "set":
        raise ValueError(f"{where} has no value; leave the attribute out")
    if operation in _NUMBERS and (isinstance(converted, bool) or not isinstance(converted, int | float | Decimal | None)):
        hint = "; a template gives text unless the DAG sets render_template_as_native_obj=True" if isinstance(value, str) else ""
        raise TypeError(f"{where} must be a number, got {type(value).__name__}{hint}")
    return converted


def _check_texts(value: Any, where: str) -> str | list[str]:
    if isinstance(value, str):
        return str(convert(value, where))
    if not isinstance(value, list | tuple):
        raise TypeError(f"{where} must be text or a list of texts, got {type(value).__name__}")
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise TypeError(f"{where}[{index}] must be text, got {type(item).__name__}; a list attribute holds texts only")
    return [str(convert(item, f"{where}[{index}]")) for index, item in enumerate(value)]


def _check_data_type(operation: str, data_type: Any, where: str) -> None:
    if data_type in INTERNAL_DATA_TYPES:
        raise ValueError(f"{where} has data_type {data_type!r}, which only Userflow itself writes")
    if data_type not in DATA_TYPES:
        raise ValueError(f"{where} has data_type {shorten(data_type)}; it must be one of {', '.join(DATA_TYPES)}")
    wanted = "list" if operation in _LISTS else "number" if operation in _NUMBERS else None
    if wanted is not None and data_type != wanted:
        raise ValueError(f"{where} has data_type {data_type!r}, but {operation} works on {wanted} attributes only")
    if wanted is None and data_type == "list":
        raise ValueError(f"{where} sets a list, which Userflow does not document; use append, prepend or remove")
