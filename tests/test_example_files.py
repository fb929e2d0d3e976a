"""The files of `example_dags/` as the DAG processor reads them, again and again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

FILES = sorted((Path(__file__).parents[1] / "example_dags").glob("*.py"))


def serialized(file: Path) -> dict[str, str]:
    bag = DagBag(file)
    assert bag.import_errors == {}
    return {dag_id: json.dumps(DagSerialization.to_dict(dag), sort_keys=True, default=str) for dag_id, dag in bag.dags.items()}


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_reading_a_file_again_makes_no_new_version_of_its_dags(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")  # Airflow 3.2 adds its own to any folder
    first = serialized(file)

    assert first
    assert serialized(file) == first
