"""The half-open windows `[start, end)` that a read is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open window of time.

    Attributes:
        start: first moment that belongs to it.
        end: first moment that does not.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("start and end must have a time zone")
        if self.start >= self.end:
            raise ValueError(f"start ({self.start.isoformat()}) must be before end ({self.end.isoformat()})")

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    @property
    def label(self) -> str:
        """The window as a part of a file name: both ends in UTC, to the microsecond where it has any."""
        return f"{_compact(self.start)}_{_compact(self.end)}"


def choose_window(start: datetime | str | None, end: datetime | str | None, context: Mapping[str, Any]) -> Window:
    """Take the window from the arguments, or else from the run's data interval.

    Args:
        start: a datetime, ISO 8601 text, or None.
        end: likewise; both or none.
        context: the task's context.

    Raises:
        ValueError: only one end is given, the window is empty, or the run has no data interval; the message says the remedy.
    """
    if start and end:
        return Window(read_moment(start, "start"), read_moment(end, "end"))
    if start or end:
        raise ValueError("give start and end, or neither to read the run's data interval")
    first, last = context.get("data_interval_start"), context.get("data_interval_end")
    if first is None or last is None:
        raise ValueError(
            "this run has no data interval (it was started by hand or by an asset): give start= and end=, "
            "or schedule the DAG by CronDataIntervalTimetable or DeltaDataIntervalTimetable, or read by watermark=True"
        )
    if first >= last:
        raise ValueError(
            f"this run's data interval is empty ({first.isoformat()}): a cron text as schedule has no intervals in Airflow 3; "
            "schedule the DAG by CronDataIntervalTimetable or DeltaDataIntervalTimetable, or give start= and end=, "
            "or read by watermark=True"
        )
    return Window(first, last)


def read_moment(value: datetime | str, name: str) -> datetime:
    """Read a datetime, or ISO 8601 text.

    Raises:
        ValueError: neither.
    """
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be ISO 8601 with a time zone, got {value!r}") from None


def windows_before(window: Window, count: int, timetable: Any = None) -> list[Window]:
    """Give the windows before a window, oldest first, as earlier runs of the schedule had them.

    Months have no fixed length and neither have days where clocks are changed, so the schedule is asked. Without one, all windows
    are as long as the given one.

    Args:
        window: the window.
        count: how many before it.
        timetable: the DAG's timetable, where the window is a run's data interval.

    Raises:
        ValueError: the schedule tells no window that ends where the next one begins.
    """
    found = [window]
    for _ in range(count):
        after = found[-1]
        start, end = (after.start - (window.end - window.start), after.start)
        if timetable is not None:
            interval = timetable.infer_manual_data_interval(run_after=after.start)
            start, end = interval.start, interval.end
        if end != after.start or start >= end:
            raise ValueError(
                f"lookback: this DAG's timetable ({type(timetable).__name__}) does not tell the data interval before "
                f"{after.start.isoformat()}; give start= and end= for the whole time to be read"
            )
        found.append(Window(start, end))
    return found[:0:-1]


def _compact(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return utc.strftime("%Y%m%dT%H%M%S.%fZ" if utc.microsecond else "%Y%m%dT%H%M%SZ")
