from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from airflow_provider.engagement.emulator.server import EmulatorServer

COMMAND = (sys.executable, "-m", "airflow_provider.engagement.emulator")


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start it and wait for the line that says where it listens."""
    process = subprocess.Popen((*COMMAND, "--port", "0", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on http://127.0.0.1:"), line
    return process, line.split()[2]


def stop(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    said, complaints = process.communicate(timeout=20)
    assert (process.returncode, said, complaints) == (0, "stopped\n", "")


def test_it_serves_seeded_objects_until_terminated_and_keeps_them(tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps([{"content": [{"id": "c", "name": "Tour"}]}, {"vendor": "usertour", "users": [{"id": "t"}]}]))
    db = str(tmp_path / "state.db")
    key = {"Authorization": "Bearer ak_mine"}
    process, url = start("--key", "ak_mine", "--key", "ak_other", "--seed", str(seed), "--db", db)
    assert requests.get(f"{url}/content", headers=key, timeout=5).json()["data"][0]["name"] == "Tour"
    assert requests.get(f"{url}/content", headers={"Authorization": "Bearer ak_test"}, timeout=5).status_code == 401
    requests.post(f"{url}/users", json={"id": "u"}, headers=key, timeout=5)
    stop(process, signal.SIGTERM)
    process, url = start("--key", "ak_mine", "--db", db)
    assert requests.get(f"{url}/users/u", headers=key, timeout=5).status_code == 200
    assert requests.get(f"{url}/content/c", headers=key, timeout=5).status_code == 200
    assert requests.get(f"{url}/v1/users/t", headers=key, timeout=5).status_code == 200
    stop(process, signal.SIGINT)


@pytest.mark.parametrize("text", ["{", "3", '{"people": []}', '{"content": [{"title": "x"}]}', '[{"vendor": "acme"}]'])
def test_a_wrong_seed_file_is_explained(tmp_path: Path, text: str) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text(text)
    done = subprocess.run((*COMMAND, "--port", "0", "--seed", str(seed)), capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cannot start: ")
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_explained(engagement_emulator: EmulatorServer) -> None:
    port = engagement_emulator.base_url.rpartition(":")[2]
    done = subprocess.run((*COMMAND, "--port", port), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "in use" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--db", "no-such-folder/state.db"), 1, "cannot start: no-such-folder/state.db cannot be used"),
        (("--db", "text.db"), 1, "cannot start: text.db cannot be used"),
        (("--port", "99999"), 2, "--port must be from 0 to 65535, got 99999"),
    ],
)
def test_a_wrong_argument_is_explained(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    (tmp_path / "text.db").write_text("this is no database, it is a letter to a friend\n" * 40)
    command = (*COMMAND, "--port", "0", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
