from __future__ import annotations

import pytest

from airflow_provider.engagement.emulator.server import EmulatorServer
from tests.mirats.project import Project
from tests.userflow.account import Account as UserflowAccount
from tests.usertour.account import Account as UsertourAccount


@pytest.fixture
def account(engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> UserflowAccount:
    return UserflowAccount(engagement_emulator, monkeypatch)


@pytest.fixture(params=["v1", "v2"])
def tour(engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> UsertourAccount:
    return UsertourAccount(engagement_emulator, monkeypatch, request.param)


@pytest.fixture
def project(engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(engagement_emulator, monkeypatch)
