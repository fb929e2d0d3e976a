"""`python -m tests.faults`: kill tasks of a real Airflow, let its server fail, and judge what became of every row.

Ends with status 1 if a judgement fails. A seed that was printed makes the same rows, moments and faults again.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import FrameType

from tests.faults.rounds import DAG_ID, Outcome, Round, kill_rounds, run_round, storms
from tests.faults.table import head, lines
from tests.system.airflow_instance import AirflowFailed, RunningAirflow
from tests.system.processes import CHECKOUT

STARTED = time.monotonic()


def say(line: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:6.1f} s] {line}", flush=True)


def main() -> int:
    """Run the rounds and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default=secrets.token_hex(3), help="makes rows, moments and faults; another one each time by default")
    parser.add_argument("--rounds", type=int, default=20, help="rounds of kills (20)")
    parser.add_argument("--rows", type=int, default=5000, help="users, and events, of a round of kills (5000)")
    parser.add_argument("--storm-rows", type=int, default=1000, help="users, and events, of a storm; 0 for no storms (1000)")
    parser.add_argument("--lanes", type=int, default=4, help="rounds side by side (4)")
    parser.add_argument("--minutes", type=float, default=9.5, help="after which it ends; what is not done then is wrong (9.5)")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    say(f"seed {chosen.seed}")
    planned = kill_rounds(chosen.seed, chosen.rounds, chosen.rows)
    if chosen.storm_rows:
        planned += storms(chosen.seed, chosen.storm_rows)
    try:
        return _run(planned, chosen.lanes, chosen.minutes)
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except AirflowFailed as error:
        say(f"failed: {error}")
        return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(planned: Sequence[Round], lanes: int, minutes: float) -> int:
    folders = {"faults": CHECKOUT / "tests" / "faults" / "dags"}
    with RunningAirflow("faults", dag_folders=folders, parallelism=2 * lanes, say=say) as airflow:
        airflow.client.wait_for_dag(DAG_ID, 60)
        airflow.client.unpause(DAG_ID)
        print(head(), flush=True)
        outcomes = list(_outcomes(airflow, planned, lanes, minutes))
        done = len(outcomes) == 2 * len(planned)
        left = [path.name for path in (airflow.home / "tmp").rglob("*engagement*/*")] if done else []
        if not done:
            print(airflow.tails(10))
    wrong = [outcome for outcome in outcomes if outcome.verdict.complaints]
    if left:
        print(f"WRONG: left in the temporary folder: {', '.join(left)}")
    kills = sum(len(outcome.kills) for outcome in outcomes)
    say(f"{len(outcomes)} tasks in {len(planned)} rounds, {kills} kills, {len(wrong)} tasks wrong")
    return 1 if wrong or left or not done else 0


def _outcomes(airflow: RunningAirflow, planned: Sequence[Round], lanes: int, minutes: float) -> Iterator[Outcome]:
    pool = ThreadPoolExecutor(lanes)
    running = {pool.submit(run_round, airflow, each): each for each in planned}
    try:
        for future in as_completed(running, timeout=STARTED + 60 * minutes - time.monotonic()):
            error = future.exception()
            if error is not None:
                print(f"WRONG: round {running[future].name}, seed {running[future].seed}: {error!r}", flush=True)
                continue
            for outcome in future.result():
                print("\n".join(lines(outcome)), flush=True)
                yield outcome
    except TimeoutError as error:
        print(f"WRONG: {error} after {minutes:g} minutes", flush=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # rounds under way end with their Airflow


if __name__ == "__main__":
    sys.exit(main())
