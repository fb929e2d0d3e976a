"""One connection's client inside a triggerer, shared by all polls that go through it, and with it the account's pace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient

log = logging.getLogger(__name__)

UNREADABLE = (AirflowException, AirflowRuntimeError)
"""What Airflow raises where a connection, or anything else that it keeps, cannot be read: it is not there, or the API server is away."""


class _Lease:
    """A client, and how many use it."""

    def __init__(self, client: AsyncClient, now: float) -> None:
        self.client = client
        self.read_at = now
        self.users = 0
        self.retired = False


class Line:
    """Gives the client of a connection, and a new one when the connection has changed.

    Args:
        make_client: reads the connection and makes a client of it.

    Attributes:
        keep_for: seconds after which the connection is read again.
    """

    keep_for: ClassVar[float] = 300.0

    def __init__(self, make_client: Callable[[], Awaitable[AsyncClient]]) -> None:
        self.polls = 0
        self._make_client = make_client
        self._lease: _Lease | None = None
        self._reading = asyncio.Lock()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[AsyncClient]:
        """Lend the client; it stays open until nobody uses it, even when another one has taken its place.

        Raises:
            ValueError: a field of the connection is unusable.
            AirflowException: the connection cannot be read; likewise `AirflowRuntimeError`.
        """
        lease = await self._current()
        lease.users += 1
        try:
            yield lease.client
        finally:
            lease.users -= 1
            await self._tidy(lease)

    async def renew(self, refused: AsyncClient) -> bool:
        """Read the connection again, because the server refused its key.

        Args:
            refused: the client that was refused.

        Returns:
            Whether there is another client now.
        """
        async with self._reading:
            if self._lease is not None and self._lease.client is refused:
                await self._read_again(self._lease)
            return self._lease is None or self._lease.client is not refused

    async def close(self) -> None:
        """Close the client as soon as nobody uses it."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            lease.retired = True
            await self._tidy(lease)

    async def _current(self) -> _Lease:
        async with self._reading:
            now = asyncio.get_running_loop().time()
            if self._lease is None:
                self._lease = _Lease(await self._make_client(), now)
            elif now - self._lease.read_at >= self.keep_for:
                await self._read_again(self._lease)
            return self._lease

    async def _read_again(self, lease: _Lease) -> None:
        lease.read_at = asyncio.get_running_loop().time()
        try:
            client = await self._make_client()
        except (ValueError, *UNREADABLE) as error:
            log.warning("The connection could not be read again, so polls go on with what it was: %s: %s", type(error).__name__, error)
            return
        if client.config == lease.client.config:
            await client.close()
            return
        log.info("The connection has changed; polls go on with what it is now")
        self._lease = _Lease(client, lease.read_at)
        lease.retired = True
        await self._tidy(lease)

    @staticmethod
    async def _tidy(lease: _Lease) -> None:
        if lease.retired and not lease.users:
            await lease.client.close()
