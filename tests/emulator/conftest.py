"""An emulated Userflow in this process, asked without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from airflow_provider.engagement.emulator.state import Clock, Incoming, Store
from airflow_provider.engagement.userflow.emulator import UserflowEmulator

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Userflow:
    """Asks an emulated account; its clock stands at `START`."""

    def __init__(self, store: Store | None = None) -> None:
        self.clock = Clock()
        self.clock.stop(START)
        self.emulator = UserflowEmulator(store or Store(), self.clock)
        self.seed = self.emulator.seed

    def ask(self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        path, _, query = target.partition("?")
        sent = {"authorization": "Bearer ak_test"} | ({} if body is None else {"content-type": "application/json"}) | dict(headers or {})
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        reply = self.emulator.handle(Incoming(method, path, tuple(parse_qsl(query, keep_blank_values=True)), sent, data))
        return reply.status, json.loads(reply.body)

    def get(self, target: str) -> Any:
        return self._fine("GET", target)

    def post(self, target: str, body: Any) -> Any:
        return self._fine("POST", target, body)

    def patch(self, target: str, body: Any) -> Any:
        return self._fine("PATCH", target, body)

    def delete(self, target: str) -> Any:
        return self._fine("DELETE", target)

    def ids(self, target: str) -> list[str]:
        """The ids on a page."""
        return [item["id"] for item in self.get(target)["data"]]

    def refused(self, method: str, target: str, body: Any = None) -> str:
        """The code and message of a 400."""
        status, answer = self.ask(method, target, body)
        assert status == 400, answer
        return f"{answer['error']['code']}: {answer['error']['message']}"

    def _fine(self, method: str, target: str, body: Any = None) -> Any:
        status, answer = self.ask(method, target, body)
        assert status == 200, answer
        return answer


@pytest.fixture
def userflow() -> Userflow:
    return Userflow()


@pytest.fixture
def restarted() -> type[Userflow]:
    """Makes an account on a store that is there already."""
    return Userflow
