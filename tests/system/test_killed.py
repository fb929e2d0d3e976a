"""A task that is killed with SIGKILL while it sends events: none of them is sent twice, and its retry goes on (Airflow 3.3)."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import airflow as airflow_package
import psutil
import pytest
from packaging.version import Version

from tests.system.airflow_instance import METADATA, RunningAirflow
from tests.system.connections import userflow_connection

if TYPE_CHECKING:
    from airflow_provider.engagement.emulator.server import EmulatorServer

DAG_ID, TASK_ID = "killed_while_sending", "push_events"
COUNT, KILLED_AFTER = 2000, 400
REQUESTS_PER_MINUTE = 18_000
RESERVED = 2.5 * REQUESTS_PER_MINUTE / 60
GOES_ON = Version(airflow_package.__version__) >= Version("3.3")


@pytest.fixture
def account(airflow: RunningAirflow) -> Iterator[EmulatorServer]:
    """An account of its own, behind the connection `userflow_killed`; its limit leaves the time to kill."""
    from airflow_provider.engagement.emulator.server import EmulatorServer

    with EmulatorServer() as server:
        extra = {"requests_per_minute": REQUESTS_PER_MINUTE}
        airflow.client.put_connection(userflow_connection("userflow_killed", server.base_url, "ak_test", extra))
        yield server


def wait_until_received(account: EmulatorServer, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while len(account.requests("POST", "/events")) < count:
        assert time.monotonic() < deadline, f"fewer than {count} events came within {seconds} s"
        time.sleep(0.02)


def kill_task(airflow: RunningAirflow, run_id: str) -> None:
    """Kill the task's process, which must be one that this test run started."""
    with closing(airflow.postgres.connect(METADATA)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM task_instance WHERE dag_id = %s AND run_id = %s", (DAG_ID, run_id))
        ((pid,),) = cursor.fetchall()
    process = psutil.Process(pid)
    assert os.getpid() in [parent.pid for parent in process.parents()]
    process.kill()


def test_a_killed_task_goes_on_and_sends_nothing_twice(airflow: RunningAirflow, account: EmulatorServer) -> None:
    client, folder = airflow.client, airflow.home / "killed"
    client.wait_for_dag(DAG_ID, 60)
    client.unpause(DAG_ID)
    run_id = client.trigger(DAG_ID, conf={"count": COUNT, "rejects_path": folder.as_uri()})
    wait_until_received(account, KILLED_AFTER, 60)
    kill_task(airflow, run_id)

    state = client.wait_for_run(DAG_ID, run_id, seconds=90)

    arrived = Counter(event["attributes"]["number"] for event in account.userflow.objects.events.values())
    assert set(arrived.values()) == {1}
    log = client.log(DAG_ID, run_id, TASK_ID, try_number=2)
    assert client.task_instance(DAG_ID, run_id, TASK_ID)["try_number"] == 2
    if not GOES_ON:
        assert state == "failed"
        assert "which of them were processed is in doubt" in log
        return
    assert state == "success", client.logs_of_failures(DAG_ID, run_id)
    assert "Going on from the checkpoint of an earlier try" in log
    rejects = [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    doubtful = {reject["row"]["attributes"]["number"] for reject in rejects}
    report = client.xcom(DAG_ID, run_id, TASK_ID)
    assert {reject["kind"] for reject in rejects} == {"in_doubt"}
    assert report["in_doubt"] == len(rejects) == len(doubtful)
    assert 0 < len(doubtful) <= RESERVED + 100
    assert report["sent"] == COUNT - len(doubtful)
    assert set(range(COUNT)) - doubtful <= set(arrived)
