"""Sessions of a window to JSON Lines, against a served emulator."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.userflow.links import UserflowLink
from airflow_provider.engagement.userflow.transfers import UserflowToObjectStorageOperator
from airflow_provider.engagement.wire.errors import ServerFailed
from tests.userflow.account import Account


def run(context: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    result = UserflowToObjectStorageOperator(task_id="export", **arguments).execute(context or {})
    assert isinstance(result, dict)
    return result


def read(path: str) -> list[dict[str, Any]]:
    raw = Path(path.removeprefix("file://")).read_bytes()
    text = gzip.decompress(raw) if path.endswith(".gz") else raw
    return [json.loads(line) for line in text.splitlines()]


def interval(account: Account, hours: float) -> dict[str, Any]:
    now = account.server.clock.now()
    return {"data_interval_start": now - timedelta(hours=hours), "data_interval_end": now + timedelta(hours=hours)}


def test_sessions_with_answers_in_order_of_id(account: Account, tmp_path: Path) -> None:
    account.complete("flow", *(f"u{n}" for n in range(130)))
    account.begin("flow", "late")
    account.complete("other", "ann")
    result = run(interval(account, 1), path=f"file://{tmp_path}/out", content_ids=["flow"])
    rows = read(result["path"])
    assert (result["sessions"], result["completed"], len(rows)) == (131, 130, 131)
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert result["answers"] == sum(len(row["answers"]) for row in rows) > 0
    assert {row["user_id"] for row in rows} == {"late", *(f"u{n}" for n in range(130))}
    assert result["requests"] == 2


def test_all_content_is_read_content_by_content(account: Account, tmp_path: Path) -> None:
    account.complete("flow", "ann")
    account.complete("other", "bob")
    result = run(interval(account, 1), path=f"{tmp_path}/all.jsonl")
    assert {row["content_id"] for row in read(result["path"])} == {"flow", "other"}
    assert all("content_id=" in request.query for request in account.server.requests("GET", "/content_sessions"))


def test_only_what_was_created_in_the_window(account: Account, tmp_path: Path) -> None:
    account.server.clock.stop(datetime(2026, 3, 1, tzinfo=UTC))
    account.complete("flow", *(f"old{n}" for n in range(250)))
    account.server.clock.advance(3600)
    start = account.server.clock.now()
    account.complete("flow", "ann")
    account.server.clock.advance(60)
    end = account.server.clock.now()
    account.complete("flow", "bob")
    account.server.received.clear()
    result = run(path=f"{tmp_path}/x.jsonl.gz", content_ids="flow", start=start, end=end.isoformat())
    assert [row["user_id"] for row in read(result["path"])] == ["ann"]
    assert len(account.server.requests("GET", "/content_sessions")) == 1


def test_the_same_sessions_give_the_same_bytes(account: Account, tmp_path: Path) -> None:
    account.complete("flow", *(f"u{n}" for n in range(20)))
    context = interval(account, 1)
    first = Path(run(context, path=f"{tmp_path}/a/", content_ids=["flow"])["path"]).read_bytes()
    second = Path(run(context, path=f"{tmp_path}/b/", content_ids=["flow", "flow"])["path"]).read_bytes()
    assert first == second


def test_an_empty_window_writes_an_empty_file(account: Account, tmp_path: Path) -> None:
    account.complete("flow", "ann")
    result = run(path=f"{tmp_path}/x.jsonl", start="2020-01-01T00:00:00Z", end="2020-01-02T00:00:00Z")
    assert (result["sessions"], read(result["path"])) == (0, [])


def test_a_run_without_interval_is_refused_before_anything_is_sent(account: Account, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match=r"no data interval.*start= and end="):
        run(path=str(tmp_path))
    assert account.server.requests() == []


def test_a_failure_writes_nothing(account: Account, tmp_path: Path) -> None:
    account.complete("flow", "ann")
    account.patience_is_short()
    account.server.faults.add(Status(status=500))
    with pytest.raises(ServerFailed):
        run(interval(account, 1), path=f"{tmp_path}/out", content_ids=["flow", "other"])
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    ("content_ids", "url"),
    [
        (None, "https://userflow.com/app/_/flows"),
        (["a/b"], "https://userflow.com/app/_/flows/a%2Fb"),
        ("one", "https://userflow.com/app/_/flows/one"),
        (["a", "b"], "https://userflow.com/app/_/flows"),
    ],
)
def test_the_link_leads_to_the_flow(content_ids: Any, url: str) -> None:
    operator = UserflowToObjectStorageOperator(task_id="export", path="x", content_ids=content_ids)
    assert UserflowLink().get_link(operator, ti_key=None) == url
