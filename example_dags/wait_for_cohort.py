"""Wait until enough of a cohort has answered a survey, and say how many have not.

However many users there are in the cohort, they are one question; and however many tasks wait for the same content, they share one
poll. Neither takes a worker slot while it waits.

Needs a connection `userflow_default` (type Userflow) and `product_database` (any SQL database with a table users).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import BaseHook, CronDataIntervalTimetable, Param, dag, task

from airflow_provider.engagement.retries import retry_policy
from airflow_provider.engagement.userflow.sensors import UserflowContentSessionSensor

COHORT = "SELECT id FROM users WHERE in_onboarding ORDER BY id"


@dag(
    schedule=CronDataIntervalTimetable("0 9 * * 1", timezone="UTC"),  # every Monday, for the week before
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5), **retry_policy()},
    params={"content_id": Param("5f1d7c52-survey", type="string", description="The survey's id, from its address in Userflow.")},
    doc_md=__doc__,
    tags=["userflow", "example"],
)
def wait_for_cohort() -> None:
    """Cohort → wait → how many are missing."""

    @task
    def read_cohort() -> list[str]:
        """Read who was asked."""
        return [key for (key,) in BaseHook.get_hook("product_database").get_records(COHORT)]

    cohort = read_cohort()
    wait_for_answers = UserflowContentSessionSensor(
        task_id="wait_for_answers",
        content_id="{{ params.content_id }}",
        user_ids=cohort,
        min_completion_rate=0.8,
        since="{{ data_interval_start | ts }}",
        fail_if_unpublished=True,  # nobody can answer a survey that is gone
        deferrable=True,
        poke_interval=60,
        timeout=timedelta(days=5).total_seconds(),
        soft_fail=True,  # too few answers in five days are no accident: the rest of the run is skipped
    )

    @task
    def count_missing(asked: list[str], waited: dict[str, Any]) -> dict[str, Any]:
        """Say how many are missing."""
        return {"asked": len(asked), "completed": waited["completed"], "missing": len(asked) - waited["completed"]}

    count_missing(cohort, wait_for_answers.output)


wait_for_cohort()
