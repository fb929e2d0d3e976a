"""The files people install: built here, looked into, and used in an environment that cannot see this checkout."""

import json
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

import airflow_provider.engagement

ROOT = Path(__file__).parents[2]
VERSION = airflow_provider.engagement.__version__
INSTALLED = f"airflow_provider_engagement-{VERSION}.dist-info"
TIMEOUT = 120

LOOK = """
import json, sys
from importlib import import_module
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
import airflow_provider.engagement, airflow_provider.other

info = ProvidersManager().providers["airflow-provider-engagement"].data
named = [module for kind in ("hooks", "operators", "sensors", "triggers") for entry in info[kind] for module in entry["python-modules"]]
json.dump(
    {
        "file": airflow_provider.engagement.__file__,
        "other": airflow_provider.other.NAME,
        "hook": ProvidersManagerTaskRuntime().hooks["userflow"].hook_class_name,
        "modules": [import_module(module).__file__ for module in named],
    },
    sys.stdout,
)
"""


def run(*command: str | Path, folder: Path) -> str:
    """Run a program in a folder of its own, with nothing of this process's environment."""
    ran = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env={"AIRFLOW_HOME": str(folder / "airflow"), "HOME": str(folder), "PATH": "/usr/bin:/bin", "NO_COLOR": "1", "COLUMNS": "500"},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the source distribution, and the wheel from it, as a release does."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, folder=folder)
    return {"sdist": next(folder.glob("*.tar.gz")), "wheel": next(folder.glob("*.whl"))}


@pytest.fixture(scope="module")
def elsewhere(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a new environment; Airflow comes from the one that runs the tests.

    That one is put on the path as a plain folder, so that its editable install of this checkout (a `.pth` file) has no effect.
    A second distribution with a package `airflow_provider.other` is laid beside it.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv/bin/python"
    site = next((folder / "venv").glob("lib/python*/site-packages"))
    here = next(Path(sys.prefix).glob("lib/python*/site-packages"))
    install = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    run(*install, built["wheel"], folder=folder)
    (site / "packages.pth").write_text(f"{here}\n")
    second = folder / "second/airflow_provider/other"
    second.mkdir(parents=True)
    (second / "__init__.py").write_text('NAME = "someone else"\n')
    (site / "second.pth").write_text(f"{folder / 'second'}\n")
    return folder


def test_content_of_the_wheel(built: dict[str, Path]) -> None:
    names = set(zipfile.ZipFile(built["wheel"]).namelist())
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "airflow_provider").rglob("*.py")}

    assert "airflow_provider/__init__.py" not in names
    assert {name for name in names if name.endswith(".py")} == sources
    assert {name.split("/")[0] for name in names} == {"airflow_provider", INSTALLED}
    assert names >= {
        "airflow_provider/engagement/py.typed",
        "airflow_provider/engagement/provider_info.py",
        f"{INSTALLED}/entry_points.txt",
        f"{INSTALLED}/licenses/LICENSE",
    }


def test_metadata_of_the_wheel(built: dict[str, Path]) -> None:
    wheel = zipfile.ZipFile(built["wheel"])
    metadata = wheel.read(f"{INSTALLED}/METADATA").decode()
    points = wheel.read(f"{INSTALLED}/entry_points.txt").decode()

    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Dist: apache-airflow>=3.2\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    assert "provider_info = airflow_provider.engagement.provider_info:get_provider_info" in points
    assert "airflow_provider_engagement = airflow_provider.engagement.emulator.pytest_plugin" in points


def test_content_of_the_source_distribution(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}

    assert "airflow_provider/__init__.py" not in names
    assert names >= {"pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "Makefile", "constraints-3.2.txt", "constraints-3.3.txt"}
    assert {"tests/packaging/test_wheel.py", "docs/index.md", "airflow_provider/engagement/py.typed"} <= names
    assert [name for name in names if "__pycache__" in name or name.startswith((".venv", ".airflow", "docs/_build"))] == []


def test_the_wheel_works_elsewhere_beside_another_airflow_provider(elsewhere: Path) -> None:
    said: dict[str, Any] = json.loads(run(elsewhere / "venv/bin/python", "-c", LOOK, folder=elsewhere).splitlines()[-1])

    assert said["other"] == "someone else"
    assert said["hook"] == "airflow_provider.engagement.userflow.hooks.UserflowHook"
    assert [path for path in [said["file"], *said["modules"]] if not path.startswith(str(elsewhere))] == []


def test_airflow_providers_get_shows_it(elsewhere: Path) -> None:
    said = run(
        elsewhere / "venv/bin/python",
        "-m",
        "airflow",
        "providers",
        "get",
        "airflow-provider-engagement",
        "--full",
        "--output",
        "json",
        folder=elsewhere,
    )

    for shown in (
        "airflow_provider.engagement.userflow.hooks.UserflowHook",
        "connection-types",
        "airflow_provider.engagement.userflow.operators",
        "airflow_provider.engagement.userflow.sensors",
        "airflow_provider.engagement.userflow.triggers",
        "airflow_provider.engagement.userflow.transfers",
    ):
        assert shown in said
