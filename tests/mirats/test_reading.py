"""Mirats Quanto's user sessions and surveys to files and tables, against a served emulator."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from pyarrow import parquet

from airflow_provider.engagement.mirats.privacy import hash_ip
from airflow_provider.engagement.mirats.transfers import MiratsQuantoToObjectStorageOperator, MiratsQuantoToSqlOperator
from tests.mirats.project import SALT, SURVEY, Project
from tests.warehouse import Warehouse

DAY = datetime(2026, 3, 10, tzinfo=UTC)
INTERVAL = {"data_interval_start": DAY, "data_interval_end": DAY + timedelta(days=1)}


def to_tables(**arguments: Any) -> dict[str, Any]:
    operator = MiratsQuantoToSqlOperator(task_id="read", sql_conn_id="warehouse", **arguments)
    return dict(operator.execute(INTERVAL))  # type: ignore[arg-type]


def to_files(**arguments: Any) -> dict[str, Any]:
    operator = MiratsQuantoToObjectStorageOperator(task_id="read", **arguments)
    return dict(operator.execute(INTERVAL))  # type: ignore[arg-type]


def test_sessions_in_tables(project: Project, warehouse: Warehouse) -> None:
    project.session("r1", DAY + timedelta(hours=1), IP="1.2.3.4", duration="01:00:05")
    project.session("r2", DAY + timedelta(hours=2), status=None)
    project.session("r3", DAY - timedelta(hours=2))
    result = to_tables()
    assert (result["sessions"], result["completed"], result["rows"]) == (2, 1, {"mirats_user_sessions": 2})
    columns = "rid, survey_number, completed, client_status_code, duration_seconds, ip"
    first, second = warehouse.rows(f"SELECT {columns} FROM mirats_user_sessions ORDER BY rid")
    assert (*first[:2], bool(first[2]), *first[3:]) == ("r1", SURVEY, True, 10, 3605, hash_ip("1.2.3.4", SALT))
    assert (second[0], bool(second[2]), second[3]) == ("r2", False, None)


def test_a_session_whose_reconciliation_came_later_is_updated_by_lookback(project: Project, warehouse: Warehouse) -> None:
    project.session("r1", DAY - timedelta(hours=2), reconciliationStatus="Pending")
    to_tables(lookback=1)
    project.session("r1", DAY - timedelta(hours=2), reconciliationStatus="Approved")
    to_tables(lookback=1)
    assert warehouse.rows("SELECT rid, reconciliation_status FROM mirats_user_sessions") == [("r1", "Approved")]


def test_surveys_are_those_that_are_live(project: Project, warehouse: Warehouse) -> None:
    project.server.mirats.seed({"surveys": [{"number": 2**60 + 1}]})
    assert to_tables(resource="surveys")["surveys"] == 2
    assert warehouse.rows("SELECT survey_number FROM mirats_surveys ORDER BY 1") == [(number,) for number in sorted((SURVEY, 2**60 + 1))]


def test_surveys_need_no_salt_and_no_interval(project: Project, tmp_path: Path) -> None:
    project.connect({"ip_salt_secret": None})
    operator = MiratsQuantoToObjectStorageOperator(task_id="read", resource="surveys", path=f"{tmp_path}/x.jsonl")
    assert operator.execute({})["surveys"] == 1
    assert [json.loads(line)["surveyNumber"] for line in (tmp_path / "x.jsonl").read_bytes().splitlines()] == [SURVEY]


def test_sessions_in_parquet_with_hashed_addresses(project: Project, tmp_path: Path) -> None:
    project.session("r1", DAY, IP="1.2.3.4")
    result = to_files(path=f"{tmp_path}/x.parquet")
    found = parquet.read_table(result["path"]).to_pylist()[0]
    assert (found["rid"], found["start_time"], found["ip"]) == ("r1", DAY, hash_ip("1.2.3.4", SALT))


def test_last_activity_is_nothing_mirats_knows(project: Project, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match="user_sessions can be read by 'created', not by 'last_activity'"):
        to_files(path=str(tmp_path), by="last_activity")
    assert project.asked() == 0
