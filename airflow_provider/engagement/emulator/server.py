"""Serves an emulation on loopback, in its own thread with its own event loop."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import web

from airflow_provider.engagement.emulator.emulation import CONTROLS, Emulation, Received
from airflow_provider.engagement.emulator.faults import Faults
from airflow_provider.engagement.emulator.keeper import SqliteKeeper
from airflow_provider.engagement.emulator.state import Clock, Delivery, Incoming, Reply, Vendor
from airflow_provider.engagement.mirats.emulator import MiratsEmulator
from airflow_provider.engagement.userflow.emulator import UserflowEmulator
from airflow_provider.engagement.usertour.emulator import UsertourEmulator

_START_TIMEOUT = 10.0
_STOP_TIMEOUT = 10.0


class EmulatorServer:
    """The emulated vendors on a port of this machine.

    ```python
    with EmulatorServer() as server:
        requests.get(server.base_url + "/users", headers={"Authorization": "Bearer ak_test"})
    ```

    Args:
        port: TCP port; 0 for a free one.
        db: SQLite file that keeps everything; None for memory only.
        host: address to bind; the controls answer loopback only, whatever it is.
        keys: API keys that are accepted; each vendor's test key by default.
        deliver: post webhook notifications to their URL if that is on loopback.
        clock: the time the vendors live in.

    Attributes:
        base_url: `http://127.0.0.1:PORT`, once started.
        emulation: everything it is, without the network.
    """

    def __init__(
        self,
        port: int = 0,
        db: str | Path | None = None,
        *,
        host: str = "127.0.0.1",
        keys: Sequence[str] | None = None,
        deliver: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._keeper = None if db is None else SqliteKeeper(db)
        self._closed = False
        self.emulation = Emulation(self._keeper, keys, clock)
        self._host = host
        self._port = port
        self._deliver = deliver
        self._posting: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self.base_url = ""

    @property
    def userflow(self) -> UserflowEmulator:
        """The emulated Userflow: state to seed and inspect."""
        return self.emulation.userflow

    @property
    def mirats(self) -> MiratsEmulator:
        """The emulated Mirats Quanto: state to seed and inspect."""
        return self.emulation.mirats

    @property
    def usertour(self) -> UsertourEmulator:
        """The emulated Usertour: state to seed and inspect."""
        return self.emulation.usertour

    @property
    def clock(self) -> Clock:
        """The time the vendors live in."""
        return self.emulation.clock

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self.emulation.faults

    @property
    def received(self) -> deque[Received]:
        """What was received, oldest first."""
        return self.emulation.received

    def requests(self, method: str | None = None, path: str | None = None, *, processed: bool | None = None) -> list[Received]:
        """The requests received; see `Emulation.requests`."""
        return self.emulation.requests(method, path, processed=processed)

    def reset(self) -> None:
        """Forget all documents, faults and requests, set the clock right."""
        self.emulation.reset()

    def __enter__(self) -> EmulatorServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start serving; returns when requests are answered.

        Raises:
            OSError: the port is taken.
            RuntimeError: it is running, or it was stopped and its file is closed.
        """
        if self._thread is not None:
            raise RuntimeError("the emulator is already running")
        if self._closed:
            raise RuntimeError("its file is closed; make a new EmulatorServer for it")
        self._ready.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="engagement-emulator", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_TIMEOUT):
            raise TimeoutError(f"the emulator did not start within {_START_TIMEOUT:g} s")
        if self._failure is not None:
            self._thread.join()
            self._thread = None
            raise self._failure

    def stop(self) -> None:
        """Stop serving and close the file, if there is one."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_STOP_TIMEOUT)
            self._thread = None
        if self._keeper is not None and not self._closed:
            self._keeper.close()
            self._closed = True

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.1, handle_signals=False)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port)
            await site.start()
            port = runner.addresses[0][1]
            self.base_url = f"http://[{self._host}]:{port}" if ":" in self._host else f"http://{self._host}:{port}"
        except OSError as error:
            self._failure = error
            self._stop.set()
        self._ready.set()
        await self._stop.wait()
        for task in tuple(self._posting):
            task.cancel()
        await asyncio.gather(*self._posting, return_exceptions=True)
        await runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        at = time.monotonic()
        target = request.raw_path if request.raw_path.startswith("/") else request.rel_url.raw_path_qs
        path, _, query = target.partition("?")
        incoming = Incoming(
            request.method,
            path,
            tuple(parse_qsl(query, keep_blank_values=True)) if query else (),
            {name.lower(): value for name, value in request.headers.items()},
            await request.read() if request.can_read_body else b"",
        )
        if path == CONTROLS or path.startswith(f"{CONTROLS}/"):
            return _response(self._control(request, incoming))
        emulation, generation = self.emulation, self.emulation.generation
        plan = emulation.faults.plan(incoming.method, path)
        if plan.wait_before:
            await asyncio.sleep(plan.wait_before)
            if generation != emulation.generation:
                _cut(request)
                return web.Response()
        reply = emulation.answer(incoming, plan)
        if self._deliver:
            self._post_deliveries(emulation.vendor(path))
        emulation.log(incoming, query, None if plan.drop else reply.status, plan.processed, at)
        if plan.wait_after:
            await asyncio.sleep(plan.wait_after)
        if plan.drop:
            _cut(request)
        elif plan.truncate:
            return await _send_half(request, reply)
        return _response(reply)

    def _control(self, request: web.BaseRequest, incoming: Incoming) -> Reply:
        # The name asked for must be loopback too, or any web page could reach the controls through its own host name.
        asked = urlsplit(f"//{incoming.headers.get('host', '')}").hostname or ""
        if not _is_loopback(request.remote or "") or not (asked == "localhost" or _is_loopback(asked)):
            return Reply.of({"error": "the controls answer loopback only"}, 403)
        return self.emulation.control(incoming)

    def _post_deliveries(self, vendor: Vendor) -> None:
        for delivery in vendor.take_deliveries():
            if _is_loopback(urlsplit(delivery.url).hostname or ""):
                task = asyncio.get_running_loop().create_task(self._post(delivery))
                self._posting.add(task)
                task.add_done_callback(self._posting.discard)

    async def _post(self, delivery: Delivery) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=delivery.timeout), trust_env=False) as session:
            for wait in delivery.waits:
                await asyncio.sleep(wait)
                try:
                    async with session.post(
                        delivery.url, data=delivery.body, headers=delivery.sign(self.clock.now()), allow_redirects=False
                    ) as answer:
                        if 200 <= answer.status < 300:
                            return
                except (aiohttp.ClientError, OSError, TimeoutError):
                    continue


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, headers=reply.headers, body=reply.body)


async def _send_half(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = len(reply.body)
    await response.prepare(request)
    await response.write(reply.body[: len(reply.body) // 2])
    await asyncio.sleep(0.01)  # let the half out before the reset overtakes it
    _cut(request)
    return response


def _cut(request: web.BaseRequest) -> None:
    """Reset the connection, as a crashed server or a strict firewall does; what is answered afterwards goes nowhere."""
    transport = request.transport
    if transport is not None:
        # With no time to linger, closing sends a reset instead of an orderly end.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
