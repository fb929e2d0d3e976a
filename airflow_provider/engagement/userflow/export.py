"""Reading Userflow's content sessions of a window."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_provider.engagement.extract.gather import Gathering
from airflow_provider.engagement.extract.walk import read_created
from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.wire.message import encode_json
from airflow_provider.engagement.wire.together import together

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient

CONTENTS_AT_A_TIME = 4


async def list_content_ids(client: AsyncClient) -> tuple[str, ...]:
    """List the ids of all content: sessions are read content by content, because the list of all can time out on the server."""
    return tuple([content.id async for page in client.pages(api.LIST_CONTENT, {"limit": 100}) for content in page.items])


async def export_sessions(
    client: AsyncClient, content_ids: Sequence[str], window: Window, gathering: Gathering, *, include_previews: bool
) -> None:
    """Gather the sessions that were created within a window, answers expanded.

    Args:
        client: the account.
        content_ids: whose sessions.
        window: which sessions.
        gathering: where they go.
        include_previews: take previews of drafts too.

    Raises:
        ApiError: a call failed for good.
    """
    gate = asyncio.Semaphore(CONTENTS_AT_A_TIME)

    async def read(content_id: str) -> None:
        query = {"content_id": content_id, "order_by": "-created_at", "expand": "answers", "limit": 100}
        async with gate:
            async for sessions in read_created(client, api.LIST_CONTENT_SESSIONS, query, window, lambda session: session.created_at):
                gathering.add(
                    (
                        session.id,
                        encode_json(session.raw),
                        bool(session.completed) or bool(session.launcher_activated),
                        len(session.answers or ()),
                    )
                    for session in sessions
                    if include_previews or not session.is_preview
                )

    await together(read(content_id) for content_id in dict.fromkeys(content_ids))
