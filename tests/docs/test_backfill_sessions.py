"""The code of docs/how-to/backfill-sessions.md that is not the examples'."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow.transfers import UserflowToObjectStorageOperator


def test_a_run_without_an_interval_is_refused(userflow: EmulatorServer, tmp_path: Path) -> None:
    read_sessions = UserflowToObjectStorageOperator(task_id="read_sessions", path=str(tmp_path))
    # [start refused]
    with pytest.raises(AirflowFailException, match=r"this run has no data interval .* schedule the DAG by CronDataIntervalTimetable"):
        read_sessions.execute({})

    midnight = datetime(2026, 3, 1, tzinfo=UTC)  # what Airflow 3 makes of "@daily"
    with pytest.raises(AirflowFailException, match=r"this run's data interval is empty \(2026-03-01T00:00:00"):
        read_sessions.execute({"data_interval_start": midnight, "data_interval_end": midnight})
    # [end refused]

    assert list(tmp_path.iterdir()) == []
    assert userflow.requests() == []
