from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from airflow.sdk.io import attach

from airflow_provider.engagement.emulator.server import EmulatorServer
from tests.bulk.tasks import Task


@pytest.fixture
def task(engagement_emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    folder = tmp_path / "worker"
    folder.mkdir()
    return Task(engagement_emulator, folder, monkeypatch)


@pytest.fixture
def in_memory() -> Iterator[Any]:
    """An object storage in memory."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    attach("memory", fs=system)  # Airflow finds file systems by its providers, and none brings this one
    yield system
    system.store.clear()
