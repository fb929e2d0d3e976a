"""Read what was created within a window: newest first, down to the window's edge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import BadAnswer
from airflow_provider.engagement.wire.message import Query
from airflow_provider.engagement.wire.page import Page
from airflow_provider.engagement.wire.record import Record

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient

R = TypeVar("R", bound=Record)


async def read_created(
    client: AsyncClient, endpoint: Endpoint[Page[R]], query: Query, window: Window, created: Callable[[R], datetime | None]
) -> AsyncIterator[list[R]]:
    """Yield the records of a window, page by page.

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
    last: datetime | None = None
    async for page in client.pages(endpoint, query):
        wanted: list[R] = []
        for record in page.items:
            moment = created(record)
            if moment is None or (last is not None and moment > last):
                what = "has no created_at" if moment is None else "is out of the order asked for"
                raise BadAnswer(
                    f"record {record.raw.get('id')!r} {what}, so the window cannot be proved", request=endpoint.call(query).request
                )
            last = moment
            if moment in window:
                wanted.append(record)
        if wanted:
            yield wanted
        if last is not None and last < window.start:
            return
