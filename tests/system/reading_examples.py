"""How the examples of reading and of waiting for cohorts are run, and what must be true afterwards."""

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
from tests.system.bulk_examples import finish, product_database, query
from tests.system.connections import postgres_connection
from tests.system.postgres import SUPERUSER
from tests.system.warehouse import fill, make_warehouse

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


def session_documents(emulator: EmulatorServer, content_ids: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Give the sessions that Userflow holds (of some contents), each with its answers, previews left out."""
    objects = emulator.userflow.objects
    return [
        {**session, "answers": list(objects.answers.by("session_id", session["id"]))}
        for session in objects.sessions.values()
        if not session["is_preview"] and (content_ids is None or session["content_id"] in content_ids)
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


# --- completions as events ---

REACT = "react_to_completions"
FLOW_ID = "onboarding-flow"
EARLY = tuple(f"react/early {number}" for number in range(3))
BURST = tuple(f"react/person {number}" for number in range(30))
LAST, DELETED, UNDECIDED = "react/last", "react/deleted", "react/undecided"


class Reaction:
    """The DAG `react_to_completions` at work."""

    def __init__(self, airflow: RunningAirflow, emulator: EmulatorServer) -> None:
        self.airflow, self.emulator = airflow, emulator
        self.objects = emulator.userflow.objects

    def seed(self) -> None:
        """Have some who completed the flow long ago, one of them twice and one deleted since, and many who have not begun it."""
        now = self.emulator.clock.now()
        done = [
            {"user_id": user, "completed_at": stamp(now - number * DAY / 24)} for number, user in enumerate((*EARLY, EARLY[0], DELETED), 30)
        ]
        undecided = {"user_id": UNDECIDED, "last_activity_at": stamp(now - DAY)}
        self.emulator.userflow.seed(
            {
                "users": [{"id": user} for user in (*EARLY, *BURST, LAST, DELETED, UNDECIDED)],
                "content": [{"id": FLOW_ID, "type": "flow"}],
                "content_sessions": [{**one, "content_id": FLOW_ID, "created_at": stamp(now - 9 * DAY)} for one in (*done, undecided)],
            }
        )
        self.objects.users.delete(DELETED)

    def watch(self) -> None:
        """Have the DAG file read again, when Airflow settles what is watched, and wait for the first poll to be over."""
        token = self.airflow.client.call("GET", f"/api/v2/dags/{REACT}")["file_token"]
        self.airflow.client.call("PUT", f"/api/v2/parseDagFile/{token}")
        wait_until(lambda: self._polls() and time.monotonic() - self._polls()[-1].at > 2, "the watcher's first poll")

    def _polls(self) -> list[Any]:
        listed = self.emulator.requests("GET", "/content_sessions")
        return [one for one in listed if f"content_id={FLOW_ID}" in one.query and "expand" not in one.query]

    def complete(self, users: Sequence[str], spread: float = 0) -> None:
        """Let people walk through the flow."""
        self.emulator.userflow.walk({"content_id": FLOW_ID, "users": list(users), "seconds_per_step": 0, "spread": spread})

    def sweep(self) -> None:
        """Start a run by hand, as the one of the hour would be."""
        self.airflow.client.trigger(REACT)

    def wait_until_marked(self, users: Sequence[str]) -> None:
        """Wait until these are marked and all runs are over; then nobody else is, and each was marked once, with the right moment."""
        wait_until(lambda: not self._unfinished() and set(self._marked()) >= set(users), f"{len(users)} marked users")
        expected: dict[str, datetime] = {}
        for session in self.objects.sessions.by("content_id", FLOW_ID):
            if session["completed"] and session["user_id"] in self.objects.users:
                at = datetime.fromisoformat(session["completed_at"])
                expected[session["user_id"]] = min(at, expected.get(session["user_id"], at))
        assert {user: datetime.fromisoformat(at) for user, at in self._marked().items()} == expected
        assert len(self.emulator.requests("POST", "/users")) == len(expected)

    def _marked(self) -> dict[str, str]:
        return {user["id"]: user["attributes"]["onboarded_at"] for user in self.objects.users.values() if user["attributes"]}

    def runs(self) -> list[dict[str, Any]]:
        """List the DAG's runs."""
        runs: list[dict[str, Any]] = self.airflow.client.call("GET", f"/api/v2/dags/{REACT}/dagRuns", params={"limit": 100})["dag_runs"]
        return runs

    def _unfinished(self) -> bool:
        runs = self.runs()
        logs = [self.airflow.client.logs_of_failures(REACT, run["dag_run_id"]) for run in runs if run["state"] == "failed"]
        assert logs == []
        return any(run["state"] != "success" for run in runs)

    def windows(self) -> list[list[str]]:
        """List what the runs read, in order; one that another run came before had nothing left to read."""
        client, runs = self.airflow.client, [run["dag_run_id"] for run in self.runs()]
        told = [client.xcom(REACT, run_id, "read_news") for run_id in runs if client.states(REACT, run_id)["read_news"] != "skipped"]
        return sorted([one["start"], one["end"]] for one in told)


def run_react_to_completions(airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    """Thirty complete within two seconds, and a run starts in their midst: all are marked, each once; and so is one without an event."""
    reaction = Reaction(airflow, emulator)
    reaction.seed()
    with analytics_database(airflow, "react_analytics"), unpaused(airflow, REACT):
        reaction.watch()
        reaction.wait_until_marked(EARLY)  # by the run of the hour, which comes at once
        assert [run["run_type"] for run in reaction.runs()] == ["scheduled"]

        reaction.complete(BURST, spread=2)
        time.sleep(1)
        reaction.sweep()
        reaction.wait_until_marked([*EARLY, *BURST])
        assert "asset_triggered" in {run["run_type"] for run in reaction.runs()}
        events = [event["extra"] for event in asset_events(airflow, f"userflow://userflow_default/content/{FLOW_ID}")]
        assert sum(event["payload"]["completed"] for event in events) == len(BURST)
        assert "react/" not in json.dumps(events)

        reaction.complete([LAST])
        reaction.sweep()
        reaction.wait_until_marked([*EARLY, *BURST, LAST])
        windows = reaction.windows()
        assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]


# --- a cohort ---

COHORT = "wait_for_cohort"
COHORT_SURVEY = "cohort-survey"


def run_wait_for_cohort(airflow: RunningAirflow, emulator: EmulatorServer) -> None:
    """Two runs wait for the answers of twelve people among many; both are told by one poll when ten have answered."""
    now = emulator.clock.now()
    start = (now - 3 * DAY).replace(microsecond=0)
    with product_database(airflow, "cohort") as database, unpaused(airflow, COHORT):
        fill(database, make_warehouse(companies=0, users=160, events=0, cohort=12))
        people = [key for (key,) in query(database, "SELECT id FROM users ORDER BY id")]
        cohort = [key for (key,) in query(database, "SELECT id FROM users WHERE in_onboarding ORDER BY id")]
        others = [{"user_id": key, "completed_at": stamp(now - DAY / 2)} for key in people if key not in cohort]
        too_old = [{"user_id": key, "completed_at": stamp(start - DAY), "created_at": stamp(start - 2 * DAY)} for key in cohort]
        begun = [{"user_id": key, "id": f"session of {key}", "created_at": stamp(now - DAY)} for key in cohort]
        sessions = [{"created_at": stamp(now - DAY), **one, "content_id": COHORT_SURVEY} for one in (*others, *too_old, *begun)]
        content = {"id": COHORT_SURVEY, "type": "flow"}
        emulator.userflow.seed({"users": [{"id": key} for key in people], "content": [content], "content_sessions": sessions})

        began = time.monotonic()
        first = _wait_for_poll(airflow, emulator, start)
        assert airflow.client.states(COHORT, first)["wait_for_answers"] == "deferred"

        done = [{**one, "content_id": COHORT_SURVEY, "completed_at": stamp(emulator.clock.now())} for one in begun[:10]]
        emulator.userflow.seed({"content_sessions": done})
        second = airflow.client.trigger_interval(COHORT, start - DAY / 2, now, conf={"content_id": COHORT_SURVEY})
        for run_id in (first, second):
            finish(airflow, COHORT, run_id)
            waited = airflow.client.xcom(COHORT, run_id, "wait_for_answers")
            assert {name: waited[name] for name in ("completed", "users", "sessions", "wanted")} == {
                "completed": 10,
                "users": 12,
                "sessions": 12,
                "wanted": 12,
            }
            assert waited["session_ids"] == sorted(one["id"] for one in begun[:10])
            assert airflow.client.xcom(COHORT, run_id, "count_missing") == {"asked": 12, "completed": 10, "missing": 2}
        requests = _cohort_requests(emulator)
        polls = len([one for one in requests if one.startswith("/content/")])
        assert 2 <= polls <= 2 + (time.monotonic() - began) / 60
        assert len(requests) <= 4 * polls  # whether it is published, what moved last, and two pages of sessions
        assert not any("user_id" in one for one in requests)


def _wait_for_poll(airflow: RunningAirflow, emulator: EmulatorServer, start: datetime) -> str:
    """Start a run, and wait until it has polled once; gives its id."""
    run_id = airflow.client.trigger_interval(COHORT, start, start + DAY, conf={"content_id": COHORT_SURVEY})
    wait_until(lambda: _cohort_requests(emulator), "the first poll")
    airflow.client.wait_for_states(COHORT, run_id, {"wait_for_answers": "deferred"}, seconds=60)
    return run_id


def _cohort_requests(emulator: EmulatorServer) -> list[str]:
    return [f"{one.path}?{one.query}" for one in emulator.requests("GET") if COHORT_SURVEY in one.path + one.query]
