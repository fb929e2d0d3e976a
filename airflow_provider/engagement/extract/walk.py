"""Read what was created, or last active, within a window: newest first, down to the window's edge, and no end before that is proved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import BadAnswer
from airflow_provider.engagement.wire.message import Query
from airflow_provider.engagement.wire.page import Page

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient

R = TypeVar("R")
Moment = Callable[[R], datetime | None]
Dated = list[tuple[R, datetime]]
"""Records, each with the moment that decides in which window it is."""

_LATEST = datetime.max.replace(tzinfo=UTC)
_CLOCKS_APART = timedelta(minutes=5)
"""So far may the server's clock be from this machine's: a window that ended longer ago is over on the server too."""
_MOST_LOOKS = 10
"""So often are the newest sessions looked at again while sessions of the window still move."""


async def read_created(
    client: AsyncClient, endpoint: Endpoint[Page[R]], query: Query, window: Window, created: Moment[R]
) -> AsyncIterator[Dated[R]]:
    """Yield the records created within a window, page by page.

    Creation never moves and is never null, so the walk is exact: it ends at the first record before the window, or with the list.

    Args:
        client: the account.
        endpoint: a list that `query` orders newest first by creation.
        query: the list's parameters.
        window: which records are wanted.
        created: gives a record's moment of creation.

    Raises:
        BadAnswer: a record without a moment of creation, or a list that is not in the order asked for.
        ApiError: a call failed for good.
    """
    front: datetime | None = None
    last = _LATEST
    async for page in client.pages(endpoint, query):
        wanted: Dated[R] = []
        for place, record in enumerate(page.items):
            moment = created(record)
            if moment is None:
                raise _unproved(endpoint, query, record, "has no created_at")
            # A walk that lost its place goes on from the front, where there may be new records; any other jump is another order.
            if moment > last and (place or front is None or moment < front):
                raise _unproved(endpoint, query, record, "is out of the order asked for")
            front = front or moment
            last = moment
            if window.start <= moment < window.end:
                wanted.append((record, moment))
        if wanted:
            yield wanted
        if last < window.start:
            return


async def read_all(
    client: AsyncClient, endpoint: Endpoint[Page[R]], query: Query, window: Window, moment: Moment[R]
) -> AsyncIterator[Dated[R]]:
    """Yield the records of a window out of a whole list, whatever its order.

    Args:
        client: the account.
        endpoint: a list.
        query: its parameters.
        window: which records are wanted.
        moment: gives the moment that must be in the window.

    Raises:
        ApiError: a call failed for good.
    """
    async for page in client.pages(endpoint, query):
        wanted = [(record, at) for record in page.items if (at := moment(record)) is not None and at in window]
        if wanted:
            yield wanted


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class LastActivity(Generic[R]):
    """How a list is read by last activity, a moment that moves while it is read.

    A session that is active during the walk jumps to the front of the list, past the place where the walk is. In a window that is
    over it does not matter, for the session then belongs to a later one. While the window is not over, or so new that the server's
    clock may not be there yet, the front of the list is looked at again, down to where the look before began, until nothing has
    moved meanwhile.

    A session without a moment of last activity makes the server fail where a page begins behind it; where one is met, the whole list
    is read by creation instead, and creation counts as its last activity.

    Attributes:
        endpoint: the list.
        newest_first: its parameters, ordered newest first by last activity.
        by_creation: its parameters, ordered by creation.
        active: gives a record's last activity.
        created: gives its creation.
        now: tells the time; replaceable for tests.
    """

    endpoint: Endpoint[Page[R]]
    newest_first: Query
    by_creation: Query
    active: Moment[R]
    created: Moment[R]
    now: Callable[[], datetime] = _now

    async def read(self, client: AsyncClient, window: Window) -> AsyncIterator[Dated[R]]:
        """Yield the records last active within a window, and those seen to have left it; of a record that comes again the last counts.

        Raises:
            BadAnswer: a page is not in the order asked for, or sessions move faster than they can be read.
            ApiError: a call failed for good.
        """
        over = window.end <= self.now() - _CLOCKS_APART
        edge, latest = window.start, window.end
        for look in range(_MOST_LOOKS):
            front: datetime | None = None
            async for page in client.pages(self.endpoint, self.newest_first):
                moments = [self.active(record) for record in page.items]
                if None in moments:
                    async for dated in read_all(client, self.endpoint, self.by_creation, window, self._active_or_created):
                        yield dated
                    return
                at = self._in_order(page, moments)
                front = front or (at[0] if at else None)
                wanted = [(record, moment) for record, moment in zip(page.items, at, strict=True) if edge <= moment < latest]
                if wanted:
                    yield wanted
                if at and at[-1] < edge:
                    break
            if over or front is None or front < edge or (look and front == edge):
                return
            edge, latest = front, _LATEST
        raise BadAnswer(
            f"sessions are active faster than they can be read ({_MOST_LOOKS} looks at the newest of them); let the window end in the past",
            request=self.endpoint.call(self.newest_first).request,
        )

    def _in_order(self, page: Page[R], moments: list[datetime | None]) -> list[datetime]:
        at = [moment for moment in moments if moment is not None]
        for record, moment, before in zip(page.items[1:], at[1:], at, strict=False):
            if moment > before:
                raise _unproved(self.endpoint, self.newest_first, record, "is out of the order asked for")
        return at

    def _active_or_created(self, record: R) -> datetime | None:
        return self.active(record) or self.created(record)


def _unproved(endpoint: Endpoint[Any], query: Query, record: Any, what: str) -> BadAnswer:
    return BadAnswer(f"record {record.id!r} {what}, so the window cannot be proved", request=endpoint.call(query).request)
