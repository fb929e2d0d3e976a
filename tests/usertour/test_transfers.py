"""Sessions of a window to JSON Lines, against a served emulator, with either version of the API."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.usertour.transfers import UsertourToObjectStorageOperator
from airflow_provider.engagement.wire.errors import ServerFailed
from tests.usertour.account import ANSWERS, Account

DAY = {"start": "2026-03-01T00:00:00+00:00", "end": "2026-03-02T00:00:00+00:00"}


def run(**arguments: Any) -> dict[str, Any]:
    result = UsertourToObjectStorageOperator(task_id="export", **arguments).execute({})
    assert isinstance(result, dict)
    return result


def read(path: str) -> list[dict[str, Any]]:
    raw = Path(path.removeprefix("file://")).read_bytes()
    text = gzip.decompress(raw) if path.endswith(".gz") else raw
    return [json.loads(line) for line in text.splitlines()]


def test_exactly_the_window_with_what_means_the_same(account: Account, tmp_path: Path) -> None:
    for user, created in (
        ("before", "2026-02-28T23:59:59.999Z"),
        ("first", "2026-03-01T00:00:00.000Z"),
        ("last", "2026-03-01T23:59:59.999Z"),
        ("after", "2026-03-02T00:00:00.000Z"),
    ):
        account.complete("flow", user, createdAt=created)
    account.dismiss("other", "left", createdAt="2026-03-01T12:00:00.000Z")
    result = run(path=f"file://{tmp_path}/out", **DAY)
    rows = {row["userId"]: row for row in read(result["path"])}
    assert set(rows) == {"first", "last", "left"}
    assert (result["sessions"], result["completed"], result["answers"]) == (3, 2, 6)
    assert {row["questionCvid"]: row["answerValue"] for row in rows["first"]["answers"]} == ANSWERS
    assert (rows["first"]["ended"], rows["first"]["finished"]) == (True, True)
    assert (rows["left"]["ended"], rows["left"]["finished"]) == (True, False)


def test_equal_moments_and_order_of_id(account: Account, tmp_path: Path) -> None:
    account.begin("flow", *(f"u{number}" for number in range(80)), createdAt="2026-03-01T12:00:00.000Z")
    account.begin("flow", *(f"v{number}" for number in range(80)), createdAt="2026-03-01T11:00:00.000Z")
    rows = read(run(path=f"{tmp_path}/all.jsonl", content_ids=["flow"], **DAY)["path"])
    assert len(rows) == 160
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    first = (tmp_path / "all.jsonl").read_bytes()
    run(path=f"{tmp_path}/again.jsonl", content_ids="flow", **DAY)
    assert (tmp_path / "again.jsonl").read_bytes() == first


def test_what_v1_cannot_prove_fails_unless_accepted(v1: Account, tmp_path: Path) -> None:
    v1.begin("flow", *(f"u{number}" for number in range(130)), createdAt="2026-03-01T12:00:00.000Z")
    with pytest.raises(AirflowFailException, match=r"Incomplete: .*allow_incomplete=True"):
        run(path=f"{tmp_path}/out.jsonl", content_ids=["flow"], **DAY)
    assert not (tmp_path / "out.jsonl").exists()
    assert run(path=f"{tmp_path}/out.jsonl", content_ids=["flow"], allow_incomplete=True, **DAY)["sessions"] > 100


def test_what_v1_cannot_prove_fails_though_the_walk_ends_before_the_lists_end(v1: Account, tmp_path: Path) -> None:
    v1.begin("flow", *(f"u{number}" for number in range(130)), createdAt="2026-03-01T12:00:00.000Z")
    v1.begin("flow", "old", createdAt="2026-02-01T12:00:00.000Z")
    with pytest.raises(AirflowFailException, match=r"Incomplete: .*2026-03-01T12:00:00\.000Z"):
        run(path=f"{tmp_path}/out.jsonl", content_ids=["flow"], **DAY)
    assert list(tmp_path.iterdir()) == []


def test_what_v1_cannot_prove_outside_of_the_window_does_not_matter(v1: Account, tmp_path: Path) -> None:
    v1.begin("flow", *(f"u{number}" for number in range(130)), createdAt="2026-03-05T12:00:00.000Z")
    v1.begin("flow", "in", createdAt="2026-03-01T12:00:00.000Z")
    assert run(path=f"{tmp_path}/out.jsonl", content_ids=["flow"], **DAY)["sessions"] == 1


def test_content_that_v1_cannot_prove_is_accepted_too(v1: Account, tmp_path: Path) -> None:
    v1.server.usertour.seed({"content": [{"id": f"c{number}", "createdAt": "2026-02-01T12:00:00.000Z"} for number in range(130)]})
    with pytest.raises(AirflowFailException, match=r"Incomplete: GET /v1/content:"):
        run(path=f"{tmp_path}/out.jsonl", **DAY)
    assert run(path=f"{tmp_path}/out.jsonl", allow_incomplete=True, **DAY)["sessions"] == 0


def test_no_content_is_no_sessions(account: Account, tmp_path: Path) -> None:
    account.begin("flow", "a", createdAt="2026-03-01T12:00:00.000Z")
    assert run(path=f"{tmp_path}/out.jsonl", content_ids=[], **DAY)["sessions"] == 0


def test_unusable_arguments_and_final_nos_fail_at_once(account: Account, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match="template turned into text"):
        run(path=f"{tmp_path}/out.jsonl", content_ids="['flow']", **DAY)
    with pytest.raises(AirflowFailException, match="no data interval"):
        run(path=f"{tmp_path}/out.jsonl")
    account.connect(password="ak_wrong" if account.version == "v1" else "utp_wrong")
    with pytest.raises(AirflowFailException, match="Unauthorized"):
        run(path=f"{tmp_path}/out.jsonl", **DAY)


def test_a_failing_server_is_retried_by_airflow(account: Account, tmp_path: Path) -> None:
    account.patience_is_short()
    account.server.faults.add(Status(status=500))
    with pytest.raises(ServerFailed):
        run(path=f"{tmp_path}/out.jsonl", **DAY)
    assert list(tmp_path.iterdir()) == []
