"""One face for both clients, so that one test body drives either, and a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from airflow_provider.engagement.wire.clients import AsyncClient, Client
from airflow_provider.engagement.wire.config import ClientConfig
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import ApiError
from airflow_provider.engagement.wire.message import Call
from airflow_provider.engagement.wire.pace import Pace
from airflow_provider.engagement.wire.page import Page

T = TypeVar("T")


class Clock:
    """Real time, which sleeping moves ahead at once instead of waiting."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._ahead += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)


class Driver(Protocol):
    clock: Clock
    client: Client | AsyncClient

    def send(self, call: Call[T]) -> T: ...

    def send_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Send calls at the same time; what came back, or the error, of each."""

    def pages(self, endpoint: Endpoint[Page[T]], query: dict[str, Any] | None = None, limit: int | None = None) -> list[Page[T]]: ...

    def close(self) -> None: ...


class SyncDriver:
    def __init__(self, config: ClientConfig, pace: Pace | None = None) -> None:
        self.clock = Clock()
        self.client = Client(config, pace, clock=self.clock, sleep=self.clock.sleep)

    def send(self, call: Call[T]) -> T:
        return self.client.send(call)

    def send_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        def attempt(call: Call[Any]) -> Any:
            try:
                return self.client.send(call)
            except ApiError as error:
                return error

        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(attempt, calls))

    def pages(self, endpoint: Endpoint[Page[T]], query: dict[str, Any] | None = None, limit: int | None = None) -> list[Page[T]]:
        return list(self.client.pages(endpoint, query, limit))

    def close(self) -> None:
        self.client.close()


class AsyncDriver:
    def __init__(self, config: ClientConfig, pace: Pace | None = None) -> None:
        self.clock = Clock()
        self.client = AsyncClient(config, pace, clock=self.clock, sleep=self.clock.sleep_async)
        self._runner = asyncio.Runner()

    def send(self, call: Call[T]) -> T:
        return self._runner.run(self.client.send(call))

    def send_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        async def gather() -> list[Any]:
            return await asyncio.gather(*(self.client.send(call) for call in calls), return_exceptions=True)

        return self._runner.run(gather())

    def pages(self, endpoint: Endpoint[Page[T]], query: dict[str, Any] | None = None, limit: int | None = None) -> list[Page[T]]:
        async def gather() -> list[Page[T]]:
            return [page async for page in self.client.pages(endpoint, query, limit)]

        return self._runner.run(gather())

    def close(self) -> None:
        self._runner.run(self.client.close())
        self._runner.close()
