"""Each day's content sessions, with survey answers, to one file a day.

A run reads what was created within its data interval, so a backfill gives what the daily runs would have given:
`airflow backfill create --dag-id sessions_daily_backfill --from-date 2026-10-01 --to-date 2026-10-30 --max-active-runs 3`. Run again with
`--reprocess-behavior completed` it writes the same files, byte for byte, where nothing has changed in Userflow.

Needs a connection `userflow_default` (type Userflow).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Asset, CronDataIntervalTimetable, Param, dag

from airflow_provider.engagement.retries import retry_policy
from airflow_provider.engagement.userflow.transfers import UserflowToObjectStorageOperator

SESSIONS = Asset("userflow://userflow_default/content_sessions")


@dag(
    # Not "@daily": in Airflow 3 a run by a cron text has no data interval.
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5), **retry_policy()},
    params={"path": Param("s3://analytics/userflow", type="string", description="A folder on any storage that Airflow can write.")},
    doc_md=__doc__,
    tags=["userflow", "example"],
)
def sessions_daily_backfill() -> None:
    """One task: the window comes from the run."""
    UserflowToObjectStorageOperator(
        task_id="read_sessions",
        path="{{ params.path }}",  # a folder: each window gets a file of its own
        outlets=[SESSIONS],  # who is scheduled by the asset finds window and counts in its event
    )


sessions_daily_backfill()
