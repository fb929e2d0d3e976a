"""The two yardsticks: as many requests as Python can send at best, and the bare aiohttp loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import aiohttp
import httptools
import uvloop
import yarl

CONCURRENCY = 32


class _Asker(asyncio.Protocol):
    """One connection that sends its next request when the answer to the last one is complete."""

    def __init__(self, requests: Iterator[bytes], ended: asyncio.Future[None]) -> None:
        self._requests = requests
        self._ended = ended
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own are like it, but not of its class
        self.on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self._transport.write(request)
        else:
            self._transport.close()
            self._ended.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(error or ConnectionError("the server closed the connection"))


def requests_per_second(port: int, bodies: Sequence[bytes], path: str = "/users") -> float:
    """Measure how many requests a second the server takes over 32 connections, one request at a time on each."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]

    async def run() -> None:
        loop = asyncio.get_running_loop()
        left = iter(requests)
        ended: list[asyncio.Future[None]] = [loop.create_future() for _ in range(CONCURRENCY)]
        for end in ended:
            await loop.create_connection(lambda end=end: _Asker(left, end), "127.0.0.1", port)
        await asyncio.gather(*ended)

    began = time.perf_counter()
    uvloop.run(run())
    return len(requests) / (time.perf_counter() - began)


def post_all(url: str, bodies: Iterable[bytes]) -> None:
    """Post encoded bodies with aiohttp and nothing else: 32 workers, each reads the answer and takes the next body."""

    async def run() -> None:
        address, left = yarl.URL(url), iter(bodies)
        headers = {"Content-Type": "application/json", "Authorization": "Bearer ak_test", "Userflow-Version": "2020-01-03"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def work() -> None:
                for body in left:
                    async with session.post(address, data=body) as answer:
                        await answer.read()

            await asyncio.gather(*(work() for _ in range(CONCURRENCY)))

    asyncio.run(run())
