"""Run coroutines together; the first error cancels the others and is raised as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def together(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines concurrently to their end.

    `asyncio.TaskGroup` does the same but wraps the error in a group, which hides from Airflow which error it is.

    Raises:
        Exception: the first error of any of them, after all others were cancelled and have ended.
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
