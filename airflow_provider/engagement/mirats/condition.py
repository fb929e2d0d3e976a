"""What is waited for among Mirats Quanto's user sessions: one pure condition, asked and judged by sensor and trigger alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from airflow_provider.engagement.mirats.api import LIST_USER_SESSIONS, UserSession
from airflow_provider.engagement.mirats.bodies import (
    MOST_ROWS,
    Day,
    check_status,
    days_around,
    first_moment,
    session_type_number,
    sessions_body,
    survey_path_number,
)
from airflow_provider.engagement.mirats.walk import NumberedWalk
from airflow_provider.engagement.watch.condition import Done, Waiting
from airflow_provider.engagement.watch.poll import Asking


@dataclass(frozen=True, slots=True)
class SessionCondition:
    """What is waited for: one session, or so many sessions of a survey, with a status, within a window of time.

    Attributes:
        rid: this session has the status.
        survey_number: the survey, as a text of digits, so that nothing on the way can round it.
        min_sessions: at least so many of its sessions have the status; 1 unless said otherwise.
        status: one of `bodies.STATUSES`, which the server filters by.
        session_type: `live` (0) or `test` (1).
        start: ISO 8601; only sessions that began at or after this moment count; None for the server's last 30 days.
        end: ISO 8601; only sessions that began before this moment count; None for no end.
    """

    rid: str | None = None
    survey_number: str | None = None
    min_sessions: int | None = None
    status: str = "completed"
    session_type: int = 0
    start: str | None = None
    end: str | None = None

    def __post_init__(self) -> None:
        if (self.rid is None) == (self.survey_number is None):
            raise ValueError("give either rid or survey_number")
        if self.rid is not None and self.min_sessions is not None:
            raise ValueError("rid stands alone: min_sessions goes with survey_number")
        if self.min_sessions is not None and self.min_sessions < 1:
            raise ValueError(f"min_sessions must be at least 1, got {self.min_sessions}")
        check_status(self.status)
        session_type_number(self.session_type)
        start, end = self.window()
        if start is not None and end is not None and start >= end:
            raise ValueError(f"start ({self.start}) must be before end ({self.end}), which does not belong to the window")

    @classmethod
    def of(
        cls,
        *,
        rid: str | None,
        survey_number: int | str | None,
        min_sessions: int | None,
        status: str,
        session_type: str | int,
        start: Day | None,
        end: Day | None,
    ) -> Self:
        """Make a condition of what a person wrote.

        Raises:
            ValueError: something is unusable; the message names it.
            TypeError: likewise.
        """
        return cls(
            rid=rid or None,
            survey_number=None if survey_number in (None, "") else survey_path_number(survey_number),
            min_sessions=min_sessions,
            status=status,
            session_type=session_type_number(session_type),
            start=None if start in (None, "") else first_moment("start", start).isoformat(),
            end=None if end in (None, "") else first_moment("end", end).isoformat(),
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON values, for a trigger's arguments."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a condition of what `to_dict` gave.

        Raises:
            ValueError: an unknown field (a trigger of another version of this package), or an unusable value.
        """
        unknown = set(values) - {item.name for item in fields(cls)}
        if unknown:
            raise ValueError(f"unknown fields in a condition: {', '.join(sorted(unknown))}")
        return cls(**values)

    def window(self) -> tuple[datetime | None, datetime | None]:
        """Give `start` and `end` as moments."""
        start, end = (None if text is None else first_moment(name, text) for name, text in (("start", self.start), ("end", self.end)))
        return start, end

    def counts(self, session: UserSession) -> bool:
        """Say whether a session is one of those waited for; its status the server has looked at."""
        if self.rid is not None:
            return session.rid == self.rid
        start, end = self.window()
        began = session.start_time
        if start is not None and (began is None or began < start):
            return False
        if end is not None and (began is None or began >= end):
            return False
        return str(session.survey_number) == self.survey_number


def ask(condition: SessionCondition) -> Asking:
    """Read the sessions with the status page by page, until enough of those waited for were found.

    A list that moves while it is read is not read again: what one poll misses the next one finds.
    """
    start, end = condition.window()
    body = sessions_body(rows=MOST_ROWS, session_type=condition.session_type, status=condition.status, **days_around(start, end))
    walk = NumberedWalk(LIST_USER_SESSIONS, body, lambda session: session.rid, wanted=condition.counts, settle=False)
    found = 0
    wanted = 1 if condition.rid is not None else condition.min_sessions or 1
    while found < wanted and (call := walk.next_call()) is not None:
        found += len(walk.take((yield call)))
    detail: dict[str, Any] = {"sessions": found, "wanted": wanted, "status": condition.status}
    if condition.rid is not None:
        detail["rids"] = [condition.rid] if found else []
    return Done(detail) if found >= wanted else Waiting(detail)
