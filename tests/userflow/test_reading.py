"""Every resource of Userflow to files and tables, in every way, against a served emulator."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset, CronDataIntervalTimetable
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import OutletEventAccessors
from pyarrow import parquet

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.userflow.resources import RESOURCES
from airflow_provider.engagement.userflow.transfers import UserflowToObjectStorageOperator, UserflowToSqlOperator
from airflow_provider.engagement.wire.errors import ServerFailed
from tests.userflow.account import Account
from tests.userflow.company import settle
from tests.warehouse import Warehouse

JANUARY: dict[str, Any] = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}


@pytest.fixture
def company(account: Account) -> Account:
    return settle(account)


def to_files(context: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    return dict(UserflowToObjectStorageOperator(task_id="read", **arguments).execute(context or {}))  # type: ignore[arg-type]


def to_tables(context: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    return dict(UserflowToSqlOperator(task_id="read", sql_conn_id="warehouse", **arguments).execute(context or {}))  # type: ignore[arg-type]


def lines(path: str) -> list[dict[str, Any]]:
    raw = Path(path.removeprefix("file://")).read_bytes()
    return [json.loads(line) for line in (gzip.decompress(raw) if path.endswith(".gz") else raw).splitlines()]


def listed(company: Account, resource: str) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables of a resource hold by the hook's account of it."""
    hook = company.hook
    if resource == "group_memberships":
        found = [item for user in hook.list_users(expand=["memberships"]) for item in user.memberships or ()]
        return {resource: sorted((item.id, item.user_id, item.group_id) for item in found)}
    if resource == "content_versions":
        pairs = [
            (content.id, version)
            for content in hook.list_content()
            for version in hook.list_content_versions(content.id, expand=["questions", "tasks"])
        ]
        return {
            resource: sorted((version.id, content_id) for content_id, version in pairs),
            "content_version_questions": sorted((item.id, place) for _, item in pairs for place in range(len(item.questions or ()))),
            "content_version_tasks": sorted((item.id, place) for _, item in pairs for place in range(len(item.tasks or ()))),
        }
    return {resource: sorted((item.id,) for item in getattr(hook, f"list_{resource}")())}


SNAPSHOTS = [name for name, resource in RESOURCES.items() if resource.snapshot]


@pytest.mark.parametrize("resource", SNAPSHOTS)
def test_a_snapshot_in_files_has_everything(company: Account, tmp_path: Path, resource: str) -> None:
    result = to_files(resource=resource, path=str(tmp_path), tables=True)
    expected = listed(company, resource)
    assert set(result["paths"]) == {f"{tmp_path}/{name}.jsonl.gz" for name in expected}
    for name, rows in expected.items():
        found = lines(f"{tmp_path}/{name}.jsonl.gz")
        assert [tuple(row[key] for key in _keys(resource, name, rows)) for row in found] == rows
        assert rows
    assert result[RESOURCES[resource].counts[0]] == len(expected[resource])
    assert "start" not in result


def _keys(resource: str, table: str, rows: list[tuple[Any, ...]]) -> tuple[str, ...]:
    found = next(item for item in RESOURCES[resource].tables if item.name == table)
    return found.names[: len(rows[0])]


@pytest.mark.parametrize("resource", SNAPSHOTS)
def test_a_snapshot_in_tables_has_everything(company: Account, warehouse: Warehouse, resource: str) -> None:
    result = to_tables(resource=resource)
    expected = listed(company, resource)
    assert result["rows"] == {f"userflow_{name}": len(rows) for name, rows in expected.items()}
    for name, rows in expected.items():
        columns = ", ".join(_keys(resource, name, rows))
        assert sorted(warehouse.rows(f"SELECT {columns} FROM userflow_{name}")) == rows


def test_the_raw_object_is_what_the_server_sent(company: Account, tmp_path: Path) -> None:
    result = to_files(resource="users", path=f"{tmp_path}/users.jsonl")
    assert {row["id"]: row["attributes"] for row in lines(result["path"])} == {
        user.id: user.attributes for user in company.hook.list_users()
    }


def test_sessions_and_answers_in_tables(company: Account, warehouse: Warehouse) -> None:
    result = to_tables(**JANUARY, include_previews=True)
    assert (result["table"], result["sessions"], result["completed"], result["answers"]) == ("userflow_content_sessions", 3, 2, 3)
    assert result["rows"] == {"userflow_content_sessions": 3, "userflow_content_session_answers": 3}
    sessions = (
        "SELECT id, content_id, user_id, group_id, completed, launcher_activated, progress FROM userflow_content_sessions ORDER BY id"
    )
    found = [(*row[:4], bool(row[4]), bool(row[5]), float(row[6] or 0)) for row in warehouse.rows(sessions)]
    assert found[0] == ("s1", "tour", "ann", "acme", True, False, 1.0)
    assert found[1] == ("s2", "tour", "bea", None, False, False, 0.4)
    assert found[2][5] is True
    answers = "SELECT session_id, question_cvid, answer_type, answer_value, answer_number FROM userflow_content_session_answers ORDER BY 2"
    told = {row[1]: (row[0], *row[2:]) for row in warehouse.rows(answers)}
    assert told["text"] == ("s1", "text", "Fine", None)
    assert told["nps"] == ("s1", "number", "9", Decimal(9))
    assert told["multiple_choice"] == ("s1", "list", '["Radio","Friends"]', None)


def test_the_same_window_again_leaves_the_same_rows_and_what_was_deleted_goes(company: Account, warehouse: Warehouse) -> None:
    to_tables(**JANUARY)
    before = warehouse.rows("SELECT * FROM userflow_content_sessions ORDER BY id")
    to_tables(**JANUARY)
    assert warehouse.rows("SELECT * FROM userflow_content_sessions ORDER BY id") == before
    company.hook.delete_user("ann")
    to_tables(**JANUARY)
    assert warehouse.rows("SELECT id FROM userflow_content_sessions") == [("s2",)]
    assert warehouse.rows("SELECT * FROM userflow_content_session_answers") == []


def test_sessions_and_answers_in_parquet(company: Account, tmp_path: Path) -> None:
    result = to_files(**JANUARY, path=str(tmp_path), file_format="parquet", content_ids="tour")
    label = "20260101T000000Z_20260201T000000Z"
    assert result["paths"] == [f"{tmp_path}/{name}_{label}.parquet" for name in ("content_sessions", "content_session_answers")]
    sessions, answers = (parquet.read_table(path) for path in result["paths"])
    assert sessions.column("id").to_pylist() == ["s1", "s2"]
    assert sessions.column("progress").to_pylist() == [Decimal(1), Decimal("0.4")]
    assert sessions.column("created_at").to_pylist()[0] == datetime(2026, 1, 2, tzinfo=UTC)
    assert answers.column("session_id").to_pylist() == ["s1"] * 3
    first = [Path(path).read_bytes() for path in result["paths"]]
    to_files(**JANUARY, path=str(tmp_path), file_format="parquet", content_ids="tour")
    assert [Path(path).read_bytes() for path in result["paths"]] == first


def test_an_empty_window_in_parquet_has_the_schema(company: Account, tmp_path: Path) -> None:
    result = to_files(path=f"{tmp_path}/x.parquet", start="2020-01-01T00:00:00Z", end="2020-01-02T00:00:00Z")
    assert result["paths"] == [f"{tmp_path}/x.parquet", f"{tmp_path}/x_content_session_answers.parquet"]
    for path, table in zip(result["paths"], RESOURCES["content_sessions"].tables, strict=True):
        assert tuple(parquet.read_table(path).schema.names) == table.names


def test_users_created_in_a_window(company: Account, tmp_path: Path) -> None:
    result = to_files(resource="users", by="created", path=f"{tmp_path}/x.jsonl", start="2026-01-02T00:00:00Z", end="2026-01-03T00:00:00Z")
    assert ([row["id"] for row in lines(result["path"])], result["users"]) == (["bea"], 1)


def test_attributes_as_columns(company: Account, warehouse: Warehouse) -> None:
    to_tables(resource="users", attributes={"email": "text", "signed_up_at": "moment"})
    found = warehouse.rows("SELECT id, attribute_email, attribute_signed_up_at FROM userflow_users ORDER BY id")
    at = found[0][2] if warehouse.kind == "postgres" else datetime.fromisoformat(found[0][2])
    assert (found[0][:2], at) == (("ann", "ann@example.com"), datetime(2026, 1, 3, tzinfo=UTC))
    with pytest.raises(AirflowFailException, match=r"'ann' has a str where the column attribute_email takes integer"):
        to_tables(resource="users", attributes={"email": "integer"}, table_prefix="other_")


@pytest.mark.parametrize("nulls", [False, True])
def test_by_last_activity(account: Account, tmp_path: Path, nulls: bool) -> None:
    clock = account.server.clock
    clock.stop(datetime(2026, 3, 1, tzinfo=UTC))
    account.begin("flow", *(f"early{number}" for number in range(120)))
    if not nulls:  # the emulator's sessions have no last activity until something happens in them
        account.complete("flow", *(f"early{number}" for number in range(120)))
    clock.set(datetime(2026, 3, 2, 12, tzinfo=UTC))
    account.complete("flow", "early7", "new")
    clock.set(datetime(2026, 3, 9, tzinfo=UTC))
    account.server.received.clear()
    window: dict[str, Any] = {"start": "2026-03-02T00:00:00Z", "end": "2026-03-03T00:00:00Z"}
    result = to_files(by="last_activity", path=f"{tmp_path}/x.jsonl", content_ids=["flow"], **window)
    assert {row["user_id"] for row in lines(result["path"])} == {"early7", "new"}
    assert result["requests"] == (3 if nulls else 1)


def test_lookback_writes_the_windows_before_again(account: Account, tmp_path: Path) -> None:
    clock = account.server.clock
    days = [datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 3, 4)]
    for number, day in enumerate(days[:3]):
        clock.stop(day)
        account.begin("flow", f"u{number}")
    clock.stop(days[3])
    account.complete("flow", "u0", "u1")
    interval = {"data_interval_start": days[2], "data_interval_end": days[3]}
    result = to_files(interval, path=str(tmp_path), lookback=2)
    assert [Path(path).name for path in result["paths"]] == [
        f"content_sessions_2026030{day}T000000Z_2026030{day + 1}T000000Z.jsonl.gz" for day in (1, 2, 3)
    ]
    assert [[(row["user_id"], row["completed"]) for row in lines(path)] for path in result["paths"]] == [
        [("u0", True)],
        [("u1", True)],
        [("u2", False)],
    ]
    assert (result["path"], result["start"]) == (result["paths"][2], days[2].isoformat())
    assert (result["sessions"], result["completed"]) == (3, 2)


def test_lookback_asks_the_schedule(account: Account, tmp_path: Path) -> None:
    class Dag:
        timetable = CronDataIntervalTimetable("0 0 1 * *", "UTC")

    interval = {"data_interval_start": _month(4), "data_interval_end": _month(5), "dag": Dag()}
    result = to_files(interval, path=str(tmp_path), lookback=1)
    assert Path(result["paths"][0]).name == "content_sessions_20260301T000000Z_20260401T000000Z.jsonl.gz"


def _month(number: int) -> Any:
    import pendulum

    return pendulum.datetime(2026, number, 1)


def test_lookback_in_tables_is_a_transaction_per_window(account: Account, warehouse: Warehouse) -> None:
    clock = account.server.clock
    days = [datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 3)]
    for number, day in enumerate(days):
        clock.stop(day)
        account.begin("flow", f"u{number}")
    interval = {"data_interval_start": days[1], "data_interval_end": days[2]}
    assert to_tables(interval, lookback=1)["rows"]["userflow_content_sessions"] == 2
    assert warehouse.rows("SELECT user_id FROM userflow_content_sessions ORDER BY 1") == [("u0",), ("u1",)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"resource": "people"}, "resource must be one of content_sessions, users"),
        ({"by": "updated"}, "content_sessions can be read by 'created' or 'last_activity', not by 'updated'"),
        ({"resource": "users", "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}, "users is read completely.*by 'created'"),
        ({"resource": "content", "lookback": 1}, "content is read completely, so start, end, lookback and watermark mean nothing here$"),
        ({"attributes": ["plan"], **JANUARY}, "content_sessions has no attributes to choose from"),
        ({"lookback": 1, "path": "x.jsonl", **JANUARY}, r"path names one file \(.jsonl\); give a folder"),
        ({"file_format": "csv", **JANUARY}, "file_format must be jsonl or parquet"),
        ({}, "read by watermark=True"),
    ],
)
def test_unusable_arguments_fail_before_anything_is_sent(account: Account, tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(AirflowFailException, match=said):
        to_files(**{"path": str(tmp_path), **arguments})
    assert account.server.requests() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lookback": -1}, "lookback must be a number of windows"),
        ({"lookback": True}, "lookback must be a number of windows"),
        ({"watermark": True}, r'give outlets=\[Asset\("userflow://<connection id>/content_sessions"\)\]'),
        ({"watermark": True, "lookback": 1}, "lookback goes back by data intervals"),
    ],
)
def test_what_can_be_seen_in_the_dag_fails_there(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        UserflowToObjectStorageOperator(task_id="read", path="x", **arguments)


def test_a_failure_leaves_the_tables_as_they_were(company: Account, warehouse: Warehouse) -> None:
    to_tables(**JANUARY)
    company.patience_is_short()
    company.server.faults.add(Status(status=500))
    with pytest.raises(ServerFailed):
        to_tables(**JANUARY)
    assert len(warehouse.rows("SELECT id FROM userflow_content_sessions")) == 2


def test_events_of_outlets_tell_the_window_and_counts(company: Account, tmp_path: Path) -> None:
    outlet = Asset("userflow://userflow_default/content_sessions")
    events = OutletEventAccessors()
    to_files({"outlet_events": events}, path=str(tmp_path), outlets=[outlet], content_ids=["tour"], **JANUARY)
    assert events[outlet].extra == {
        "resource": "content_sessions",
        "by": "created",
        "start": "2026-01-01T00:00:00+00:00",
        "end": "2026-02-01T00:00:00+00:00",
        "sessions": 2,
        "completed": 1,
        "answers": 3,
    }


def test_by_watermark_each_run_goes_on(account: Account, tmp_path: Path) -> None:
    class Run:
        def __init__(self, day: int) -> None:
            self.run_id, self.run_after = f"run-{day}", datetime(2026, 3, day, tzinfo=UTC)

    class Instance:
        dag_id, task_id, map_index = "dag", "read", -1

    kept: dict[str, Any] = {}

    class Store:
        def get(self, key: str, default: Any = None) -> Any:
            return kept.get(key, default)

        def set(self, key: str, value: Any) -> None:
            kept[key] = json.loads(json.dumps(value))

    asset = Asset("userflow://userflow_default/content_sessions")

    def run(day: int, **more: Any) -> dict[str, Any]:
        context = {"dag_run": Run(day), "ti": Instance(), "asset_state_store": {asset: Store()}}
        return to_files(context, path=str(tmp_path), watermark=True, start="2026-03-01T00:00:00Z", outlets=[asset], **more)

    account.patience_is_short()
    account.server.faults.add(Status(status=500))
    with pytest.raises(ServerFailed):
        run(2)
    account.server.faults.clear()
    assert [run(day)["start"][:10] for day in (2, 5, 6, 5)] == ["2026-03-01", "2026-03-02", "2026-03-05", "2026-03-02"]
    with pytest.raises(AirflowFailException, match="leave out end="):
        run(7, end="2026-03-08T00:00:00Z")


def test_hours_are_windows_too(account: Account, tmp_path: Path) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    account.server.clock.stop(noon)
    account.begin("flow", "ann")
    interval = {"data_interval_start": noon, "data_interval_end": noon + timedelta(hours=1)}
    assert Path(to_files(interval, path=str(tmp_path))["path"]).name == "content_sessions_20260301T120000Z_20260301T130000Z.jsonl.gz"
