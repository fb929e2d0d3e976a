from __future__ import annotations

import pytest

from airflow_provider.engagement.emulator.server import EmulatorServer
from tests.userflow.account import Account


@pytest.fixture
def account(engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(engagement_emulator, monkeypatch)


@pytest.fixture
def wrong_key(account: Account) -> None:
    account.connect(password="ak_wrong")
