"""Sending without a task around it: a plan, a client, and what is kept on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_provider.engagement.bulk.plan import Target, make_plan
from airflow_provider.engagement.bulk.plan_file import PlanFile, PlanWriter
from airflow_provider.engagement.bulk.progress import Progress
from airflow_provider.engagement.bulk.rejects import RejectParts
from airflow_provider.engagement.bulk.send import Sender, Sending
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.userflow.plan import make_target
from airflow_provider.engagement.wire.clients import AsyncClient
from tests.bulk.tasks import At, Task, lines


@dataclass
class Run:
    """One try of sending, without a task around it.

    Attributes:
        saved: the checkpoints, oldest first.
        on_save: called with each of them, in the thread that stores it.
        cut_off: cancels the sending that goes on.
    """

    task: Task
    folder: Path
    kind: str = "users"
    at_most_once: bool = True
    stores: bool = True
    target: Target | None = None
    state: Any = None
    saved: list[dict[str, Any]] = field(default_factory=list)
    on_save: Callable[[dict[str, Any]], None] = lambda _snapshot: None
    told: int = 0
    cut_off: Callable[[], Any] = lambda: None

    def plan(self, rows: list[Any]) -> PlanFile:
        with PlanWriter(self.folder / "plan") as writer:
            planned = make_plan(rows, self._target(), writer, lambda reject: pytest.fail(str(reject)))
            return writer.finish(planned, [])

    def send(self, rows: list[Any], progress: Progress | None = None) -> Sender:
        plan = self.plan(rows)
        self.progress = progress or Progress(plan.digest, plan.planned)
        self.parts = RejectParts(str(self.folder / "rejects"), None, "run", self.progress.parts, self.progress.lines)
        self.parts.begin()
        return asyncio.run(self.go(plan))

    async def go(self, plan: PlanFile) -> Sender:
        async with UserflowHook().get_async_client() as client:
            sender = Sender(self._sending(client, plan))
            sending, loop = asyncio.ensure_future(sender.run()), asyncio.get_running_loop()
            self.cut_off = lambda: loop.call_soon_threadsafe(sending.cancel)
            await sending
            return sender

    def cut_off_at(self, number: int) -> None:
        """Cut sending off when so many requests have come in, as `execution_timeout` does."""
        self.task.server.faults.add(At(number=number, do=lambda: self.cut_off()))

    def _sending(self, client: AsyncClient, plan: PlanFile) -> Sending:
        save = self._save if self.stores else None
        target, tell = self._target(), self._tell
        return Sending(client, plan, target, self.progress, self.parts, save, self.state, self.at_most_once, tell)

    def _target(self) -> Target:
        return self.target or make_target(UserflowHook(), self.kind)

    def _save(self, snapshot: dict[str, Any]) -> None:
        self.on_save(snapshot)
        self.saved.append(snapshot)

    def _tell(self) -> None:
        self.told += 1

    @property
    def counts(self) -> dict[str, Any]:
        return {name: count for name, count in self.progress.counts.items() if count and name != "waited_seconds"}

    def rejects(self) -> list[tuple[int, str]]:
        return [(line["position"], line["kind"]) for line in lines(self.folder)]


def make_run(task: Task, tmp_path: Path) -> Run:
    """The fixture `run`: users."""
    return Run(task, tmp_path)


def make_events(task: Task, tmp_path: Path) -> Run:
    """The fixture `events`."""
    return Run(task, tmp_path, "events")


def unsent(run: Run, total: int) -> int:
    return total - sum(int(run.progress.counts[name]) for name in ("sent", "refused", "in_doubt", "skipped", "deleted"))
