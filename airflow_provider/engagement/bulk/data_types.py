"""Values of a source as the data type an attribute is to have: text from CSV above all, but also a database's 0 and 1."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from airflow_provider.engagement.wire.message import decode_json

DATA_TYPES: Final = ("boolean", "datetime", "list", "number", "string")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_BOOLEANS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
_MISSING_TYPES = ("NAType", "NaTType")
_MOST_DIGITS = 1000
_EXACT = 2**53


def is_missing(value: Any) -> bool:
    """Say whether a source's value means "no value": None, NaN, NaT and pandas' NA; empty text is a value."""
    if value is None:
        return True
    kind = type(value)
    if kind is str or kind is int or kind is bool or kind is datetime:
        return False
    if isinstance(value, float):
        return value != value
    if isinstance(value, Decimal):
        return value.is_nan()
    return kind.__name__ in _MISSING_TYPES or (getattr(value, "ndim", None) == 0 and bool(value != value))


def as_data_type(value: Any, data_type: str, where: str) -> Any:
    """Turn a value into one of a data type, as far as that is no guess.

    What is of the type already stays as it is, and so does "no value".

    Args:
        value: what the source holds.
        data_type: one of `DATA_TYPES`.
        where: how to call the value in an error; the value itself is never shown.

    Raises:
        TypeError: a value of this type cannot be meant.
        ValueError: a text that does not read as that type.
    """
    if is_missing(value):
        return None
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item") and not isinstance(value, str | int | float):
        value = value.item()  # numpy's scalars
    return _READERS[data_type](value, where)


def _as_number(value: Any, where: str) -> Any:
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text) or len(text) > _MOST_DIGITS:
            raise _unreadable(value, where, "number")
        return Decimal(text) if set(text) & set(".eE") else int(text)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _unfit(value, where, "number")
    return value


def _as_boolean(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):  # databases without a type of their own for it
        return bool(value)
    if isinstance(value, str):
        found = _BOOLEANS.get(value.strip().lower())
        if found is None:
            raise _unreadable(value, where, "boolean")
        return found
    raise _unfit(value, where, "boolean")


def _as_datetime(value: Any, where: str) -> Any:
    if isinstance(value, str):
        text = value.strip()
        try:
            return date.fromisoformat(text) if len(text) <= len("2026-11-22") else datetime.fromisoformat(text)
        except ValueError:
            raise _unreadable(value, where, "ISO 8601 date and time") from None
    if not isinstance(value, date):
        raise _unfit(value, where, "datetime")
    return value


def _as_list(value: Any, where: str) -> Any:
    if isinstance(value, str):
        try:
            found = decode_json(value.encode()) if value.lstrip().startswith("[") else None
        except ValueError:
            found = None
        if not isinstance(found, list):
            raise _unreadable(value, where, "JSON array")
        return found
    if not isinstance(value, list | tuple):
        raise _unfit(value, where, "list")
    return value


def _as_string(value: Any, where: str) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))  # a column of whole numbers with nulls becomes floats on many ways
    if isinstance(value, int | float | Decimal | UUID):
        return str(value)
    if not isinstance(value, str | date):  # a date is written as text with its zone later
        raise _unfit(value, where, "string")
    return value


def _unreadable(value: str, where: str, kind: str) -> ValueError:
    if not value.strip():
        return ValueError(f"{where} is empty text, which is no {kind}; a missing value must be null (empty_as_null=True for CSV)")
    return ValueError(f"{where} holds text that is no {kind}")


def _unfit(value: Any, where: str, kind: str) -> TypeError:
    return TypeError(f"{where} is of type {type(value).__name__}, of which no {kind} can be made")


_READERS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "boolean": _as_boolean,
    "datetime": _as_datetime,
    "list": _as_list,
    "number": _as_number,
    "string": _as_string,
}
