"""What hook lineage is told: from where to where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.lineage import hook as lineage
from airflow.sdk.lineage import HookLineageCollector

from airflow_provider.engagement.userflow.transfers import UserflowToObjectStorageOperator, UserflowToSqlOperator
from tests.userflow.account import Account
from tests.warehouse import Warehouse

WINDOW: dict[str, Any] = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> HookLineageCollector:
    """What a plugin that reads hook lineage would get; without one Airflow collects nothing."""
    made = HookLineageCollector()
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: made)
    return made


def test_from_userflow_to_a_table(account: Account, warehouse: Warehouse, collector: HookLineageCollector) -> None:
    UserflowToSqlOperator(task_id="read", sql_conn_id="warehouse", **WINDOW).execute({})
    found = collector.collected_assets
    assert [item.asset.uri for item in found.inputs] == ["userflow://userflow_default/content_sessions"]
    names = ("userflow_content_sessions", "userflow_content_session_answers")
    outputs = [item.asset.uri for item in found.outputs]
    if warehouse.kind == "postgres":
        assert outputs == [f"postgres://localhost:5432/{warehouse.connection['schema']}/public/{name}" for name in names]
    else:
        assert outputs == [f"file://{warehouse.connection['host']}"]


def test_from_userflow_to_a_file(account: Account, tmp_path: Path, collector: HookLineageCollector) -> None:
    UserflowToObjectStorageOperator(task_id="read", path=f"{tmp_path}/x.jsonl", **WINDOW).execute({})
    found = collector.collected_assets
    assert [item.asset.uri for item in found.inputs] == ["userflow://userflow_default/content_sessions"]
    assert [item.asset.uri for item in found.outputs] == [f"file://{tmp_path}/x.jsonl"]
