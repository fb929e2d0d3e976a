"""Sessions of a window to JSON Lines, against a served emulator."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.emulator.faults import NotJson, Status
from airflow_provider.engagement.mirats.privacy import hash_ip
from airflow_provider.engagement.mirats.transfers import MiratsQuantoToObjectStorageOperator
from airflow_provider.engagement.wire.errors import ServerFailed
from tests.mirats.project import SALT, SURVEY, Project

DAY = datetime(2026, 3, 10, tzinfo=UTC)
INTERVAL = {"data_interval_start": DAY, "data_interval_end": DAY + timedelta(days=1)}


def run(context: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    result = MiratsQuantoToObjectStorageOperator(task_id="export", **arguments).execute(context or {})  # type: ignore[arg-type]
    assert isinstance(result, dict)
    return result


def read(path: str) -> list[dict[str, Any]]:
    raw = Path(path.removeprefix("file://")).read_bytes()
    text = gzip.decompress(raw) if path.endswith(".gz") else raw
    return [json.loads(line) for line in text.splitlines()]


def test_sessions_of_the_interval_in_order_of_rid(project: Project, tmp_path: Path) -> None:
    for number in range(501):
        project.session(f"r{number:03}", DAY + timedelta(minutes=number))
    project.session("under way", DAY, status=None)
    result = run(INTERVAL, path=f"file://{tmp_path}/out")
    rows = read(result["path"])
    assert result == {
        "path": f"file://{tmp_path}/out/user_sessions_20260310T000000Z_20260311T000000Z.jsonl.gz",
        "paths": [result["path"]],
        "start": "2026-03-10T00:00:00+00:00",
        "end": "2026-03-11T00:00:00+00:00",
        "sessions": 502,
        "completed": 501,
        "requests": 2,
    }
    assert [row["rid"] for row in rows] == sorted(row["rid"] for row in rows)
    assert (rows[0]["surveyNumber"], rows[0]["duration"], rows[0]["durationSeconds"]) == (SURVEY, "00:10:00", 600)
    assert (rows[-1]["duration"], rows[-1]["durationSeconds"]) == (None, None)


@pytest.mark.parametrize("hours", [-12, 0, 14])
def test_the_window_is_exact_wherever_the_servers_days_begin(project: Project, tmp_path: Path, hours: float) -> None:
    project.server.mirats.quirks.day_offset_hours = hours
    edges = {"before": -1, "first": 0, "last": 86_399_999, "behind": 86_400_000}
    for rid, milliseconds in edges.items():
        project.session(rid, DAY + timedelta(milliseconds=milliseconds))
    result = run(INTERVAL, path=f"{tmp_path}/x.jsonl")
    assert [row["rid"] for row in read(result["path"])] == ["first", "last"]


@pytest.mark.parametrize(("start", "end"), [(date(2026, 3, 10), "2026-03-11"), ("2026-03-10T00:00:00Z", DAY + timedelta(days=1))])
def test_dates_moments_and_texts_make_a_window(project: Project, tmp_path: Path, start: Any, end: Any) -> None:
    project.session("in", DAY + timedelta(hours=23))
    project.session("out", DAY + timedelta(hours=24))
    assert [row["rid"] for row in read(run(path=f"{tmp_path}/x.jsonl", start=start, end=end)["path"])] == ["in"]


def test_status_and_type_are_the_servers_filters(project: Project, tmp_path: Path) -> None:
    project.session("done", DAY)
    project.session("full", DAY, status="overquota")
    project.session("trial", DAY, status="overquota", test=True)
    result = run(INTERVAL, path=f"{tmp_path}/x.jsonl", status="overquota", session_type="test")
    assert [row["rid"] for row in read(result["path"])] == ["trial"]
    assert result["completed"] == 0


def test_addresses_are_hashed_unless_told_otherwise(project: Project, tmp_path: Path) -> None:
    project.session("r", DAY, IP="192.0.2.7")

    def address(**arguments: Any) -> Any:
        (row,) = read(run(INTERVAL, path=f"{tmp_path}/x.jsonl", **arguments)["path"])
        return row.get("IP", "none")

    assert address() == address(ip="hash") == hash_ip("192.0.2.7", SALT)
    assert address(ip="drop") == "none"
    assert address(ip="keep") == "192.0.2.7"


def test_no_salt_no_hash_and_nothing_is_read(project: Project, tmp_path: Path) -> None:
    project.connect({"ip_salt_secret": ""})
    with pytest.raises(AirflowFailException, match=r"'mirats_quanto_default': extra ip_salt_secret is empty.*ip=\"drop\""):
        run(INTERVAL, path=f"{tmp_path}/out")
    assert project.server.requests() == []
    assert run(INTERVAL, path=f"{tmp_path}/out", ip="drop")["sessions"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"ip": "mask"}, "ip must be drop, hash or keep"),
        ({"start": "2026-03-10"}, "give start and end, or neither"),
        ({"start": "2026-03-11", "end": "2026-03-10"}, "must be before end"),
        ({"start": "2026-03-10T00:00:00", "end": "2026-03-11"}, "start has a time of day but no time zone"),
        ({"status": "done", "start": "2026-03-10", "end": "2026-03-11"}, "status must be one of"),
        ({"session_type": "preview", "start": "2026-03-10", "end": "2026-03-11"}, "session_type must be live"),
        ({}, "no data interval"),
    ],
)
def test_what_is_unusable_fails_at_once_before_anything_is_sent(
    project: Project, tmp_path: Path, arguments: dict[str, Any], said: str
) -> None:
    context = INTERVAL if "ip" in arguments else {}
    with pytest.raises(AirflowFailException, match=said):
        run(context, path=str(tmp_path), **arguments)
    assert project.server.requests() == []


def test_the_same_sessions_give_the_same_bytes(project: Project, tmp_path: Path) -> None:
    for number in range(20):
        project.session(f"r{number}", DAY + timedelta(hours=number))
    first = Path(run(INTERVAL, path=f"{tmp_path}/a/")["path"]).read_bytes()
    second = Path(run(INTERVAL, path=f"{tmp_path}/b/")["path"]).read_bytes()
    assert first == second


def test_a_window_read_again_has_the_new_reconciliation(project: Project, tmp_path: Path) -> None:
    project.session("r", DAY, reconciliationStatus="Pending")
    first = run(INTERVAL, path=f"{tmp_path}/out")
    project.session("r", DAY, reconciliationStatus="Approved")
    assert run(INTERVAL, path=f"{tmp_path}/out")["path"] == first["path"]
    assert [row["reconciliationStatus"] for row in read(first["path"])] == ["Approved"]


def test_a_failure_writes_nothing(project: Project, tmp_path: Path) -> None:
    project.patience_is_short()
    project.server.faults.add(Status(status=500))
    with pytest.raises(ServerFailed):
        run(INTERVAL, path=f"{tmp_path}/out")
    assert list(tmp_path.rglob("*")) == []


def test_sessions_in_no_window_are_told(project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    project.session("fine", DAY + timedelta(hours=1))
    with project.server.emulation.store.lock:
        for rid in ("a", "b"):
            project.session(rid, DAY + timedelta(hours=1))
    page = project.hook.request("post", "/user-sessions", json={"startDate": "2026-03-09", "endDate": "2026-03-11"})
    for session, began in zip(page["data"], ("2026-99-01T00:00:00Z", None), strict=False):
        session["startTime"] = began
    project.server.faults.add(NotJson(body=json.dumps(page)))
    assert run(INTERVAL, path=f"{tmp_path}/out.jsonl")["sessions"] == 1
    assert "2 sessions came without a startTime that can be read" in caplog.text
