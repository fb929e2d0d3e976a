"""How the short examples are run, and what must be true afterwards: told once, for the tests and for the demo."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.airflow_client import OnChange
from tests.system.airflow_instance import RunningAirflow
from tests.system.onboarding import Row

if TYPE_CHECKING:
    from airflow_provider.engagement.emulator.server import EmulatorServer


USERTOUR_DAG = "usertour_companies"


def silent(task: str, index: int, state: str | None) -> None:
    """Tell nobody that a task changed its state."""


def run_mirats_survey_completes(airflow: RunningAirflow, emulator: EmulatorServer, on_change: OnChange = silent) -> list[Row]:
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

    def changed(task: str, index: int, state: str | None) -> None:
        states.append((task, state))
        on_change(task, index, state)

    state = airflow.client.wait_for_run(dag_id, run_id, seconds=120, on_change=changed)
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
    return [Row("Mirats sessions", None, len(rids), len(rows))]


def run_usertour_companies(
    airflow: RunningAirflow, emulator: EmulatorServer, on_change: OnChange = silent, versions: Sequence[str] = ("v1", "v2")
) -> list[Row]:
    """Run the same DAG against API v1 and v2, and compare what Usertour holds and what was written."""
    airflow.client.wait_for_dag(USERTOUR_DAG, 60)
    airflow.client.unpause(USERTOUR_DAG)
    return [row for version in versions for row in _run_usertour(airflow, emulator, version, on_change)]


def _run_usertour(airflow: RunningAirflow, emulator: EmulatorServer, version: str, on_change: OnChange) -> list[Row]:
    members = [{"id": f"{version}-{n}", "name": f"N {n}", "email": f"{n}@{version}.example.com", "role": "member"} for n in range(6)]
    companies = [{"id": f"{version}-{n}", "name": f"C {n}", "plan": "pro", "members": members[n : n + 4]} for n in range(3)]
    source = airflow.home / f"{version}.jsonl"
    source.write_text("".join(json.dumps(company) + "\n" for company in companies), encoding="utf-8")
    content_id, held = f"{version}-flow", emulator.usertour.objects
    before = {name: len(getattr(held, name)) for name in ("users", "companies", "memberships", "sessions")}
    emulator.usertour.seed({"content": [{"id": content_id, "questions": [{"cvid": "q", "name": "Score?", "type": "nps"}]}]})
    conf = {
        "connection": f"usertour_{version}",
        "companies_path": f"file://{source}",
        "content_id": content_id,
        "completions": 4,
        "export_path": f"file://{airflow.home / 'usertour' / version}",
    }
    now = emulator.clock.now().replace(microsecond=0)
    start = now - timedelta(hours=int(version[1:]))  # two runs of one DAG need two logical dates
    run_id = airflow.client.trigger_interval(USERTOUR_DAG, start, now + timedelta(hours=1), conf=conf)
    states: list[tuple[str, str | None]] = []

    def changed(task: str, index: int, state: str | None) -> None:
        states.append((task, state))
        on_change(task, index, state)
        if (task, state) == ("wait_for_members", "deferred"):
            at = emulator.clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
            told = {"contentId": content_id, "createdAt": at}
            done = [{**told, "userId": f"{version}-{n}", "completedAt": at, "answers": {"q": n}} for n in range(4)]
            left = {**told, "userId": f"{version}-4", "endedAt": at, "progress": 50}
            emulator.usertour.seed({"content_sessions": [*done, left]})

    state = airflow.client.wait_for_run(USERTOUR_DAG, run_id, seconds=150, on_change=changed)
    assert state == "success", airflow.client.logs_of_failures(USERTOUR_DAG, run_id)
    assert ("wait_for_members", "deferred") in states
    summary = airflow.client.xcom(USERTOUR_DAG, run_id, "summarize")
    expected = {"companies": 3, "users": 6, "completed": 4, "answers": 4}
    assert {name: summary[name] for name in expected} == expected
    rows = [json.loads(line) for line in gzip.decompress(Path(summary["file"].removeprefix("file://")).read_bytes()).splitlines()]
    assert {row["userId"]: row["finished"] for row in rows} == {f"{version}-{n}": n < 4 for n in range(5)}
    assert sorted(answer["answerValue"] for row in rows for answer in row["answers"]) == [0, 1, 2, 3]
    made = {name: len(getattr(held, name)) - count for name, count in before.items()}
    assert sum("role" in membership["attributes"] for membership in list(held.memberships.values())[-made["memberships"] :]) == 12
    return [
        Row(f"Usertour {version} companies", len(companies), made["companies"], None),
        Row(f"Usertour {version} users", len(members), made["users"], None),
        Row(f"Usertour {version} sessions", None, made["sessions"], len(rows)),
    ]
