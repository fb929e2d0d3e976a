"""Airflow's public REST API as far as the system tests and the demo need it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import requests

LEVELS_OF_FAILURES = ("warning", "error", "critical")
LINES_OF_FAILURES = 20
FINAL_RUN_STATES = {"success", "failed"}

JsonObject = dict[str, Any]
OnChange = Callable[[str, int, str | None], None]


class ApiFailed(Exception):
    """An answer other than 2xx; `status` is its code."""

    def __init__(self, method: str, path: str, status: int, text: str) -> None:
        super().__init__(f"{method} {path} answered {status}: {text[:2000]}")
        self.status = status
        self.text = text


class AirflowClient:
    """A client of one Airflow.

    Args:
        url: Where the API server listens, for example `http://127.0.0.1:8080`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no .netrc: the server is on this machine

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def log_in(self) -> None:
        """Get a token; needs an auth manager that makes everyone an admin."""
        token = self.call("GET", "/auth/token")["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **arguments: Any) -> Any:
        """Make a request and return the decoded answer; any status other than 2xx raises `ApiFailed`."""
        response = self._send(method, path, headers=headers, **arguments)
        return response.json() if response.content else None

    def text(self, path: str) -> str:
        """Return what a GET answers, undecoded."""
        return self._send("GET", path).text

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        response = self._session.request(method, self.url + path, timeout=60, **arguments)
        if not response.ok:
            raise ApiFailed(method, path, response.status_code, response.text)
        return response

    def health(self) -> dict[str, str | None]:
        """Return the state of each component: `healthy`, `unhealthy` or, when it never reported, None."""
        answer = self.call("GET", "/api/v2/monitor/health")
        return {name: part["status"] for name, part in answer.items() if part is not None}

    # --- DAGs and runs ---

    def wait_for_dag(self, dag_id: str, seconds: float) -> None:
        """Wait until the DAG processor has read the DAG; an import error of its file is raised at once."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.call("GET", f"/api/v2/dags/{dag_id}")
            except ApiFailed as failure:
                if failure.status != 404:
                    raise
            else:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"DAG {dag_id} did not appear within {seconds:.0f} s; import errors: {self.import_errors()}")
            time.sleep(0.5)

    def import_errors(self) -> list[JsonObject]:
        """List the errors of DAG files."""
        errors: list[JsonObject] = self.call("GET", "/api/v2/importErrors")["import_errors"]
        return errors

    def dags(self) -> list[JsonObject]:
        """List the DAGs that Airflow knows."""
        dags: list[JsonObject] = self.call("GET", "/api/v2/dags", params={"limit": 100})["dags"]
        return dags

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run the DAG."""
        self.call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def pause(self, dag_id: str) -> None:
        """Let the scheduler begin nothing of the DAG, and end what its schedule has begun."""
        self.call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": True})
        for run in self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"run_type": "scheduled"})["dag_runs"]:
            if run["state"] not in FINAL_RUN_STATES:
                self.call("PATCH", f"/api/v2/dags/{dag_id}/dagRuns/{run['dag_run_id']}", json={"state": "failed"})

    def trigger(self, dag_id: str, *, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run without a logical date, as the UI's button does, and return its id."""
        run = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": dict(conf or {})})
        return str(run["dag_run_id"])

    def trigger_interval(self, dag_id: str, start: datetime, end: datetime, *, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run over a data interval, as a backfill does, and return its id."""
        interval = {"data_interval_start": start.isoformat(), "data_interval_end": end.isoformat()}
        body = {"logical_date": start.isoformat(), **interval, "conf": dict(conf or {})}
        return str(self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> JsonObject:
        """Return a run."""
        answer: JsonObject = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
        return answer

    def wait_for_run(self, dag_id: str, run_id: str, *, seconds: float, on_change: OnChange | None = None) -> str:
        """Wait until a run has ended and return its state.

        Args:
            dag_id: The DAG.
            run_id: The run.
            seconds: How long to wait before `TimeoutError`.
            on_change: Called with task id, map index and state whenever a task instance changes its state.
        """
        deadline = time.monotonic() + seconds
        seen: dict[tuple[str, int], str | None] = {}
        while True:
            state = self.run(dag_id, run_id)["state"]
            for instance in self.task_instances(dag_id, run_id):
                key = (instance["task_id"], instance["map_index"])
                if instance["state"] != seen.get(key):
                    seen[key] = instance["state"]
                    if on_change is not None:
                        on_change(*key, instance["state"])
            if state in FINAL_RUN_STATES:
                return str(state)
            if time.monotonic() > deadline:
                logs = self.logs_of_failures(dag_id, run_id)
                raise TimeoutError(f"Run {run_id} of {dag_id} is still {state} after {seconds:.0f} s; its tasks: {seen}\n{logs}")
            time.sleep(0.4)

    def wait_for_states(self, dag_id: str, run_id: str, wanted: Mapping[str, str], *, seconds: float) -> None:
        """Wait until each of these tasks of a run has been seen in its wanted state, not necessarily all at once."""
        missing = dict(wanted)
        deadline = time.monotonic() + seconds
        while missing:
            states = self.states(dag_id, run_id)
            missing = {task_id: state for task_id, state in missing.items() if states[task_id] != state}
            if time.monotonic() > deadline:
                raise TimeoutError(f"Never seen in {seconds:.0f} s: {missing}; now {states}\n{self.logs_of_failures(dag_id, run_id)}")
            time.sleep(0.2)

    # --- task instances ---

    def task_instances(self, dag_id: str, run_id: str) -> list[JsonObject]:
        """List the task instances of a run."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        instances: list[JsonObject] = self.call("GET", path, params={"limit": 100})["task_instances"]
        return instances

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Return the state of each (unmapped) task of a run."""
        return {instance["task_id"]: instance["state"] for instance in self.task_instances(dag_id, run_id)}

    def task_instance(self, dag_id: str, run_id: str, task_id: str) -> JsonObject:
        """Return one task instance."""
        answer: JsonObject = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}")
        return answer

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return an XCom's value."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.call("GET", path, params={"deserialize": "false", "map_index": map_index})["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """Return a task's log as text."""
        return "\n".join(map(_log_line, self._log_entries(dag_id, run_id, task_id, try_number)))

    def logs_of_failures(self, dag_id: str, run_id: str) -> str:
        """Return what the log of each task of a run that failed, for good or not, says is wrong."""
        parts = []
        for instance in self.task_instances(dag_id, run_id):
            if instance["state"] in ("failed", "up_for_retry"):
                attempt = max(1, instance["try_number"])
                entries = self._log_entries(dag_id, run_id, instance["task_id"], attempt, instance["map_index"])
                wrong = [_log_line(entry) for entry in entries if not isinstance(entry, str) and entry.get("level") in LEVELS_OF_FAILURES]
                wrong = wrong or list(map(_log_line, entries[-LINES_OF_FAILURES:]))  # it may have ended without a word
                parts += [f"--- {instance['task_id']}, try {instance['try_number']}: {instance['state']} ---", *wrong]
        return "\n".join(parts)

    def _log_entries(self, dag_id: str, run_id: str, task_id: str, try_number: int, map_index: int = -1) -> list[str | JsonObject]:
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        entries: list[str | JsonObject] = self.call("GET", path, params={"full_content": "true", "map_index": map_index})["content"]
        return entries

    # --- connections and pools ---

    def add_pool(self, name: str, slots: int) -> None:
        """Make a pool."""
        self.call("POST", "/api/v2/pools", json={"name": name, "slots": slots, "include_deferred": False})

    def put_connection(self, connection: JsonObject) -> None:
        """Make a connection, or replace the one of the same id."""
        try:
            self.call("POST", "/api/v2/connections", json=connection)
        except ApiFailed as failure:
            if failure.status != 409:
                raise
            self.call("PATCH", f"/api/v2/connections/{connection['connection_id']}", json=connection)

    def test_connection(self, connection: JsonObject) -> tuple[bool, str]:
        """Test a connection as the UI's button does; returns whether it works and what Airflow says."""
        answer = self.call("POST", "/api/v2/connections/test", json=connection)
        return bool(answer["status"]), str(answer["message"])


def _log_line(entry: str | JsonObject) -> str:
    if isinstance(entry, str):
        return entry
    rest = {name: value for name, value in entry.items() if name not in {"event", "timestamp"}}
    return f"{entry.get('timestamp', '')} {entry.get('event', '')} {rest or ''}".strip()
