"""One sensor in all three ways of waiting, for flows that are completed in time, too late, or never because of a wrong key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag

from airflow_provider.engagement.userflow.sensors import UserflowContentSessionSensor

PARAMS = {"content_id": Param("flow", type="string"), "min_completed": Param(1, type="integer")}
# A retry would show in the number of tries, and hide a failure for a day.
RETRIES = {"retries": 3, "retry_delay": timedelta(days=1)}
ARGUMENTS: dict[str, Any] = {"content_id": "{{ params.content_id }}", "min_completed": "{{ params.min_completed }}", "poke_interval": 2}
# Airflow's scheduler takes it for a failure if a task is due again before it has noticed that the task's process has ended.
RESCHEDULE: dict[str, Any] = ARGUMENTS | {"mode": "reschedule", "poke_interval": 6}


@dag(schedule=None, params=PARAMS, default_args=RETRIES)
def sensors_in_time() -> None:
    """Each mode sees the flow completed."""
    UserflowContentSessionSensor(task_id="poke", mode="poke", timeout=120, **ARGUMENTS)
    UserflowContentSessionSensor(task_id="reschedule", timeout=120, **RESCHEDULE)
    UserflowContentSessionSensor(task_id="deferred", deferrable=True, timeout=120, **ARGUMENTS)


@dag(schedule=None, params=PARAMS, default_args=RETRIES)
def sensors_too_late() -> None:
    """Nobody completes the flow."""
    UserflowContentSessionSensor(task_id="poke", mode="poke", timeout=4, **ARGUMENTS)
    UserflowContentSessionSensor(task_id="reschedule", timeout=4, **RESCHEDULE)
    UserflowContentSessionSensor(task_id="deferred", deferrable=True, timeout=4, **ARGUMENTS)
    UserflowContentSessionSensor(task_id="deferred_soft", deferrable=True, timeout=4, soft_fail=True, **ARGUMENTS)
    UserflowContentSessionSensor(
        task_id="deferred_execution_timeout", deferrable=True, timeout=600, execution_timeout=timedelta(seconds=4), retries=0, **ARGUMENTS
    )


@dag(schedule=None, params=PARAMS, default_args=RETRIES)
def sensors_refused() -> None:
    """The key is wrong: waiting longer or again would not help."""
    UserflowContentSessionSensor(task_id="poke", userflow_conn_id="userflow_wrong_key", timeout=120, **ARGUMENTS)
    UserflowContentSessionSensor(task_id="deferred", userflow_conn_id="userflow_wrong_key", deferrable=True, timeout=120, **ARGUMENTS)


sensors_in_time()
sensors_too_late()
sensors_refused()
