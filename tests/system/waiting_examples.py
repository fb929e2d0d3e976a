"""How the examples of waiting and of events are run, and what must be true afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.system.airflow_instance import RunningAirflow
from tests.system.bulk_examples import finish, product_database, query
from tests.system.reading_examples import DAY, analytics_database, asset_events, stamp, unpaused, wait_until
from tests.system.warehouse import fill, make_warehouse

if TYPE_CHECKING:
    from airflow_provider.engagement.emulator.server import EmulatorServer

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
