"""A client whose server is an emulated vendor in this process, with things happening between its requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from airflow_provider.engagement.emulator.state import Incoming, Vendor
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import Dialect, Rejected, error_from
from airflow_provider.engagement.wire.message import Call, Query, Response
from airflow_provider.engagement.wire.page import Page, drive, walk


class InProcessClient:
    """What reading needs of an `AsyncClient`.

    Args:
        vendor: who answers.
        dialect: how its errors are read.
        headers: sent with every request.
        before: called before each request with its number, from 0.
    """

    def __init__(self, vendor: Vendor, dialect: Dialect, headers: Mapping[str, str], before: Callable[[int], None]) -> None:
        self._vendor = vendor
        self._dialect = dialect
        self._headers = {name.lower(): value for name, value in headers.items()}
        self._before = before
        self.requests_sent = 0

    async def send(self, call: Call[Any]) -> Any:
        self._before(self.requests_sent)
        self.requests_sent += 1
        request = call.request
        reply = self._vendor.handle(Incoming(request.method, unquote(request.path), request.query, self._headers, request.body or b""))
        response = Response(reply.status, {}, reply.body)
        if not 200 <= response.status < 300:
            raise error_from(self._dialect, request, response, None, str)
        return call.read(response.body if call.raw else response.json())

    async def pages(self, endpoint: Endpoint[Page[Any]], query: Query | None = None) -> AsyncIterator[Page[Any]]:
        walked = walk(endpoint, query or {})
        step = drive(walked)
        while step is not None:
            answer: Page[Any] | Rejected | None = None
            if isinstance(step, Page):
                yield step
            else:
                try:
                    answer = await self.send(step)
                except Rejected as error:
                    answer = error
            step = drive(walked, answer)
