from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.wire.config import ClientConfig, Patience
from airflow_provider.engagement.wire.pace import Pace
from tests.wire.drivers import AsyncDriver, Driver, SyncDriver

KEY = "ak_test"

Connect = Callable[..., Driver]


@pytest.fixture(params=[SyncDriver, AsyncDriver], ids=["requests", "aiohttp"])
def connect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Makes a driver of either client for a base URL; settings of `ClientConfig`, and `pace`, by name."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    made: list[Driver] = []

    def make(base_url: str, key: str = KEY, pace: Pace | None = None, **settings: Any) -> Driver:
        settings.setdefault("patience", Patience(attempts=3))
        driver: Driver = request.param(ClientConfig(base_url, api.DIALECT, api.headers(key), (key,), **settings), pace)
        made.append(driver)
        return driver

    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def driver(connect: Connect, engagement_emulator: EmulatorServer) -> Driver:
    """Either client, on the served emulator."""
    return connect(engagement_emulator.base_url)
