"""How both versions of the emulated Usertour read query parameters, and what they say about wrong ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from airflow_provider.engagement.emulator.state import Incoming
from airflow_provider.engagement.usertour.emulator_errors import Invalid, invalid

T = TypeVar("T")
DEFAULT_LIMIT, MOST = 20, 100
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NOT_A_DATE = (
    'Expected an ISO 8601 date ("2026-07-10") or datetime WITH timezone ("2026-07-10T00:00:00Z" / "…+08:00") — '
    "a timezone-less datetime is ambiguous across deployments."
)
_TRUE = ("true", "1", "yes", "on", "y", "enabled")
_FALSE = ("false", "0", "no", "off", "n", "disabled")


def given(incoming: Incoming, name: str) -> list[str]:
    """All values of a parameter: `a=x`, `a[]=x`, `a[0]=x`, each once or several times."""
    return [value for key, value in incoming.query if key == name or (key.startswith(f"{name}[") and key.endswith("]"))]


def one(incoming: Incoming, name: str) -> str | None:
    """The value of a parameter, or None."""
    values = given(incoming, name)
    return values[0] if values else None


# --- v1: the first thing that is wrong is said ---------------------------------------------------------------------------


def needed(incoming: Incoming, name: str) -> str:
    """A parameter that v1 wants.

    Raises:
        Refused: it is not there, or empty.
    """
    value = one(incoming, name)
    if not value:
        raise invalid(f"{name} should not be empty")
    return value


def limit_v1(incoming: Incoming, *, whole: bool) -> int:
    """The size of a page in v1.

    Args:
        incoming: the request.
        whole: a broken number is refused; else it is cut off.
    """
    text = one(incoming, "limit")
    if text is None:
        return DEFAULT_LIMIT
    number = _number(text)
    if number is None or number > MOST:
        raise invalid(f"limit must not be greater than {MOST}")
    if number < 1:
        raise invalid("limit must not be less than 1")
    if whole and number != int(number):
        raise invalid("limit must be an integer number")
    return int(number)


def choices_v1(incoming: Incoming, name: str, allowed: Sequence[str]) -> list[str]:
    """A parameter of fixed values in v1."""
    values = given(incoming, name)
    if any(value not in allowed for value in values):
        raise invalid(f"each value in {name} must be one of the following values: {', '.join(allowed)}")
    return values


def email_v1(incoming: Incoming) -> str | None:
    """The filter `email` in v1."""
    text = one(incoming, "email")
    if text is not None and not _EMAIL.fullmatch(text):
        raise invalid("email must be an email")
    return text


# --- v2: all that is wrong is said ---------------------------------------------------------------------------------------


class Reader:
    """Reads the parameters of a v2 request; `check` raises what was found wrong."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._issues: list[tuple[str, str]] = []

    def limit(self) -> int:
        """The size of a page."""
        text = one(self._incoming, "limit")
        if text is None:
            return DEFAULT_LIMIT
        number = _number(text)
        if number is None:
            return self._wrong("limit", "Invalid input: expected number, received NaN", DEFAULT_LIMIT)
        if number != int(number):
            return self._wrong("limit", "Invalid input: expected int, received number", DEFAULT_LIMIT)
        if number < 1:
            return self._wrong("limit", "Too small: expected number to be >=1", DEFAULT_LIMIT)
        if number > MOST:
            return self._wrong("limit", f"Too big: expected number to be <={MOST}", DEFAULT_LIMIT)
        return int(number)

    def choices(self, name: str, allowed: Sequence[str]) -> list[str]:
        """A parameter of fixed values."""
        values = given(self._incoming, name)
        return values if all(value in allowed for value in values) else self._wrong(name, "Invalid input", [])

    def email(self) -> str | None:
        """The filter `email`."""
        return self._text("email", lambda text: bool(_EMAIL.fullmatch(text)), "Invalid email address")

    def moment(self, name: str) -> datetime | None:
        """A date, or a point in time with a zone."""
        text = self._text(name, lambda text: moment_of(text) is not None, _NOT_A_DATE)
        return None if text is None else moment_of(text)

    def flag(self, name: str) -> bool | None:
        """Yes or no."""
        options = "|".join(f'"{text}"' for text in (*_TRUE, *_FALSE))
        text = self._text(name, lambda text: text.lower() in (*_TRUE, *_FALSE), f"Invalid option: expected one of {options}")
        return None if text is None else text.lower() in _TRUE

    def check(self) -> None:
        """Refuse the request if anything was wrong.

        Raises:
            Refused: something was.
        """
        if self._issues:
            raise Invalid(self._issues)

    def _text(self, name: str, fits: Callable[[str], bool], message: str) -> str | None:
        text = one(self._incoming, name)
        return text if text is None or fits(text) else self._wrong(name, message, None)

    def _wrong(self, name: str, message: str, instead: T) -> T:
        self._issues.append((name, message))
        return instead


def check_body(body: Any, shape: Mapping[str, str]) -> dict[str, Any]:
    """Check the JSON object of a v2 request that takes no other keys; no body is an empty one.

    Args:
        body: what came.
        shape: by key the JSON type it must have, as the server calls it.

    Raises:
        Refused: a key that is not in the shape, or a value of another type.
    """
    body = {} if body is None else body
    if not isinstance(body, dict):
        raise Invalid([("", f"Invalid input: expected object, received {type_name(body)}")])
    issues = [
        (name, f"Invalid input: expected {wanted}, received {type_name(body[name])}")
        for name, wanted in shape.items()
        if name in body and type_name(body[name]) != {"record": "object"}.get(wanted, wanted)
    ]
    issues += [(name, f'Unrecognized key: "{name}"') for name in body if name not in shape]
    if issues:
        raise Invalid(issues)
    return body


def type_name(value: Any) -> str:
    """What the server calls the type of a JSON value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for kind, name in ((str, "string"), (list, "array"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return "number"


def _number(text: str) -> float | None:
    try:
        number = float(text or 0)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def moment_of(text: str) -> datetime | None:
    """Read a date, or a point in time with a zone; None if it is neither."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None:
        return found.replace(tzinfo=UTC) if _DATE.fullmatch(text) else None
    return found
