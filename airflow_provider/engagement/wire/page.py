"""Pages of a list: what they hold, and the loop over them that both clients share."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic

from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import BadAnswer
from airflow_provider.engagement.wire.message import Call, Query, T


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: the records of this page, in the server's order.
        cursor: where the next page begins, or None after the last page.
    """

    items: list[T]
    cursor: str | None


def walk(endpoint: Endpoint[Page[T]], query: Query, limit: int | None = None) -> Generator[Call[Page[T]], Page[T], None]:
    """Yield the calls of a walk over all pages; the driver sends each page back in.

    One walk serves both clients: `page = client.send(call)` or `page = await client.send(call)`.

    Args:
        endpoint: a list endpoint.
        query: its query parameters.
        limit: stop asking once this many records came; None for all.

    Raises:
        BadAnswer: a page leads back to a page already seen, so the walk would never end.
    """
    seen: set[str] = set()
    count = 0
    next_query: Query | None = query
    while next_query is not None:
        call = endpoint.call(next_query)
        page = yield call
        count += len(page.items)
        if page.cursor is None or endpoint.next_query is None or (limit is not None and count >= limit):
            return
        if page.cursor in seen:
            raise BadAnswer(f"the list leads back to cursor {page.cursor!r}, it would never end", request=call.request)
        seen.add(page.cursor)
        next_query = endpoint.next_query(page, next_query)


def drive(walked: Generator[Call[Page[Any]], Page[Any], None], page: Page[Any] | None) -> Call[Page[Any]] | None:
    """Advance a walk: the next call, or None at its end. `page` is None at the start."""
    try:
        return next(walked) if page is None else walked.send(page)
    except StopIteration:
        return None
