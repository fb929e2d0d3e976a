"""Values of rows, XComs and DAGs as JSON carries them: one set of rules for all vendors.

- text, booleans, integers of any size and finite floats go as they are; a `Decimal` goes as an exact JSON number;
- a date with time and zone becomes ISO 8601 in UTC, cut to milliseconds; without a zone it is refused unless one is given;
- a date becomes midnight UTC of that day; a UUID becomes text; numpy and pandas scalars become what `.item()` makes of them;
- None, NaN and NaT mean "no value";
- whatever else would be a guess (enums, bytes, infinity, …) is refused with the remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from math import isfinite
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

MAX_ID: Final = 1024
"""Characters of an id at the most. No vendor documents a larger one; a longer one is surely a mix-up of columns."""

_SHOWN = 60
_MISSING_TYPES = ("NAType", "NaTType")
"""pandas' own missing values; they can be told by the type's name only, without importing pandas."""


def find_zone(timezone: tzinfo | str | None) -> tzinfo | None:
    """Find a time zone by its IANA name.

    Raises:
        ValueError: there is no such zone.
    """
    return _named_zone(timezone) if isinstance(timezone, str) else timezone


def convert(value: Any, where: str, zone: tzinfo | None = None, advice: Mapping[type, str] | None = None) -> Any:
    """Convert one value (not an operation) for sending, by the rules at the top of this module.

    Args:
        value: what a row, an XCom or a DAG holds.
        where: how to call the value in an error.
        zone: the zone of a date with time that carries none.
        advice: what to do instead, by type, where a value of that type cannot be sent.

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
            return convert(plain, where, zone, advice)
    for base, converter in _CONVERTERS.items():  # subclasses: a Markup is text, a pandas Timestamp is a datetime
        if isinstance(value, base):
            return converter(value, where, zone)
    remedy = (advice or {}).get(kind) or _ADVICE.get(kind, "")
    raise TypeError(f"{where} is of type {kind.__name__}, which an attribute cannot hold{remedy}")


def shorten(value: Any) -> str:
    """Show a value in an error, cut short."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def check_id(value: Any, where: str = "id") -> str:
    """Check the id of a user or group; an integer or UUID becomes text.

    Raises:
        TypeError: neither text nor an integer nor a UUID.
        ValueError: empty or too long.
    """
    if type(value) is not str:
        value = convert(value, where)
        if value is None:
            raise ValueError(f"{where} has no value; every object needs its own id")
        if isinstance(value, bool) or not isinstance(value, str | int):
            advice = "; a whole-number column with nulls turns into floats: cast it to text" if isinstance(value, float) else ""
            raise TypeError(f"{where} must be text, got {type(value).__name__}{advice}")
        value = str(value)
    if not value.strip():
        raise ValueError(f"{where} is empty; every object needs its own id")
    if len(value) > MAX_ID:
        raise ValueError(f"{where} has {len(value)} characters, {shorten(value)}; an id holds {MAX_ID} at the most")
    if not value.isascii():
        convert(value, where)
    return str(value)


def check_time(value: Any, where: str = "time", zone: tzinfo | None = None) -> str | None:
    """Check a moment and write it as ISO 8601 in UTC; None for a missing one.

    Raises:
        TypeError: neither a date nor text.
        ValueError: text that is not ISO 8601, or no time zone is known.
    """
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) <= len("2022-09-29") else datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{where} is {shorten(value)}, which is not an ISO 8601 date and time") from None
    converted = convert(value, where, zone)
    if converted is not None and (not isinstance(converted, str) or isinstance(value, UUID)):
        raise TypeError(f"{where} must be a date and time or ISO 8601 text, got {type(value).__name__}")
    return converted


def check_keys(body: Any, what: str, allowed: tuple[str, ...]) -> dict[str, Any]:
    """Check that a mapping holds known keys only; keys whose value is None are left out.

    Raises:
        TypeError: not a mapping.
        ValueError: an unknown key.
    """
    if not isinstance(body, Mapping):
        raise TypeError(f"{what} must be a mapping, got {type(body).__name__}")
    unknown = [str(key) for key in body if key not in allowed]
    if unknown:
        raise ValueError(f"{what} takes {', '.join(allowed)}, not {shorten(', '.join(unknown))}; own fields go into attributes")
    return {key: value for key, value in body.items() if value is not None}


def check_list(value: Any, where: str) -> list[Any] | tuple[Any, ...]:
    """Check that a value is a list.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, list | tuple):
        raise TypeError(f"{where} must be a list, got {type(value).__name__}")
    return value


def given(**values: Any) -> dict[str, Any]:
    """Give the arguments that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def check_url(url: Any) -> str:
    """Check an address that a vendor is to post to.

    Raises:
        ValueError: not an http(s) address.
    """
    parts = urlsplit(url) if isinstance(url, str) and url.isprintable() and " " not in url else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url must be an http(s) address, got {shorten(url)}")
    return str(url)


@lru_cache(maxsize=64)
def _named_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {shorten(name)}; give an IANA name such as 'Europe/Copenhagen'") from None


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

_ADVICE: dict[type, str] = {
    bytes: "; decode it to text",
    bytearray: "; decode it to text",
    memoryview: "; decode it to text",
    timedelta: "; send its .total_seconds()",
}
