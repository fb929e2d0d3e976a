"""What every test needs before Airflow is imported, and the databases that tests of several folders bring rows to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Airflow writes its settings to its home where it is first imported; that must not be the home folder of whoever runs the tests.
os.environ.setdefault("AIRFLOW_HOME", str(Path(__file__).resolve().parents[1] / ".airflow"))

if TYPE_CHECKING:
    from tests.system.postgres import EmbeddedPostgres
    from tests.warehouse import Warehouse


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL, for all tests of a run."""
    from tests.system.postgres import EmbeddedPostgres
    from tests.system.processes import Guard

    with Guard() as guard, EmbeddedPostgres(logs=tmp_path_factory.mktemp("postgres"), guard=guard) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """An empty database of each kind, and the connection `warehouse` to it."""
    from tests.warehouse import Warehouse

    if request.param == "sqlite":
        return Warehouse.sqlite(tmp_path / "warehouse.sqlite", monkeypatch)
    return Warehouse.postgres(request.getfixturevalue("postgres_server"), monkeypatch)
