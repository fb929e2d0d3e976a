"""Triggers that wait in one event loop, as in a triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from airflow.triggers.base import BaseTrigger

from airflow_provider.engagement.mirats.triggers import MiratsQuantoUserSessionTrigger
from airflow_provider.engagement.userflow.triggers import UserflowContentSessionTrigger
from airflow_provider.engagement.usertour.triggers import UsertourContentSessionTrigger

T = TypeVar("T")
Payload = dict[str, Any]


class Userflow(UserflowContentSessionTrigger):
    """Fires without waiting for a scheduler that is not there."""

    earliest_event = 0.0


class Usertour(UsertourContentSessionTrigger):
    """Likewise."""

    earliest_event = 0.0


class Mirats(MiratsQuantoUserSessionTrigger):
    """Likewise."""

    earliest_event = 0.0


def userflow(condition: dict[str, Any], poke_interval: float = 0.1, **values: Any) -> Userflow:
    return Userflow(userflow_conn_id="userflow_default", condition=condition, poke_interval=poke_interval, **values)


def usertour(condition: dict[str, Any], poke_interval: float = 0.1, **values: Any) -> Usertour:
    return Usertour(usertour_conn_id="usertour_default", condition=condition, poke_interval=poke_interval, **values)


def mirats(condition: dict[str, Any], poke_interval: float = 0.1, **values: Any) -> Mirats:
    return Mirats(mirats_quanto_conn_id="mirats_quanto_default", condition=condition, poke_interval=poke_interval, **values)


async def first_event(trigger: BaseTrigger) -> Payload:
    async for event in trigger.run():
        payload: Payload = event.payload
        return payload
    raise AssertionError("the trigger ended without an event")


def start(*triggers: BaseTrigger) -> list[asyncio.Task[Payload]]:
    """Start triggers, each in a task of its own."""
    return [asyncio.create_task(first_event(trigger)) for trigger in triggers]


def run(main: Callable[[], Coroutine[Any, Any, T]], seconds: float = 30) -> T:
    """Run a test's loop with asyncio's debug mode on, and with an end."""

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await main()

    return asyncio.run(bounded(), debug=True)


async def until(happened: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Wait until something has happened."""
    async with asyncio.timeout(seconds):
        while True:
            found = happened()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)
