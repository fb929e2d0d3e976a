"""What is waited for among Mirats Quanto's user sessions: one pure condition, judged by sensor and trigger alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from airflow_provider.engagement.mirats.bodies import (
    Day,
    check_status,
    first_moment,
    session_type_number,
    survey_path_number,
)
from airflow_provider.engagement.watch.condition import MOST_LISTED, Done, Failed, Verdict, Waiting
from airflow_provider.engagement.watch.standing import WatchedSession


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
        fail_if_ended: the session ended without being completed: it can never hold.
        fail_if_unpublished: the survey does not exist: likewise.
    """

    rid: str | None = None
    survey_number: str | None = None
    min_sessions: int | None = None
    status: str = "completed"
    session_type: int = 0
    start: str | None = None
    end: str | None = None
    fail_if_ended: bool = False
    fail_if_unpublished: bool = False

    def __post_init__(self) -> None:
        if (self.rid is None) == (self.survey_number is None):
            raise ValueError("give either rid or survey_number")
        if self.rid is not None and self.min_sessions is not None:
            raise ValueError("rid stands alone: min_sessions goes with survey_number")
        if self.min_sessions is not None and self.min_sessions < 1:
            raise ValueError(f"min_sessions must be at least 1, got {self.min_sessions}")
        if self.fail_if_ended and (self.rid is None or self.status != "completed"):
            raise ValueError("fail_if_ended goes with rid and the status completed: of a survey somebody else may still complete it")
        if self.fail_if_unpublished and self.survey_number is None:
            raise ValueError("fail_if_unpublished goes with survey_number")
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
        fail_if_ended: bool = False,
        fail_if_unpublished: bool = False,
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
            fail_if_ended=fail_if_ended,
            fail_if_unpublished=fail_if_unpublished,
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON values, for a trigger's arguments."""
        return {key: value for key, value in asdict(self).items() if value is not None and value is not False}

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

    def counter(self) -> Callable[[WatchedSession], bool]:
        """Make what says whether a session is one of those waited for, whatever its status."""
        rid, survey = self.rid, self.survey_number
        if rid is not None:
            return lambda session: session.id == rid
        start, end = self.window()

        def counts(session: WatchedSession) -> bool:
            began = session.created_at
            if session.group_id != survey or (began is None and (start or end)):
                return False
            return began is None or ((start is None or began >= start) and (end is None or began < end))

        return counts

    @property
    def settled_early(self) -> bool:
        """Whether it can be known to have happened before all sessions were read: a session found stays found."""
        return True

    @property
    def listed_status(self) -> str:
        """The status to list sessions by. Who is to fail by another status must see all of them."""
        return "all" if self.fail_if_ended else self.status


def judge(condition: SessionCondition, sessions: Iterable[WatchedSession], gone_surveys: Collection[str] = ()) -> Verdict:
    """Say whether a condition holds.

    Args:
        condition: what is waited for.
        sessions: the sessions read, as `view` makes them; others than the condition's are passed over.
        gone_surveys: surveys that do not exist.
    """
    wanted = 1 if condition.rid is not None else condition.min_sessions or 1
    found = list(filter(condition.counter(), sessions))
    reached = [session for session in found if session.completed or condition.status == "all"]
    detail: dict[str, Any] = {"sessions": len(reached), "wanted": wanted, "status": condition.status}
    if len(reached) >= wanted:
        return Done({**detail, **_result(reached)})
    if condition.fail_if_ended and found and found[0].ended:
        return Failed(f"session {condition.rid} ended with another status than {condition.status}")
    if condition.fail_if_unpublished and condition.survey_number in gone_surveys:
        return Failed(f"survey {condition.survey_number} does not exist, with {len(reached)} of {wanted} sessions")
    return Waiting(detail if condition.rid is None else {**detail, "rids": []})


def _result(sessions: Collection[WatchedSession]) -> dict[str, Any]:
    listed = sorted(sessions, key=lambda session: session.id)[:MOST_LISTED]
    left_out = {"rids_left_out": len(sessions) - len(listed)} if len(sessions) > len(listed) else {}
    moments = {session.id: session.completed_at.isoformat() for session in listed if session.completed_at is not None}
    return {"rids": [session.id for session in listed], **left_out, **({"ended_at": moments} if moments else {})}
