"""What moved of one content's sessions since they were read last, where the vendor can list them by last activity; pure.

The list is read from its end, the session that moved last first, down to where everything is known. Sessions that never moved are in the
way where they come before all others: behind a full page of them no page can begin, for a cursor on a null is an error of the server.
Then the list is read forwards instead, from behind a session known to have moved last some time ago. That one may have moved meanwhile,
and what it has jumped over would be missed; so the first session behind it must be one that is known and did not move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider.engagement.watch.listing import SessionList, latest
from airflow_provider.engagement.watch.reading import Completions, Steps, read_pages
from airflow_provider.engagement.watch.source import Movements
from airflow_provider.engagement.watch.standing import EVER, WatchedSession
from airflow_provider.engagement.wire.errors import Invalid
from airflow_provider.engagement.wire.page import Page

OVERLAP = timedelta(minutes=1)
"""So much further back than the last round are moved sessions read: a server may show a change later than its time stamp says."""
_MOST_ANCHORS = 3


class MovedSessions:
    """Reads what moved.

    Args:
        sessions: the list of the content's sessions.
        movements: how the list is read by last activity.

    Attributes:
        stuck: sessions that never moved are in the way.
        lost: what moved cannot be told from the list; everything must be read again.
    """

    def __init__(self, sessions: SessionList, movements: Movements) -> None:
        self.stuck = False
        self.lost = False
        self._sessions = sessions
        self._movements = movements
        self._edge: datetime | None = None  # what moved before, and before the overlap, was read
        self._in_step = False  # the last round came to its end, so a page without a change has none behind it

    def look(self) -> Steps[tuple[datetime | None, bool]]:
        """Read the page of those that moved last; answers when the last one did, and whether these are all there are."""
        sessions = self._sessions
        page = yield sessions.source.listing.call(self._movements.last_first(sessions.content_id))
        views, _changed = sessions.take(page.items)
        edge = latest(views)
        self.stuck = page.cursor is not None and views[-1].last_activity_at is None
        if page.cursor is None:
            sessions.forget_but({record.id for record in page.items}, EVER)
        return edge, page.cursor is None

    def begin(self, edge: datetime | None, *, in_step: bool) -> None:
        """Begin anew, after everything was read.

        Args:
            edge: what moved before was read.
            in_step: what moved since, too.
        """
        self._edge, self._in_step = edge, in_step
        self.lost = False

    def read(self, news: Sequence[Completions], go_on: Callable[[], bool]) -> Steps[datetime | None]:
        """Read what moved.

        Args:
            news: event triggers whose beginning was not read yet.
            go_on: asked after each page whether to.

        Returns:
            From which movement on all sessions are known now that `news` asked for; None if that is as it was.
        """
        horizon = self._horizon(news)
        in_step, self._in_step = self._in_step and not news, False
        if not self.stuck:
            known_from = yield from self._read_backwards(horizon, in_step, go_on)
            if not self.stuck:
                return known_from
        if not news:
            yield from self._sessions.read_new()
            if (yield from self._read_forwards(horizon, go_on)) or not go_on():
                return None
        self.lost = True
        return None

    def _read_backwards(self, horizon: datetime | None, in_step: bool, go_on: Callable[[], bool]) -> Steps[datetime | None]:
        sessions = self._sessions
        edge: datetime | None = None
        reached = False

        def take(page: Page[Any]) -> bool:
            nonlocal edge, reached
            last = sessions.source.view(page.items[-1]) if page.items else None
            at = None if last is None else last.last_activity_at
            known = None if last is None else sessions.roll.get(last.id)
            still = known is None or known.last_activity_at == at
            views, changed = sessions.take(page.items)
            edge = edge or latest(views)
            reached = (in_step and not changed) or (still and at is not None and horizon is not None and at < horizon)
            self.stuck = not reached and page.cursor is not None and at is None
            return not reached and not self.stuck and go_on()

        ended = yield from read_pages(sessions.source.listing, self._movements.last_first(sessions.content_id), take)
        if not ended and not reached:
            return None
        self._edge, self._in_step = edge or self._edge, True
        return EVER if ended or horizon is None else horizon

    def _read_forwards(self, horizon: datetime | None, go_on: Callable[[], bool]) -> Steps[bool]:
        """Read what moved from a horizon on; answers whether that was all."""
        for anchor in self._anchors(horizon):
            try:
                if (yield from self._read_behind(anchor, go_on)):
                    return True
                if not go_on():
                    return False
            except Invalid:  # it was deleted
                continue
        return False

    def _anchors(self, horizon: datetime | None) -> list[WatchedSession | None]:
        """Sessions to read on from, the best first; None for the list's beginning."""
        moved = [session for session in self._sessions.roll.values() if session.last_activity_at is not None]
        before = [session for session in moved if horizon is not None and _moment(session) < horizon]
        if not before:
            return [None]
        return list(sorted(before, key=_moment, reverse=True)[:_MOST_ANCHORS])

    def _read_behind(self, anchor: WatchedSession | None, go_on: Callable[[], bool]) -> Steps[bool]:
        """Read forwards; False where the anchor has moved, or may have."""
        sessions = self._sessions
        proved = anchor is None
        ended = False

        def take(page: Page[Any]) -> bool:
            nonlocal proved, ended
            views = [sessions.source.view(record) for record in page.items]
            if not proved:
                known = sessions.roll.get(views[0].id) if views else None
                proved = known is not None and known.last_activity_at == views[0].last_activity_at
            if not proved:
                return False
            sessions.take(page.items)
            moments = [moment for moment in (latest(views), self._edge) if moment is not None]
            self._edge = max(moments, default=None)
            ended = page.cursor is None or views[-1].last_activity_at is None  # only those that never moved come behind
            return not ended and go_on()

        after = None if anchor is None else anchor.id
        yield from read_pages(sessions.source.listing, self._movements.forwards(sessions.content_id, after), take)
        return ended

    def _horizon(self, news: Sequence[Completions]) -> datetime | None:
        """How far back to read: to the last round's edge, and to where an event trigger left off; None for to the end."""
        if not news:
            return None if self._edge is None else self._edge - OVERLAP
        starts = [condition.after for condition in news if condition.after is not None]
        # An event trigger without a mark wants what happens from now on: nothing further back than the first page.
        earliest = min(starts, default=datetime.max.replace(tzinfo=UTC))
        if earliest == EVER:
            return None
        return earliest - OVERLAP if self._edge is None else min(earliest, self._edge) - OVERLAP


def _moment(session: WatchedSession) -> datetime:
    return session.last_activity_at or EVER
