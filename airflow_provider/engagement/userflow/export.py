"""Reading Userflow's resources.

Lists whose objects are written as they come are decoded only as far as a window needs: id, moments, and what is counted. The rest of an
object stays the bytes that the server sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider.engagement.extract.gather import Gathering, Item
from airflow_provider.engagement.extract.resource import Reading
from airflow_provider.engagement.extract.walk import Dated, LastActivity, read_created
from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.message import Query, encode_json
from airflow_provider.engagement.wire.page import Page
from airflow_provider.engagement.wire.record import moment
from airflow_provider.engagement.wire.together import together

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider.engagement.wire.clients import AsyncClient

CONTENTS_AT_A_TIME = 4
MAX_PAGE = 100


class Line(msgspec.Struct, gc=False):
    """What reading needs to know of an object, beside its bytes.

    Attributes:
        body: the object as it came.
    """

    id: str
    created_at: str | None = None
    last_activity_at: str | None = None
    is_preview: bool | None = None
    completed: bool | None = None
    launcher_activated: bool | None = None
    answers: list[msgspec.Raw] | None = None
    body: msgspec.Raw = msgspec.Raw()

    def created(self) -> datetime | None:
        """When it was created."""
        return moment(self.created_at)

    def active(self) -> datetime | None:
        """When something last happened in it."""
        return moment(self.last_activity_at)


def _items(dated: Dated[Line]) -> Iterator[tuple[str, float | None, Any, bool, int]]:
    """Make what is gathered (`Item`, as plain tuples: this is where reading spends its time)."""
    return (
        (line.id, at.timestamp(), line.body, line.completed or line.launcher_activated or False, len(line.answers) if line.answers else 0)
        for line, at in dated
    )


class _Lines(msgspec.Struct):
    data: list[Line]
    has_more: bool
    next_page_url: str | None = None


class _Bodies(msgspec.Struct):
    data: list[msgspec.Raw]


_lines = msgspec.json.Decoder(_Lines)
_bodies = msgspec.json.Decoder(_Bodies)


def read_lines(body: bytes) -> Page[Line]:
    """Read a page of any list, its objects undecoded.

    Raises:
        ValueError: it is no list object.
    """
    page = _lines.decode(body)
    bodies = _bodies.decode(body).data
    if b"\n" in body or b"\r" in body:  # between an object's fields, for no text holds them: an object must not be more than a line
        bodies = [msgspec.Raw(msgspec.json.format(raw, indent=-1)) for raw in bodies]
    for line, raw in zip(page.data, bodies, strict=True):
        line.body = raw
    return api.make_page(page.data, [line.id for line in page.data], page.has_more, page.next_page_url)


def _undecoded(endpoint: Endpoint[Any]) -> Endpoint[Page[Line]]:
    return replace(endpoint, read=read_lines, raw=True)


_LISTS: dict[str, Endpoint[Any]] = {
    "users": api.LIST_USERS,
    "groups": api.LIST_GROUPS,
    "content": api.LIST_CONTENT,
    "attribute_definitions": api.LIST_ATTRIBUTE_DEFINITIONS,
    "event_definitions": api.LIST_EVENT_DEFINITIONS,
}
"""Lists of the account itself, read as they come."""


async def export(
    client: AsyncClient, reading: Reading, gathering: Gathering, *, content_ids: Sequence[str] | None, include_previews: bool
) -> None:
    """Gather what a reading wants.

    Args:
        client: the account.
        reading: what is read.
        gathering: where it goes.
        content_ids: whose sessions or versions; None for those of all content.
        include_previews: take sessions that are previews of drafts too.

    Raises:
        ApiError: a call failed for good.
    """
    name = reading.resource.name
    if name == "content_sessions":
        await _each_content(client, content_ids, partial(_sessions, client, reading, gathering, include_previews))
    elif name == "content_versions":
        await _each_content(client, content_ids, partial(_versions, client, gathering))
    elif name == "group_memberships":
        await _memberships(client, gathering)
    else:
        await _list(client, _undecoded(_LISTS[name]), reading.window, gathering)


async def list_content_ids(client: AsyncClient) -> tuple[str, ...]:
    """List the ids of all content: sessions are read content by content, because the list of all can time out on the server."""
    return tuple([content.id async for page in client.pages(api.LIST_CONTENT, {"limit": MAX_PAGE}) for content in page.items])


async def _each_content(client: AsyncClient, content_ids: Sequence[str] | None, read: Any) -> None:
    gate = asyncio.Semaphore(CONTENTS_AT_A_TIME)

    async def one(content_id: str) -> None:
        async with gate:
            await read(content_id)

    await together(one(content_id) for content_id in dict.fromkeys(await list_content_ids(client) if content_ids is None else content_ids))


async def _sessions(client: AsyncClient, reading: Reading, gathering: Gathering, include_previews: bool, content_id: str) -> None:
    window = reading.window
    assert window is not None
    async for dated in _windowed(client, reading.by, window, content_id):
        gathering.add(_items(dated if include_previews else [(line, at) for line, at in dated if not line.is_preview]))


def _windowed(client: AsyncClient, by: str, window: Window, content_id: str) -> AsyncIterator[Dated[Line]]:
    endpoint = _undecoded(api.LIST_CONTENT_SESSIONS)

    def query(order: str) -> Query:
        return {"content_id": content_id, "order_by": order, "expand": "answers", "limit": MAX_PAGE}

    if by == "created":
        return read_created(client, endpoint, query("-created_at"), window, Line.created)
    return LastActivity(endpoint, query("-last_activity_at"), query("-created_at"), Line.active, Line.created).read(client, window)


async def _list(client: AsyncClient, endpoint: Endpoint[Page[Line]], window: Window | None, gathering: Gathering) -> None:
    if window is not None:
        async for dated in read_created(client, endpoint, {"order_by": "-created_at", "limit": MAX_PAGE}, window, Line.created):
            gathering.add(_items(dated))
        return
    async for page in client.pages(endpoint, {"order_by": "created_at", "limit": MAX_PAGE}):
        gathering.add(Item(line.id, None, line.body) for line in page.items)


async def _memberships(client: AsyncClient, gathering: Gathering) -> None:
    # There is no list of memberships: they are read with the users, who are in fewer of them than a group has.
    query = {"order_by": "created_at", "expand": "memberships", "limit": MAX_PAGE}
    async for page in client.pages(api.LIST_USERS, query):
        gathering.add(
            Item(membership.id, None, encode_json({**membership.raw, "user_id": membership.user_id or user.id}))
            for user in page.items
            for membership in user.memberships or ()
        )


async def _versions(client: AsyncClient, gathering: Gathering, content_id: str) -> None:
    query = {"content_id": content_id, "order_by": "number", "expand": ["questions", "tasks"], "limit": MAX_PAGE}
    async for page in client.pages(api.LIST_CONTENT_VERSIONS, query):
        gathering.add(Item(version.id, None, encode_json({**version.raw, "content_id": content_id})) for version in page.items)
