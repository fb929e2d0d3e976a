"""The code of docs/how-to/export-sessions.md."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow.transfers import UserflowToObjectStorageOperator


@pytest.fixture
def sessions(userflow: EmulatorServer) -> None:
    """One completed session with an answer, and one of the day after."""
    userflow.userflow.seed(
        {
            "users": [{"id": "1"}, {"id": "2"}],
            "content": [{"id": "aa49-a3f3", "type": "flow", "questions": [{"cvid": "q1", "name": "How was it?", "type": "text"}]}],
            "content_sessions": [
                {
                    "content_id": "aa49-a3f3",
                    "user_id": "1",
                    "created_at": "2026-03-01T10:00:00.000+00:00",
                    "completed": True,
                    "completed_at": "2026-03-01T10:05:00.000+00:00",
                    "answers": {"q1": "Fine"},
                },
                {"content_id": "aa49-a3f3", "user_id": "2", "created_at": "2026-03-02T00:00:00.000+00:00"},
            ],
        }
    )


def daily_export() -> DAG:
    # [start interval]
    from airflow.sdk import CronDataIntervalTimetable, dag

    @dag(schedule=CronDataIntervalTimetable("@daily", timezone="UTC"), start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
    def export_sessions() -> None:
        UserflowToObjectStorageOperator(task_id="export", path="s3://analytics/userflow", content_ids=["aa49-a3f3"])

    # [end interval]
    return export_sessions()


@pytest.mark.usefixtures("sessions")
def test_a_file_for_each_interval(tmp_path: Path) -> None:
    export: Any = daily_export().get_task("export")
    interval = {
        "data_interval_start": datetime.fromisoformat("2026-03-01T00:00:00+00:00"),
        "data_interval_end": datetime.fromisoformat("2026-03-02T00:00:00+00:00"),
    }
    export.path = str(tmp_path)

    said = export.execute(interval)
    first = Path(said["path"].removeprefix("file://")).read_bytes()
    export.execute(interval)

    assert (said["sessions"], said["completed"], said["answers"]) == (1, 1, 1)
    assert Path(said["path"].removeprefix("file://")).parent == tmp_path
    assert Path(said["path"].removeprefix("file://")).read_bytes() == first


@pytest.mark.usefixtures("sessions")
def test_any_window(tmp_path: Path) -> None:
    # [start window]
    export = UserflowToObjectStorageOperator(
        task_id="export",
        path="gs://analytics/userflow/march.jsonl.gz",
        start="2026-03-01T00:00:00+00:00",
        end="2026-04-01T00:00:00+00:00",
    )
    # [end window]
    export.path = str(tmp_path / "march.jsonl.gz")

    assert export.execute({})["sessions"] == 2
    path = tmp_path / "march.jsonl.gz"
    # [start read]
    with gzip.open(path, "rt") as lines:
        for line in lines:
            session = json.loads(line)
            for answer in session["answers"]:
                print(session["user_id"], answer["question_name"], answer["answer_value"])
    # [end read]


@pytest.mark.usefixtures("sessions")
def test_what_reading_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test_any_window(tmp_path)

    assert capsys.readouterr().out.splitlines()[-1] == "1 How was it? Fine"


@pytest.mark.usefixtures("sessions")
def test_tables(tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    # [start tables]
    export = UserflowToObjectStorageOperator(
        task_id="export",
        path="s3://analytics/userflow/march.parquet",
        start="2026-03-01T00:00:00+00:00",
        end="2026-04-01T00:00:00+00:00",
    )
    # [end tables]
    export.path = str(tmp_path / "march.parquet")

    said = export.execute({})

    assert [Path(path).name for path in said["paths"]] == ["march.parquet", "march_content_session_answers.parquet"]
    assert sorted(parquet.read_table(said["paths"][0])["user_id"].to_pylist()) == ["1", "2"]
    assert parquet.read_table(said["paths"][1])["answer_value"].to_pylist() == ["Fine"]


def test_other_resources(userflow: EmulatorServer, tmp_path: Path) -> None:
    userflow.userflow.seed({"users": [{"id": "1", "attributes": {"plan": "Pro", "seats": 12}}]})
    # [start resource]
    export = UserflowToObjectStorageOperator(
        task_id="export",
        resource="users",
        path="s3://analytics/userflow",
        tables=True,
        attributes={"plan": "text", "seats": "integer"},
    )
    # [end resource]
    export.path = str(tmp_path)

    said = export.execute({})

    (line,) = gzip.decompress(Path(said["path"]).read_bytes()).splitlines()
    row = json.loads(line)
    assert (row["id"], row["attribute_plan"], row["attribute_seats"]) == ("1", "Pro", 12)
