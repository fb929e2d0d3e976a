"""The list of one content's sessions, read into a roll; pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

from airflow_provider.engagement.watch.reading import Steps, read_pages
from airflow_provider.engagement.watch.roll import Roll
from airflow_provider.engagement.watch.source import SessionSource
from airflow_provider.engagement.watch.standing import EVER, WatchedSession
from airflow_provider.engagement.wire.page import Page


class SessionList:
    """The list of a content's sessions.

    Args:
        source: how sessions are read.
        content_id: which content.
        roll: where what was read is kept.

    Attributes:
        began: a moment before the last walk began, by the server's clock: the latest that its first page told.
    """

    def __init__(self, source: SessionSource, content_id: str, roll: Roll) -> None:
        self.source = source
        self.content_id = content_id
        self.roll = roll
        self.began: datetime | None = None

    def take(self, records: Iterable[Any]) -> tuple[list[WatchedSession], bool]:
        """Take in records; gives them as conditions see them, and whether any has changed."""
        views = [self.source.view(record) for record in records]
        return views, any([self.roll.put(view) for view in views])  # noqa: C419 - all of them are put

    def read_user(self, user_id: str, go_on: Callable[[], bool]) -> Steps[bool]:
        """Read the sessions of a user.

        Args:
            user_id: whose.
            go_on: asked after each page whether to.

        Returns:
            Whether all were read.
        """
        seen: set[str] = set()

        def take(page: Page[Any]) -> bool:
            seen.update(view.id for view in self.take(page.items)[0])
            return go_on()

        ended = yield from read_pages(self.source.listing, self.source.newest(self.content_id, user_id, False), take)
        if ended:
            own = [session for session in self.roll.values() if session.user_id == user_id]
            self.roll.drop([session.id for session in own if session.id not in seen])
        return ended

    def walk_back(self, start: Callable[[], datetime | None]) -> Steps[datetime | None]:
        """Walk newest first by creation.

        Args:
            start: asked after each page how far back to go; None to go no further, though it was not far enough.

        Returns:
            From which creation on all sessions are known now; None if it was not far enough.
        """
        seen: set[str] = set()
        back_to: datetime | None = None
        if self.source.unproved:
            self.source.unproved.clear()  # it is found out again

        def take(page: Page[Any]) -> bool:
            nonlocal back_to
            views, _changed = self.take(page.items)
            if not seen:
                created = (view.created_at for view in views if view.created_at is not None)
                self.began = max(filter(None, (latest(views), max(created, default=None))), default=None)
            seen.update(view.id for view in views)
            end = start()
            if end is None:
                return False
            if any(view.created_at is not None and view.created_at < end for view in views):
                back_to = end
                return False
            return True

        if (yield from read_pages(self.source.listing, self.source.newest(self.content_id, None, False), take)):
            back_to = EVER
        if back_to is not None and not self.source.unproved:
            self.forget_but(seen, back_to)
        return back_to

    def read_new(self) -> Steps[None]:
        """Read newest first down to a page that holds a session known before: all behind it are known, for creation never moves."""
        found: list[Any] = []

        def take(page: Page[Any]) -> bool:
            found.extend(page.items)
            return not any(self.source.view(record).id in self.roll for record in page.items)

        yield from read_pages(self.source.listing, self.source.newest(self.content_id, None, False), take)
        self.take(found)  # only now: a page read before the next one failed must not pass for known

    def forget_but(self, seen: Collection[str], since: datetime) -> None:
        """Forget the sessions created from a moment on that a list of all of them did not hold any more."""
        unseen = [session for session in self.roll.values() if session.id not in seen]
        self.roll.drop([session.id for session in unseen if session.created_at is None or session.created_at >= since])


def latest(sessions: Iterable[WatchedSession]) -> datetime | None:
    """Give the latest movement of any of these sessions."""
    return max((session.last_activity_at for session in sessions if session.last_activity_at is not None), default=None)
