"""A table of companies and one of users to Userflow, every hour, and only what changed.

The query gives the whole table, and the state remembers a fingerprint of what was sent, so an hour in which ten users changed costs
ten requests. Users whose account was closed leave the table, and are deleted in Userflow: those that this DAG has sent, and no others.

Needs two connections: `userflow_default` (type Userflow) and `product_database` (any SQL database). With `plan_only` a run tells what it
would do, and does nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Param, dag

from airflow_provider.engagement.bulk.mapping import GroupColumns, RowMapping
from airflow_provider.engagement.retries import retry_policy
from airflow_provider.engagement.userflow.transfers import SqlToUserflowOperator

COMPANIES = "SELECT id, name, plan, mrr, employees, founded_on, renews_at FROM companies"

# One row for each company of a user; rows of one user stand together and become one request.
USERS = """
    SELECT u.id, u.name, u.email, u.language, u.is_admin, u.lifetime_value, u.signed_up_at, u.last_seen_at,
           m.company_id, m.role, m.joined_at
    FROM users u LEFT JOIN memberships m ON m.user_id = u.id
    ORDER BY u.id, m.company_id
"""


@dag(
    schedule="0 * * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,  # one state, one writer
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=2),
        "sql_conn_id": "product_database",
        "rejects_path": "{{ params.path }}/rejects",
        "plan_only": "{{ params.plan_only }}",
    }
    | retry_policy(),
    params={
        "path": Param("s3://analytics/userflow-sync", type="string", description="Where state and rejects are kept: any storage."),
        "plan_only": Param(False, type="boolean", description="Tell what would be sent and deleted, and do nothing."),
    },
    doc_md=__doc__,
    tags=["userflow", "example"],
)
def warehouse_to_userflow_incremental() -> None:
    """Companies first, then users with their memberships."""
    push_companies = SqlToUserflowOperator(
        task_id="push_companies",
        sql=COMPANIES,
        target="groups",
        state_path="{{ params.path }}/state/companies",
    )
    push_users = SqlToUserflowOperator(
        task_id="push_users",
        sql=USERS,
        target="users",
        mapping=RowMapping(
            groups=GroupColumns("company_id", membership=["role", "joined_at"]),
            operations={"signed_up_at": "set_once"},
        ),
        mode="mirror",  # delete what this DAG sent and the query no longer gives
        max_delete_fraction=0.1,
        max_state_age=timedelta(days=7),  # once a week everything is sent, whatever anybody changed in Userflow
        state_path="{{ params.path }}/state/users",
    )
    push_companies >> push_users


warehouse_to_userflow_incremental()
