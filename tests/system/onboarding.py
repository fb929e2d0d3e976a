"""The story of `example_dags/userflow_onboarding.py`: what is there before it runs, happens meanwhile, and must be true afterwards.

The demo tells it and a test checks it. What is expected is worked out from the warehouse's rows, not with the DAG's own functions.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.system.airflow_instance import RunningAirflow
from tests.system.connections import postgres_connection
from tests.system.postgres import SUPERUSER
from tests.system.warehouse import EVENT_NAMES, Warehouse, fill

if TYPE_CHECKING:
    from airflow_provider.engagement.emulator.server import EmulatorServer

DAG_ID = "userflow_onboarding"
FLOW_ID = "5f1d7c52-onboarding"
QUESTIONS = (
    {"cvid": "q-nps", "name": "How likely are you to recommend us?", "type": "nps"},
    {"cvid": "q-why", "name": "Why? Tout ce que vous voulez 🙂", "type": "text"},
    {"cvid": "q-uses", "name": "What will you use it for?", "type": "multiple_choice"},
)
COMPANY_COLUMNS = ("name", "plan", "mrr", "employees", "founded_on", "renews_at")
USER_COLUMNS = ("name", "email", "language", "is_admin", "lifetime_value", "signed_up_at", "last_seen_at")
MEMBERSHIP_COLUMNS = ("role", "seat_price", "joined_at")


@dataclass(frozen=True)
class Row:
    """How many there are in the warehouse, in Userflow and in the exported file; None where there are none by nature."""

    name: str
    warehouse: int | None
    userflow: int
    exported: int | None

    @property
    def right(self) -> bool:
        """Whether the numbers agree."""
        return {self.warehouse, self.userflow, self.exported} <= {None, self.userflow}


class Onboarding:
    """One run of the DAG against one warehouse.

    Args:
        airflow: Where it runs; it has the connection `userflow_default`.
        emulator: The Userflow that the connection leads to.
        warehouse: What the warehouse holds.
        walk_seconds: How long the last of the cohort takes to finish the flow, counted from when Userflow knows the cohort.
    """

    def __init__(self, airflow: RunningAirflow, emulator: EmulatorServer, warehouse: Warehouse, *, walk_seconds: float) -> None:
        self.airflow = airflow
        self.emulator = emulator
        self.warehouse = warehouse
        self.walk_seconds = walk_seconds
        self.exports = airflow.home / "exports"
        self.objects = emulator.userflow.objects

    # --- before and meanwhile ---

    def prepare(self) -> None:
        """Fill the warehouse, publish the onboarding flow, and make the connection to the warehouse."""
        database = "warehouse"
        self.airflow.postgres.create_database(database)
        connection = self.airflow.postgres.connect(database)
        try:
            fill(connection, self.warehouse)
        finally:
            connection.close()
        folder = str(self.airflow.postgres.folder)
        self.airflow.client.put_connection(postgres_connection("warehouse", folder, SUPERUSER, database))
        self.emulator.userflow.seed({"content": [{"id": FLOW_ID, "name": "Onboarding", "type": "flow", "questions": list(QUESTIONS)}]})

    def start(self) -> str:
        """Start the run and return its id."""
        self.airflow.client.wait_for_dag(DAG_ID, 60)
        self.airflow.client.unpause(DAG_ID)
        return self.airflow.client.trigger(DAG_ID, conf={"flow_id": FLOW_ID, "export_path": self.exports.as_uri()})

    def on_change(self, task_id: str, map_index: int, state: str | None) -> None:
        """Send the cohort into the flow as soon as Userflow knows it."""
        if task_id == "push_users" and state == "success":
            pace = {"seconds_per_step": self.walk_seconds / 10, "spread": self.walk_seconds / 2}
            self.emulator.userflow.walk({"content_id": FLOW_ID, "users": self.warehouse.cohort, **pace})

    # --- afterwards ---

    def table(self, run_id: str) -> list[Row]:
        """Count everything where it was, where it went, and what came back."""
        lines = exported_lines(self.export(run_id))
        counts = self.warehouse.counts()
        completed = sum(session["completed"] for session in self.sessions())
        return [
            Row("companies", counts["companies"], len(self.objects.groups), None),
            Row("users", counts["users"], len(self.objects.users), None),
            Row("memberships", counts["memberships"], len(self.objects.memberships), None),
            Row("events", counts["events"], len(self._tracked()), None),
            Row("sessions completed", len(self.warehouse.cohort), completed, sum(line["completed"] for line in lines)),
            Row("survey answers", None, len(self.objects.answers), sum(len(line["answers"]) for line in lines)),
        ]

    def mismatches(self, run_id: str) -> list[str]:
        """Compare everything, value by value; the empty list means that all is as it should be."""
        found = [f"the counts differ: {row}" for row in self.table(run_id) if not row.right]
        if len(self.objects.answers) != len(self.warehouse.cohort) * len(QUESTIONS):
            found.append(f"{len(self.objects.answers)} answers in Userflow")
        found += self._wrong_companies()
        found += self._wrong_users()
        found += self._wrong_memberships()
        found += self._wrong_events()
        found += self._wrong_export(run_id)
        return found

    def export(self, run_id: str) -> dict[str, Any]:
        """Return what the export task said."""
        export: dict[str, Any] = self.airflow.client.xcom(DAG_ID, run_id, "export_sessions")
        return export

    def sessions(self) -> list[dict[str, Any]]:
        """Return the flow's sessions as Userflow has them."""
        return list(self.objects.sessions.by("content_id", FLOW_ID))

    def _tracked(self) -> list[dict[str, Any]]:
        # People who walk through a flow leave events of their own.
        return [event for event in self.objects.events.values() if event["name"] in EVENT_NAMES]

    def _wrong_companies(self) -> Iterator[str]:
        for key, *values in self.warehouse.companies:
            yield from differences(f"company {key!r}", self.objects.groups.get(key), dict(zip(COMPANY_COLUMNS, values, strict=True)))

    def _wrong_users(self) -> Iterator[str]:
        for key, *values, _ in self.warehouse.users:
            yield from differences(f"user {key!r}", self.objects.users.get(key), dict(zip(USER_COLUMNS, values, strict=True)))

    def _wrong_memberships(self) -> Iterator[str]:
        for user, company, *values in self.warehouse.memberships:
            stored = self.objects.membership(user, company)
            yield from differences(f"membership {user!r} in {company!r}", stored, dict(zip(MEMBERSHIP_COLUMNS, values, strict=True)))

    def _wrong_events(self) -> Iterator[str]:
        expected = Counter(
            (name, user, company, amount, note, moment) for _, name, user, company, amount, note, moment, _ in self.warehouse.events
        )
        stored = Counter(_event(event) for event in self._tracked())
        yield from (f"event is missing {count} times: {event}" for event, count in (expected - stored).items())
        yield from (f"event is there {count} times too often: {event}" for event, count in (stored - expected).items())

    def _wrong_export(self, run_id: str) -> Iterator[str]:
        lines = {line["id"]: line for line in exported_lines(self.export(run_id))}
        for session in self.sessions():
            line = lines.get(session["id"])
            if line is None:
                yield f"session {session['id']} was not exported"
                continue
            if not (line["completed"] and line["user_id"] == session["user_id"] and line["content_id"] == FLOW_ID):
                yield f"session {session['id']} was exported as {line}"
            answers = {answer["question_cvid"]: answer["answer_value"] for answer in line["answers"]}
            stored = {answer["question_cvid"]: answer["answer_value"] for answer in self.objects.answers.by("session_id", session["id"])}
            if answers != stored:
                yield f"answers of session {session['id']}: {stored} in Userflow, {answers} exported"


def exported_lines(export: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read the file that the export task wrote."""
    path = Path(str(export["path"]).removeprefix("file://"))
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        return [json.loads(line) for line in file]


def differences(name: str, stored: Mapping[str, Any] | None, expected: Mapping[str, Any]) -> Iterator[str]:
    """Compare the attributes of a stored object with a row; a null in the row means that the attribute is not there."""
    if stored is None:
        yield f"{name} is missing"
        return
    attributes = dict(stored["attributes"])
    for column, value in expected.items():
        if value is None and column in attributes:
            yield f"{name} has {column} = {attributes[column]!r}, null in the warehouse"
        elif value is not None and not is_same(attributes.get(column), value):
            yield f"{name} has {column} = {attributes.get(column)!r}, {value!r} in the warehouse"
    for column in attributes.keys() - expected.keys():
        yield f"{name} has {column} = {attributes[column]!r}, which is no column"


def is_same(stored: Any, value: Any) -> bool:
    """Say whether Userflow's value is the warehouse's: numbers exactly, dates as the same moment, all else as it is."""
    if isinstance(value, Decimal):
        return isinstance(stored, int | float | Decimal) and not isinstance(stored, bool) and Decimal(str(stored)) == value
    if isinstance(value, datetime):
        return isinstance(stored, str) and datetime.fromisoformat(stored) == value
    if isinstance(value, date):
        return is_same(stored, datetime.combine(value, time(), UTC))
    return type(stored) is type(value) and bool(stored == value)


def _event(event: Mapping[str, Any]) -> tuple[Any, ...]:
    attributes = event["attributes"]
    amount = attributes.get("amount")
    return (
        event["name"],
        event["user_id"],
        event["group_id"],
        None if amount is None else Decimal(str(amount)),
        attributes.get("note"),
        datetime.fromisoformat(event["time"]),
    )
