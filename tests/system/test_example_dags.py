"""Every file of `example_dags/` by a real run in a real Airflow."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.airflow_client import AirflowClient
from tests.system.airflow_instance import RunningAirflow
from tests.system.onboarding import DAG_ID, Onboarding
from tests.system.processes import CHECKOUT
from tests.system.warehouse import make_warehouse

if TYPE_CHECKING:
    from airflow_provider.engagement.emulator.server import EmulatorServer

FLOW_EVENTS = ("flow_started", "flow_completed")  # Userflow's own
EXAMPLES = sorted(path.name for path in (CHECKOUT / "example_dags").glob("*.py"))


def run_userflow_onboarding(airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    """Run the onboarding against a small warehouse and compare every value."""
    onboarding = Onboarding(airflow, emulator, make_warehouse(companies=8, users=60, events=300, cohort=12), walk_seconds=4)
    onboarding.prepare()
    run_id = onboarding.start()
    states: list[tuple[str, str | None]] = []

    def on_change(task_id: str, map_index: int, state: str | None) -> None:
        states.append((task_id, state))
        onboarding.on_change(task_id, map_index, state)

    state = airflow.client.wait_for_run(DAG_ID, run_id, seconds=120, on_change=on_change)
    assert state == "success", airflow.client.logs_of_failures(DAG_ID, run_id)
    assert ("wait_for_cohort", "deferred") in states
    assert onboarding.mismatches(run_id) == []
    summary = airflow.client.xcom(DAG_ID, run_id, "summarize")
    assert {name: summary[name] for name in ("companies", "users", "events", "completed")} == {
        "companies": 8,
        "users": 60,
        "events": 300,
        "completed": 12,
    }
    _finds_every_mistake(onboarding, run_id)


def _finds_every_mistake(onboarding: Onboarding, run_id: str) -> None:
    """Prove that the comparison would have seen a wrong value, a wrong answer and a second event."""
    objects = onboarding.objects
    for collection, wrong in (
        (objects.users, {"attributes": {}}),
        (objects.groups, {"attributes": {"name": "another"}}),
        (objects.memberships, {"attributes": {"role": "another"}}),
        (objects.answers, {"answer_value": "another"}),
        (objects.events, {"group_id": "another"}),
    ):
        right = next(document for document in collection.values() if document.get("name") not in FLOW_EVENTS)
        collection.put(right | wrong)
        assert onboarding.mismatches(run_id)
        collection.put(right)
    objects.events.put(right | {"id": "twice"})
    assert len(onboarding.mismatches(run_id)) == 2  # the count and the event
    objects.events.delete("twice")
    assert onboarding.mismatches(run_id) == []


def run_mirats_survey_completes(airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    """Let people complete a survey within the interval, and compare what was written with what the emulator holds."""
    dag_id, survey, hour = "mirats_survey_completes", 17633744316785364, timedelta(hours=1)
    folder = airflow.home / "mirats"
    now = emulator.clock.now().replace(microsecond=0)
    emulator.mirats.seed({"surveys": [{"number": survey}]})
    before = {"rid": "before", "surveyNumber": survey, "startTime": (now - 2 * hour).isoformat()}
    a_week_ago = {"rid": "a week ago", "surveyNumber": survey, "startTime": (now - timedelta(days=7)).isoformat()}
    emulator.mirats.seed({"sessions": [before, a_week_ago]})
    people = {"survey_number": survey, "people": 12, "every": 0.1, "seconds": 1, "outcomes": ["completed", "completed", "terminated"]}
    rids = emulator.mirats.walk(people)["rids"]
    airflow.client.wait_for_dag(dag_id, 60)
    airflow.client.unpause(dag_id)
    conf = {"survey_number": str(survey), "completes": 8, "export_path": str(folder)}
    run_id = airflow.client.trigger_interval(dag_id, now - hour, now + hour, conf=conf)
    states: list[tuple[str, str | None]] = []
    state = airflow.client.wait_for_run(dag_id, run_id, seconds=120, on_change=lambda task, _index, state: states.append((task, state)))
    assert state == "success", airflow.client.logs_of_failures(dag_id, run_id)
    assert ("wait_for_completes", "deferred") in states
    summary = airflow.client.xcom(dag_id, run_id, "summarize")
    assert (summary["waited_for"], summary["completed"]) == (8, 8)
    assert summary["link"].partition("sn=")[2].startswith(f"{survey}&t=0")
    rows = [json.loads(line) for line in gzip.decompress(Path(summary["file"]).read_bytes()).splitlines()]
    assert [row["rid"] for row in rows] == sorted(rids)
    assert {row["surveyNumber"] for row in rows} == {survey}
    held = {session["id"]: session for session in emulator.mirats.sessions.values()}
    assert all(len(row["IP"]) == 64 and held[row["rid"]]["IP"] != row["IP"] for row in rows)
    again = airflow.client.xcom(dag_id, run_id, "export_again")
    assert (again["sessions"], again["start"]) == (1, (now - hour - timedelta(days=7)).isoformat())


def run_usertour_companies(airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    """Run the same DAG against API v1 and v2, and compare what Usertour holds and what was written."""
    dag_id, hour = "usertour_companies", timedelta(hours=1)
    airflow.client.wait_for_dag(dag_id, 60)
    airflow.client.unpause(dag_id)
    for place, version in enumerate(("v1", "v2")):
        members = [{"id": f"{version}-{n}", "name": f"N {n}", "email": f"{n}@{version}.example.com", "role": "member"} for n in range(6)]
        companies = [{"id": f"{version}-{n}", "name": f"C {n}", "plan": "pro", "members": members[n : n + 4]} for n in range(3)]
        source = airflow.home / f"{version}.jsonl"
        source.write_text("".join(json.dumps(company) + "\n" for company in companies), encoding="utf-8")
        content_id, folder = f"{version}-flow", airflow.home / "usertour" / version
        emulator.usertour.seed({"content": [{"id": content_id, "questions": [{"cvid": "q", "name": "Score?", "type": "nps"}]}]})
        now = emulator.clock.now().replace(microsecond=0)
        conf = {
            "connection": f"usertour_{version}",
            "companies_path": f"file://{source}",
            "content_id": content_id,
            "completions": 4,
            "export_path": f"file://{folder}",
        }
        run_id = airflow.client.trigger_interval(dag_id, now - (1 + place) * hour, now + hour, conf=conf)
        states: list[tuple[str, str | None]] = []

        def on_change(
            task: str, _index: int, state: str | None, seen: Any = states, content_id: Any = content_id, version: Any = version
        ) -> None:
            seen.append((task, state))
            if (task, state) == ("wait_for_members", "deferred"):
                at = emulator.clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
                told = {"contentId": content_id, "createdAt": at}
                done = [{**told, "userId": f"{version}-{n}", "completedAt": at, "answers": {"q": n}} for n in range(4)]
                left = {**told, "userId": f"{version}-4", "endedAt": at, "progress": 50}
                emulator.usertour.seed({"content_sessions": [*done, left]})

        state = airflow.client.wait_for_run(dag_id, run_id, seconds=150, on_change=on_change)
        assert state == "success", airflow.client.logs_of_failures(dag_id, run_id)
        summary = airflow.client.xcom(dag_id, run_id, "summarize")
        assert {name: summary[name] for name in ("companies", "users", "completed", "answers")} == {
            "companies": 3,
            "users": 6,
            "completed": 4,
            "answers": 4,
        }
        rows = [json.loads(line) for line in gzip.decompress(Path(summary["file"].removeprefix("file://")).read_bytes()).splitlines()]
        assert {row["userId"]: row["finished"] for row in rows} == {f"{version}-{n}": n < 4 for n in range(5)}
        assert sorted(answer["answerValue"] for row in rows for answer in row["answers"]) == [0, 1, 2, 3]
        held = emulator.usertour.objects
        roles = [item["attributes"]["role"] for item in held.memberships.values() if "role" in item["attributes"]]
        assert len(roles) == 12 * (1 + place)


RUNS: dict[str, Callable[[RunningAirflow, EmulatorServer], None]] = {
    "mirats_survey_completes.py": run_mirats_survey_completes,
    "userflow_onboarding.py": run_userflow_onboarding,
    "usertour_companies.py": run_usertour_companies,
}
"""How each file is run. A new example needs an entry: none is skipped."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name: str, airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    assert name in RUNS, f"say in {Path(__file__).name} how example_dags/{name} is run"
    RUNS[name](airflow, emulator)


def test_no_dag_file_has_an_import_error(client: AirflowClient) -> None:
    assert client.import_errors() == []
    assert {dag["dag_id"] for dag in client.dags()} >= {"userflow_onboarding", "sensors_in_time", "handles_secrets"}
