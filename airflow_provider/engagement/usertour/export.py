"""Reading Usertour's resources, by either version of the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider.engagement.extract.gather import Gathering, Item
from airflow_provider.engagement.extract.resource import Reading
from airflow_provider.engagement.extract.walk import Dated, read_all, read_created
from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.usertour import records
from airflow_provider.engagement.usertour.account import Account
from airflow_provider.engagement.usertour.api import MAX_PAGE
from airflow_provider.engagement.usertour.walk import incomplete, tolerant
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.message import Query, encode_json
from airflow_provider.engagement.wire.page import Page
from airflow_provider.engagement.wire.record import moment
from airflow_provider.engagement.wire.together import together
from airflow_provider.engagement.wire.values import check_time

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient

CONTENTS_AT_A_TIME = 4
_LISTS = {
    "users": "list_users",
    "companies": "list_companies",
    "content": "list_content",
    "attribute_definitions": "list_attribute_definitions",
    "event_definitions": "list_event_definitions",
}
"""Lists of the account itself."""


def line(session: records.ContentSession) -> bytes:
    """Write a session as the server gives it, with what means the same in both versions: `ended`, `finished`, decoded answers."""
    told = dict(session.raw)
    if session.answers is not None:
        told["answers"] = [{**answer.raw, "answerValue": answer.answer_value} for answer in session.answers]
    return encode_json({**told, "ended": session.ended, "finished": session.finished})


@dataclass(frozen=True, slots=True)
class Export:
    """One reading of an account.

    Attributes:
        client: the connection.
        account: which account.
        gathering: where what is read goes.
        content_ids: whose sessions or versions; None for all: in v2 also sessions of deleted content, which v1 does not list.
        allow_incomplete: v1: go on where more objects share a moment of creation than a page holds.
    """

    client: AsyncClient
    account: Account
    gathering: Gathering
    content_ids: Sequence[str] | None
    allow_incomplete: bool

    async def read(self, reading: Reading) -> None:
        """Gather what a reading wants.

        Raises:
            Incomplete: v1 cannot prove that everything came.
            ApiError: a call failed for good.
        """
        name, window = reading.resource.name, reading.window
        if name == "content_sessions":
            assert window is not None
            # v1 gives sessions content by content only.
            ids = self.content_ids if self.account.version == "v2" or self.content_ids is not None else await self._all_content()
            await self._each(ids, lambda content_id: self._sessions(content_id, reading.by, window))
        elif name == "content_versions":
            await self._each(await self._all_content() if self.content_ids is None else self.content_ids, self._versions)
        elif name == "company_memberships":
            await self._memberships()
        elif window is not None:
            await self._proved(self.account.endpoint(_LISTS[name]), {"orderBy": "-createdAt"}, window, self._as_it_came)
        else:
            await self._snapshot(_LISTS[name])

    async def _each(self, content_ids: Sequence[str] | None, read: Callable[[Any], Any]) -> None:
        gate = asyncio.Semaphore(CONTENTS_AT_A_TIME)

        async def one(content_id: str | None) -> None:
            async with gate:
                await read(content_id)

        await together(one(content_id) for content_id in ((None,) if content_ids is None else dict.fromkeys(content_ids)))

    async def _all_content(self) -> tuple[str, ...]:
        pages = self.client.pages(self._tolerated("list_content"), {"limit": MAX_PAGE})
        return tuple([content.id async for page in pages for content in page.items])

    def _tolerated(self, name: str, **ids: str) -> Endpoint[Page[Any]]:
        endpoint = self.account.endpoint(name, **ids)
        return tolerant(endpoint) if self.allow_incomplete else endpoint

    # --- windows -----------------------------------------------------------------------------------------------------

    async def _sessions(self, content_id: str | None, by: str, window: Window) -> None:
        endpoint = self.account.endpoint("list_content_sessions")
        query = {"contentId": content_id, "orderBy": "-createdAt", "expand": "answers"}
        if by == "created":
            await self._proved(endpoint, query, window, _session)
        else:
            await self._walked(endpoint, query, window)

    async def _proved(
        self, endpoint: Endpoint[Page[Any]], query: Query, window: Window, item: Callable[[Any, datetime | None], Item]
    ) -> None:
        """Gather what was created within a window, newest first."""
        ties: dict[str, None] = {}
        query = {**query, "limit": MAX_PAGE, **self._bounds(window.start, window.end)}
        walk = read_created(self.client, tolerant(endpoint, ties), query, window, _created)
        count = await self._take(walk, item)
        # Judged here and not by the walk, which need not be gone to its end, and knows nothing of the window.
        unproved = [tie for tie in ties if (at := moment(tie)) is None or at in window]
        if unproved and not self.allow_incomplete:
            raise incomplete(endpoint, query, unproved, count)

    async def _walked(self, endpoint: Endpoint[Page[Any]], query: Query, window: Window) -> None:
        """Gather what was last active within a window out of all that was created before its end."""
        query = {**query, "limit": MAX_PAGE, **self._bounds(None, window.end)}
        walked = tolerant(endpoint) if self.allow_incomplete else endpoint
        await self._take(read_all(self.client, walked, query, window, _active), _session)

    async def _take(
        self,
        pages: AsyncIterator[Dated[Any]],
        item: Callable[[Any, datetime | None], Item],
    ) -> int:
        count = 0
        async for found in pages:
            self.gathering.add(item(record, at) for record, at in found)
            count += len(found)
        return count

    def _bounds(self, start: datetime | None, end: datetime) -> Query:
        # v2's bounds both belong to the window; what is too much is left out afterwards.
        if self.account.version == "v1":
            return {}
        first = None if start is None else check_time(start, "start")
        return {"createdAfter": first, "createdBefore": check_time(end, "end")}

    # --- snapshots ---------------------------------------------------------------------------------------------------

    async def _snapshot(self, name: str) -> None:
        async for page in self.client.pages(self._tolerated(name), {"limit": MAX_PAGE}):
            self.gathering.add(self._as_it_came(record, None) for record in page.items)

    async def _memberships(self) -> None:
        # There is no list of memberships. They come with the users, and the company with them: v1's membership names neither by your id.
        query = {"expand": ["memberships", "memberships.company"], "limit": MAX_PAGE}
        async for page in self.client.pages(self._tolerated("list_users"), query):
            self.gathering.add(_membership(user, membership) for user in page.items for membership in user.memberships or ())

    async def _versions(self, content_id: str) -> None:
        # The path of v2's call names the content, the query of v1's does.
        query = {"contentId": content_id if self.account.version == "v1" else None, "expand": "questions", "limit": MAX_PAGE}
        async for page in self.client.pages(self._tolerated("list_content_versions", content_id=content_id), query):
            self.gathering.add(Item(version.id, None, encode_json({**version.raw, "contentId": content_id})) for version in page.items)

    def _as_it_came(self, record: Any, at: datetime | None) -> Item:
        raw = record.raw
        if isinstance(record, records.Content) and record.environments is not None:
            own = (item for item in record.environments if item.get("environmentId") == self.account.environment_id)
            raw = {**raw, "publishedVersionId": next((item.get("publishedVersionId") for item in own), None)}
        return Item(record.id, None if at is None else at.timestamp(), encode_json(raw))


def _created(record: Any) -> datetime | None:
    at: datetime | None = record.created_at
    return at


def _active(session: records.ContentSession) -> datetime | None:
    return session.last_activity_at or session.created_at


def _session(session: records.ContentSession, at: datetime | None) -> Item:
    return Item(session.id, None if at is None else at.timestamp(), line(session), session.finished, len(session.answers or ()))


def _membership(user: records.User, membership: records.CompanyMembership) -> Item:
    told = {key: value for key, value in membership.raw.items() if key != "company"}
    company_id = membership.company_id if membership.company is None else membership.company.id
    return Item(membership.id, None, encode_json({**told, "userId": user.id, "companyId": company_id}))
