"""Parameters: names, bounds and dates, all before anything is sent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider.engagement.mirats.api import LIST_SURVEYS, LIST_USER_SESSIONS
from airflow_provider.engagement.mirats.bodies import (
    STATUSES,
    day,
    days_around,
    first_moment,
    session_type_number,
    sessions_body,
    survey_path_number,
    surveys_body,
)

EAST = timezone(timedelta(hours=9))


def test_every_parameter_of_the_page() -> None:
    body = sessions_body(rows=100, page=1, session_type=0, status="completed", start_date="2025-11-24", end_date="2025-12-24")
    assert body == {
        "rows": 100,
        "page": 1,
        "sessionType": 0,
        "status": "completed",
        "startDate": "2025-11-24",
        "endDate": "2025-12-24",
    }
    assert set(body) == set(LIST_USER_SESSIONS.fields)
    assert sessions_body() == {}


def test_every_filter_of_surveys() -> None:
    body = surveys_body(
        country="US",
        language="English",
        length_of_interview=(1, 5),
        incidence_rate=(1, 25),
        cpi=(Decimal("0.5"), 5.5),
        collect_pii=False,
        survey_group_exists=False,
        rows=50,
        page=1,
    )
    assert set(body) == set(LIST_SURVEYS.fields)
    assert (body["CPIGTE"], body["CPILTE"], body["collectPII"]) == (Decimal("0.5"), 5.5, False)
    assert surveys_body(length_of_interview=(None, 5)) == {"lengthOfInterviewLTE": 5}
    assert surveys_body() == {}


@pytest.mark.parametrize("status", STATUSES)
def test_every_status(status: str) -> None:
    assert sessions_body(status=status) == {"status": status}


@pytest.mark.parametrize(("value", "number"), [("live", 0), ("test", 1), ("Live", 0), (0, 0), (1, 1), ("0", 0), ("1", 1)])
def test_session_types_by_name_or_number(value: Any, number: int) -> None:
    assert session_type_number(value) == number


@pytest.mark.parametrize(
    ("value", "day"),
    [
        (date(2025, 11, 24), "2025-11-24"),
        ("2025-11-24", "2025-11-24"),
        (datetime(2025, 11, 24, 23, tzinfo=UTC), "2025-11-24"),
        (datetime(2025, 11, 24, 3, tzinfo=EAST), "2025-11-23"),
        ("2025-11-24T00:00:00+00:00", "2025-11-24"),
        ("2025-11-24T23:30:00-02:00", "2025-11-25"),
        ("2025-11-24T12:00:00Z", "2025-11-24"),
    ],
)
def test_dates_in_every_form(value: Any, day: str) -> None:
    assert sessions_body(start_date=value)["startDate"] == day


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rows": 0}, "rows must be from 1 to 500, got 0"),
        ({"rows": 501}, "rows must be from 1 to 500, got 501"),
        ({"rows": "100"}, "rows must be an integer, got str"),
        ({"rows": True}, "rows must be an integer, got bool"),
        ({"page": 0}, "page must be at least 1, got 0"),
        ({"page": 1.5}, "page must be an integer"),
        ({"status": "done"}, "status must be one of all, completed, overquota, terminated, securityDrop, prescreen, got 'done'"),
        ({"status": "Completed"}, "status must be one of"),
        ({"session_type": "preview"}, "session_type must be live"),
        ({"session_type": 2}, "session_type must be live"),
        ({"session_type": True}, "session_type must be live"),
        ({"start_date": "24.11.2025"}, "start_date must be a date or a datetime in ISO 8601"),
        ({"end_date": "2025-11-31"}, "end_date must be a date"),
        ({"start_date": 20251124}, "start_date must be a date, a datetime or ISO 8601 text, got int"),
        ({"start_date": datetime(2025, 11, 24, 3, tzinfo=UTC).replace(tzinfo=None)}, "start_date has a time of day but no time zone"),
        ({"end_date": "2025-11-24T03:00:00"}, "end_date has a time of day but no time zone"),
        ({"start_date": "2025-11-25", "end_date": "2025-11-24"}, r"start_date \(2025-11-25\) must not be after end_date"),
    ],
)
def test_what_is_unusable_is_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        sessions_body(**arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rows": 501}, "rows must be from 1 to 500"),
        ({"page": 0}, "page must be at least 1"),
        ({"country": ""}, "country must be a non-empty text"),
        ({"language": 5}, "language must be a non-empty text"),
        ({"length_of_interview": (-1, None)}, "length_of_interview_gte must be a number of at least 0"),
        ({"incidence_rate": (None, float("nan"))}, "incidence_rate_lte must be a number of at least 0"),
        ({"cpi": ("1", None)}, "cpi_gte must be a number, got str"),
        ({"cpi": (True, None)}, "cpi_gte must be a number, got bool"),
        ({"cpi": (5, 1)}, r"cpi_gte \(5\) must not be above cpi_lte \(1\)"),
        ({"collect_pii": "no"}, "collect_pii must be True or False"),
        ({"survey_group_exists": 0}, "survey_group_exists must be True or False"),
    ],
)
def test_what_is_unusable_for_surveys_is_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        surveys_body(**arguments)


@pytest.mark.parametrize(("value", "text"), [(17633744316785364, "17633744316785364"), ("17633744316785364", "17633744316785364")])
def test_survey_numbers_go_into_paths_as_they_are(value: Any, text: str) -> None:
    assert survey_path_number(value) == text


@pytest.mark.parametrize("value", [1.7633744316785364e16, 0, "0", "", None, "a/b", True, "../5"])
def test_other_values_do_not(value: Any) -> None:
    with pytest.raises(ValueError, match="survey_number"):
        survey_path_number(value)


def test_the_days_around_a_window_hold_all_of_it_wherever_the_server_is() -> None:
    start, end = datetime(2025, 11, 24, tzinfo=UTC), datetime(2025, 11, 25, tzinfo=UTC)
    assert days_around(start, end) == {"start_date": date(2025, 11, 23), "end_date": date(2025, 11, 25)}
    assert days_around(start, end + timedelta(seconds=1))["end_date"] == date(2025, 11, 26)
    assert days_around(datetime(2025, 11, 24, 3, tzinfo=EAST), None) == {"start_date": date(2025, 11, 22), "end_date": None}


def test_the_first_moment_of_a_day_is_utc() -> None:
    assert first_moment("start", date(2025, 11, 24)) == first_moment("start", "2025-11-24") == datetime(2025, 11, 24, tzinfo=UTC)


def test_the_ends_of_the_calendar_are_no_accident() -> None:
    """People write 9999 for "no end"."""
    start, end = (first_moment("x", text) for text in ("0001-01-01", "9999-12-31T23:59:59-05:00"))
    assert days_around(start, end) == {"start_date": date.min, "end_date": date.max}
    assert day("x", "9999-12-31T23:59:59-05:00") == date.max
    assert day("x", "0001-01-01T00:00:00+14:00") == date.min
