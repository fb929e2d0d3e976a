from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import requests

from airflow_provider.engagement.emulator.server import EmulatorServer

HEAVY = ("aiohttp", "airflow.sdk", "requests", "sqlite3", "msgspec")


def test_the_emulator_is_empty_at_the_start_of_each_test(engagement_emulator: EmulatorServer) -> None:
    check_and_spoil(engagement_emulator)


def test_whatever_the_test_before_did(engagement_emulator: EmulatorServer) -> None:
    check_and_spoil(engagement_emulator)


def check_and_spoil(emulator: EmulatorServer) -> None:
    answer = requests.get(f"{emulator.base_url}/users", headers={"Authorization": "Bearer ak_test"}, timeout=5)
    assert (answer.status_code, answer.json()["data"]) == (200, [])
    assert len(emulator.requests()) == 1
    assert not emulator.clock.stopped
    emulator.userflow.seed({"users": [{"id": "left over"}]})
    emulator.userflow.quirks.large_account = True
    emulator.clock.stop()


def test_the_plugin_loads_nothing_heavy_before_it_is_used() -> None:
    code = (
        "import sys\n"
        "import airflow_provider.engagement.emulator.pytest_plugin\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_another_suite_gets_the_fixture_without_asking(tmp_path: Path) -> None:
    """The plugin is found by its entry point; a suite that does not use it starts nothing."""
    (tmp_path / "test_theirs.py").write_text(
        "import sys, requests\n"
        "def test_without():\n"
        "    assert 'airflow_provider.engagement.emulator.server' not in sys.modules\n"
        "def test_with(engagement_emulator):\n"
        "    assert requests.get(engagement_emulator.base_url + '/users', timeout=5).status_code == 401\n"
    )
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
