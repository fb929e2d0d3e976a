"""The only outbound I/O: `Client` (requests) and `AsyncClient` (aiohttp), mirror images around one policy.

A call's first attempt runs bare; tenacity is entered only after a failure, and its first attempt raises the captured error
again, so that counts and waits are right while the common case pays nothing.

What certainly never left this machine (no connection, no trusted certificate, no way through the proxy) was not processed and
may go again; of everything lost later only a repeatable call may. Cookies are refused, redirects are not followed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from types import TracebackType
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec
import requests
import requests.exceptions
import tenacity
import urllib3.exceptions
import yarl
from requests.adapters import HTTPAdapter

from airflow_provider.engagement.wire.config import ClientConfig
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import ApiError, BadAnswer, RateLimited, Rejected, Unreachable, error_from
from airflow_provider.engagement.wire.message import Call, Query, Request, Response, encode_json, splice
from airflow_provider.engagement.wire.network import (
    USER_AGENT,
    find_ca,
    find_proxy,
    innermost,
    never_connected,
    tls_context,
    without_credentials,
)
from airflow_provider.engagement.wire.pace import Pace, retry_after
from airflow_provider.engagement.wire.page import Page, drive, walk
from airflow_provider.engagement.wire.retry import Persistence, may_repeat

T = TypeVar("T")
_CHUNK = 64 * 1024
_CONNECT_TIMEOUT = 10.0
"""Seconds to get a connection at the most; what takes longer never will. An own timeout tells it from an answer that is late."""
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


class _Shared:
    """What both clients do the same: judge an answer, name a failure, choose proxy and CA."""

    def __init__(self, config: ClientConfig, pace: Pace | None, clock: Callable[[], float]) -> None:
        self.config = config
        self.pace = pace or Pace(config.requests_per_minute, config.concurrency)
        self.requests_sent = 0
        self.retried = 0
        self._clock = clock
        self._proxy = find_proxy(config.base_url, config.proxies)
        self._verify = find_ca(config.verify)
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": USER_AGENT, **config.headers}
        self._headers_with_body = {**self._headers, "Content-Type": "application/json"}
        self._fields = encode_json(config.json_fields) if config.json_fields else None

    def _headers_of(self, request: Request) -> Mapping[str, str]:
        return self._headers if request.body is None else self._headers_with_body

    def _body_of(self, request: Request) -> bytes | None:
        return request.body if request.body is None or self._fields is None else splice(self._fields, request.body)

    def _meant(self, response: Response) -> Response:
        """Give the answer the status it stands for, so that pace, retries and errors all see the same."""
        status = self.config.dialect.status(response)
        return response if status == response.status else msgspec.structs.replace(response, status=status)

    def _refuse_long_pause(self, request: Request, delay: float) -> None:
        most = self.config.patience.limit_wait
        if delay > most:
            raise RateLimited(
                f"{self.config.dialect.vendor}'s limit leaves no room for {delay:.0f} s, and a call waits {most:.0f} s at the most; "
                "try again later",
                request=request,
                not_processed=True,
                retry_after=delay,
            )

    def _judge(self, call: Call[T], response: Response) -> T:
        if not 200 <= response.status < 300:
            asked = retry_after(response.headers)
            raise error_from(self.config.dialect, call.request, response, asked, self.config.scrub)
        try:
            if call.raw:
                return call.read(response.body)
            return call.read(response.json() if response.body else None)
        except _UNREADABLE as error:
            kind = response.headers.get("content-type", "none")
            raise BadAnswer(
                self.config.scrub(
                    f"status {response.status}, but the body ({len(response.body)} bytes, content type {kind:.60}) is not what was "
                    f"promised: {type(error).__name__}"
                ),
                request=call.request,
                status=response.status,
            ) from None

    def _unreachable(self, request: Request, error: BaseException, *, sent: bool) -> Unreachable:
        said = self.config.scrub(innermost(error))
        if self._proxy is not None:
            said = said.replace(self._proxy, without_credentials(self._proxy))
        host = urlsplit(self.config.base_url).netloc
        return Unreachable(f"no answer from {host} ({said})", request=request, not_processed=not sent)

    def _too_large(self, request: Request) -> BadAnswer:
        return BadAnswer(f"the answer is larger than {self.config.max_body} bytes", request=request)


class Client(_Shared):
    """Persistent `requests` connections to one account; safe to use from several threads.

    Args:
        config: the account.
        pace: the gate its requests pass; a new one by default.
        clock: answers seconds, for pace and patience; replaceable for tests.
        sleep: waits some seconds; replaceable for tests.

    Raises:
        ValueError: the proxy or the CA bundle cannot be used.
    """

    def __init__(
        self,
        config: ClientConfig,
        pace: Pace | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(config, pace, clock)
        self._sleep = sleep
        self._turn = threading.Lock()  # held by the thread that waits to go next
        self._state = threading.Lock()  # held for an instant, so that answers are counted while somebody waits
        # The adapter is all that is needed of a session: it holds the connections. What a session adds (cookies, redirects whose
        # bodies it reads to the end, .netrc) is unwanted here, and costs a third of the time.
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=config.concurrency, max_retries=0)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def send(self, call: Call[T]) -> T:
        """Send a call, again where that is safe, and read its answer.

        Raises:
            ApiError: the call failed for good.
        """
        try:
            return self._attempt(call)
        except ApiError as error:
            if not may_repeat(error, call.request.repeatable):
                raise
            first: ApiError | None = error

        def again() -> T:
            nonlocal first
            if first is not None:
                failed, first = first, None
                raise failed
            with self._state:
                self.retried += 1
            return self._attempt(call)

        policy = Persistence(call.request.repeatable, self.config.patience, self._clock)
        return tenacity.Retrying(sleep=self._sleep, **policy.arguments())(again)

    def pages(self, endpoint: Endpoint[Page[T]], query: Query | None = None, limit: int | None = None) -> Iterator[Page[T]]:
        """Walk a list page by page, asking for the next page only when it is wanted."""
        walked = walk(endpoint, query or {}, limit)
        step = drive(walked)
        while step is not None:
            answer: Page[T] | Rejected | None = None
            if isinstance(step, Page):
                yield step
            else:
                try:
                    page = self.send(step)
                    answer = page
                except Rejected as error:
                    answer = error
            step = drive(walked, answer)

    def _attempt(self, call: Call[T]) -> T:
        sent = self._wait(call.request)
        try:
            response = self._meant(self._exchange(call.request))
        except ApiError:
            with self._state:
                self.pace.observe(sent, self._clock(), None, {})
            raise
        with self._state:
            self.pace.observe(sent, self._clock(), response.status, response.headers)
        return self._judge(call, response)

    def _wait(self, request: Request) -> float:
        with self._turn:
            while True:
                with self._state:
                    now = self._clock()
                    delay = self.pace.delay(now)
                    if delay <= 0:
                        self.pace.take(now)
                        self.requests_sent += 1
                        return now
                    self._refuse_long_pause(request, delay)
                    self.pace.waited += delay
                self._sleep(delay)

    def _exchange(self, request: Request) -> Response:
        deadline = time.monotonic() + self.config.timeout
        try:
            prepared = requests.Request(
                request.method, self.config.base_url + request.target, headers=self._headers_of(request), data=self._body_of(request)
            ).prepare()
            with self._adapter.send(
                prepared,
                stream=True,
                timeout=(min(self.config.timeout, _CONNECT_TIMEOUT), self.config.timeout),
                verify=self._verify,
                proxies={"http": self._proxy, "https": self._proxy} if self._proxy else None,
            ) as answer:
                body = bytearray()
                # read1 gives what has come; read would wait for a whole chunk, however slowly it drips.
                while chunk := answer.raw.read1(_CHUNK, decode_content=True):
                    body += chunk
                    if len(body) > self.config.max_body:
                        raise self._too_large(request)
                    if time.monotonic() > deadline:
                        raise requests.exceptions.ReadTimeout(f"answer not complete after {self.config.timeout:g} s")
                return Response(answer.status_code, answer.headers, bytes(body))
        except (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError) as error:
            raise self._unreachable(request, error, sent=False) from None
        except requests.exceptions.ConnectionError as error:
            raise self._unreachable(request, error, sent=not never_connected(error)) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(request, error, sent=True) from None


class AsyncClient(_Shared):
    """One `aiohttp` session on one account, for bulk work and triggers; used within one event loop.

    aiohttp itself sends a GET or DELETE a second time when a kept connection turns out to be closed; never a POST or PATCH.

    Args:
        config: the account.
        pace: the gate its requests pass; a new one by default.
        clock: answers seconds, for pace and patience; replaceable for tests.
        sleep: waits some seconds; replaceable for tests.

    Raises:
        ValueError: the proxy or the CA bundle cannot be used.
    """

    def __init__(
        self,
        config: ClientConfig,
        pace: Pace | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(config, pace, clock)
        self._sleep = sleep
        self._turn = asyncio.Lock()  # held by the task that waits to go next
        self._under_way = 0
        self._freed = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the session's connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, call: Call[T]) -> T:
        """Send a call, again where that is safe, and read its answer.

        Raises:
            ApiError: the call failed for good.
        """
        try:
            return await self._attempt(call)
        except ApiError as error:
            if not may_repeat(error, call.request.repeatable):
                raise
            first: ApiError | None = error

        async def again() -> T:
            nonlocal first
            if first is not None:
                failed, first = first, None
                raise failed
            self.retried += 1
            return await self._attempt(call)

        policy = Persistence(call.request.repeatable, self.config.patience, self._clock)
        return await tenacity.AsyncRetrying(sleep=self._sleep, **policy.arguments())(again)

    async def pages(self, endpoint: Endpoint[Page[T]], query: Query | None = None, limit: int | None = None) -> AsyncIterator[Page[T]]:
        """Walk a list page by page, asking for the next page only when it is wanted."""
        walked = walk(endpoint, query or {}, limit)
        step = drive(walked)
        while step is not None:
            answer: Page[T] | Rejected | None = None
            if isinstance(step, Page):
                yield step
            else:
                try:
                    page = await self.send(step)
                    answer = page
                except Rejected as error:
                    answer = error
            step = drive(walked, answer)

    async def _attempt(self, call: Call[T]) -> T:
        sent = await self._wait(call.request)
        try:
            response = self._meant(await self._exchange(call.request))
        except ApiError:
            self.pace.observe(sent, self._clock(), None, {})
            raise
        finally:
            self._under_way -= 1
            self._freed.set()
        self.pace.observe(sent, self._clock(), response.status, response.headers)
        return self._judge(call, response)

    async def _wait(self, request: Request) -> float:
        if not self._turn.locked() and self._under_way < self.pace.concurrency:  # nobody waits, and perhaps this one need not either
            now = self._clock()
            if self.pace.delay(now) <= 0:
                return self._go(now)
        async with self._turn:  # first come, first served
            while True:
                while self._under_way >= self.pace.concurrency:
                    self._freed.clear()
                    await self._freed.wait()
                now = self._clock()
                delay = self.pace.delay(now)
                if delay <= 0:
                    return self._go(now)
                self._refuse_long_pause(request, delay)
                self.pace.waited += delay
                await self._sleep(delay)

    def _go(self, now: float) -> float:
        self.pace.take(now)
        self.requests_sent += 1
        self._under_way += 1
        return now

    async def _exchange(self, request: Request) -> Response:
        try:
            async with self._open().request(
                request.method,
                yarl.URL(self.config.base_url + request.target, encoded=True),
                data=self._body_of(request),
                headers=self._headers_of(request),
                proxy=self._proxy,
                allow_redirects=False,
            ) as answer:
                chunks, size, content = [], 0, answer.content
                while not content.at_eof():
                    chunk = await content.readany()
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > self.config.max_body:
                        answer.close()
                        raise self._too_large(request)
                return Response(answer.status, answer.headers, b"".join(chunks))
        except _NEVER_LEFT as error:
            raise self._unreachable(request, error, sent=False) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(request, error, sent=True) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No headers here: aiohttp would send the session's own to a proxy as well, the key among them.
            secure = self.config.base_url.startswith("https:")
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.config.concurrency, ssl=tls_context(self._verify) if secure else True),
                timeout=aiohttp.ClientTimeout(total=self.config.timeout, sock_connect=min(self.config.timeout, _CONNECT_TIMEOUT)),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session
