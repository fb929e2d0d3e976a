"""Reading Usertour's content sessions of a window."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider.engagement.extract.gather import Gathering
from airflow_provider.engagement.extract.walk import read_created
from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.usertour import records
from airflow_provider.engagement.usertour.account import Account
from airflow_provider.engagement.usertour.api import MAX_PAGE
from airflow_provider.engagement.usertour.walk import incomplete, tolerant
from airflow_provider.engagement.wire.message import Query, encode_json
from airflow_provider.engagement.wire.record import moment
from airflow_provider.engagement.wire.together import together
from airflow_provider.engagement.wire.values import check_time

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient

CONTENTS_AT_A_TIME = 4


async def list_content_ids(client: AsyncClient, account: Account, *, allow_incomplete: bool = False) -> tuple[str, ...]:
    """List the ids of all content: v1 gives sessions content by content only."""
    endpoint = account.endpoint("list_content")
    if allow_incomplete:
        endpoint = tolerant(endpoint)
    return tuple([content.id async for page in client.pages(endpoint, {"limit": MAX_PAGE}) for content in page.items])


def line(session: records.ContentSession) -> bytes:
    """Write a session as the server gives it, with what means the same in both versions: `ended`, `finished`, decoded answers."""
    told = dict(session.raw)
    if session.answers is not None:
        told["answers"] = [{**answer.raw, "answerValue": answer.answer_value} for answer in session.answers]
    return encode_json({**told, "ended": session.ended, "finished": session.finished})


async def export_sessions(
    client: AsyncClient,
    account: Account,
    content_ids: Sequence[str] | None,
    window: Window,
    gathering: Gathering,
    *,
    allow_incomplete: bool,
) -> None:
    """Gather the sessions that were created within a window, answers expanded.

    Args:
        client: the connection.
        account: which account.
        content_ids: whose sessions; None for all: in v2 also those of deleted content, which v1 does not list.
        window: which sessions.
        gathering: where they go.
        allow_incomplete: v1: go on where more sessions share a moment of creation than a page holds.

    Raises:
        Incomplete: v1 cannot prove that every session of the window came.
        ApiError: a call failed for good.
    """
    endpoint = account.endpoint("list_content_sessions")
    gate = asyncio.Semaphore(CONTENTS_AT_A_TIME)

    async def read(content_id: str | None) -> None:
        wanted: dict[str, Any] = {"contentId": content_id, "orderBy": "-createdAt", "expand": "answers", "limit": MAX_PAGE}
        query = {**wanted, **_bounds(account, window)}
        ties: dict[str, None] = {}
        count = 0
        async with gate:
            async for sessions in read_created(client, tolerant(endpoint, ties), query, window, lambda item: item.created_at):
                gathering.add((item.id, line(item), item.finished, len(item.answers or ())) for item in sessions)
                count += len(sessions)
        # Judged here and not by the walk, which need not be gone to its end, and knows nothing of the window.
        unproved = [tie for tie in ties if (at := moment(tie)) is None or at in window]
        if unproved and not allow_incomplete:
            raise incomplete(endpoint, query, unproved, count)

    if content_ids is None and account.version == "v1":
        content_ids = await list_content_ids(client, account, allow_incomplete=allow_incomplete)
    await together(read(content_id) for content_id in ((None,) if content_ids is None else dict.fromkeys(content_ids)))


def _bounds(account: Account, window: Window) -> Query:
    # v2's bounds both belong to the window; what is too much is left out afterwards.
    if account.version == "v1":
        return {}
    return {"createdAfter": check_time(window.start, "start"), "createdBefore": check_time(window.end, "end")}
