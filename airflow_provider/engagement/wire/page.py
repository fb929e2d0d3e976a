"""Pages of a list: what they hold, and the loop over them that both clients share."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, cast

from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import BadAnswer, Invalid, Rejected
from airflow_provider.engagement.wire.message import Call, Query, T


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: the records of this page, in the server's order.
        cursor: where the next page begins, or None after the last page.
        earlier: cursors that stand before it on this page, the nearest last; for when the record under `cursor` is deleted meanwhile.
    """

    items: list[T]
    cursor: str | None
    earlier: tuple[str, ...] = ()


Step = Call[Page[T]] | Page[T]
"""What a walk wants next: a call to be sent, or a page to be handed out."""
Walk = Generator[Step[T], Page[T] | Rejected | None, None]
"""A walk over a list. After a call it is sent its page, or thrown the final no it got; after a page it is sent None."""


def walk(endpoint: Endpoint[Page[T]], query: Query, limit: int | None = None) -> Walk[T]:
    """Walk over all pages: by the endpoint's own `walk` where it has one, else by following its `next_query`.

    One walk serves both clients: `page = client.send(call)` or `page = await client.send(call)`.

    Args:
        endpoint: a list endpoint.
        query: its query parameters.
        limit: stop asking once this many records came; None for all.

    Raises:
        BadAnswer: a page leads back to a page already seen, so the walk would never end.
    """
    if endpoint.walk is not None:
        yield from endpoint.walk(endpoint, query, limit)
        return
    seen: set[str] = set()
    count = 0
    earlier: list[str] = []
    next_query: Query | None = query
    while next_query is not None:
        call = endpoint.call(next_query)
        try:
            page = cast("Page[T]", (yield call))
        except Invalid:
            # The record under the cursor was deleted: what comes after the one before it is the same rest of the list.
            if not earlier or endpoint.next_query is None:
                raise
            next_query = endpoint.next_query(Page([], earlier.pop()), next_query)
            continue
        yield page
        count += len(page.items)
        earlier = list(page.earlier)
        if page.cursor is None or endpoint.next_query is None or (limit is not None and count >= limit):
            return
        if page.cursor in seen:
            raise BadAnswer(f"the list leads back to cursor {page.cursor!r}, it would never end", request=call.request)
        seen.add(page.cursor)
        next_query = endpoint.next_query(page, next_query)


def drive(walked: Walk[Any], answer: Page[Any] | Rejected | None = None) -> Step[Any] | None:
    """Advance a walk: what it wants next, or None at its end.

    Args:
        walked: the walk.
        answer: what its last call was answered, a final no included; None at the start and after a page.

    Raises:
        Rejected: the final no, where the walk knows no way round it.
    """
    try:
        return walked.throw(answer) if isinstance(answer, Rejected) else walked.send(answer)
    except StopIteration:
        return None
