"""Every file of `example_dags/` by a real run in a real Airflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.airflow_client import AirflowClient
from tests.system.airflow_instance import RunningAirflow
from tests.system.bulk_examples import run_events_from_files, run_incremental, run_two_accounts
from tests.system.examples import run_mirats_survey_completes, run_usertour_companies
from tests.system.onboarding import DAG_ID, Onboarding
from tests.system.processes import CHECKOUT
from tests.system.reading_examples import run_sessions_daily_backfill, run_survey_answers
from tests.system.waiting_examples import run_react_to_completions, run_wait_for_cohort
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
    shown = airflow.client.call("GET", f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/push_users")["rendered_fields"]["rows"]
    assert shown == "<60 rows, not shown because they may be personal data>"
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


RUNS: dict[str, Callable[[RunningAirflow, EmulatorServer], object]] = {
    "events_from_files.py": run_events_from_files,
    "mirats_survey_completes.py": run_mirats_survey_completes,
    "react_to_completions.py": run_react_to_completions,
    "sessions_daily_backfill.py": run_sessions_daily_backfill,
    "survey_answers_to_postgres.py": run_survey_answers,
    "userflow_onboarding.py": run_userflow_onboarding,
    "usertour_companies.py": run_usertour_companies,
    "wait_for_cohort.py": run_wait_for_cohort,
    "warehouse_to_two_accounts.py": run_two_accounts,
    "warehouse_to_userflow_incremental.py": run_incremental,
}
"""How each file is run. A new example needs an entry: none is skipped."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name: str, airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    assert name in RUNS, f"say in {Path(__file__).name} how example_dags/{name} is run"
    emulator.reset()  # each finds empty accounts
    RUNS[name](airflow, emulator)


def test_no_dag_file_has_an_import_error(client: AirflowClient) -> None:
    assert client.import_errors() == []
    assert {dag["dag_id"] for dag in client.dags()} >= {"userflow_onboarding", "sensors_in_time", "handles_secrets"}
