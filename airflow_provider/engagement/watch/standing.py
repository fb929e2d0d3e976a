"""Content sessions as conditions see them, and how things stand among them; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from operator import attrgetter

EVER = datetime.min.replace(tzinfo=UTC)
"""Before everything."""
_USER = attrgetter("user_id")


@dataclass(frozen=True, slots=True)
class WatchedSession:
    """What every vendor's content session comes down to. Thousands are kept while tasks wait, so nothing else is.

    Attributes:
        id: the session's id.
        user_id: whose it is.
        group_id: the group (company) it was started under, or None.
        completed: genuinely completed, not merely ended.
        created_at: when it began, with a time zone.
        preview: a team member's preview of a draft.
        ended: over, so that it can no longer be completed; False where the vendor does not tell.
        completed_at: when it was completed, as far as the vendor tells.
        last_activity_at: when it last changed, as far as the vendor tells.
    """

    id: str
    user_id: str | None
    group_id: str | None
    completed: bool
    created_at: datetime | None
    preview: bool
    ended: bool = False
    completed_at: datetime | None = None
    last_activity_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Which sessions count.

    Attributes:
        group_id: only those started under this group.
        since: only those created at or after this moment.
        include_previews: previews of drafts too.
    """

    group_id: str | None = None
    since: datetime | None = None
    include_previews: bool = False

    def among(self, sessions: Iterable[WatchedSession]) -> list[WatchedSession]:
        """Choose the sessions that count."""
        found = list(sessions) if self.include_previews else [session for session in sessions if not session.preview]
        if self.group_id is not None:
            found = [session for session in found if session.group_id == self.group_id]
        if (since := self.since) is not None:
            found = [session for session in found if session.created_at is not None and session.created_at >= since]
        return found


class Standing:
    """How things stand among the sessions of a scope.

    Args:
        sessions: those that count.

    Attributes:
        users: those who began.
        completed: the session each user completed first.
    """

    def __init__(self, sessions: Sequence[WatchedSession]) -> None:
        self.sessions = sessions
        self.users = set(map(_USER, sessions))
        done = [session for session in sessions if session.completed]
        self.completed = dict(zip(map(_USER, done), done, strict=True))
        if len(self.completed) < len(done):  # somebody did it twice
            self.completed = {session.user_id: session for session in sorted(done, key=_order, reverse=True)}

    @cached_property
    def begun(self) -> Mapping[str | None, int]:
        """How many sessions each user has."""
        return Counter(map(_USER, self.sessions))

    @cached_property
    def open(self) -> Collection[str | None]:
        """Users with a session that may still be completed."""
        return {session.user_id for session in self.sessions if not session.completed and not session.ended}


def stand(scope: Scope, sessions: Iterable[WatchedSession]) -> Standing:
    """Say how things stand among the sessions of a scope."""
    return Standing(scope.among(sessions))


def _order(session: WatchedSession) -> tuple[bool, float, str]:
    at = session.completed_at
    return (at is None, 0.0 if at is None else at.timestamp(), session.id)


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where completions are old news.

    Attributes:
        at: the latest completion announced; None for none at all.
        count: how many were completed at that very moment, as several may share it.
    """

    at: datetime | None = None
    count: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """Completions that are new.

    Attributes:
        completed: how many sessions.
        mark: up to where everything is old news now.
    """

    completed: int
    mark: Mark


def news_after(mark: Mark, scope: Scope, sessions: Iterable[WatchedSession]) -> News:
    """Find the completions after a mark.

    Args:
        mark: up to where they are old news.
        scope: which sessions count.
        sessions: the sessions read. A completion whose moment the vendor does not tell cannot be placed and is passed over.
    """
    fresh: list[datetime] = []
    same = 0
    for session in scope.among(sessions):
        at = session.completed_at
        if session.completed and at is not None:
            if mark.at is None or at > mark.at:
                fresh.append(at)
            elif at == mark.at:
                same += 1
    late = max(0, same - mark.count)
    if fresh:
        latest = max(fresh)
        return News(len(fresh) + late, Mark(latest, fresh.count(latest)))
    return News(late, Mark(mark.at, mark.count + late))
