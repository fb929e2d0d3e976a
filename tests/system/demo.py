"""The whole provider at work in two minutes: a real Airflow, a warehouse, and the Userflow emulator. Run by `make demo`.

It needs no account and no network. With `--keep` Airflow's UI stays up until Ctrl-C.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from types import FrameType

from airflow_provider.engagement.emulator.server import EmulatorServer
from tests.system.airflow_instance import RunningAirflow
from tests.system.connections import userflow_connection
from tests.system.onboarding import DAG_ID, Onboarding
from tests.system.processes import CHECKOUT
from tests.system.warehouse import make_warehouse

STARTED = time.monotonic()
API_KEY = "ak_test"
RUN_SECONDS = 180
SHOWN_MISMATCHES = 20


def say(line: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:6.1f} s] {line}", flush=True)


def main() -> int:
    """Run the demo and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep Airflow's UI up until Ctrl-C")
    keep = parser.parse_args().keep
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _demo(keep)
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    finally:
        say("everything is stopped and removed")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _demo(keep: bool) -> int:
    airflow = RunningAirflow("demo", dag_folders={"examples": CHECKOUT / "example_dags"}, say=say)
    say(f"starting Airflow; its home is {airflow.home.relative_to(CHECKOUT)}")
    with EmulatorServer(keys=[API_KEY]) as emulator, airflow:
        say(f"Userflow emulator is up at {emulator.base_url}/_emulator")
        right = _set_up_connection(airflow, emulator)
        onboarding = Onboarding(airflow, emulator, make_warehouse(), walk_seconds=10)
        onboarding.prepare()
        say("warehouse is filled: " + ", ".join(f"{count} {table}" for table, count in onboarding.warehouse.counts().items()))
        right = _run(onboarding) and right
        if keep:
            _keep(airflow, onboarding)
    return 0 if right else 1


def _set_up_connection(airflow: RunningAirflow, emulator: EmulatorServer) -> bool:
    connection = userflow_connection("userflow_default", emulator.base_url, API_KEY, {"requests_per_minute": 60_000})
    airflow.client.put_connection(connection)
    works, message = airflow.client.test_connection(connection)
    say(f"connection test: {message}")
    refused, complaint = airflow.client.test_connection(connection | {"password": "ak_wrong"})
    say(f"connection test with a wrong key: {complaint}")
    return works and not refused and "wrong key" in complaint.lower()


def _run(onboarding: Onboarding) -> bool:
    client = onboarding.airflow.client
    run_id = onboarding.start()
    say(f"DAG {DAG_ID} started")

    def on_change(task_id: str, map_index: int, state: str | None) -> None:
        onboarding.on_change(task_id, map_index, state)
        if state in ("running", "deferred", "success", "failed", "up_for_retry"):
            said = client.xcom(DAG_ID, run_id, task_id) if state == "success" and task_id.startswith(("push", "wait", "export")) else ""
            say(f"  {task_id:16} {state} {_brief(said)}".rstrip())
        if state == "up_for_retry":
            _print_log(onboarding, run_id, task_id)

    state = client.wait_for_run(DAG_ID, run_id, seconds=RUN_SECONDS, on_change=on_change)
    say(f"DAG {DAG_ID}: {state}")
    if state != "success":
        _print_failures(onboarding, run_id)
        return False
    print()
    for name, one, other in onboarding.table(run_id):
        print(f"  {name:50} {one:6} {other:6}  {'ok' if one == other else 'DIFFERENT'}")
    print()
    mismatches = onboarding.mismatches(run_id)
    for mismatch in mismatches[:SHOWN_MISMATCHES]:
        print(f"  WRONG: {mismatch}")
    say(f"{len(mismatches)} mismatches" if mismatches else "every value in Userflow is the warehouse's, every event is there once")
    return not mismatches


def _brief(said: object) -> str:
    if not isinstance(said, dict):
        return ""
    return "  " + ", ".join(f"{name} {value}" for name, value in said.items() if isinstance(value, int | float))


def _print_failures(onboarding: Onboarding, run_id: str) -> None:
    for instance in onboarding.airflow.client.task_instances(DAG_ID, run_id):
        if instance["state"] == "failed":
            _print_log(onboarding, run_id, instance["task_id"])
    print(onboarding.airflow.tails())


def _print_log(onboarding: Onboarding, run_id: str, task_id: str) -> None:
    client = onboarding.airflow.client
    instance = client.task_instance(DAG_ID, run_id, task_id)
    print(f"--- log of {task_id}, attempt {instance['try_number']} ---")
    print(client.log(DAG_ID, run_id, task_id, instance["try_number"])[-4000:])


def _keep(airflow: RunningAirflow, onboarding: Onboarding) -> None:
    say(f"Airflow's UI: {airflow.url}/dags/{DAG_ID}")
    say(f"what Userflow holds: {onboarding.emulator.base_url}/_emulator")
    say(f"exported files: {onboarding.exports.relative_to(CHECKOUT)}")
    say("Ctrl-C ends and removes everything")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        say("stopping")


if __name__ == "__main__":
    sys.exit(main())
