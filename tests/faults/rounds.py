"""Runs a round: one run of the DAG against an emulator of its own, killed or struck by faults, then judged."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airflow_provider.engagement.bulk.send import RESERVED_SECONDS
from airflow_provider.engagement.emulator.faults import Drop, Fault, Latency, RateLimit, Status, Truncate
from tests.faults.judge import Evidence, Verdict, judge, read_rejects
from tests.faults.kills import Hunt, Kill, Metadata, Moment, choose_moments, pauses
from tests.faults.ledger import LedgerServer
from tests.faults.rows import SourceRow, make_rows
from tests.system.airflow_client import AirflowClient, ApiFailed
from tests.system.airflow_instance import METADATA, RunningAirflow
from tests.system.connections import userflow_connection

DAG_ID = "faults"
KINDS = ("users", "events")
DELIVERIES = ("at_least_once", "at_most_once")
REQUESTS_PER_MINUTE = 18_000
CONCURRENCY = 16
PATIENT, IMPATIENT, LATE = 60.0, 5.0, 7.0
"""Seconds a client waits for an answer, the same where answers are late, and how late they are."""
_RUN_SECONDS = 240
_ERROR = re.compile("'level': '(error|critical)'")
_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Round:
    """What is to be done.

    Attributes:
        name: of the round.
        seed: makes rows and moments.
        delivery: of the events.
        count: rows of each of the two tasks.
        late: some answers come when the client has given up. What it gave up on may then be processed after the next row of the
            same user, and no client can keep their order, so each user has one row.
        moments: when each task is killed.
        make_faults: makes the faults in force, from a seed.
    """

    name: str
    seed: str
    delivery: str
    count: int
    late: bool = False
    moments: Mapping[str, Sequence[Moment]] = field(default_factory=dict)
    make_faults: Callable[[int], Sequence[Fault]] = lambda _seed: ()

    def rows(self, kind: str) -> list[SourceRow]:
        """Make the rows of a task."""
        return make_rows(kind, self.seed, self.count, repeats=not self.late)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one task of a round.

    Attributes:
        round: the round.
        kind: `users` or `events`.
        kills: when it was killed.
        tries: how often Airflow ran it.
        received: requests with its rows that came in.
        report: its XCom; empty where it did not end well.
        verdict: the judgement.
    """

    round: Round
    kind: str
    kills: Sequence[Kill]
    tries: int
    received: int
    report: Mapping[str, Any]
    verdict: Verdict


def kill_rounds(seed: str, rounds: int, count: int) -> list[Round]:
    """Make the rounds of kills; the delivery of events alternates."""
    made = []
    for number in range(rounds):
        own = f"{seed}.{number + 1}"
        chance = random.Random(own)
        moments = {kind: choose_moments(chance, count) for kind in KINDS}
        made.append(Round(f"{number + 1}", own, DELIVERIES[number % 2], count, moments=moments))
    return made


def storms(seed: str, count: int) -> list[Round]:
    """Make the storms, each with both deliveries; in the last one the tasks are killed, too."""
    made = []
    for number, (name, make_faults) in enumerate(_STORMS.items()):
        for delivery in DELIVERIES:
            own = f"{seed}.s{number + 1}{'ab'[DELIVERIES.index(delivery)]}"
            chance = random.Random(own)
            moments = {kind: [Moment("sending", chance.uniform(0.1, 0.9))] for kind in KINDS} if name == _ALL else {}
            made.append(Round(name, own, delivery, count, make_faults in _LATE, moments, make_faults))
    return made


# --- one round -------------------------------------------------------------------------------------------------------


def run_round(airflow: RunningAirflow, planned: Round) -> list[Outcome]:
    """Run a round and judge its tasks.

    Raises:
        TimeoutError: it did not end in time.
    """
    folder = _folder(airflow, planned)
    folder.mkdir(parents=True)
    client = AirflowClient(airflow.url)
    with LedgerServer() as server:
        try:
            client.log_in()
            extra = {
                "requests_per_minute": REQUESTS_PER_MINUTE,
                "concurrency": CONCURRENCY,
                "timeout": IMPATIENT if planned.late else PATIENT,
            }
            client.put_connection(userflow_connection(f"userflow_{planned.seed}", server.base_url, "ak_test", extra))
            server.faults.add(*planned.make_faults(random.Random(planned.seed).randrange(2**32)))
            conf = {
                "connection": f"userflow_{planned.seed}",
                "delivery": planned.delivery,
                "folder": str(folder),
                "seed": planned.seed,
                "count": planned.count,
                "repeats": not planned.late,
                "pauses": pauses(planned.moments),
            }
            run_id = client.trigger(DAG_ID, conf=conf)
            kills = _hunt(airflow, server, planned, run_id)
            client.wait_for_run(DAG_ID, run_id, seconds=_RUN_SECONDS)
            if planned.late:
                time.sleep(LATE)  # until what came late is processed
            return [_outcome(airflow, client, server, planned, run_id, kind, kills.get(kind, ())) for kind in KINDS]
        finally:
            client.close()


def _folder(airflow: RunningAirflow, planned: Round) -> Path:
    return airflow.home / "rounds" / planned.seed


def _hunt(airflow: RunningAirflow, server: LedgerServer, planned: Round, run_id: str) -> dict[str, list[Kill]]:
    def hunt(kind: str) -> list[Kill]:
        with Metadata(airflow.postgres.connect(METADATA)) as metadata:
            rows = sum(source.fate != "invalid" for source in planned.rows(kind))
            marker = _folder(airflow, planned) / f"{kind}.planning"
            skips = kind == "events" and planned.delivery == "at_most_once"
            return Hunt(metadata, run_id, kind, rows, skips, lambda: server.came_in(kind), marker).run(planned.moments[kind])

    with ThreadPoolExecutor(max(1, len(planned.moments))) as pool:
        return dict(zip(planned.moments, pool.map(hunt, planned.moments), strict=True))


def _outcome(
    airflow: RunningAirflow, client: AirflowClient, server: LedgerServer, planned: Round, run_id: str, kind: str, kills: Sequence[Kill]
) -> Outcome:
    instance = client.task_instance(DAG_ID, run_id, kind)
    tries, received = instance["try_number"], server.came_in(kind)
    if instance["state"] != "success":
        failed = Verdict(0, 0, [f"the task is {instance['state']}", *_errors(client, run_id, kind, tries)])
        return Outcome(planned, kind, kills, tries, received, {}, failed)
    report = client.xcom(DAG_ID, run_id, kind)
    evidence = Evidence(
        kind=kind,
        at_most_once=kind == "events" and planned.delivery == "at_most_once",
        rows=planned.rows(kind),
        report=report,
        rejects=read_rejects(_folder(airflow, planned) / kind),
        entries=server.ledger.entries[kind],
        tracked=server.tracked(),
        users={user["id"]: user["attributes"] for user in server.userflow.objects.users.values()},
        kills=kills,
        window=max(2 * CONCURRENCY, int(RESERVED_SECONDS * REQUESTS_PER_MINUTE / 60)) + CONCURRENCY,
    )
    verdict = judge(evidence)
    unplanned = []
    if planned.name in _STORMS and not verdict.faults:
        unplanned.append("the task met no fault")
    if planned.moments and not kills:
        unplanned.append("the task was never killed")
    if tries > len(kills) + 1:
        unplanned += [f"{len(kills)} kills, but {tries} tries", *_errors(client, run_id, kind, tries)]
    return Outcome(planned, kind, kills, tries, received, report, replace(verdict, complaints=[*verdict.complaints, *unplanned]))


def _errors(client: AirflowClient, run_id: str, kind: str, tries: int) -> list[str]:
    """Give what the logs of a task's tries say is wrong."""
    found = []
    for number in range(1, tries + 1):
        try:
            log = client.log(DAG_ID, run_id, kind, number)
        except ApiFailed as failure:
            log = f"{failure} 'level': 'error'"
        found += [f"try {number}: {line[:_SHOWN]}" for line in log.splitlines() if _ERROR.search(line)]
    return found


# --- storms ----------------------------------------------------------------------------------------------------------


def _refusals(seed: int) -> Sequence[Fault]:
    # A third of what each of the two tasks believes to have for itself.
    return (RateLimit(per_minute=REQUESTS_PER_MINUTE / 3, burst=100, retry_after="seconds" if seed % 2 else None),)


def _failures(seed: int) -> Sequence[Fault]:
    return (Status(status=500, probability=0.01, seed=seed), Status(status=500, processed=True, probability=0.01, seed=seed + 1))


def _unavailable(seed: int) -> Sequence[Fault]:
    return (
        Status(status=503, probability=0.01, seed=seed),
        Status(status=503, retry_after="seconds", seconds=1, probability=0.01, times=3, seed=seed + 1),
    )


def _resets_before(seed: int) -> Sequence[Fault]:
    return (Drop(probability=0.01, seed=seed),)


def _resets_after(seed: int) -> Sequence[Fault]:
    return (Drop(after=True, probability=0.01, seed=seed),)


def _timeouts(seed: int) -> Sequence[Fault]:
    return (
        Latency(seconds=LATE, probability=0.004, seed=seed),
        Latency(seconds=LATE, after=True, probability=0.004, seed=seed + 1),
    )


def _truncated(seed: int) -> Sequence[Fault]:
    return (Truncate(probability=0.01, seed=seed),)


def _everything(seed: int) -> Sequence[Fault]:
    makers = (_refusals, _failures, _unavailable, _resets_before, _resets_after, _timeouts, _truncated)
    return [fault for number, make in enumerate(makers) for fault in make(seed + 10 * number)]


_ALL = "everything, and a kill"
_STORMS: Mapping[str, Callable[[int], Sequence[Fault]]] = {
    "429": _refusals,
    "500": _failures,
    "503": _unavailable,
    "resets before": _resets_before,
    "resets after": _resets_after,
    "timeouts": _timeouts,
    "truncated JSON": _truncated,
    _ALL: _everything,
}
_LATE = (_timeouts, _everything)
