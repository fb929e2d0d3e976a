"""Events at most once; the task's process is killed while it sends them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from airflow.sdk import Context, dag

from airflow_provider.engagement.userflow.operators import UserflowTrackEventsOperator


def events(context: Context, jinja_env: object) -> Iterator[dict[str, Any]]:
    """Yield events that can be told from each other."""
    for number in range(context["dag_run"].conf["count"]):
        yield {"name": "numbered", "user_id": f"user {number % 50}", "attributes": {"number": number}}


@dag(schedule=None)
def killed_while_sending() -> None:
    """One task, which is retried."""
    UserflowTrackEventsOperator(
        task_id="push_events",
        rows=events,
        userflow_conn_id="userflow_killed",
        delivery="at_most_once",
        rejects_path="{{ dag_run.conf.rejects_path }}",
        max_rejects=0.9,
        retries=2,
        retry_delay=timedelta(seconds=1),
    )


killed_while_sending()
