"""Writes users and events to an account that is told by the run; the task's process is killed meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Context, dag

from airflow_provider.engagement.userflow.operators import UserflowTrackEventsOperator, UserflowUpsertUsersOperator
from tests.faults.rows import make_rows

_LONGEST_PAUSE = 30


def users(context: Context, jinja_env: object) -> Iterator[dict[str, Any]]:
    """Yield the users of this round."""
    return source("users", context)


def events(context: Context, jinja_env: object) -> Iterator[dict[str, Any]]:
    """Yield the events of this round."""
    return source("events", context)


def source(kind: str, context: Context) -> Iterator[dict[str, Any]]:
    """Yield rows; at the row that the run names, a first try waits as a slow source does, until it is killed."""
    conf = context["dag_run"].conf or {}
    pause = conf["pauses"].get(kind) if context["ti"].try_number == 1 else None
    for position, row in enumerate(make_rows(kind, conf["seed"], conf["count"], repeats=conf["repeats"])):
        if position == pause:
            Path(conf["folder"], f"{kind}.planning").touch()
            time.sleep(_LONGEST_PAUSE)
        yield row.row


@dag(schedule=None, default_args={"retries": 6, "retry_delay": timedelta(seconds=1)})
def faults() -> None:
    """One round; both tasks at the same time."""
    common: dict[str, Any] = {
        "userflow_conn_id": "{{ dag_run.conf.connection }}",
        "rejects_path": "{{ dag_run.conf.folder }}/{{ task.task_id }}",
        "max_rejects": 100_000,
        "preflight": False,  # a few rows are for the server to refuse
    }
    UserflowUpsertUsersOperator(task_id="users", rows=users, **common)
    UserflowTrackEventsOperator(task_id="events", rows=events, delivery="{{ dag_run.conf.delivery }}", **common)


faults()
