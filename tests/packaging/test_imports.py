"""What an import costs: Airflow parses DAG files again and again, and each time pays for what they import."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODULES = [
    f"airflow_provider.engagement.{vendor}.{kind}"
    for vendor in ("userflow", "mirats")
    for kind in ("operators", "sensors", "triggers", "transfers")
]
HEAVY = {"requests", "aiohttp", "pandas", "pyarrow", "fastapi", "openlineage", "urllib3", "yarl"}
PROBE = """
import importlib, json, sys, time
import airflow.sdk
before = set(sys.modules)
started = time.perf_counter()
for name in sys.argv[1:]:
    importlib.import_module(name)
seconds = time.perf_counter() - started
json.dump({"seconds": seconds, "before": sorted(before), "added": sorted(set(sys.modules) - before)}, sys.stdout)
"""


def imported(tmp_path: Path, *names: str) -> dict[str, Any]:
    """Import modules in one fresh process after `airflow.sdk`: the seconds it took, the modules there before and those it added."""
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, *names],
        capture_output=True,
        text=True,
        check=True,
        env={"AIRFLOW_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": ""},
    )
    said: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return said


def test_operators_sensors_and_triggers_load_nothing_heavy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = imported(tmp_path, *MODULES)

    with capsys.disabled():
        print(f"\noperators, sensors, triggers and transfers after airflow.sdk: {said['seconds']:.2f} s, {len(said['added'])} modules")
    assert [name for name in said["added"] if name.partition(".")[0] in HEAVY or "openlineage" in name] == []
    assert set(MODULES) <= set(said["added"])


def test_they_leave_the_hook_and_the_clients_for_later(tmp_path: Path) -> None:
    said = imported(tmp_path, *MODULES)

    assert {f"airflow_provider.engagement.{name}" for name in ("userflow.hooks", "mirats.hooks", "wire.clients", "bulk.send")} & set(
        said["added"]
    ) == set()


def test_airflow_by_itself_loads_nothing_of_the_package_but_provider_info(tmp_path: Path) -> None:
    said = imported(tmp_path, "airflow_provider.engagement.provider_info")

    assert [name for name in said["before"] + said["added"] if name.startswith("airflow_provider")] == [
        "airflow_provider",
        "airflow_provider.engagement",
        "airflow_provider.engagement.provider_info",
    ]
