"""The fixture `engagement_emulator`, for every test suite in an environment where this package is installed.

Nothing is imported and nothing listens until a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider.engagement.emulator.server import EmulatorServer


@pytest.fixture(scope="session")
def _engagement_emulator_server() -> Iterator[EmulatorServer]:
    from airflow_provider.engagement.emulator.server import EmulatorServer

    with EmulatorServer() as server:
        yield server


@pytest.fixture
def engagement_emulator(_engagement_emulator_server: EmulatorServer) -> Iterator[EmulatorServer]:
    """The vendors emulated on loopback, empty at the start of each test; see `EmulatorServer`."""
    _engagement_emulator_server.reset()
    yield _engagement_emulator_server
    _engagement_emulator_server.reset()
