"""The event trigger base: for an `AssetWatcher`, fires when something was completed.

One event tells the news of one poll as counts, never whose they are: it goes into Airflow's database. Take it as "there is news":
Airflow may attach the events of a burst to one run or to none, so what a DAG does should begin where its last run ended, not with what
an event says.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider.engagement.watch.line import UNREADABLE
from airflow_provider.engagement.watch.reading import Completions
from airflow_provider.engagement.watch.shared import PollEnded, Question, Stumble, sharing
from airflow_provider.engagement.watch.standing import EVER, Mark, News, Scope, WatchedSession, news_after
from airflow_provider.engagement.watch.watermark import Watermark
from airflow_provider.engagement.wire.errors import ApiError


class CompletionEventTrigger(BaseEventTrigger):
    """Fire an event for each poll that finds sessions completed since the last one.

    It shares its poll with all triggers and deferred sensors that ask the same. Where it left off is kept in the asset's state store:
    after a restart of the triggerer nothing is missed, and an event is told twice at worst. The first time, only what is completed
    from then on is news. Before Airflow 3.3 there is no such store: there each start tells the completions of the last hour, again
    perhaps.

    It never ends: a trigger that fails is started again at once, and again. What goes wrong is logged, and tried again a poll later.

    Args:
        conn_id: the connection's id.
        poke_interval: seconds between two polls, at the most.

    Attributes:
        conn_id_name: what the vendor calls the connection's id.
        told_for_sure: seconds after which Airflow has certainly stored an event, so that it is old news.
        look_back: how far a trigger looks back that cannot know where it left off.
    """

    conn_id_name: ClassVar[str]
    told_for_sure: ClassVar[float] = 5.0
    look_back: ClassVar[timedelta] = timedelta(hours=1)

    def __init__(self, *, conn_id: str, poke_interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conn_id = conn_id
        self.poke_interval = poke_interval

    @property
    @abstractmethod
    def subject(self) -> Mapping[str, Any]:
        """What is watched: the arguments that say so, as JSON values. Every event tells them again."""

    @property
    @abstractmethod
    def scope(self) -> Scope:
        """Which of its sessions count."""

    @abstractmethod
    async def question(self) -> Question[Any]:
        """Make the question that is asked of the vendor.

        Raises:
            ValueError: a field of the connection is unusable.
            AirflowException: the connection cannot be read.
        """

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class's path and the arguments, as JSON values."""
        arguments = {self.conn_id_name: self.conn_id, **self.subject, "poke_interval": self.poke_interval}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire events for as long as somebody watches."""
        watermark = Watermark(getattr(self, "asset_state_store", None), self._watermark_key())
        while True:
            try:
                async with aclosing(self._news(await self._first_mark(watermark))) as news:
                    async for mark, payload in news:
                        if payload is not None:
                            yield TriggerEvent(payload)  # type: ignore[no-untyped-call]
                            await asyncio.sleep(self.told_for_sure)
                        await watermark.save(mark)
            except (ApiError, ValueError, *UNREADABLE, PollEnded) as error:
                self.log.error(
                    "Watching %s failed and goes on in %g s: %s: %s", self.subject, self.poke_interval, type(error).__name__, error
                )
            await asyncio.sleep(self.poke_interval)

    async def _first_mark(self, watermark: Watermark) -> Mark | None:
        """Say where to begin; None for now."""
        if watermark.kept:
            return await watermark.load()
        return watermark.last or Mark(datetime.now(UTC) - self.look_back)

    async def _news(self, mark: Mark | None) -> AsyncGenerator[tuple[Mark, dict[str, Any] | None], None]:
        """Give each new mark, and what is to be told; None for the first mark, with which everything begins."""
        asked = await self.question()
        condition = Completions(self.scope, None if mark is None else mark.at or EVER)
        with sharing(asked, condition, self.poke_interval) as waiter:
            while True:
                outcome = await waiter.outcome()
                if isinstance(outcome, Stumble):
                    self.log.warning("A poll failed: %s: %s", type(outcome.error).__name__, outcome.error)
                    continue
                sessions = waiter.reading.roll.values()
                if mark is None:
                    mark = beginning(self.scope, sessions)
                    yield mark, None
                    continue
                news = news_after(mark, self.scope, sessions)
                if news.completed:
                    payload = self._payload(mark, news)
                    mark = news.mark
                    yield mark, payload

    def _payload(self, mark: Mark, news: News) -> dict[str, Any]:
        until = news.mark.at
        since = mark.at
        return {
            **self.subject,
            "completed": news.completed,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
        }

    def _watermark_key(self) -> str:
        watched = json.dumps([self.conn_id_name, self.conn_id, self.subject], sort_keys=True)
        return f"completions-{hashlib.blake2b(watched.encode(), digest_size=8).hexdigest()}"


def beginning(scope: Scope, sessions: Iterable[WatchedSession]) -> Mark:
    """Make the mark that makes old news of everything there is.

    The latest moment of any session counts, not only of those that were completed: of the others not all need have been read.
    """
    known = list(sessions)
    moments = [moment for session in known for moment in (session.completed_at, session.last_activity_at) if moment is not None]
    latest = max(moments, default=None)
    same = [session for session in scope.among(known) if session.completed and session.completed_at == latest]
    return Mark(latest, len(same) if latest is not None else 0)
