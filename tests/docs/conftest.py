"""What the code in the how-to guides stands on: an emulated Userflow, and a connection to it."""

import json

import pytest

from airflow_provider.engagement.emulator.server import EmulatorServer


# [start connection]
@pytest.fixture
def userflow(engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """An empty Userflow, behind the connection `userflow_default`."""
    connection = {"conn_type": "userflow", "host": engagement_emulator.base_url, "password": "ak_test"}
    monkeypatch.setenv("AIRFLOW_CONN_USERFLOW_DEFAULT", json.dumps(connection))
    return engagement_emulator


# [end connection]
