from __future__ import annotations

import pytest

from airflow_provider.engagement.emulator.server import EmulatorServer
from tests.mirats.project import Project


@pytest.fixture
def project(engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(engagement_emulator, monkeypatch)
