"""What is waited for: pure functions, called by `poke`, the trigger and the event trigger alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from airflow_provider.engagement.watch.standing import Scope, Standing, WatchedSession, stand

MOST_LISTED = 1000
"""Sessions named in a result; it becomes an XCom, which is no place for a whole list."""
_NAMED = 3
"""Users named in a message."""


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
        detail: the sensor's return value: counts, the sessions that make it true, and when they were completed.
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
class Facts:
    """What is known beside the sessions, as far as somebody asked to fail by it.

    Attributes:
        gone_users: users that do not exist.
        unpublished: what became of the content, or None while people can still see it.
    """

    gone_users: Collection[str] = frozenset()
    unpublished: str | None = None


NO_FACTS = Facts()


@dataclass(frozen=True, slots=True)
class Condition:
    """What is waited for. Either one session, or the sessions of a content.

    Attributes:
        session_id: this session is completed.
        content_id: the flow, checklist, launcher or survey.
        user_ids: the cohort: only these users count, and all of them must have completed it unless a number or a rate is given.
        group_id: only sessions started under this group count.
        min_completed: at least so many users have completed it; 1 unless `user_ids` or a rate is given.
        min_completion_rate: at least this share (0 to 1) has completed it: of the users who began it, or of `user_ids`.
        since: ISO 8601; only sessions created at or after this moment count.
        include_previews: count previews of drafts too.
        fail_if_ended: the session, or a user's last open one, ended without completion: it can never hold.
        fail_if_user_deleted: a user waited for does not exist: likewise.
        fail_if_unpublished: nobody can see the content any more: likewise.
        include_answers: the result holds the survey answers of its sessions.
    """

    session_id: str | None = None
    content_id: str | None = None
    user_ids: tuple[str, ...] = ()
    group_id: str | None = None
    min_completed: int | None = None
    min_completion_rate: float | None = None
    since: str | None = None
    include_previews: bool = False
    fail_if_ended: bool = False
    fail_if_user_deleted: bool = False
    fail_if_unpublished: bool = False
    include_answers: bool = False

    def __post_init__(self) -> None:
        if (self.session_id is None) == (self.content_id is None):
            raise ValueError("give either session_id or content_id")
        others = (self.user_ids, self.group_id, self.min_completed, self.min_completion_rate, self.since, self.fail_if_unpublished)
        if self.session_id is not None and any(other not in (None, (), False) for other in others):
            raise ValueError(
                "session_id stands alone: user_ids, group_id, min_completed, min_completion_rate, since and fail_if_unpublished "
                "go with content_id"
            )
        self._check_numbers()
        self._check_users()
        if self.since is not None and _moment(self.since).tzinfo is None:
            raise ValueError(f"since must have a time zone, got {self.since}")

    def _check_numbers(self) -> None:
        if self.min_completed is not None and self.min_completed < 1:
            raise ValueError(f"min_completed must be at least 1, got {self.min_completed}")
        if self.min_completion_rate is not None and not 0 < self.min_completion_rate <= 1:
            raise ValueError(f"min_completion_rate must be above 0 and at most 1, got {self.min_completion_rate}")

    def _check_users(self) -> None:
        if not all(isinstance(user_id, str) and user_id for user_id in self.user_ids):
            raise ValueError("user_ids must be non-empty texts")
        count = len(set(self.user_ids))
        if self.user_ids and self.min_completed is not None and self.min_completed > count:
            raise ValueError(f"min_completed is {self.min_completed}, but user_ids are {count}: that can never be reached")
        if self.fail_if_user_deleted and not self.user_ids:
            raise ValueError("fail_if_user_deleted goes with user_ids")
        if self.fail_if_ended and not (self.user_ids or self.session_id):
            raise ValueError("fail_if_ended goes with session_id or user_ids: somebody else may still complete the content")

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
    def scope(self) -> Scope:
        """Which sessions count."""
        return Scope(self.group_id, None if self.since is None else _moment(self.since), self.include_previews)

    @property
    def users(self) -> frozenset[str]:
        """The cohort; empty where anybody counts."""
        return frozenset(self.user_ids)

    @property
    def settled_early(self) -> bool:
        """Whether it can be known to have happened before all sessions were read."""
        return self.min_completion_rate is None or bool(self.user_ids)


def judge(condition: Condition, sessions: Iterable[WatchedSession], facts: Facts = NO_FACTS) -> Verdict:
    """Say whether a condition holds for these sessions.

    Args:
        condition: what is waited for.
        sessions: the sessions read; others than the condition's are passed over.
        facts: what else is known.
    """
    if condition.session_id is not None:
        found = next((session for session in sessions if session.id == condition.session_id), None)
        return _judge_session(condition, found)
    return judge_content(condition, stand(condition.scope, sessions), facts)


def judge_content(condition: Condition, standing: Standing, facts: Facts = NO_FACTS) -> Verdict:
    """Say whether a condition on a content holds; all conditions of one scope share a standing.

    Args:
        condition: what is waited for.
        standing: how things stand among the sessions of the condition's scope.
        facts: what else is known.
    """
    cohort = condition.users
    if cohort:
        completed = [standing.completed[user] for user in cohort if user in standing.completed]
        begun = [count for user in cohort if (count := standing.begun.get(user))]
        detail = {"completed": len(completed), "users": len(begun), "sessions": sum(begun), "wanted": len(cohort)}
        whole, least = len(cohort), condition.min_completed or 0
        if condition.min_completed is None and condition.min_completion_rate is None:
            least = whole
    else:
        completed = list(standing.completed.values())
        detail = {"completed": len(completed), "users": len(standing.users), "sessions": len(standing.sessions)}
        whole, least = len(standing.users), condition.min_completed or (0 if condition.min_completion_rate else 1)
    rate = condition.min_completion_rate
    # A quotient rounds to the very number that a person wrote as the rate; a product may come out just above the count.
    if len(completed) >= least and (rate is None or (whole > 0 and len(completed) / whole >= rate)):
        return Done({**detail, **_result(completed)})
    reason = _hopeless(condition, standing, facts, len(completed), max(least, 1))
    return Waiting(detail) if reason is None else Failed(reason)


def counts_of(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Give what of a result belongs into a log: neither lists of sessions nor what people answered."""
    return {name: value for name, value in detail.items() if isinstance(value, int | str) or name == "unproved"}


def _judge_session(condition: Condition, session: WatchedSession | None) -> Verdict:
    if session is not None and session.completed:
        return Done({"completed": 1, "sessions": 1, **_result([session])})
    if session is not None and session.ended and condition.fail_if_ended:
        return Failed(f"session {session.id} ended without being completed")
    known = [] if session is None else [session.id]
    return Waiting({"completed": 0, "sessions": len(known), "session_ids": known})


def _hopeless(condition: Condition, standing: Standing, facts: Facts, completed: int, least: int) -> str | None:
    """Say why a condition that does not hold never will, or None."""
    if condition.fail_if_unpublished and facts.unpublished is not None:
        return f"content {condition.content_id} {facts.unpublished}, with {completed} completed"
    if not (condition.fail_if_user_deleted or condition.fail_if_ended):
        return None
    cohort = condition.users
    missing = cohort - standing.completed.keys()
    lost = sorted(missing & set(facts.gone_users)) if condition.fail_if_user_deleted else []
    why = "do not exist (deleted, or never created)"
    if condition.fail_if_ended and not lost:
        lost = sorted(user for user in missing if user in standing.users and user not in standing.open)
        why = "ended it without completing it"
    left = len(cohort) - len(lost)
    if not lost or (left >= least and left / len(cohort) >= (condition.min_completion_rate or 0)):
        return None
    named = ", ".join(lost[:_NAMED]) + (f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else "")
    return f"of the {len(cohort)} users waited for, {len(lost)} {why}: {named}"


def _result(sessions: Collection[WatchedSession]) -> dict[str, Any]:
    listed = sorted(sessions, key=lambda session: session.id)
    shown = listed[:MOST_LISTED]
    moments = {session.id: session.completed_at.isoformat() for session in shown if session.completed_at is not None}
    left_out = {"session_ids_left_out": len(listed) - len(shown)} if len(listed) > len(shown) else {}
    return {"session_ids": [session.id for session in shown], **left_out, **({"completed_at": moments} if moments else {})}


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"since must be ISO 8601 with a time zone, got {text!r}") from None
