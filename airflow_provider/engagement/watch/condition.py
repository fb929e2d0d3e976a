"""What is waited for: one pure function, called by `poke` and the trigger alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class WatchedSession:
    """What every vendor's content session comes down to.

    Attributes:
        id: the session's id.
        user_id: whose it is.
        group_id: the group (company) it was started under, or None.
        completed: genuinely completed, not merely ended.
        created_at: when it began, with a time zone.
        preview: a team member's preview of a draft.
    """

    id: str
    user_id: str | None
    group_id: str | None
    completed: bool
    created_at: datetime | None
    preview: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet.

    Attributes:
        detail: how far it is, as counts.
    """

    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """It has happened.

    Attributes:
        detail: the sensor's return value: counts, and the ids of the sessions where single sessions or users were asked for.
    """

    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """It can never happen.

    Attributes:
        reason: why, in a sentence.
    """

    reason: str


Verdict = Waiting | Done | Failed


@dataclass(frozen=True, slots=True)
class Condition:
    """What is waited for. Either one session, or the sessions of a content.

    Attributes:
        session_id: this session is completed.
        content_id: the flow, checklist, launcher or survey.
        user_ids: each of these users has completed it.
        group_id: only sessions started under this group count.
        min_completed: at least so many users have completed it; 1 unless `user_ids` or a rate is given.
        min_completion_rate: at least this share (0 to 1) of the users who began it have completed it.
        since: ISO 8601; only sessions created at or after this moment count.
        include_previews: count previews of drafts too.
    """

    session_id: str | None = None
    content_id: str | None = None
    user_ids: tuple[str, ...] = ()
    group_id: str | None = None
    min_completed: int | None = None
    min_completion_rate: float | None = None
    since: str | None = None
    include_previews: bool = False

    def __post_init__(self) -> None:
        if (self.session_id is None) == (self.content_id is None):
            raise ValueError("give either session_id or content_id")
        others = (self.user_ids, self.group_id, self.min_completed, self.min_completion_rate, self.since)
        if self.session_id is not None and any(other not in (None, ()) for other in others):
            raise ValueError("session_id stands alone: user_ids, group_id, min_completed, min_completion_rate and since go with content_id")
        if not all(isinstance(user_id, str) and user_id for user_id in self.user_ids):
            raise ValueError("user_ids must be non-empty texts")
        if self.min_completed is not None and self.min_completed < 1:
            raise ValueError(f"min_completed must be at least 1, got {self.min_completed}")
        if self.min_completion_rate is not None and not 0 < self.min_completion_rate <= 1:
            raise ValueError(f"min_completion_rate must be above 0 and at most 1, got {self.min_completion_rate}")
        if self.since is not None and _moment(self.since).tzinfo is None:
            raise ValueError(f"since must have a time zone, got {self.since}")

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON values, for a trigger's arguments."""
        values = asdict(self)
        values["user_ids"] = list(self.user_ids)
        return {key: value for key, value in values.items() if value not in (None, [], False)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a condition of what `to_dict` gave.

        Raises:
            ValueError: an unknown field (a trigger of another version of this package), or an unusable value.
        """
        unknown = set(values) - {item.name for item in fields(cls)}
        if unknown:
            raise ValueError(f"unknown fields in a condition: {', '.join(sorted(unknown))}")
        return cls(**{**values, "user_ids": tuple(values.get("user_ids", ()))})

    @property
    def since_moment(self) -> datetime | None:
        """`since` as a moment."""
        return None if self.since is None else datetime.fromisoformat(self.since)

    @property
    def settled_early(self) -> bool:
        """Whether it can be known to have happened before all sessions were read."""
        return self.min_completion_rate is None


def judge(condition: Condition, sessions: Iterable[WatchedSession]) -> Verdict:
    """Say whether a condition holds for these sessions.

    Args:
        condition: what is waited for.
        sessions: the sessions read; others than the condition's are passed over.
    """
    counted = [session for session in sessions if _counts(condition, session)]
    if condition.session_id is not None:
        done = any(session.completed for session in counted)
        detail = {"completed": int(done), "sessions": len(counted), "session_ids": [session.id for session in counted]}
        return Done(detail) if done else Waiting(detail)
    begun = {session.user_id for session in counted}
    by_user = {session.user_id: session.id for session in counted if session.completed}
    detail = {"completed": len(by_user), "users": len(begun), "sessions": len(counted)}
    if condition.user_ids:
        wanted = set(condition.user_ids)
        reached = wanted & by_user.keys()
        detail |= {"completed": len(reached), "wanted": len(wanted)}
        if len(reached) < len(wanted):
            return Waiting(detail)
        detail |= {"session_ids": sorted(by_user[user_id] for user_id in reached)}
    least = condition.min_completed or (0 if condition.user_ids or condition.min_completion_rate else 1)
    rate = condition.min_completion_rate
    enough = len(by_user) >= least and (rate is None or (bool(begun) and len(by_user) >= rate * len(begun)))
    return Done(detail) if enough else Waiting(detail)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"since must be ISO 8601 with a time zone, got {text!r}") from None


def _counts(condition: Condition, session: WatchedSession) -> bool:
    if condition.session_id is not None:
        return session.id == condition.session_id
    if session.preview and not condition.include_previews:
        return False
    if condition.group_id is not None and session.group_id != condition.group_id:
        return False
    since = condition.since_moment
    return since is None or (session.created_at is not None and session.created_at >= since)
