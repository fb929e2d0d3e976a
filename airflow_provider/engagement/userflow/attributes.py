"""Attributes as Userflow takes them: names, values, operations (https://userflow.com/docs/api#attributes).

Operations are plain dicts, so that they survive XCom and Jinja templates: `add(1)` is `{"add": 1}`. Nothing is judged when
they are made, because a template may still stand in them; `check_attributes` judges and converts just before sending:

- text, booleans, integers of any size and finite floats go as they are; a `Decimal` goes as an exact JSON number;
- a date with time and zone becomes ISO 8601 in UTC, cut to milliseconds; without a zone it is refused unless one is given;
- a date becomes midnight UTC of that day; a UUID becomes text; numpy and pandas scalars become what `.item()` makes of them;
- None, NaN and NaT mean "no value", which unsets the attribute;
- whatever else would be a guess (lists, enums, bytes, infinity, …) is refused with the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from math import isfinite
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

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
_SHOWN = 60
_MISSING_TYPES = ("NAType", "NaTType")
"""pandas' own missing values; they can be told by the type's name only, without importing pandas."""

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
            checked[name] = convert(value, f"{where}[{name!r}]", zone)
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


def find_zone(timezone: tzinfo | str | None) -> tzinfo | None:
    """Find a time zone by its IANA name.

    Raises:
        ValueError: there is no such zone.
    """
    return _named_zone(timezone) if isinstance(timezone, str) else timezone


def convert(value: Any, where: str, zone: tzinfo | None = None) -> Any:
    """Convert one value (not an operation) for sending, by the rules at the top of this module.

    Args:
        value: what a row, an XCom or a DAG holds.
        where: how to call the value in an error.
        zone: the zone of a date with time that carries none.

    Raises:
        TypeError: a value of this type cannot be sent.
        ValueError: this value cannot be sent.
    """
    kind = type(value)
    converter = _CONVERTERS.get(kind)
    if converter is not None:
        return converter(value, where, zone)
    if value is None or kind.__name__ in _MISSING_TYPES:
        return None
    if isinstance(value, Enum):
        raise TypeError(f"{where} is an enum member ({kind.__name__}); send its .value or .name")
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        # datetime64 in nanoseconds, pandas' default, would turn into a plain integer.
        plain = value.astype("datetime64[us]").item() if kind.__name__ == "datetime64" else value.item()
        if type(plain) is not kind:
            return convert(plain, where, zone)
    for base, converter in _CONVERTERS.items():  # subclasses: a Markup is text, a pandas Timestamp is a datetime
        if isinstance(value, base):
            return converter(value, where, zone)
    raise TypeError(f"{where} is of type {kind.__name__}, which an attribute cannot hold{_ADVICE.get(kind, '')}")


def shorten(value: Any) -> str:
    """Show a value in an error, cut short."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _operation(name: str, value: Any, data_type: str | None) -> Operation:
    return {name: value} if data_type is None else {name: value, "data_type": data_type}


@lru_cache(maxsize=4096)
def _known_name(name: Any, where: str) -> None:
    # Every row of a source repeats the same few names.
    check_name(name, f"the attribute name in {where}")


@lru_cache(maxsize=64)
def _named_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {shorten(name)}; give an IANA name such as 'Europe/Copenhagen'") from None


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
    converted = convert(value, where, zone)
    if converted is None and operation != "set":
        raise ValueError(f"{where} has no value; leave the attribute out")
    if operation in _NUMBERS and (isinstance(converted, bool) or not isinstance(converted, int | float | Decimal | None)):
        hint = "; a template gives text unless the DAG sets render_template_as_native_obj=True" if isinstance(value, str) else ""
        raise TypeError(f"{where} must be a number, got {type(value).__name__}{hint}")
    return converted


def _check_texts(value: Any, where: str) -> str | list[str]:
    if isinstance(value, str):
        return _from_text(value, where, None)
    if not isinstance(value, list | tuple):
        raise TypeError(f"{where} must be text or a list of texts, got {type(value).__name__}")
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise TypeError(f"{where}[{index}] must be text, got {type(item).__name__}; a list attribute holds texts only")
    return [_from_text(item, f"{where}[{index}]", None) for index, item in enumerate(value)]


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


def _from_text(value: str, where: str, zone: tzinfo | None) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{where} holds half a character (a lone surrogate), which UTF-8 cannot carry; clean the text") from None
    return str.__str__(value)


def _from_float(value: float, where: str, zone: tzinfo | None) -> float | None:
    if isfinite(value):
        return float(value)
    if value != value:
        return None
    raise ValueError(f"{where} is infinite, which JSON cannot carry; send a number or None")


def _from_decimal(value: Decimal, where: str, zone: tzinfo | None) -> Decimal | None:
    if value.is_finite():
        return value
    if value.is_nan():
        return None
    raise ValueError(f"{where} is infinite, which JSON cannot carry; send a number or None")


def _from_datetime(value: datetime, where: str, zone: tzinfo | None) -> str:
    if value.tzinfo is None or value.utcoffset() is None:
        if zone is None:
            raise ValueError(f"{where} is a date and time without a time zone; give it one, or say which is meant with timezone=")
        value = value.replace(tzinfo=zone)
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{where} is a date outside the years 1 to 9999 in UTC") from None
    if type(moment) is not datetime:  # pandas and pendulum write themselves in other ways
        moment = datetime.combine(moment.date(), moment.time(), UTC)
    return moment.isoformat(timespec="milliseconds")


def _from_date(value: date, where: str, zone: tzinfo | None) -> str:
    return f"{value.isoformat()}T00:00:00.000+00:00"


_CONVERTERS: dict[type, Callable[[Any, str, tzinfo | None], Any]] = {
    str: _from_text,
    bool: lambda value, where, zone: value,
    int: lambda value, where, zone: int(value),
    float: _from_float,
    Decimal: _from_decimal,
    datetime: _from_datetime,
    date: _from_date,
    UUID: lambda value, where, zone: str(value),
}
"""By exact type first; in this order for subclasses, so bool stands before int and datetime before date."""

_LIST_ADVICE = "; setting a whole list is not documented: use append, prepend or remove"
_ADVICE: dict[type, str] = {
    list: _LIST_ADVICE,
    tuple: _LIST_ADVICE,
    set: _LIST_ADVICE,
    frozenset: _LIST_ADVICE,
    bytes: "; decode it to text",
    bytearray: "; decode it to text",
    memoryview: "; decode it to text",
    timedelta: "; send its .total_seconds()",
}
