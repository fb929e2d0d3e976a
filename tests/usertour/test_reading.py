"""Every resource of Usertour to files and tables, with either version of the API, against a served emulator."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.usertour.resources import RESOURCES
from airflow_provider.engagement.usertour.transfers import UsertourToObjectStorageOperator, UsertourToSqlOperator
from tests.usertour.account import Account
from tests.warehouse import Warehouse

DAY = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
CREATED = "2026-03-01T12:00:00.000Z"


@pytest.fixture
def company(account: Account) -> Account:
    account.server.usertour.seed(
        {
            "users": [
                {"id": "ann", "attributes": {"plan": "pro"}, "createdAt": CREATED},
                {"id": "bob", "createdAt": "2026-02-01T00:00:00.000Z"},
            ],
            "companies": [{"id": "acme", "attributes": {"size": 5}, "createdAt": CREATED}],
            "company_memberships": [{"userId": "ann", "companyId": "acme", "attributes": {"role": "admin"}}],
            "attribute_definitions": [{"scope": "user", "codeName": "plan", "dataType": "String"}],
            "event_definitions": [{"codeName": "bought"}],
        }
    )
    return account


def to_files(**arguments: Any) -> dict[str, Any]:
    return dict(UsertourToObjectStorageOperator(task_id="read", **arguments).execute({}))


def to_tables(**arguments: Any) -> dict[str, Any]:
    return dict(UsertourToSqlOperator(task_id="read", sql_conn_id="warehouse", **arguments).execute({}))


def lines(path: str) -> list[dict[str, Any]]:
    raw = Path(path).read_bytes()
    return [json.loads(line) for line in (gzip.decompress(raw) if path.endswith(".gz") else raw).splitlines()]


@pytest.mark.parametrize("name", [name for name, resource in RESOURCES.items() if resource.snapshot])
def test_a_snapshot_has_everything(company: Account, tmp_path: Path, warehouse: Warehouse, name: str) -> None:
    resource = RESOURCES[name]
    files = to_files(resource=name, path=str(tmp_path), tables=True)
    tables = to_tables(resource=name)
    for table in resource.tables:
        rows = lines(f"{tmp_path}/{table.name}.jsonl.gz")
        assert all(set(row) == set(table.names) for row in rows)
        keys = warehouse.rows(f"SELECT {', '.join(table.key)} FROM usertour_{table.name}")
        assert sorted(keys) == sorted(tuple(row[key] for key in table.key) for row in rows)
        assert rows
    if hasattr(company.hook, f"list_{name}") and name != "content_versions":
        expected = sorted(item.id for item in getattr(company.hook, f"list_{name}")())
        assert sorted(row["id"] for row in lines(f"{tmp_path}/{name}.jsonl.gz")) == expected
    assert files[resource.counts[0]] == tables[resource.counts[0]] == tables["rows"][f"usertour_{name}"]


def test_memberships_name_user_and_company_by_your_ids(company: Account, warehouse: Warehouse) -> None:
    to_tables(resource="company_memberships", attributes=["role"])
    found = warehouse.rows("SELECT user_id, company_id, attribute_role FROM usertour_company_memberships")
    assert found == [("ann", "acme", "admin")]


def test_questions_of_versions(company: Account, warehouse: Warehouse) -> None:
    to_tables(resource="content_versions", content_ids="flow")
    found = warehouse.rows("SELECT position, cvid, type FROM usertour_content_version_questions ORDER BY 1")
    assert found == [(0, "score", "nps"), (1, "parts", "multiple-choice"), (2, "why", "multi-line-text")]
    assert {row[0] for row in warehouse.rows("SELECT content_id FROM usertour_content_versions")} == {"flow"}


def test_the_published_version_is_this_environments(company: Account, warehouse: Warehouse) -> None:
    to_tables(resource="content")
    content = company.server.usertour.objects.content.get("flow")
    assert content is not None
    wanted = content["published"].get("e_test", {}).get("version_id")
    assert warehouse.rows("SELECT published_version_id FROM usertour_content WHERE id = 'flow'") == [(wanted,)]


def test_users_created_in_a_window(company: Account, tmp_path: Path) -> None:
    result = to_files(resource="users", by="created", path=f"{tmp_path}/x.jsonl", **DAY)
    assert [row["id"] for row in lines(result["path"])] == ["ann"]


def test_sessions_mean_the_same_in_both_versions(account: Account, warehouse: Warehouse) -> None:
    account.server.clock.stop(datetime(2026, 3, 1, 13, tzinfo=UTC))
    account.complete("flow", "done", createdAt=CREATED)
    account.dismiss("flow", "left", createdAt=CREATED)
    account.begin("flow", "busy", createdAt=CREATED)
    result = to_tables(**DAY)
    assert (result["sessions"], result["completed"], result["answers"]) == (3, 1, 3)
    columns = "user_id, finished, ended, progress, finished_at IS NOT NULL, ended_at IS NOT NULL"
    found = [
        (user, bool(finished), bool(ended), round(float(progress), 2), bool(finish), bool(end))
        for user, finished, ended, progress, finish, end in warehouse.rows(f"SELECT {columns} FROM usertour_content_sessions ORDER BY 1")
    ]
    assert found == [
        ("busy", False, False, 0.4, False, False),
        ("done", True, True, 1.0, True, True),
        ("left", False, True, 0.66, False, True),
    ]
    answers = "SELECT question_cvid, answer_value, answer_number FROM usertour_content_session_answers ORDER BY 1"
    assert warehouse.rows(answers) == [("parts", '["docs","ui"]', None), ("score", "9", Decimal(9)), ("why", "Fine", None)]


def test_by_last_activity_only_where_a_full_walk_is_wanted(account: Account, tmp_path: Path) -> None:
    account.begin("flow", "late", createdAt="2026-02-01T12:00:00.000Z", lastActivityAt="2026-03-01T12:00:00.000Z")
    account.begin("flow", "early", createdAt="2026-02-01T11:00:00.000Z", lastActivityAt="2026-02-28T23:59:59.999Z")
    account.begin("flow", "after", createdAt="2026-03-02T11:00:00.000Z")
    with pytest.raises(AirflowFailException, match="full_walk=True"):
        to_files(by="last_activity", path=f"{tmp_path}/x.jsonl", **DAY)
    assert account.server.requests() == []
    result = to_files(by="last_activity", path=f"{tmp_path}/x.jsonl", full_walk=True, **DAY)
    assert [row["userId"] for row in lines(result["path"])] == ["late"]


def test_a_full_walk_that_v1_cannot_prove_fails_unless_accepted(v1: Account, tmp_path: Path) -> None:
    v1.begin("flow", *(f"u{number}" for number in range(130)), createdAt=CREATED)
    arguments = {"by": "last_activity", "path": f"{tmp_path}/x.jsonl", "full_walk": True, **DAY}
    with pytest.raises(AirflowFailException, match=r"Incomplete: .*allow_incomplete=True"):
        to_files(**arguments)
    assert to_files(allow_incomplete=True, **arguments)["sessions"] > 100
