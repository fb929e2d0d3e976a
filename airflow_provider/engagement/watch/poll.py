"""One poll, in both colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider.engagement.watch.condition import Condition, Verdict
from airflow_provider.engagement.watch.source import Reading, SessionSource

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient, Client


def poll(client: Client, condition: Condition, source: SessionSource) -> Verdict:
    """Read the condition's sessions and judge them.

    Raises:
        ApiError: a call failed for good.
    """
    reading = Reading(condition, source)
    if condition.session_id is not None:
        reading.add([client.send(source.get(condition.session_id))])
        return reading.verdict()
    for page in client.pages(source.listing, source.query(condition)):
        if not reading.add(page.items):
            break
    return reading.verdict()


async def apoll(client: AsyncClient, condition: Condition, source: SessionSource) -> Verdict:
    """Do what `poll` does, in an event loop."""
    reading = Reading(condition, source)
    if condition.session_id is not None:
        reading.add([await client.send(source.get(condition.session_id))])
        return reading.verdict()
    async for page in client.pages(source.listing, source.query(condition)):
        if not reading.add(page.items):
            break
    return reading.verdict()
