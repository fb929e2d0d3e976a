"""How the examples of reading are run, and what must be true afterwards."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.system.airflow_instance import RunningAirflow
from tests.system.bulk_examples import finish, query
from tests.system.connections import postgres_connection
from tests.system.postgres import SUPERUSER

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from airflow_provider.engagement.emulator.server import EmulatorServer

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
"""The finest that Userflow keeps."""
RUN_SECONDS = 180
NPS, STARS, TEXT = "q-nps", "q-stars", "q-why"
QUESTIONS = (
    {"cvid": NPS, "name": "How likely are you to recommend us?", "type": "nps"},
    {"cvid": STARS, "name": "How was it?", "type": "stars"},
    {"cvid": TEXT, "name": "Pourquoi ? 🙂", "type": "text"},
)


def stamp(moment: datetime) -> str:
    """Write a moment as Userflow does."""
    return moment.isoformat(timespec="milliseconds")


def wait_until(holds: Callable[[], object], what: str, seconds: float = RUN_SECONDS) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.3)


@contextmanager
def unpaused(airflow: RunningAirflow, dag_id: str) -> Iterator[None]:
    """Let the scheduler run a DAG for as long as the block lasts: later runs of it would disturb other tests."""
    airflow.client.wait_for_dag(dag_id, 60)
    airflow.client.unpause(dag_id)
    try:
        yield
    finally:
        airflow.client.call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": True})


@contextmanager
def analytics_database(airflow: RunningAirflow, name: str) -> Iterator[Connection]:
    """Make an empty database, and lead the connection `analytics_database` to it."""
    airflow.postgres.create_database(name)
    airflow.client.put_connection(postgres_connection("analytics_database", str(airflow.postgres.folder), SUPERUSER, name))
    with closing(airflow.postgres.connect(name)) as connection:
        yield connection


def session_documents(emulator: EmulatorServer) -> list[dict[str, Any]]:
    """Give the sessions that Userflow holds, each with its answers, previews left out."""
    objects = emulator.userflow.objects
    return [
        {**session, "answers": list(objects.answers.by("session_id", session["id"]))}
        for session in objects.sessions.values()
        if not session["is_preview"]
    ]


# --- a backfill ---

BACKFILL = "sessions_daily_backfill"
CONTENTS: Mapping[str, Mapping[str, Any]] = {
    "backfill-survey": {"type": "flow", "questions": QUESTIONS},
    "backfill-checklist": {"type": "checklist", "tasks": [{"name": "Invite a teammate"}]},
    "backfill-launcher": {"type": "launcher"},
}
QUIET_DAY = 20
PEOPLE = tuple(f"backfill/person {number}" for number in range(9))


class Backfill:
    """Backfills of `sessions_daily_backfill` over some days.

    Args:
        airflow: where they run.
        emulator: the Userflow whose sessions are read.
        first: the first day's first moment, in UTC.
        days: how many days.
    """

    def __init__(self, airflow: RunningAirflow, emulator: EmulatorServer, first: datetime, days: int) -> None:
        self.airflow, self.emulator = airflow, emulator
        self.days = [first + number * DAY for number in range(days)]
        self.folder = airflow.home / f"sessions-{first:%Y%m%d}-{days}"
        self._runs = f"/api/v2/dags/{BACKFILL}/dagRuns"

    def seed(self) -> None:
        """Let people begin flows, checklists and launchers on these days, at their very edges too, and none on one of many days."""
        first, end = self.days[0], self.days[-1] + DAY
        moments = [first - MILLISECOND, end]
        for number, day in enumerate(self.days):
            if number != QUIET_DAY:
                moments += [day, *(day + timedelta(hours=5, minutes=7 * hour) for hour in range(3 + number % 3)), day + DAY - MILLISECOND]
        self.emulator.userflow.seed(
            {
                "users": [{"id": person} for person in PEOPLE],
                "content": [{"id": content_id, **told} for content_id, told in CONTENTS.items()],
                "content_sessions": [self._session(number, moment) for number, moment in enumerate(moments)],
            }
        )

    @staticmethod
    def _session(number: int, moment: datetime) -> dict[str, Any]:
        content_id = tuple(CONTENTS)[number % len(CONTENTS)]
        session = {"content_id": content_id, "user_id": PEOPLE[number % len(PEOPLE)], "created_at": stamp(moment)}
        if number % 4 == 0:
            session |= {"completed_at": stamp(moment + timedelta(days=number % 3, minutes=4))}  # some in another window
            session["answers"] = {NPS: number % 11, TEXT: f"Weil … {number}"} if content_id == "backfill-survey" else {}
        return session | {"is_preview": number % 13 == 5}

    def expected(self) -> dict[str, list[dict[str, Any]]]:
        """Say which sessions belong into which file."""
        files = {}
        for day in self.days:
            inside = [one for one in session_documents(self.emulator) if day <= datetime.fromisoformat(one["created_at"]) < day + DAY]
            name = f"content_sessions_{day:%Y%m%dT%H%M%SZ}_{day + DAY:%Y%m%dT%H%M%SZ}.jsonl.gz"
            files[name] = sorted(inside, key=lambda one: one["id"])
        return files

    def files(self) -> dict[str, bytes]:
        """Read what is in the folder."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def check(self) -> dict[str, int]:
        """Compare every file with Userflow; gives the number of sessions in each."""
        expected, counts = self.expected(), {}
        files = self.files()
        assert sorted(files) == sorted(expected)
        for name, sessions in expected.items():
            lines = [json.loads(line) for line in gzip.decompress(files[name]).splitlines()]
            assert [line["id"] for line in lines] == [session["id"] for session in sessions], name
            for line, session in zip(lines, sessions, strict=True):
                answers = {one["question_cvid"]: one["answer_value"] for one in session["answers"]}
                assert {one["question_cvid"]: one["answer_value"] for one in line["answers"]} == answers
                told = ("content_id", "user_id", "created_at", "completed", "completed_at", "last_activity_at")
                assert {field: line[field] for field in told} == {field: session[field] for field in told}
            counts[name] = len(lines)
        return counts

    def create_by_command(self, max_active_runs: int) -> None:
        """Create a backfill as people do."""
        arguments = ["--dag-id", BACKFILL, "--from-date", f"{self.days[0]:%Y-%m-%d}", "--to-date", f"{self.days[-1]:%Y-%m-%d}"]
        more = ["--max-active-runs", str(max_active_runs), "--dag-run-conf", json.dumps(self._conf())]
        command = self.airflow.command("backfill", "create", *arguments, *more)
        made = subprocess.run(command, env=self.airflow.environment, cwd=self.airflow.home, capture_output=True, text=True, check=False)
        assert made.returncode == 0, f"{made.stdout[-3000:]}{made.stderr[-3000:]}"

    def create(self, reprocess: str = "none", max_active_runs: int = 4) -> None:
        """Create a backfill by the API."""
        dates = {"from_date": self.days[0].isoformat(), "to_date": self.days[-1].isoformat()}
        more = {"reprocess_behavior": reprocess, "max_active_runs": max_active_runs, "dag_run_conf": self._conf()}
        self.airflow.client.call("POST", "/api/v2/backfills", json={"dag_id": BACKFILL, **dates, **more})

    def _conf(self) -> dict[str, str]:
        return {"path": self.folder.as_uri()}

    def wait(self, tries: int = 1, seconds: float = RUN_SECONDS) -> list[dict[str, Any]]:
        """Wait until the runs of all days have succeeded, each task at its first or a later try; gives the task instances."""
        found: list[dict[str, Any]] = []

        def done() -> bool:
            found[:] = [one for one in self._instances() if one["try_number"] == tries]
            assert not any(one["state"] in ("failed", "up_for_retry", "upstream_failed") for one in found), self._complaint()
            return [one["state"] for one in found] == ["success"] * len(self.days)

        wait_until(done, f"{len(self.days)} runs of {BACKFILL}, try {tries}", seconds)
        return found

    def _instances(self) -> list[dict[str, Any]]:
        listed = self.airflow.client.call("GET", f"{self._runs}/~/taskInstances", params={"limit": 100})["task_instances"]
        days = {f"{day:%Y-%m-%dT%H:%M:%SZ}" for day in self.days}
        return [one for one in listed if one["dag_run_id"].startswith("backfill__") and one["logical_date"] in days]

    def _complaint(self) -> str:
        failed = next(one for one in self._instances() if one["state"] in ("failed", "up_for_retry", "upstream_failed"))
        return self.airflow.client.logs_of_failures(BACKFILL, failed["dag_run_id"])

    def wait_for_end(self) -> None:
        """Wait until Airflow has noted that the backfill is over (it looks every 30 seconds); before, it takes no other one."""

        def over() -> bool:
            listed = self.airflow.client.call("GET", "/api/v2/backfills", params={"dag_id": BACKFILL})["backfills"]
            return all(one["completed_at"] for one in listed)

        wait_until(over, "the end of the backfill")


def run_sessions_daily_backfill(airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    """Thirty days, thirty files; once more, the same bytes. A run without an interval is refused."""
    backfill = Backfill(airflow, emulator, datetime(2026, 9, 1, tzinfo=UTC), 30)
    backfill.seed()
    with unpaused(airflow, BACKFILL):
        backfill.create_by_command(max_active_runs=4)
        instances = backfill.wait(seconds=300)
        counts = backfill.check()
        assert (len(counts), list(counts.values()).count(0)) == (30, 1)
        assert sum(counts.values()) == len(session_documents(emulator)) - 2  # one before, one after
        assert _most_at_once(instances) > 1
        _check_events(airflow, backfill, counts)

        _refuses_a_run_without_interval(airflow)
        before, written = backfill.files(), {path.name: path.stat().st_mtime_ns for path in backfill.folder.iterdir()}
        backfill.wait_for_end()
        backfill.create("completed")
        backfill.wait(tries=2, seconds=300)
        assert backfill.files() == before
        assert all(path.stat().st_mtime_ns > written[path.name] for path in backfill.folder.iterdir())


def _most_at_once(instances: Sequence[Mapping[str, Any]]) -> int:
    """Count how many tasks ran at the same time."""
    steps = [(one["start_date"], 1) for one in instances] + [(one["end_date"], -1) for one in instances]
    running = most = 0
    for _, step in sorted(steps):
        running += step
        most = max(most, running)
    return most


def _check_events(airflow: RunningAirflow, backfill: Backfill, counts: Mapping[str, int]) -> None:
    """Prove that the asset's events tell the windows and the counts, and nobody's name."""
    events = [event["extra"] for event in asset_events(airflow, "userflow://userflow_default/content_sessions")]
    told = {f"{datetime.fromisoformat(one['start']):%Y%m%dT%H%M%SZ}": one["sessions"] for one in events if "start" in one}
    for name, count in counts.items():
        assert told[name.split("_")[2]] == count
    assert not any(person in json.dumps(events, ensure_ascii=False) for person in PEOPLE)


def asset_events(airflow: RunningAirflow, uri: str) -> list[dict[str, Any]]:
    """List an asset's events, oldest first."""
    assets = airflow.client.call("GET", "/api/v2/assets", params={"uri_pattern": uri, "limit": 100})["assets"]
    (asset,) = [one for one in assets if one["uri"] == uri]
    listed = airflow.client.call("GET", "/api/v2/assets/events", params={"asset_id": asset["id"], "order_by": "timestamp", "limit": 100})
    events: list[dict[str, Any]] = listed["asset_events"]
    return events


def _refuses_a_run_without_interval(airflow: RunningAirflow) -> None:
    run_id = airflow.client.trigger(BACKFILL)
    finish(airflow, BACKFILL, run_id, "failed")
    assert airflow.client.task_instance(BACKFILL, run_id, "read_sessions")["try_number"] == 1
    log = airflow.client.log(BACKFILL, run_id, "read_sessions")
    assert "this run has no data interval (it was started by hand or by an asset): give start= and end=" in log


# --- answers to PostgreSQL ---

SURVEY = "survey_answers_to_postgres"
SURVEY_ID = "quarterly-survey"
RESPONDENTS = tuple(f"survey/person {number}" for number in range(12))
SURVEY_DAY = datetime(2026, 3, 10, tzinfo=UTC)
SESSION_COLUMNS = ("id", "content_id", "version_id", "user_id", "group_id", "completed", "launcher_activated", "is_preview")
SESSION_MOMENTS = ("created_at", "last_activity_at", "completed_at")
ANSWER_COLUMNS = ("session_id", "id", "question_cvid", "question_name", "answer_type", "answer_value")
SESSIONS_QUERY = f"SELECT {', '.join((*SESSION_COLUMNS, *SESSION_MOMENTS))}, progress FROM userflow_content_sessions ORDER BY id"
ANSWERS_QUERY = f"SELECT {', '.join(ANSWER_COLUMNS)}, answer_number, created_at FROM userflow_content_session_answers ORDER BY 1, 2"
QUESTIONS_QUERY = "SELECT version_id, position, id, cvid, name, type FROM userflow_content_version_questions ORDER BY 1, 2"


def run_survey_answers(airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    """A day's answers, the same rows when it is run again, and a late answer the day after."""
    _seed_survey(emulator)
    with analytics_database(airflow, "survey_analytics") as database, unpaused(airflow, SURVEY):
        run_id = airflow.client.trigger_interval(SURVEY, SURVEY_DAY, SURVEY_DAY + DAY)
        finish(airflow, SURVEY, run_id)
        compare_tables(database, emulator, SURVEY_DAY - 2 * DAY, SURVEY_DAY + DAY)
        assert airflow.client.xcom(SURVEY, run_id, "score") == [_score(emulator, SURVEY_DAY)]
        before = read_tables(database)

        cleared = airflow.client.call("POST", f"/api/v2/dags/{SURVEY}/dagRuns/{run_id}/clear", json={"dry_run": False})
        assert cleared["state"] == "queued"
        finish(airflow, SURVEY, run_id)
        assert {one["try_number"] for one in airflow.client.task_instances(SURVEY, run_id)} == {2}
        assert read_tables(database) == before

        _answer_late(emulator)
        run_id = airflow.client.trigger_interval(SURVEY, SURVEY_DAY + DAY, SURVEY_DAY + 2 * DAY)
        finish(airflow, SURVEY, run_id)
        compare_tables(database, emulator, SURVEY_DAY - 2 * DAY, SURVEY_DAY + 2 * DAY)
        assert [row for row in query(database, ANSWERS_QUERY) if row[0] == "late"]
        assert airflow.client.xcom(SURVEY, run_id, "score") == [_score(emulator, SURVEY_DAY + DAY)]


def _seed_survey(emulator: EmulatorServer) -> None:
    """Let people answer on four days, one of which is not read by the first run; one has only begun."""
    sessions: list[dict[str, Any]] = [{"id": "late", "created_at": stamp(SURVEY_DAY), "user_id": RESPONDENTS[0]}]
    for number, person in enumerate(RESPONDENTS):
        began = SURVEY_DAY + (number % 4 - 3) * DAY + timedelta(hours=number)
        answers = {NPS: (0, 10, 9, 7)[number // 3], STARS: 1 + number % 5, TEXT: f"Weil … {number}\nNaïve café 🎉"}
        sessions.append({"user_id": person, "created_at": stamp(began), "completed_at": stamp(began + DAY / 24), "answers": answers})
    emulator.userflow.seed(
        {
            "users": [{"id": person} for person in RESPONDENTS],
            "content": [{"id": SURVEY_ID, "type": "flow", "questions": QUESTIONS}],
            "content_sessions": [{**session, "content_id": SURVEY_ID} for session in sessions],
        }
    )


def _answer_late(emulator: EmulatorServer) -> None:
    """Complete, a day later, the session that had only begun."""
    at = stamp(SURVEY_DAY + DAY + timedelta(hours=3))
    told = {"id": "late", "content_id": SURVEY_ID, "user_id": RESPONDENTS[0], "created_at": stamp(SURVEY_DAY)}
    emulator.userflow.seed({"content_sessions": [{**told, "completed_at": at, "answers": {NPS: 10, STARS: 5}}]})


def _score(emulator: EmulatorServer, day: datetime) -> dict[str, Any]:
    answers = emulator.userflow.objects.answers.values()
    of_day = [one for one in answers if day <= datetime.fromisoformat(one["created_at"]) < day + DAY and one["question_cvid"] == NPS]
    values = [int(one["answer_value"]) for one in of_day]
    score = round(100 * (sum(value >= 9 for value in values) - sum(value <= 6 for value in values)) / len(values))
    return {"question": QUESTIONS[0]["name"], "answers": len(values), "score": score}


def read_tables(database: Connection) -> list[list[tuple[Any, ...]]]:
    """Read all rows of sessions, answers and questions."""
    return [query(database, text) for text in (SESSIONS_QUERY, ANSWERS_QUERY, QUESTIONS_QUERY)]


def compare_tables(database: Connection, emulator: EmulatorServer, start: datetime, end: datetime) -> None:
    """Compare every value of the tables with the sessions that were created within a window."""

    def moment(text: str | None) -> datetime | None:
        return None if text is None else datetime.fromisoformat(text)

    documents = [one for one in session_documents(emulator) if start <= datetime.fromisoformat(one["created_at"]) < end]
    sessions, answers = [], []
    for one in sorted(documents, key=lambda document: document["id"]):
        moments = (moment(one[name]) for name in SESSION_MOMENTS)
        sessions.append((*(one[name] for name in SESSION_COLUMNS), *moments, float(one["progress"])))
        for answer in sorted(one["answers"], key=lambda document: document["id"]):
            number = float(answer["answer_value"]) if answer["answer_type"] == "number" else None
            answers.append((*(answer[name] for name in ANSWER_COLUMNS), number, moment(answer["created_at"])))
    versions = emulator.userflow.objects.versions.values()
    asked = [
        (version["id"], position, *(question[name] for name in ("id", "cvid", "name", "type")))
        for version in sorted(versions, key=lambda document: document["id"])
        for position, question in enumerate(version["questions"])
    ]
    assert read_tables(database) == [sessions, answers, asked]
    assert sessions
    assert answers
