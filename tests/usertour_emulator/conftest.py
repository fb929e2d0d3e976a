"""An emulated Usertour in this process, asked without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from airflow_provider.engagement.emulator.state import Clock, Incoming, Reply, Store
from airflow_provider.engagement.usertour.emulator import UsertourEmulator

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROJECT = "/v2/projects/p_test"
ENVIRONMENT = f"{PROJECT}/environments/e_test"


class Usertour:
    """Asks an emulated server; its clock stands at `START`."""

    def __init__(self, store: Store | None = None) -> None:
        self.clock = Clock()
        self.clock.stop(START)
        self.emulator = UsertourEmulator(store or Store(), self.clock)
        self.seed = self.emulator.seed
        self.quirks = self.emulator.quirks

    def reply(self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask with the key of the path's version; `E/` and `P/` stand for the environment and the project of v2."""
        for short, long in (("E/", f"{ENVIRONMENT}/"), ("P/", f"{PROJECT}/")):
            target = long + target.removeprefix(short) if target.startswith(short) else target
        path, _, query = target.partition("?")
        key = "ak_test" if path.startswith("/v1") else "utp_test"
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {key}", **(headers or {})}
        return self.emulator.handle(Incoming(method, path, tuple(parse_qsl(query, keep_blank_values=True)), sent, data))

    def ask(self, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        reply = self.reply(method, target, body)
        return reply.status, json.loads(reply.body) if reply.body else None

    def get(self, target: str) -> Any:
        status, answer = self.ask("GET", target)
        assert status == 200, answer
        return answer

    def post(self, target: str, body: Any = None) -> Any:
        return self._fine("POST", target, body)

    def put(self, target: str, body: Any = None) -> Any:
        return self._fine("PUT", target, body)

    def ids(self, target: str) -> list[str]:
        """The ids on a page."""
        return [item["id"] for item in self.get(target)["results"]]

    def walk(self, target: str | None) -> list[str]:
        """The ids on all pages."""
        found: list[str] = []
        while target is not None:
            page = self.get(target)
            found += [item["id"] for item in page["results"]]
            target = page["next"]
        return found

    def refused(self, method: str, target: str, body: Any = None) -> tuple[int, str]:
        """Status and code of a refusal."""
        status, answer = self.ask(method, target, body)
        assert status >= 400, answer
        return status, answer["error"]["code"]

    def _fine(self, method: str, target: str, body: Any) -> Any:
        status, answer = self.ask(method, target, body)
        assert status in (200, 201), answer
        return answer


@pytest.fixture
def usertour() -> Usertour:
    return Usertour()


@pytest.fixture
def restarted() -> type[Usertour]:
    """Makes a server on a store that is there already."""
    return Usertour
