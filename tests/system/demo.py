"""The whole provider at work in two minutes: a real Airflow, a warehouse, and the emulated vendors. Run by `make demo`.

It needs no account and no network. With `--keep` Airflow's UI stays up until Ctrl-C.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from types import FrameType

from airflow_provider.engagement.emulator.server import EmulatorServer
from tests.system.airflow_instance import AirflowFailed, RunningAirflow
from tests.system.connections import mirats_connection, userflow_connection, usertour_connection
from tests.system.examples import run_mirats_survey_completes, run_usertour_companies
from tests.system.onboarding import DAG_ID, Onboarding, Row
from tests.system.processes import CHECKOUT
from tests.system.reading_examples import BACKFILL, Backfill, unpaused
from tests.system.warehouse import make_warehouse

STARTED = time.monotonic()
API_KEY = "ak_test"
RUN_SECONDS = 180
SHOWN_MISMATCHES = 20
SHOWN_STATES = ("running", "deferred", "success", "failed", "up_for_retry")
WITH_COUNTS = {(task_id, "success") for task_id in ("push_companies", "push_users", "push_events", "wait_for_cohort", "export_sessions")}
COUNTS = ("read", "sent", "rejected", "in_doubt", "retried", "sessions", "completed", "answers")


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
    except (AirflowFailed, TimeoutError) as error:
        say(f"failed: {error}")
        return 1
    finally:
        say("everything is stopped and removed")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _demo(keep: bool) -> int:
    airflow = RunningAirflow("demo", dag_folders={"examples": CHECKOUT / "example_dags"}, say=say)
    say(f"starting Airflow; its home is {airflow.home.relative_to(CHECKOUT)}")
    with EmulatorServer() as emulator, airflow:
        say(f"the emulator of Userflow, Usertour and Mirats Quanto is up at {emulator.base_url}/_emulator")
        right = _set_up_connection(airflow, emulator)
        onboarding = Onboarding(airflow, emulator, make_warehouse(), walk_seconds=10)
        onboarding.prepare()
        say("warehouse is filled: " + ", ".join(f"{count} {table}" for table, count in onboarding.warehouse.counts().items()))
        right = _run(onboarding) and right
        right = _backfill(airflow, emulator) and right
        right = _run_short_legs(airflow, emulator) and right
        if keep:
            _keep(airflow, onboarding)
    return 0 if right else 1


def _set_up_connection(airflow: RunningAirflow, emulator: EmulatorServer) -> bool:
    url = emulator.base_url
    connection = userflow_connection("userflow_default", url, API_KEY, {"requests_per_minute": 60_000})
    for each in (
        connection,
        usertour_connection("usertour_v2", url, "utp_test", {"project_id": "p_test", "environment_id": "e_test"}),
        mirats_connection("mirats_quanto_default", url, "secret_test", {"web_api_key": "web_test", "ip_salt_secret": "salt for the demo"}),
    ):
        airflow.client.put_connection(each)
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
        if state in SHOWN_STATES:
            counts = _brief(client.xcom(DAG_ID, run_id, task_id)) if (task_id, state) in WITH_COUNTS else ""
            say(f"  {task_id:16} {state:9} {counts}".rstrip())
        if state in ("failed", "up_for_retry"):
            print(client.logs_of_failures(DAG_ID, run_id))

    state = client.wait_for_run(DAG_ID, run_id, seconds=RUN_SECONDS, on_change=on_change)
    say(f"DAG {DAG_ID}: {state}")
    if state != "success":
        print(onboarding.airflow.tails())
        return False
    _print_rows(list(onboarding.table(run_id)), ("warehouse", "Userflow", "exported"))
    mismatches = onboarding.mismatches(run_id)
    for mismatch in mismatches[:SHOWN_MISMATCHES]:
        print(f"  WRONG: {mismatch}")
    say(f"{len(mismatches)} mismatches" if mismatches else "every value in Userflow is the warehouse's, every event is there once")
    return not mismatches


def _backfill(airflow: RunningAirflow, emulator: EmulatorServer) -> bool:
    """Bring the sessions of three days back, a file for each day, and compare them with what Userflow holds."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    backfill = Backfill(airflow, emulator, today - timedelta(days=4), 3)  # of yesterday there is a run by the schedule
    backfill.seed()
    try:
        with unpaused(airflow, BACKFILL):
            backfill.create()
            say(f"backfill of DAG {BACKFILL} from {backfill.days[0]:%Y-%m-%d} to {backfill.days[-1]:%Y-%m-%d} created")
            backfill.wait()
        counts = backfill.check()
    except AssertionError as error:
        print(f"  WRONG: {error or traceback.format_exc()}")
        return False
    for name, content in sorted(backfill.files().items()):
        say(f"  {name} {len(content)} bytes")
    expected = backfill.expected()
    rows = [
        Row(f"sessions of {day:%Y-%m-%d}", None, len(expected[name]), counts[name])
        for day, name in zip(backfill.days, expected, strict=True)
    ]
    _print_rows(rows, ("", "Userflow", "file"))
    return all(row.right for row in rows)


def _run_short_legs(airflow: RunningAirflow, emulator: EmulatorServer) -> bool:
    """Run one short example for each of the other vendors; they check themselves."""

    def on_change(task_id: str, map_index: int, state: str | None) -> None:
        if state in SHOWN_STATES:
            say(f"  {task_id:18} {state}")

    rows: list[Row] = []
    right = True
    usertour = partial(run_usertour_companies, versions=("v2",))
    for name, leg in (("usertour_companies", usertour), ("mirats_survey_completes", run_mirats_survey_completes)):
        say(f"DAG {name} started")
        try:
            rows += leg(airflow, emulator, on_change)
        except AssertionError as error:
            print(f"  WRONG: {error or traceback.format_exc()}")
            right = False
    _print_rows(rows, ("file", "vendor", "exported"))
    return right and all(row.right for row in rows)


def _brief(counts: dict[str, object]) -> str:
    return ", ".join(f"{name} {counts[name]}" for name in COUNTS if counts.get(name))


def _print_rows(rows: Sequence[Row], columns: tuple[str, str, str]) -> None:
    print(f"\n  {'':24}" + "".join(f" {column:>10}" for column in columns))
    for row in rows:
        numbers = " ".join(f"{'' if number is None else number:>10}" for number in (row.warehouse, row.userflow, row.exported))
        print(f"  {row.name:24} {numbers}  {'' if row.right else 'DIFFERENT'}".rstrip())
    print()


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
