"""One warehouse to two Userflow accounts, each at its own limit.

The accounts do not share a limit, so they are served side by side; what goes to one account shares its limit, so it goes one after
the other. That is what a pool with one slot does. A mapped task has one pool for all its instances, so there is a mapped task for each
account, and what it is mapped over is what the account gets.

Needs the connections `userflow_eu` and `userflow_us` (type Userflow) with their `requests_per_minute`, `product_database` (any SQL
database), and a pool for each account: `airflow pools set userflow_eu 1 "requests to the account"`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import CronDataIntervalTimetable, Param, dag

from airflow_provider.engagement.retries import retry_policy
from airflow_provider.engagement.userflow.transfers import SqlToUserflowOperator

ACCOUNTS = ("userflow_eu", "userflow_us")
"""Connections, each with a pool of the same name."""

INTERVAL = {"start": "{{ data_interval_start }}", "end": "{{ data_interval_end }}"}
CHANGED = "WHERE region = %(region)s AND updated_at >= %(start)s AND updated_at < %(end)s"
PUSHES = (
    {"target": "groups", "sql": f"SELECT id, name, plan FROM regional_companies {CHANGED}"},
    {"target": "users", "sql": f"SELECT id, name, email FROM regional_users {CHANGED}"},
)


@dag(
    schedule=CronDataIntervalTimetable("30 2 * * *", timezone="UTC"),  # each run has a day to look at
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)} | retry_policy(),
    params={"path": Param("s3://analytics/userflow-accounts", type="string", description="Where rejects are kept: any storage.")},
    doc_md=__doc__,
    tags=["userflow", "example"],
)
def warehouse_to_two_accounts() -> None:
    """What changed in the run's data interval, to the account of each region."""
    for account in ACCOUNTS:
        SqlToUserflowOperator.partial(
            task_id=f"push_{account}",
            userflow_conn_id=account,
            pool=account,  # one slot: the account's limit is one task's at a time
            sql_conn_id="product_database",
            rejects_path="{{ params.path }}/rejects",
        ).expand_kwargs([push | {"parameters": {"region": account.removeprefix("userflow_")} | INTERVAL} for push in PUSHES])


warehouse_to_two_accounts()
