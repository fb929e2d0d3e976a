from __future__ import annotations

import pytest

from airflow_provider.engagement.emulator.server import EmulatorServer
from tests.usertour.account import Account


@pytest.fixture(params=["v1", "v2"])
def account(request: pytest.FixtureRequest, engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Account:
    """One account per version of the API: every test that takes it runs against both."""
    return Account(engagement_emulator, monkeypatch, request.param)


@pytest.fixture
def v1(engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(engagement_emulator, monkeypatch, "v1")


@pytest.fixture
def v2(engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(engagement_emulator, monkeypatch, "v2")
