"""Rows of queries and files into the emulated accounts: what arrives, what is refused, and what a DAG's author is told at once."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization
from pyarrow import parquet

from airflow_provider.engagement.bulk.mapping import GroupColumns, RowMapping
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow.operators import UserflowUpsertUsersOperator
from airflow_provider.engagement.userflow.transfers import ObjectStorageToUserflowOperator, SqlToUserflowOperator
from airflow_provider.engagement.usertour.transfers import ObjectStorageToUsertourOperator, SqlToUsertourOperator
from tests.userflow.account import Account as Userflow
from tests.usertour.account import Account as Usertour

USERS = [
    ("ann", "ann@example.com", 33, "2026-01-02 03:04:05", "acme", "Acme", "admin"),
    ("ann", "ann@example.com", 33, "2026-01-02 03:04:05", "bolt", "Bolt", "viewer"),
    ("bob", None, None, "2026-02-03 04:05:06", None, None, None),
    ("cem", "cem@example.com", 7, "2026-03-04 05:06:07", "acme", "Acme", "viewer"),
]
JOINED = RowMapping(groups=GroupColumns("company_id", {"company_name": "name"}, ["role"]), data_types={"signed_up_at": "datetime"})
QUERY = "SELECT * FROM members WHERE signed_up_at >= :since ORDER BY id"
SINCE = {"since": "2026-01-01"}


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "warehouse.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE members (id, email, age, signed_up_at, company_id, company_name, role)")
    connection.executemany("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?)", USERS)
    connection.execute("CREATE TABLE events (at, who, what, price)")
    connection.executemany(
        "INSERT INTO events VALUES (?, ?, ?, ?)", [("2026-01-02T03:04:05Z", "ann", "bought", 3), (None, "bob", "seen", None)]
    )
    connection.commit()
    connection.close()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    return path


@pytest.fixture
def userflow(engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Userflow:
    return Userflow(engagement_emulator, monkeypatch)


@pytest.fixture(params=["v1", "v2"])
def usertour(request: pytest.FixtureRequest, engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Usertour:
    return Usertour(engagement_emulator, monkeypatch, request.param)


def run(operator: type[Any], context: Mapping[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    report = operator(task_id="push", **arguments).execute(context or {})
    assert isinstance(report, dict)
    return report


def refusal(operator: type[Any], **arguments: Any) -> str:
    with pytest.raises(AirflowFailException) as caught:
        run(operator, **arguments)
    return str(caught.value)


# --- queries ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("warehouse")
def test_users_with_their_groups_to_userflow(userflow: Userflow) -> None:
    sql = {"sql_conn_id": "warehouse", "sql": QUERY, "parameters": SINCE}
    report = run(SqlToUserflowOperator, target="users", mapping=JOINED, timezone="UTC", **sql)
    assert (report["read"], report["sent"], report["requests"]) == (3, 3, 3)
    hook = userflow.hook
    ann = hook.get_user("ann", expand=["memberships.group"])
    assert ann.attributes == {"email": "ann@example.com", "age": 33, "signed_up_at": "2026-01-02T03:04:05.000+00:00"}
    assert ann.memberships is not None
    members = [(item.group.id, item.group.attributes, item.attributes) for item in ann.memberships if item.group is not None]
    assert sorted(members, key=str) == [
        ("acme", {"name": "Acme"}, {"role": "admin"}),
        ("bolt", {"name": "Bolt"}, {"role": "viewer"}),
    ]
    assert hook.get_user("bob").attributes == {"signed_up_at": "2026-02-03T04:05:06.000+00:00"}


@pytest.mark.usefixtures("warehouse")
def test_users_with_their_companies_to_usertour(usertour: Usertour) -> None:
    report = run(
        SqlToUsertourOperator, sql_conn_id="warehouse", target="users", mapping=JOINED, timezone="UTC", sql=QUERY, parameters=SINCE
    )
    assert (report["read"], report["sent"]) == (3, 3)
    ann = usertour.hook.get_user("ann", expand=["memberships.company"])
    assert ann.attributes is not None
    assert ann.attributes["age"] == 33
    assert ann.memberships is not None
    assert sorted(str((item.attributes or {})["role"]) for item in ann.memberships) == ["admin", "viewer"]
    assert (usertour.hook.get_company("bolt").attributes or {})["name"] == "Bolt"


@pytest.mark.usefixtures("warehouse")
def test_groups_and_companies(userflow: Userflow, engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = "SELECT company_id AS id, company_name AS name, count(*) AS seats FROM members WHERE company_id IS NOT NULL GROUP BY 1, 2"
    assert run(SqlToUserflowOperator, sql_conn_id="warehouse", target="groups", sql=sql)["sent"] == 2
    assert userflow.hook.get_group("acme").attributes == {"name": "Acme", "seats": 2}
    account = Usertour(engagement_emulator, monkeypatch, "v2")
    assert run(SqlToUsertourOperator, sql_conn_id="warehouse", target="companies", sql=sql)["sent"] == 2
    assert (account.hook.get_company("acme").attributes or {})["seats"] == 2


@pytest.mark.usefixtures("warehouse")
def test_events(userflow: Userflow) -> None:
    mapping = RowMapping(event_name_column="what", user="who", time="at")
    said = refusal(SqlToUserflowOperator, sql_conn_id="warehouse", target="events", sql="SELECT * FROM events", mapping=mapping)
    assert "column 'at' has no time" in said
    events = [event["name"] for event in userflow.server.userflow.objects.events.values()]
    assert events == ["bought"]


@pytest.mark.usefixtures("warehouse", "userflow")
def test_a_run_without_changes_sends_nothing(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {
        "sql_conn_id": "warehouse",
        "target": "users",
        "mapping": JOINED,
        "timezone": "UTC",
        "sql": QUERY,
        "parameters": SINCE,
        "state_path": f"{tmp_path}/state",
    }
    assert run(SqlToUserflowOperator, **arguments)["sent"] == 3
    assert run(SqlToUserflowOperator, **arguments) | {"waited_seconds": 0} == run(SqlToUserflowOperator, **arguments) | {
        "waited_seconds": 0
    }
    again = run(SqlToUserflowOperator, **arguments)
    assert (again["unchanged"], again["sent"], again["requests"]) == (3, 0, 0)
    other = run(SqlToUserflowOperator, **{**arguments, "mapping": RowMapping(groups="company_id", attributes=["email"])})
    assert (other["unchanged"], other["sent"]) == (0, 3)


@pytest.mark.usefixtures("warehouse")
def test_what_is_wrong_with_the_source_ends_the_task_before_anything_is_sent(userflow: Userflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "userflow", "password": "ak_test"}))
    users: dict[str, Any] = {"target": "users", "sql_conn_id": "warehouse"}
    assert "names 'uid', which the row has not; it has 'id', 'email'" in refusal(
        SqlToUserflowOperator, **users, sql="SELECT * FROM members", mapping=RowMapping(key="uid")
    )
    assert "column 'a.b': the attribute name 'a.b' may only hold" in refusal(
        SqlToUserflowOperator, **users, sql='SELECT 1 AS id, 2 AS "a.b"'
    )
    assert "two columns of the name 'id'" in refusal(SqlToUserflowOperator, **users, sql="SELECT 1 AS id, 2 AS id")
    assert "no SQL database" in refusal(SqlToUserflowOperator, target="users", sql_conn_id="other", sql="SELECT 1 AS id")
    with pytest.raises(sqlite3.OperationalError, match="no such table: nope"):  # perhaps not there yet: the task may be retried
        run(SqlToUserflowOperator, **users, sql="SELECT * FROM nope")
    assert [request for request in userflow.server.requests() if request.method == "POST"] == []


@pytest.mark.usefixtures("warehouse")
def test_names_follow_the_version_of_the_connection(usertour: Usertour) -> None:
    arguments: dict[str, Any] = {"sql_conn_id": "warehouse", "target": "users", "sql": "SELECT 'ann' AS id, 1 AS \"a b\""}
    if usertour.version == "v1":
        assert run(SqlToUsertourOperator, **arguments)["sent"] == 1
    else:
        assert "column 'a b': the attribute name 'a b' must begin with a letter" in refusal(SqlToUsertourOperator, **arguments)


def test_values_of_another_type_than_the_defined_one_are_refused_before_they_are_sent(userflow: Userflow, warehouse: Path) -> None:
    assert warehouse.exists()
    userflow.server.userflow.seed({"attribute_definitions": [{"scope": "user", "name": "age", "data_type": "string"}]})
    arguments: dict[str, Any] = {
        "sql_conn_id": "warehouse",
        "target": "users",
        "sql": "SELECT DISTINCT id, age FROM members WHERE age > 30",
    }
    assert "attribute 'age' of the user is defined as string, but the row gives a number" in refusal(SqlToUserflowOperator, **arguments)
    assert run(SqlToUserflowOperator, **arguments, mapping=RowMapping(data_types={"age": "string"}))["sent"] == 1
    assert userflow.hook.get_user("ann").attributes == {"age": "33"}


def test_sql_and_parameters_are_templates(warehouse: Path, userflow: Userflow, tmp_path: Path) -> None:
    assert warehouse.exists()
    (tmp_path / "members.sql").write_text(
        "SELECT DISTINCT id FROM members WHERE signed_up_at < '{{ data_interval_end.isoformat(' ') }}' AND age > CAST(? AS INT)\n"
    )
    with DAG("warehouse", template_searchpath=[str(tmp_path)]):
        operator = SqlToUserflowOperator(
            task_id="push", sql_conn_id="{{ 'warehouse' }}", target="users", sql="members.sql", parameters=["{{ 3 * 4 }}"]
        )
    context: Any = {"data_interval_end": datetime(2026, 2, 1, tzinfo=UTC)}
    operator.resolve_template_files()
    operator.render_template_fields(context)
    assert operator.parameters == ["12"]
    assert operator.execute(context)["sent"] == 1
    assert {user.id for user in userflow.hook.list_users()} == {"ann"}


@pytest.mark.usefixtures("warehouse", "userflow")
def test_no_rows_in_an_empty_interval_are_told_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    nothing: dict[str, Any] = {"sql_conn_id": "warehouse", "target": "users", "sql": "SELECT id FROM members WHERE 1 = 0"}
    for end, warnings in ((moment, 1), (moment.replace(day=3), 0)):
        caplog.clear()
        assert run(SqlToUserflowOperator, {"data_interval_start": moment, "data_interval_end": end}, **nothing)["read"] == 0
        assert sum("CronDataIntervalTimetable" in record.getMessage() for record in caplog.records) == warnings


# --- files -----------------------------------------------------------------------------------------------------------


def write_csv(path: Path) -> Path:
    names = ("id", "email", "age", "signed_up_at", "company_id", "company_name", "role")
    with path.open("w", newline="") as out:
        csv.writer(out).writerows([names, *USERS])
    return path


@pytest.mark.usefixtures("userflow")
def test_csv_to_userflow(userflow: Userflow, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "members.csv")
    mapping = RowMapping(groups="company_id", attributes=["email", "age"], data_types={"age": "number"})
    report = run(ObjectStorageToUserflowOperator, path=str(path), target="users", mapping=mapping, empty_as_null=True)
    assert (report["read"], report["sent"]) == (3, 3)
    assert userflow.hook.get_user("cem").attributes == {"email": "cem@example.com", "age": 7}


def test_parquet_to_usertour(usertour: Usertour, tmp_path: Path) -> None:
    for number in range(3):
        table = pyarrow.table({"id": [f"u{number}"], "at": [datetime(2026, 1, 2, tzinfo=UTC)], "tags": [["a", "b"]], "score": [1.5]})
        parquet.write_table(table, tmp_path / f"{number}.parquet")
    report = run(ObjectStorageToUsertourOperator, path=f"file://{tmp_path}/*.parquet", target="users")
    assert (report["read"], report["sent"]) == (3, 3)
    attributes = usertour.hook.get_user("u2").attributes or {}
    assert (attributes["tags"], attributes["score"], attributes["at"]) == (["a", "b"], 1.5, "2026-01-02T00:00:00.000+00:00")


def test_json_lines_in_the_apis_own_shape(userflow: Userflow, tmp_path: Path) -> None:
    rows = [{"id": "ann", "attributes": {"n": {"set_once": 1}}}, {"id": "bob", "groups": [{"id": "acme"}]}]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert run(ObjectStorageToUserflowOperator, path=f"{tmp_path}/rows.jsonl", target="users", mapping=None)["sent"] == 2
    assert userflow.hook.get_user("ann").attributes == {"n": 1}


def test_no_file(userflow: Userflow, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file at"):
        run(ObjectStorageToUserflowOperator, path=f"{tmp_path}/*.csv", target="users")
    assert run(ObjectStorageToUserflowOperator, path=f"{tmp_path}/*.csv", target="users", allow_missing="True")["read"] == 0
    assert [request for request in userflow.server.requests() if request.method == "POST"] == []


def test_a_wrong_file_ends_the_task(userflow: Userflow, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,n\nann,1\nbob\n")
    assert f"{tmp_path}/x.csv line 3: 1 fields, but the header has 2" in refusal(
        ObjectStorageToUserflowOperator, path=f"{tmp_path}/x.csv", target="users"
    )
    assert [request for request in userflow.server.requests() if request.method == "POST"] == []


# --- rejects are replayed --------------------------------------------------------------------------------------------


def test_rejects_of_a_mapped_source_are_mended_and_replayed(userflow: Userflow, tmp_path: Path) -> None:
    path = tmp_path / "members.csv"
    path.write_text("uid,age,team\nann,33,acme\nann,33,bolt\nbob,old,acme\nbob,old,bolt\ncem,7,acme\n")
    mapping = RowMapping(key="uid", groups="team", data_types={"age": "number"})
    userflow.server.userflow.seed({"attribute_definitions": [{"scope": "group", "name": "n", "data_type": "number"}]})
    arguments: dict[str, Any] = {"target": "users", "mapping": mapping, "rejects_path": f"{tmp_path}/rejects"}
    assert "row 1 (bob): column 'age' holds text that is no number" in refusal(ObjectStorageToUserflowOperator, path=str(path), **arguments)
    (part,) = (tmp_path / "rejects").iterdir()
    reject = json.loads(part.read_text())
    assert (reject["kind"], reject["key"], [row["team"] for row in reject["row"]]) == ("invalid", "bob", ["acme", "bolt"])
    part.write_text(part.read_text().replace('"old"', '"44"'))
    report = run(ObjectStorageToUserflowOperator, path=f"{tmp_path}/rejects", file_format="rejects", **{**arguments, "rejects_path": None})
    assert (report["read"], report["sent"]) == (1, 1)
    bob = userflow.hook.get_user("bob", expand=["groups"])
    assert bob.attributes == {"age": 44}
    assert sorted(group.id for group in bob.groups or ()) == ["acme", "bolt"]


def test_rows_the_preflight_refused_keep_the_sources_shape(userflow: Userflow, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"uid": "ann", "age": "33"}\n')
    userflow.server.userflow.seed({"attribute_definitions": [{"scope": "user", "name": "age", "data_type": "number"}]})
    arguments: dict[str, Any] = {"target": "users", "mapping": RowMapping(key="uid")}
    rejects = f"{tmp_path}/rejects"
    refusal(ObjectStorageToUserflowOperator, path=f"{tmp_path}/x.jsonl", rejects_path=rejects, **arguments)
    mended = RowMapping(key="uid", data_types={"age": "number"})
    assert run(ObjectStorageToUserflowOperator, path=rejects, file_format="rejects", target="users", mapping=mended)["sent"] == 1
    assert userflow.hook.get_user("ann").attributes == {"age": 33}


def test_what_the_server_refused_is_replayed_past_the_mapping(userflow: Userflow, tmp_path: Path) -> None:
    rejects = f"{tmp_path}/rejects"
    userflow.server.userflow.seed({"attribute_definitions": [{"scope": "user", "name": "age", "data_type": "number"}]})
    (tmp_path / "x.jsonl").write_text('{"uid": "ann", "age": "33"}\n{"uid": "bob", "age": 7}\n')
    arguments: dict[str, Any] = {"target": "users", "mapping": RowMapping(key="uid"), "preflight": False}
    refusal(ObjectStorageToUserflowOperator, path=f"{tmp_path}/x.jsonl", rejects_path=rejects, **arguments)
    (part,) = (tmp_path / "rejects").iterdir()
    reject = json.loads(part.read_text())
    assert (reject["kind"], reject["row"]) == ("refused", {"id": "ann", "attributes": {"age": "33"}})
    said = refusal(ObjectStorageToUserflowOperator, path=rejects, file_format="rejects", **{**arguments, "preflight": True})
    assert "row 0 (ann): Userflow would refuse the row" in said
    part.write_text(part.read_text().replace('"33"', "33"))
    assert run(ObjectStorageToUserflowOperator, path=rejects, file_format="rejects", **arguments)["sent"] == 1
    assert userflow.hook.get_user("ann").attributes == {"age": 33}


def test_rejects_of_rows_in_the_apis_own_shape_are_replayed_without_mapping(userflow: Userflow, tmp_path: Path) -> None:
    rejects = f"{tmp_path}/rejects"
    refusal(UserflowUpsertUsersOperator, rows=[{"id": "ann", "attributes": {"näme": 1}}], rejects_path=rejects)
    (part,) = (tmp_path / "rejects").iterdir()
    part.write_text(part.read_text().replace("näme", "name"))
    replayed = run(ObjectStorageToUserflowOperator, path=rejects, file_format="rejects", target="users", mapping=None)
    assert replayed["sent"] == 1
    assert userflow.hook.get_user("ann").attributes == {"name": 1}


# --- what a DAG's author is told at once -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "arguments", "said"),
    [
        (SqlToUserflowOperator, {"target": "companies"}, "target must be one of users, groups, events, got 'companies'"),
        (SqlToUsertourOperator, {"target": "groups"}, "target must be one of users, companies, events, got 'groups'"),
        (SqlToUserflowOperator, {"target": "events"}, "events take either event_name"),
        (SqlToUserflowOperator, {"target": "groups", "mapping": RowMapping(groups="x")}, "groups means nothing for groups"),
        (SqlToUsertourOperator, {"target": "users", "mapping": RowMapping(operations={"x": "add"})}, "Usertour knows no operations"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_when_the_dag_is_parsed(operator: type[Any], arguments: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        operator(task_id="push", sql="SELECT 1", sql_conn_id="warehouse", **arguments)


def shouting(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value).upper() for name, value in row.items()}


def test_a_mapped_task_is_serialized_the_same_each_time_its_dag_is_parsed() -> None:
    def serialized() -> str:
        with DAG("mapped", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
            SqlToUserflowOperator.partial(
                task_id="push",
                sql="SELECT 1",
                sql_conn_id="warehouse",
                target="users",
                mapping=RowMapping(attributes=lambda row: shouting(row)),
            ).expand(userflow_conn_id=["eu", "us"])
        return json.dumps(DagSerialization.to_dict(dag), sort_keys=True, default=str)

    assert serialized() == serialized()
    assert "RowMapping(" in serialized()
