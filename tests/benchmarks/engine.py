"""The engine of bulk writes on the stub server: whole as a task runs it, and its two phases by themselves."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable
from typing import Any, cast

from airflow_provider.engagement.bulk.options import Options
from airflow_provider.engagement.bulk.plan_file import PlanFile
from airflow_provider.engagement.bulk.progress import Progress
from airflow_provider.engagement.bulk.rejects import RejectParts
from airflow_provider.engagement.bulk.report import make_report
from airflow_provider.engagement.bulk.send import Sender, Sending
from airflow_provider.engagement.bulk.task import run_rows
from airflow_provider.engagement.bulk.workshop import Identity, Workshop
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.userflow.plan import make_target
from tests.benchmarks.load import CONCURRENCY

NO_LIMIT = 60_000_000
"""Requests a minute. A limit must be stated, or the engine would begin slowly to find one that is not there."""


class Store:
    """Where a task keeps its checkpoint: in Airflow behind an API, here as JSON in memory."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self._values[key]) if key in self._values else default

    def set(self, key: str, value: Any) -> None:
        self._values[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self._values.pop(key, None)


def connect(base_url: str) -> UserflowHook:
    """Make the connection to the server, and a hook on it."""
    extra = {"requests_per_minute": NO_LIMIT, "concurrency": CONCURRENCY}
    connection = {"conn_type": "userflow", "host": base_url, "password": "ak_test", "extra": extra}
    os.environ["AIRFLOW_CONN_USERFLOW_DEFAULT"] = json.dumps(connection)
    return UserflowHook()


def plan_users(hook: UserflowHook, users: Iterable[Any]) -> PlanFile:
    """The first phase: rows become calls, checked, encoded, fingerprinted and written to the plan."""
    return Workshop(Identity(run_id="bench"), Options(), make_target(hook, "users")).make_plan(users, None)


def send_users(hook: UserflowHook, plan: PlanFile) -> dict[str, Any]:
    """The second phase: from the plan to what became of it, checkpoints included."""
    progress = Progress(plan.digest, plan.planned)
    store = Store()

    async def run() -> None:
        async with hook.get_async_client() as client:
            parts = RejectParts(None, None, "rejects")
            target = make_target(hook, "users")
            save: Callable[[dict[str, Any]], None] = lambda snapshot: store.set("checkpoint", snapshot)  # noqa: E731
            await Sender(Sending(client, plan, target, progress, parts, save, None, False, lambda: None)).run()

    asyncio.run(run())
    return make_report(progress)


def write_users(hook: UserflowHook, users: Callable[[], Iterable[Any]], options: Options | None = None) -> dict[str, Any]:
    """Both phases, as an operator runs them."""
    context = cast("Any", {"task_state_store": Store()})
    return run_rows(hook, users, make_target(hook, "users"), options or Options(), context)
