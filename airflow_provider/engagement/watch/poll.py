"""Makes the calls of a reading, in both colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider.engagement.watch.reading import R, Steps
from airflow_provider.engagement.wire.errors import Rejected

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient, Client


def poll(client: Client, steps: Steps[R]) -> R:
    """Make all calls.

    Returns:
        What the steps return.

    Raises:
        ApiError: a call failed for good.
    """
    try:
        call = next(steps)
        while True:
            try:
                answer = client.send(call)
            except Rejected as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as end:
        result: R = end.value
        return result


async def apoll(client: AsyncClient, steps: Steps[R]) -> R:
    """Do what `poll` does, in an event loop."""
    try:
        call = next(steps)
        while True:
            try:
                answer = await client.send(call)
            except Rejected as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as end:
        result: R = end.value
        return result
