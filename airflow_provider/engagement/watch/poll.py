"""One poll, in both colours."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from airflow_provider.engagement.watch.condition import Verdict
from airflow_provider.engagement.wire.errors import Rejected
from airflow_provider.engagement.wire.message import Call

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient, Client

Asking = Generator[Call[Any], Any, Verdict]
"""One poll without its I/O: yields the calls to make, is sent what each answered (thrown a final no), and returns the verdict."""


def poll(client: Client, asking: Asking) -> Verdict:
    """Make a poll's calls.

    Raises:
        ApiError: a call failed for good.
    """
    try:
        call = next(asking)
        while True:
            try:
                answer = client.send(call)
            except Rejected as error:
                call = asking.throw(error)
            else:
                call = asking.send(answer)
    except StopIteration as end:
        verdict: Verdict = end.value
        return verdict


async def apoll(client: AsyncClient, asking: Asking) -> Verdict:
    """Do what `poll` does, in an event loop."""
    try:
        call = next(asking)
        while True:
            try:
                answer = await client.send(call)
            except Rejected as error:
                call = asking.throw(error)
            else:
                call = asking.send(answer)
    except StopIteration as end:
        verdict: Verdict = end.value
        return verdict
