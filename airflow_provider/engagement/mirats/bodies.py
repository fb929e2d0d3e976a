"""The parameters of Mirats Quanto's lists, checked before anything is sent.

Source: https://docs.publisher.miratsquanto.com/api-reference/endpoint/user-sessions and …/get-all-surveys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from airflow_provider.engagement.mirats.api import whole

STATUSES = ("all", "completed", "overquota", "terminated", "securityDrop", "prescreen")
SESSION_TYPES: Mapping[str, int] = {"live": 0, "test": 1}
MOST_ROWS = 500

Day = date | datetime | str
"""A day: a date, a datetime with a time zone, or either as ISO 8601 text."""


def sessions_body(
    *,
    rows: int | None = None,
    page: int | None = None,
    session_type: str | int | None = None,
    status: str | None = None,
    start_date: Day | None = None,
    end_date: Day | None = None,
) -> dict[str, Any]:
    """Make the body of `list_user_sessions`; what is None is left out, so that the server's default holds.

    Args:
        rows: sessions on a page, 1 to 500 (the server's default: 100).
        page: the page's number, from 1 (1).
        session_type: `live` or `test`, or 0 or 1 (live).
        status: one of `STATUSES` (`all`).
        start_date: first day (30 days ago).
        end_date: last day, which belongs to it (today).

    Raises:
        ValueError: a value is not one of those; the message names it.
        TypeError: likewise.
    """
    first = None if start_date is None else day("start_date", start_date)
    last = None if end_date is None else day("end_date", end_date)
    if first is not None and last is not None and first > last:
        raise ValueError(f"start_date ({first}) must not be after end_date ({last})")
    return given(
        rows=None if rows is None else _within("rows", rows, 1, MOST_ROWS),
        page=None if page is None else _within("page", page, 1, None),
        sessionType=None if session_type is None else session_type_number(session_type),
        status=None if status is None else check_status(status),
        startDate=None if first is None else first.isoformat(),
        endDate=None if last is None else last.isoformat(),
    )


def surveys_body(
    *,
    country: str | None = None,
    language: str | None = None,
    length_of_interview: tuple[float | Decimal | None, float | Decimal | None] = (None, None),
    incidence_rate: tuple[float | Decimal | None, float | Decimal | None] = (None, None),
    cpi: tuple[float | Decimal | None, float | Decimal | None] = (None, None),
    collect_pii: bool | None = None,
    survey_group_exists: bool | None = None,
    rows: int | None = None,
    page: int | None = None,
) -> dict[str, Any]:
    """Make the body of `list_surveys`; what is None is left out.

    Args:
        country: two-letter code, as in `US`.
        language: its English name, as in `English`.
        length_of_interview: least and most minutes, both included.
        incidence_rate: least and most percent, both included.
        cpi: least and most cost per interview, both included.
        collect_pii: only surveys that collect personal data, or only those that do not.
        survey_group_exists: only surveys that are in a group, or only those that are not.
        rows: surveys on a page, 1 to 500.
        page: the page's number, from 1.

    Raises:
        ValueError: a value is unusable; the message names it.
        TypeError: likewise.
    """
    return given(
        country=_text("country", country),
        language=_text("language", language),
        **_range("length_of_interview", "lengthOfInterview", length_of_interview),
        **_range("incidence_rate", "incidenceRate", incidence_rate),
        **_range("cpi", "CPI", cpi),
        collectPII=_flag("collect_pii", collect_pii),
        surveyGroupExists=_flag("survey_group_exists", survey_group_exists),
        rows=None if rows is None else _within("rows", rows, 1, MOST_ROWS),
        page=None if page is None else _within("page", page, 1, None),
    )


def survey_path_number(value: Any) -> str:
    """Check a survey number and give it as the text that goes into a path.

    Raises:
        ValueError: neither an integer nor a text of digits; a float has lost digits already.
    """
    try:
        number = whole(value)
    except ValueError as error:
        raise ValueError(f"survey_number: {error}") from None
    if number < 1:
        raise ValueError(f"survey_number must be at least 1, got {number}")
    return str(number)


def check_status(name: str) -> str:
    """Check a status's name.

    Raises:
        ValueError: not one of `STATUSES`.
    """
    if name not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}, got {name!r}")
    return name


def session_type_number(value: str | int) -> int:
    """Turn `live` or `test` into the number the API takes; the numbers 0 and 1, and their texts, are taken as well.

    Raises:
        ValueError: anything else.
    """
    if not isinstance(value, bool):
        text = str(value).strip().lower()
        if text in SESSION_TYPES:
            return SESSION_TYPES[text]
        if text in ("0", "1"):
            return int(text)
    raise ValueError(f"session_type must be live (0) or test (1), got {value!r}")


def day(name: str, value: Day) -> date:
    """Read a day; a datetime's day is that in UTC.

    Raises:
        ValueError: no ISO 8601, or a time of day without a time zone.
        TypeError: no date, datetime or text.
    """
    found = as_date_or_moment(name, value)
    return _utc_day(found) if isinstance(found, datetime) else found


def as_date_or_moment(name: str, value: Day) -> date | datetime:
    """Read a date, or a datetime with a time zone, or either of them from ISO 8601 text.

    Raises:
        ValueError: no ISO 8601, or a time of day without a time zone.
        TypeError: no date, datetime or text.
    """
    if isinstance(value, str):
        value = _parse(name, value.strip())
    if not isinstance(value, date):
        raise TypeError(f"{name} must be a date, a datetime or ISO 8601 text, got {type(value).__name__}")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"{name} has a time of day but no time zone: {value.isoformat()}; say which, as in {value.isoformat()}+00:00")
    return value


def first_moment(name: str, value: Day) -> datetime:
    """Give the first moment of a day in UTC, or a datetime with a time zone as it is.

    Raises:
        ValueError: no ISO 8601, or a time of day without a time zone.
        TypeError: no date, datetime or text.
    """
    found = as_date_or_moment(name, value)
    return found if isinstance(found, datetime) else datetime.combine(found, time(), UTC)


def days_around(start: datetime | None, end: datetime | None) -> dict[str, Any]:
    """Give the days to ask the server for so that it answers everything within `[start, end)`: a day more on each side.

    The server counts whole days, in a time zone it does not tell; a day more covers them all.
    """
    return {
        "start_date": None if start is None else _shifted(_utc_day(start), -1),
        "end_date": None if end is None else _shifted(_utc_day(end, timedelta(microseconds=1)), 1),
    }


def given(**values: Any) -> dict[str, Any]:
    """Give the values that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def _parse(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} must be a date or a datetime in ISO 8601, as in 2025-11-24, got {text!r:.60}") from None


def _utc_day(moment: datetime, less: timedelta = timedelta()) -> date:
    """The day of a moment in UTC; the calendar's first and last day hold what lies beyond (people write 9999 for "no end")."""
    try:
        return (moment.astimezone(UTC) - less).date()
    except OverflowError:
        return date.min if moment.year == 1 else date.max


def _shifted(day: date, days: int) -> date:
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))


def _within(name: str, value: Any, least: int, most: int | None) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, got {type(value).__name__}")
    if value < least or (most is not None and value > most):
        raise ValueError(f"{name} must be {f'at least {least}' if most is None else f'from {least} to {most}'}, got {value}")
    return value


def _text(name: str, value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise ValueError(f"{name} must be a non-empty text, got {value!r:.60}")
    return value


def _flag(name: str, value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r:.60}")
    return value


def _range(name: str, sent: str, ends: tuple[Any, Any]) -> dict[str, Any]:
    for suffix, end in zip(("gte", "lte"), ends, strict=True):
        if end is None:
            continue
        if isinstance(end, bool) or not isinstance(end, int | float | Decimal):
            raise TypeError(f"{name}_{suffix} must be a number, got {type(end).__name__}")
        if not math.isfinite(end) or end < 0:
            raise ValueError(f"{name}_{suffix} must be a number of at least 0, got {end}")
    least, most = ends
    if least is not None and most is not None and least > most:
        raise ValueError(f"{name}_gte ({least}) must not be above {name}_lte ({most})")
    return {f"{sent}GTE": least, f"{sent}LTE": most}
