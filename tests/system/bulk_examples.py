"""How the examples of bulk writing are run, and what must be true afterwards."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.system.airflow_instance import RunningAirflow
from tests.system.connections import postgres_connection, userflow_connection
from tests.system.onboarding import COMPANY_COLUMNS, USER_COLUMNS, differences
from tests.system.postgres import SUPERUSER
from tests.system.warehouse import fill, make_warehouse

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from airflow_provider.engagement.emulator.server import EmulatorServer

RUN_SECONDS = 120
PRODUCT_DATABASE = "product_database"
Statement = tuple[str, Sequence[Any]]


@contextmanager
def product_database(airflow: RunningAirflow, name: str) -> Iterator[Connection]:
    """Make an empty database, and lead the connection `product_database` to it."""
    airflow.postgres.create_database(name)
    airflow.client.put_connection(postgres_connection(PRODUCT_DATABASE, str(airflow.postgres.folder), SUPERUSER, name))
    with closing(airflow.postgres.connect(name)) as connection:
        yield connection


def query(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """Run a query."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def finish(airflow: RunningAirflow, dag_id: str, run_id: str, expected: str = "success") -> None:
    """Wait for the end of a run, which must be the expected one."""
    state = airflow.client.wait_for_run(dag_id, run_id, seconds=RUN_SECONDS)
    assert state == expected, airflow.client.logs_of_failures(dag_id, run_id)


def part(report: Mapping[str, Any], **expected: int) -> None:
    """Compare a part of a report."""
    assert {name: report[name] for name in expected} == expected


# --- only what changed ---

INCREMENTAL = "warehouse_to_userflow_incremental"
GONE = "eu/anna+1@example.com"
CHANGES: tuple[Statement, ...] = (
    ("UPDATE companies SET plan = 'changed', mrr = NULL WHERE id = %s", ("a+b c%2Fd",)),
    ("UPDATE users SET name = 'Renamed', signed_up_at = now() WHERE id = %s", ("100% müller",)),
    ("UPDATE users SET lifetime_value = 0.1 WHERE id = %s", ("user-00020",)),
    ("DELETE FROM memberships WHERE user_id IN (%s, 'user-00021')", (GONE,)),
    ("INSERT INTO memberships (user_id, company_id, role) VALUES ('user-00021', %s, 'new')", ("?x=1#top",)),
    ("DELETE FROM users WHERE id = %s", (GONE,)),
)


class Incremental:
    """Runs of `warehouse_to_userflow_incremental` over one product database."""

    def __init__(self, airflow: RunningAirflow, emulator: EmulatorServer, database: Connection) -> None:
        self._airflow, self._emulator, self._database = airflow, emulator, database
        self._path = airflow.home / "incremental"
        self._signed_up = dict[str, Any]()

    def run(self, *, plan_only: bool = False) -> tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]:
        """Run it, and give both reports and the requests about users and groups."""
        client, began = self._airflow.client, time.monotonic()
        client.pause(INCREMENTAL)  # of this DAG there is one run at a time; one by its schedule would be in the way
        run_id = client.trigger(INCREMENTAL, conf={"path": self._path.as_uri(), "plan_only": plan_only})
        client.unpause(INCREMENTAL)
        finish(self._airflow, INCREMENTAL, run_id)
        received = [one for one in self._emulator.requests() if one.at >= began]
        requests = [(one.method, one.path) for one in received if one.path.startswith(("/users", "/groups"))]
        if plan_only:
            assert "This was a dry run" in client.log(INCREMENTAL, run_id, "push_users")
        return client.xcom(INCREMENTAL, run_id, "push_companies"), client.xcom(INCREMENTAL, run_id, "push_users"), requests

    def mismatches(self) -> list[str]:
        """Compare every value, and that nothing else is there."""
        objects, found = self._emulator.userflow.objects, list[str]()
        companies = query(self._database, f"SELECT id, {', '.join(COMPANY_COLUMNS)} FROM companies")
        users = query(self._database, f"SELECT id, {', '.join(USER_COLUMNS)} FROM users")
        memberships = query(self._database, "SELECT user_id, company_id, role, joined_at FROM memberships")
        for key, *values in companies:
            found += differences(f"company {key!r}", objects.groups.get(key), dict(zip(COMPANY_COLUMNS, values, strict=True)))
        for key, *values in users:
            expected = dict(zip(USER_COLUMNS, values, strict=True))
            expected["signed_up_at"] = self._signed_up.setdefault(key, expected["signed_up_at"])  # it is set once
            found += differences(f"user {key!r}", objects.users.get(key), expected)
        for user, company, role, joined_at in memberships:
            stored = objects.membership(user, company)
            found += differences(f"membership {user!r} in {company!r}", stored, {"role": role, "joined_at": joined_at})
        for name, stored_keys, keys in (
            ("companies", {one["id"] for one in objects.groups.values()}, {row[0] for row in companies}),
            ("users", {one["id"] for one in objects.users.values()}, {row[0] for row in users}),
            ("members", {one["user_id"] for one in objects.memberships.values()}, {row[0] for row in memberships}),
        ):
            found += [f"{name} that are in one place only: {stored_keys ^ keys}"] if stored_keys != keys else []
        return found

    def change(self) -> None:
        """Change a few rows."""
        with self._database, self._database.cursor() as cursor:
            for statement, values in CHANGES:
                cursor.execute(statement, values)


def run_incremental(airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    """Everything; then nothing, because nothing changed; then a plan, and at last exactly what changed."""
    with product_database(airflow, "product") as database:
        fill(database, make_warehouse(companies=8, users=60, events=0, cohort=0))
        sync = Incremental(airflow, emulator, database)
        airflow.client.wait_for_dag(INCREMENTAL, 60)
        companies, users, requests = sync.run()
        part(companies, read=8, sent=8, unchanged=0)
        part(users, read=60, sent=60, deleted=0)
        assert (len(requests), sync.mismatches()) == (68, [])

        companies, users, requests = sync.run()
        part(companies, read=8, unchanged=8, planned=0, requests=0)
        part(users, read=60, unchanged=60, planned=0, requests=0)
        assert requests == []

        sync.change()
        companies, users, requests = sync.run(plan_only=True)
        part(companies, read=8, unchanged=7, planned=1, sent=0)
        part(users, read=59, unchanged=56, planned=4, sent=0, deleted=0)
        assert requests == []
        assert sync.mismatches()

        companies, users, requests = sync.run()
        part(companies, read=8, unchanged=7, sent=1, requests=1)
        part(users, read=59, unchanged=56, sent=3, deleted=1, requests=4)
        gone = "/users/eu%2Fanna%2B1%40example.com"
        assert sorted(requests) == [("DELETE", gone), ("POST", "/groups"), *[("POST", "/users")] * 3]
        assert sync.mismatches() == []


# --- two accounts ---

TWO_ACCOUNTS = "warehouse_to_two_accounts"
REGIONS = ("eu", "us")
REGIONAL = """
CREATE TABLE regional_companies (id text PRIMARY KEY, name text, plan text, region text, updated_at timestamptz);
CREATE TABLE regional_users (id text PRIMARY KEY, name text, email text, region text, updated_at timestamptz);
"""
START = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
END = START + timedelta(days=1)
UPDATED = {"first": START, "last": END - timedelta(microseconds=1), "earlier": START - timedelta(microseconds=1), "later": END}
IN_TIME = ("first", "last")


def run_two_accounts(airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    """What changed in the interval goes to the account of its region; one task of an account at a time."""
    from airflow_provider.engagement.emulator.server import EmulatorServer

    with ExitStack() as stack:
        accounts = {region: stack.enter_context(EmulatorServer()) for region in REGIONS}
        for region, account in accounts.items():
            name = f"userflow_{region}"
            airflow.client.put_connection(userflow_connection(name, account.base_url, "ak_test", {"requests_per_minute": 6_000}))
            airflow.client.add_pool(name, 1)
        _fill_regions(stack.enter_context(product_database(airflow, "regions")))
        airflow.client.wait_for_dag(TWO_ACCOUNTS, 60)
        airflow.client.unpause(TWO_ACCOUNTS)
        run_id = airflow.client.trigger_interval(TWO_ACCOUNTS, START, END, conf={"path": (airflow.home / "accounts").as_uri()})
        finish(airflow, TWO_ACCOUNTS, run_id)
        for region, account in accounts.items():
            objects = account.userflow.objects
            groups = {group["id"]: group["attributes"] for group in objects.groups.values()}
            users = {user["id"]: user["attributes"] for user in objects.users.values()}
            assert groups == {f"{region} company {moment}": {"name": f"Company {moment}", "plan": region} for moment in IN_TIME}
            assert users == {f"{region} user {moment}": {"name": f"User {moment}"} for moment in IN_TIME}
            for index in range(2):
                part(airflow.client.xcom(TWO_ACCOUNTS, run_id, f"push_userflow_{region}", map_index=index), read=2, sent=2, rejected=0)
    _take_turns(airflow.client.task_instances(TWO_ACCOUNTS, run_id))


def _fill_regions(database: Connection) -> None:
    with database, database.cursor() as cursor:
        cursor.execute(REGIONAL)
        for region in REGIONS:
            for moment, updated_at in UPDATED.items():
                company = (f"{region} company {moment}", f"Company {moment}", region, region, updated_at)
                user = (f"{region} user {moment}", f"User {moment}", region, updated_at)
                cursor.execute("INSERT INTO regional_companies VALUES (%s, %s, %s, %s, %s)", company)
                cursor.execute("INSERT INTO regional_users VALUES (%s, %s, NULL, %s, %s)", user)


def _take_turns(instances: Sequence[Mapping[str, Any]]) -> None:
    """Prove that of the tasks of one account none began before the one before it had ended."""
    for region in REGIONS:
        pool = f"userflow_{region}"
        spans = sorted((one["start_date"], one["end_date"]) for one in instances if one["pool"] == pool)
        assert len(spans) == 2
        assert spans[0][1] <= spans[1][0]


# --- events from files ---

EVENTS, REPLAY = "events_from_files", "replay_rejected_events"
DAY, BAD_DAY = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
COLUMNS = ("event", "user_id", "company_id", "happened_at", "amount", "is_trial", "order_id")
COMPANY = "acme/1"
USERS = tuple(f"event/user {number}" for number in range(20))
NEWCOMER = "event/newcomer"
"""A user that Userflow does not know: it refuses such an event here."""


def make_event(number: int, day: datetime, **changes: str) -> dict[str, str]:
    """Make a line of a file; times have no zone, some columns are empty."""
    row = {
        "event": ("order placed", "order-paid")[number % 2],
        "user_id": USERS[number % len(USERS)],
        "company_id": COMPANY if number % 3 else "",
        "happened_at": f"{day + timedelta(seconds=number):%Y-%m-%d %H:%M:%S}",
        "amount": "" if number % 5 == 0 else f"{number}.50",
        "is_trial": ("true", "false")[number % 2],
        "order_id": f"order {day:%d}/{number}",
    }
    return row | changes


def run_events_from_files(airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    """Two days: one with few rejects, which are mended and replayed, and one with too many."""
    from airflow_provider.engagement.emulator.faults import Drop

    rows = [make_event(number, DAY) for number in range(500)]
    rows[7]["happened_at"] = ""
    rows[301]["is_trial"] = "perhaps"
    rows[44]["user_id"] = rows[499]["user_id"] = NEWCOMER
    bad = [make_event(number, BAD_DAY) for number in range(20)]
    bad[3]["amount"] = "much"
    folder = airflow.home / "events"
    _write(folder / "2026-03-01", rows[:300], "1.csv.gz")
    _write(folder / "2026-03-01", rows[300:], "2.csv")
    _write(folder / "2026-03-02", bad, "1.csv.gz")
    emulator.userflow.seed({"users": [{"id": user} for user in USERS], "groups": [{"id": COMPANY}]})
    emulator.userflow.quirks.unknown_subjects = False
    emulator.faults.add(Drop(method="POST", path="/events", times=1, after=True))
    for dag_id in (EVENTS, REPLAY):
        airflow.client.wait_for_dag(dag_id, 60)
        airflow.client.unpause(dag_id)
    conf = {"path": folder.as_uri()}
    run_id = airflow.client.trigger_interval(EVENTS, DAY, DAY + timedelta(days=1), conf=conf)
    finish(airflow, EVENTS, run_id)
    part(airflow.client.xcom(EVENTS, run_id, "push_events"), read=500, sent=495, rejected=4, in_doubt=1, unsent=0)
    rejects = _rejects(folder / "rejects" / "2026-03-01")
    assert sorted((one["kind"], one["position"]) for one in rejects if one["kind"] != "in_doubt") == [
        ("invalid", 7),
        ("invalid", 301),
        ("refused", 44),
        ("refused", 499),
    ]
    _check(emulator, [row for number, row in enumerate(rows) if number not in (7, 301, 44, 499)])

    emulator.userflow.seed({"users": [{"id": NEWCOMER}]})
    rows[7]["happened_at"], rows[301]["is_trial"] = "2026-03-01 12:00:00", "true"
    _mend(folder / "rejects" / "2026-03-01", {"invalid": lambda row: rows[int(row["order_id"].rpartition("/")[2])]})
    run_id = airflow.client.trigger(REPLAY, conf={"rejects": (folder / "rejects" / "2026-03-01").as_uri()})
    finish(airflow, REPLAY, run_id)
    part(airflow.client.xcom(REPLAY, run_id, "replay"), read=4, sent=4, rejected=0, in_doubt=0)
    _check(emulator, rows)

    run_id = airflow.client.trigger_interval(EVENTS, BAD_DAY, BAD_DAY + timedelta(days=1), conf=conf)
    finish(airflow, EVENTS, run_id, "failed")
    assert airflow.client.task_instance(EVENTS, run_id, "push_events")["try_number"] == 1
    log = airflow.client.log(EVENTS, run_id, "push_events")
    assert "1 of 20 events were unusable or refused, 0 are in doubt, 19 were accepted" in log
    assert "row 3: column 'amount'" in log
    _check(emulator, rows + bad[:3] + bad[4:])
    assert list((folder / "work").rglob("*")) == []


def _write(folder: Path, rows: Sequence[Mapping[str, str]], name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    text = io.StringIO(newline="")
    lines = csv.DictWriter(text, COLUMNS)
    lines.writeheader()
    lines.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def _rejects(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]


def _mend(folder: Path, change: Mapping[str, Callable[[dict[str, Any]], Mapping[str, Any]]]) -> None:
    """Rewrite the rows of some kinds, in place."""
    for path in folder.glob("*.jsonl"):
        rejects = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        mended = [one | {"row": change[one["kind"]](one["row"])} if one["kind"] in change else one for one in rejects]
        path.write_text("".join(json.dumps(one) + "\n" for one in mended), encoding="utf-8")


def _check(emulator: EmulatorServer, rows: Sequence[Mapping[str, str]]) -> None:
    """Compare all events with the rows, each there once."""
    expected = sorted(
        (
            row["order_id"],
            row["event"],
            row["user_id"],
            row["company_id"] or None,
            datetime.fromisoformat(row["happened_at"]).replace(tzinfo=UTC),
            float(row["amount"]) if row["amount"] else None,
            row["is_trial"] == "true",
        )
        for row in rows
    )
    stored = sorted(map(_event, emulator.userflow.objects.events.values()))
    assert stored == expected


def _event(event: Mapping[str, Any]) -> tuple[Any, ...]:
    attributes = dict(event["attributes"])
    values = (attributes.pop("order_id"), attributes.pop("amount", None), attributes.pop("is_trial"))
    assert attributes == {}
    return (values[0], event["name"], event["user_id"], event["group_id"], datetime.fromisoformat(event["time"]), *values[1:])
