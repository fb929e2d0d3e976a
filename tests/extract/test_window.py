"""Which window a run reads, and what its file is called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider.engagement.extract.files import file_name
from airflow_provider.engagement.extract.window import Window, choose_window

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


def test_file_names() -> None:
    window = Window(DAY.astimezone(timezone(timedelta(hours=2))), NEXT)
    assert file_name("s3://bucket/sessions", "content_sessions", window) == (
        "s3://bucket/sessions/content_sessions_20260301T000000Z_20260302T000000Z.jsonl.gz"
    )
    assert file_name("/tmp/x/", "r", window).startswith("/tmp/x/r_2026")
    assert file_name("s3://bucket/mine.jsonl", "r", window) == "s3://bucket/mine.jsonl"
    assert file_name("s3://bucket/mine.jsonl.gz", "r", window) == "s3://bucket/mine.jsonl.gz"


def test_windows_a_microsecond_apart_have_names_of_their_own() -> None:
    label = Window(DAY, NEXT + timedelta(microseconds=1)).label
    assert label != Window(DAY, NEXT).label
