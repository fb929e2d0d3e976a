"""Seconds after people have completed the onboarding flow, mark them as onboarded.

A watcher in the triggerer polls Userflow and tells an asset of Airflow that there is news. That starts this DAG, and says no more than
that: Airflow may attach the events of a burst to one run, and leave others to a later run or to none. So a run reads from where the last
one ended, whatever started it, and an hourly run sweeps up what no event spoke of. Nothing is lost, and nobody is marked twice.

Needs two connections: `userflow_default` (type Userflow) and `analytics_database` (PostgreSQL).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable, dag

from airflow_provider.engagement.bulk.mapping import RowMapping
from airflow_provider.engagement.retries import retry_policy
from airflow_provider.engagement.userflow.transfers import SqlToUserflowOperator, UserflowToSqlOperator
from airflow_provider.engagement.userflow.triggers import UserflowContentSessionEventTrigger

CONTENT_ID = "onboarding-flow"
"""The flow's id, from its address in Userflow. A watcher is part of the DAG file, so this cannot be a parameter."""

COMPLETIONS = Asset(
    f"userflow://userflow_default/content/{CONTENT_ID}",
    watchers=[AssetWatcher(name="onboarding", trigger=UserflowContentSessionEventTrigger(content_id=CONTENT_ID, poke_interval=10))],
)
READ = Asset(f"userflow://userflow_default/content_sessions/{CONTENT_ID}")
"""Where the last run ended is kept with this asset."""

COMPLETED = """
    SELECT user_id AS id, min(completed_at) AS onboarded_at
    FROM onboarding_content_sessions
    WHERE completed AND last_activity_at >= %(start)s AND last_activity_at < %(end)s
    GROUP BY user_id
    ORDER BY user_id
"""


@dag(
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("0 * * * *", timezone="UTC"), assets=[COMPLETIONS]),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,  # each run begins where the one before it ended
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30), **retry_policy()},
    doc_md=__doc__,
    tags=["userflow", "example"],
)
def react_to_completions() -> None:
    """What is new → who completed it → mark them."""
    read_news = UserflowToSqlOperator(
        task_id="read_news",
        content_ids=[CONTENT_ID],
        by="last_activity",  # a completion is activity, however long ago the session began
        watermark=True,
        start="2026-01-01T00:00:00+00:00",  # of the very first run
        sql_conn_id="analytics_database",
        table_prefix="onboarding_",  # a table belongs to one task
        outlets=[READ],
        multiple_outputs=True,
    )
    SqlToUserflowOperator(
        task_id="mark_users",
        sql=COMPLETED,
        parameters={"start": read_news.output["start"], "end": read_news.output["end"]},  # the window, and no people, pass through XCom
        sql_conn_id="analytics_database",
        target="users",
        mapping=RowMapping(operations={"onboarded_at": "set_once"}),  # whoever completes it again stays as they are
        mode="update_only",  # who was deleted meanwhile is not made again
    )


react_to_completions()
