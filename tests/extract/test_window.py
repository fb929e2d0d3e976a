"""Which window a run reads, and what its file is called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pendulum
import pytest
from airflow.sdk import CronDataIntervalTimetable, CronTriggerTimetable, DeltaDataIntervalTimetable
from airflow.serialization.encoders import coerce_to_core_timetable

from airflow_provider.engagement.extract.window import Window, choose_window, windows_before

DAY = datetime(2026, 3, 1, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)


def test_a_window_is_half_open() -> None:
    window = Window(DAY, NEXT)
    assert DAY in window
    assert NEXT - timedelta(microseconds=1) in window
    assert NEXT not in window


def test_the_data_interval_is_the_default() -> None:
    assert choose_window(None, None, {"data_interval_start": DAY, "data_interval_end": NEXT}) == Window(DAY, NEXT)
    assert choose_window("", "", {"data_interval_start": DAY, "data_interval_end": NEXT}) == Window(DAY, NEXT)


def test_arguments_win_as_text_or_datetime() -> None:
    context = {"data_interval_start": NEXT, "data_interval_end": NEXT + timedelta(days=1)}
    assert choose_window(DAY, "2026-03-02T00:00:00+00:00", context) == Window(DAY, NEXT)


@pytest.mark.parametrize(
    ("start", "end", "context", "said"),
    [
        (None, None, {}, "no data interval"),
        (None, None, {"data_interval_start": None, "data_interval_end": None}, "CronDataIntervalTimetable"),
        (None, None, {"data_interval_start": DAY, "data_interval_end": DAY}, "CronDataIntervalTimetable"),
        (DAY, None, {}, "start and end, or neither"),
        (None, DAY, {}, "start and end, or neither"),
        (NEXT, DAY, {}, "must be before"),
        (DAY, DAY, {}, "must be before"),
        ("yesterday", NEXT, {}, "start must be ISO 8601"),
        ("2026-03-01T00:00:00", NEXT, {}, "time zone"),
    ],
)
def test_other_windows_are_refused_with_the_remedy(start: Any, end: Any, context: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        choose_window(start, end, context)


def test_windows_a_microsecond_apart_have_names_of_their_own() -> None:
    label = Window(DAY, NEXT + timedelta(microseconds=1)).label
    assert label != Window(DAY, NEXT).label


def before(timetable: Any, start: str, end: str, count: int) -> list[str]:
    window = Window(pendulum.parse(start), pendulum.parse(end))  # type: ignore[arg-type]
    found = [*windows_before(window, count, None if timetable is None else coerce_to_core_timetable(timetable)), window]
    assert all(one.end == other.start for one, other in pairwise(found))
    return [one.start.astimezone(UTC).strftime("%Y-%m-%dT%H") for one in found]


def test_windows_before_are_as_long_as_the_given_one() -> None:
    assert before(None, "2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z", 2) == ["2026-03-01T00", "2026-03-02T00", "2026-03-03T00"]
    assert before(None, "2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z", 0) == ["2026-03-03T00"]


@pytest.mark.parametrize(
    ("timetable", "start", "end", "starts"),
    [
        # Months of different lengths.
        (
            CronDataIntervalTimetable("0 0 1 * *", "UTC"),
            "2026-04-01T00:00:00Z",
            "2026-05-01T00:00:00Z",
            ["2026-01-01T00", "2026-02-01T00", "2026-03-01T00", "2026-04-01T00"],
        ),
        # A day of 23 hours, where clocks are put forward.
        (
            CronDataIntervalTimetable("0 0 * * *", "Europe/Berlin"),
            "2026-03-30T00:00:00+02:00",
            "2026-03-31T00:00:00+02:00",
            ["2026-03-26T23", "2026-03-27T23", "2026-03-28T23", "2026-03-29T22"],
        ),
        # Working days: what comes before Tuesday's run is a long weekend.
        (
            CronDataIntervalTimetable("0 0 * * 1-5", "UTC"),
            "2026-03-10T00:00:00Z",
            "2026-03-11T00:00:00Z",
            ["2026-03-05T00", "2026-03-06T00", "2026-03-09T00", "2026-03-10T00"],
        ),
        (
            DeltaDataIntervalTimetable(timedelta(hours=6)),
            "2026-03-10T00:00:00Z",
            "2026-03-10T06:00:00Z",
            ["2026-03-09T06", "2026-03-09T12", "2026-03-09T18", "2026-03-10T00"],
        ),
        (
            CronTriggerTimetable("0 0 * * *", timezone="UTC", interval=timedelta(days=1)),
            "2026-03-10T00:00:00Z",
            "2026-03-11T00:00:00Z",
            ["2026-03-07T00", "2026-03-08T00", "2026-03-09T00", "2026-03-10T00"],
        ),
    ],
)
def test_windows_before_are_those_of_the_schedule(timetable: Any, start: str, end: str, starts: list[str]) -> None:
    assert before(timetable, start, end, 3) == starts


def test_a_schedule_that_tells_no_window_before_is_refused() -> None:
    with pytest.raises(ValueError, match=r"timetable .CronDataIntervalTimetable. does not tell the data interval before 2026-03-10T07"):
        before(CronDataIntervalTimetable("0 0 * * *", "UTC"), "2026-03-10T07:00:00Z", "2026-03-10T08:00:00Z", 1)
