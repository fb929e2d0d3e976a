"""A server that is no bottleneck: fixed answers over kept connections, in a process and on a core of its own.

It speaks what the measured clients speak of HTTP/1.1 (httptools parses, uvloop runs it) and nothing more: no TLS, no routing but a
table of fixed answers, no state but counts.

`GET /_stub` answers with the counts; `POST /_stub` sets what its JSON body names and begins to count anew.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import httptools
import uvloop

from tests.benchmarks.people import ANSWERED_USER

ROOT = Path(__file__).resolve().parents[2]
EMPTY_LIST = {"object": "list", "data": [], "has_more": False, "next_page_url": None}
ANSWERS: Mapping[str, Any] = {"GET": EMPTY_LIST, "POST": ANSWERED_USER}
_CONTROL = b"/_stub"


class _Desk:
    """What all connections share: the table of answers, the delay and the counts."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.counts: dict[bytes, int] = {}
        self.answers: dict[bytes, bytes] = {}
        self.set({})

    def set(self, wanted: Mapping[str, Any]) -> None:
        self.counts = {}
        self.delay = wanted.get("delay", 0.0)
        bodies = {**ANSWERS, **wanted.get("answers", {})}
        self.answers = {asked.encode(): _answer(json.dumps(body).encode()) for asked, body in bodies.items()}

    def look_up(self, method: bytes, target: bytes) -> bytes:
        """Find the answer to this very target, to its path, or to the method."""
        self.counts[method] = self.counts.get(method, 0) + 1
        asked = b"%b %b" % (method, target)
        answers = self.answers
        return answers.get(asked) or answers.get(asked.partition(b"?")[0]) or answers[method]

    def control(self, method: bytes, body: bytes) -> bytes:
        counts = {name.decode(): count for name, count in self.counts.items()}
        if method == b"POST":
            self.set(json.loads(body or b"{}"))
        return _answer(json.dumps(counts).encode())


class _Connection(asyncio.Protocol):
    def __init__(self, desk: _Desk) -> None:
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._target = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own are like it, but not of its class

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        if self._target == _CONTROL:
            self._body += body

    def on_message_complete(self) -> None:
        desk, target, method = self._desk, self._target, self._parser.get_method()
        self._target = b""
        if target == _CONTROL:
            body, self._body = self._body, b""
            self._transport.write(desk.control(method, body))
        elif desk.delay:
            self._loop.call_later(desk.delay, self._transport.write, desk.look_up(method, target))
        else:
            self._transport.write(desk.look_up(method, target))


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class StubServer:
    """The server as a context manager; it ends with this process, however that ends.

    Attributes:
        port: where it listens on 127.0.0.1.
    """

    def __enter__(self) -> StubServer:
        command = [sys.executable, "-m", "tests.benchmarks.stub_server"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate()  # closes its input, upon which it ends

    @property
    def base_url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}"

    def set(self, *, delay: float = 0.0, answers: Mapping[str, Any] | None = None) -> dict[str, int]:
        """Say how to answer, and begin to count anew.

        Args:
            delay: seconds before each answer.
            answers: decoded JSON bodies by `GET /path?query`, `GET /path` or `GET`, the closest first; beside those of `ANSWERS`.

        Returns:
            How many requests there were before, by method.
        """
        return self._control("POST", json.dumps({"delay": delay, "answers": dict(answers or {})}))

    def requests(self) -> dict[str, int]:
        """Say how many requests there were since `set`, by method."""
        return self._control("GET", None)

    def _control(self, method: str, body: str | None) -> dict[str, int]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, _CONTROL.decode(), body)
            counts: dict[str, int] = json.load(connection.getresponse())
        finally:
            connection.close()
        return counts


@contextmanager
def off_the_servers_core() -> Iterator[None]:
    """Keep this process off the server's core for a while; where there is one core only, or no way to say so, they share it."""
    if not hasattr(os, "sched_setaffinity"):  # only Linux can
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores - {max(cores)} or cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _take_a_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


async def _serve() -> None:
    desk = _Desk()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(desk), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    _take_a_core()
    uvloop.run(_serve())
