"""One Airflow and one emulator serve all system tests of a run."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.airflow_client import AirflowClient
from tests.system.airflow_instance import RunningAirflow
from tests.system.connections import mirats_connection, userflow_connection, usertour_connection
from tests.system.processes import CHECKOUT

if TYPE_CHECKING:
    from airflow_provider.engagement.emulator.server import EmulatorServer

SYSTEM = Path(__file__).parent
RUNNING = pytest.StashKey[RunningAirflow]()


@dataclass(frozen=True)
class Marked:
    """Secrets that are found nowhere else, so that each place that shows one is a leak."""

    api_key: str = field(default_factory=lambda: f"ak_marked{secrets.token_hex(12)}")
    wrong_key: str = field(default_factory=lambda: f"ak_wrong{secrets.token_hex(12)}")
    webhook_secret: str = field(default_factory=lambda: f"whsec_marked{secrets.token_hex(12)}")
    web_api_key: str = field(default_factory=lambda: f"web_marked{secrets.token_hex(12)}")
    ip_salt: str = field(default_factory=lambda: f"salt_marked{secrets.token_hex(12)}")
    token: str = field(default_factory=lambda: f"utp_marked{secrets.token_hex(12)}")
    printed: str = field(default_factory=lambda: f"printed{secrets.token_hex(12)}")
    """A secret that a task prints; Airflow masks it in the task's log only."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look for leaked secrets when all other tests have had the chance to leak some."""
    items.sort(key=lambda item: item.path.name == "test_secrets.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of Airflow's logs with each test that failed."""
    report = yield
    running = item.config.stash.get(RUNNING, None)
    if report.failed and running is not None:
        report.sections.append(("Airflow's logs", running.tails()))
    return report


@pytest.fixture(scope="session")
def marked() -> Marked:
    """The secrets of this run."""
    return Marked()


@pytest.fixture(scope="session")
def emulator(marked: Marked) -> Iterator[EmulatorServer]:
    """The emulator that Airflow's tasks talk to; it keeps what they sent for the whole run."""
    from airflow_provider.engagement.emulator.server import EmulatorServer

    with EmulatorServer(keys=["ak_test", marked.api_key, marked.token]) as server:
        server.mirats.web_keys = (marked.web_api_key,)
        yield server


@pytest.fixture(scope="session")
def airflow(emulator: EmulatorServer, marked: Marked, pytestconfig: pytest.Config) -> Iterator[RunningAirflow]:
    """A real Airflow, at the log level that shows most, with the connections that the DAGs use."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)  # else a terminated test run would not clean up
    try:
        folders = {"examples": CHECKOUT / "example_dags", "tests": SYSTEM / "dags"}
        with RunningAirflow("tests", dag_folders=folders, log_level="DEBUG") as instance:
            for connection in _connections(emulator.base_url, marked):
                instance.client.put_connection(connection)
            pytestconfig.stash[RUNNING] = instance
            yield instance
            del pytestconfig.stash[RUNNING]
    finally:
        signal.signal(signal.SIGTERM, previous)


@pytest.fixture(scope="session")
def client(airflow: RunningAirflow) -> AirflowClient:
    """Airflow's REST API."""
    return airflow.client


def _connections(base_url: str, marked: Marked) -> list[dict[str, Any]]:
    extra = {"requests_per_minute": 60_000, "webhook_secret": marked.webhook_secret}
    return [
        userflow_connection("userflow_default", base_url, marked.api_key, extra),
        userflow_connection("userflow_wrong_key", base_url, marked.wrong_key, extra),
        userflow_connection("userflow_refused_port", "http://127.0.0.1:9", marked.api_key, extra),
        userflow_connection("userflow_printed", base_url, marked.printed, {"webhook_secret": marked.printed[::-1]}),
        # 192.0.2.0/24 is for documentation: nobody is there, and nothing may be sent to it.
        userflow_connection("userflow_plain_http", "http://192.0.2.1", marked.api_key, extra),
        mirats_connection(
            "mirats_quanto_default", base_url, marked.api_key, {"web_api_key": marked.web_api_key, "ip_salt_secret": marked.ip_salt}
        ),
        usertour_connection("usertour_v1", base_url, marked.api_key, {}),
        usertour_connection("usertour_v2", base_url, marked.token, {"project_id": "p_test", "environment_id": "e_test"}),
    ]
