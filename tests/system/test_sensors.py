"""The sensor in its three ways of waiting, by a real scheduler and a real triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.system.airflow_client import AirflowClient

if TYPE_CHECKING:
    from airflow_provider.engagement.emulator.server import EmulatorServer

PEOPLE = ("sensor/one", "sensor/two")


@pytest.fixture
def flow(emulator: EmulatorServer) -> str:
    """A flow of one's own, and the people who may complete it."""
    flow_id = f"flow-{uuid4()}"
    emulator.userflow.seed({"users": [{"id": user_id} for user_id in PEOPLE], "content": [{"id": flow_id, "name": "Waited for"}]})
    return flow_id


def start(client: AirflowClient, dag_id: str, flow: str) -> str:
    client.wait_for_dag(dag_id, 60)
    client.unpause(dag_id)
    return client.trigger(dag_id, conf={"content_id": flow, "min_completed": len(PEOPLE)})


def test_each_mode_waits_until_the_flow_is_completed(client: AirflowClient, emulator: EmulatorServer, flow: str) -> None:
    dag_id = "sensors_in_time"
    run_id = start(client, dag_id, flow)
    client.wait_for_states(dag_id, run_id, {"poke": "running", "reschedule": "up_for_reschedule", "deferred": "deferred"}, seconds=60)
    emulator.userflow.walk({"content_id": flow, "users": PEOPLE[:1], "seconds_per_step": 0})
    started = emulator.userflow.walk({"content_id": flow, "users": PEOPLE[1:], "seconds_per_step": 0, "delay": 4})["started_at"]
    assert client.wait_for_run(dag_id, run_id, seconds=90) == "success", client.logs_of_failures(dag_id, run_id)
    for instance in client.task_instances(dag_id, run_id):
        assert instance["try_number"] == 1
        assert instance["end_date"] > started
        counts = client.xcom(dag_id, run_id, instance["task_id"])
        assert {name: counts[name] for name in ("completed", "users", "sessions")} == {"completed": 2, "users": 2, "sessions": 2}
    assert "Waiting" in client.log(dag_id, run_id, "poke")


def test_too_late_is_a_timeout_without_a_retry(client: AirflowClient, flow: str) -> None:
    dag_id = "sensors_too_late"
    run_id = start(client, dag_id, flow)
    seen: set[tuple[str, str | None]] = set()
    client.wait_for_run(dag_id, run_id, seconds=90, on_change=lambda task_id, _, state: seen.add((task_id, state)))
    deferred = ("deferred", "deferred_soft", "deferred_execution_timeout")
    assert seen >= {(task_id, "deferred") for task_id in deferred}
    assert client.states(dag_id, run_id) == {
        "poke": "failed",
        "reschedule": "failed",
        "deferred": "failed",
        "deferred_soft": "skipped",
        "deferred_execution_timeout": "failed",
    }
    assert {instance["try_number"] for instance in client.task_instances(dag_id, run_id)} == {1}
    for task_id in ("poke", "reschedule", "deferred"):
        assert "AirflowSensorTimeout" in client.log(dag_id, run_id, task_id)
    assert "AirflowTaskTimeout" in client.log(dag_id, run_id, "deferred_execution_timeout")


def test_a_refused_key_ends_the_waiting_at_once(client: AirflowClient, flow: str) -> None:
    dag_id = "sensors_refused"
    run_id = start(client, dag_id, flow)
    client.wait_for_run(dag_id, run_id, seconds=60)
    for instance in client.task_instances(dag_id, run_id):
        assert (instance["state"], instance["try_number"]) == ("failed", 1), client.logs_of_failures(dag_id, run_id)
        assert "401" in client.log(dag_id, run_id, instance["task_id"])
