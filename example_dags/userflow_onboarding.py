"""From the warehouse to Userflow and back.

Pushes companies, people and events, waits until a cohort has finished the onboarding flow, then brings its sessions and survey
answers to object storage.

Needs two connections: `userflow_default` (type Userflow) and `warehouse` (any SQL database with the tables companies, users,
memberships and events). Users and companies are upserts, which can be repeated. Each event is claimed by one run and sent at most once: a
retry goes on behind what an earlier try may have sent. That takes Airflow 3.3; with 3.2, give `push_events` `retries=0`. Clearing it after
it has ended sends that run's events again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from airflow.sdk import Asset, BaseHook, Context, Param, dag, task

from airflow_provider.engagement.retries import retry_policy
from airflow_provider.engagement.userflow.operators import (
    UserflowTrackEventsOperator,
    UserflowUpsertGroupsOperator,
    UserflowUpsertUsersOperator,
)
from airflow_provider.engagement.userflow.sensors import UserflowContentSessionSensor
from airflow_provider.engagement.userflow.transfers import UserflowToObjectStorageOperator

WAREHOUSE_CONNECTION = "warehouse"

COMPANIES = "SELECT id, name, plan, mrr, employees, founded_on, renews_at FROM companies ORDER BY id"
USERS = """
    SELECT u.id, u.name, u.email, u.language, u.is_admin, u.lifetime_value, u.signed_up_at, u.last_seen_at,
           m.company_id, m.role, m.seat_price, m.joined_at
    FROM users u LEFT JOIN memberships m ON m.user_id = u.id
    ORDER BY u.id, m.company_id
"""
COHORT = "SELECT id FROM users WHERE in_onboarding ORDER BY id"
CLAIM_EVENTS = "UPDATE events SET pushed_by_run = %(run_id)s WHERE pushed_by_run IS NULL"
CLAIMED_EVENTS = """
    SELECT name, user_id, company_id, happened_at, amount, note FROM events WHERE pushed_by_run = %(run_id)s ORDER BY happened_at, id
"""


def plain(value: Any) -> Any:
    """Turn a database value into plain JSON, which is all that an XCom should hold."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return f"{value}T00:00:00+00:00"  # Userflow knows moments only; a bare date would become a text there
    return value


def read(query: str) -> list[tuple[Any, ...]]:
    """Read all rows of a query from the warehouse."""
    rows: list[tuple[Any, ...]] = BaseHook.get_hook(WAREHOUSE_CONNECTION).get_records(query)
    return rows


def claimed_events(context: Context, jinja_env: object) -> Iterator[dict[str, Any]]:
    """Yield the events that belong to this run, in the shape of Userflow's API.

    Thousands of rows are better read by the task that sends them than carried through an XCom; that is why this is no task but a
    function that Airflow calls, with these two arguments, where a templated field holds one. Decimals and dates may stay as they are.
    """
    with closing(BaseHook.get_hook(WAREHOUSE_CONNECTION).get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(CLAIMED_EVENTS, {"run_id": context["run_id"]})
        for name, user_id, company_id, happened_at, amount, note in cursor:
            event = {"name": name, "user_id": user_id, "time": happened_at, "attributes": {"amount": amount, "note": note}}
            yield event if company_id is None else event | {"group_id": company_id}


@dag(
    schedule=[Asset("warehouse_loaded")],
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)} | retry_policy(),
    params={
        "flow_id": Param("onboarding", type="string", description="The onboarding flow's id, from its address in Userflow."),
        "export_path": Param(
            "s3://analytics/userflow", type="string", description="Where the sessions go: a folder on any storage that Airflow can write."
        ),
    },
    doc_md=__doc__,
    tags=["userflow", "example"],
)
def userflow_onboarding() -> None:
    """Warehouse → Userflow → wait → object storage → summary."""

    @task
    def read_companies() -> list[dict[str, Any]]:
        """Read the companies; a null becomes no attribute."""
        names = ("name", "plan", "mrr", "employees", "founded_on", "renews_at")
        return [{"id": key, "attributes": dict(zip(names, map(plain, values), strict=True))} for key, *values in read(COMPANIES)]

    @task
    def read_users() -> list[dict[str, Any]]:
        """Read the users, each with its memberships of companies."""
        names = ("name", "email", "language", "is_admin", "lifetime_value", "signed_up_at", "last_seen_at")
        users = []
        for key, rows in groupby(read(USERS), key=lambda row: row[0]):
            of_user = list(rows)
            attributes = dict(zip(names, map(plain, of_user[0][1:8]), strict=True))
            memberships = [
                {"group": {"id": company}, "attributes": {"role": role, "seat_price": plain(price), "joined_at": plain(joined_at)}}
                for *_, company, role, price, joined_at in of_user
                if company is not None
            ]
            users.append({"id": key, "attributes": attributes, "memberships": memberships})
        return users

    @task
    def read_cohort() -> list[str]:
        """Read who is expected to finish the onboarding."""
        return [key for (key,) in read(COHORT)]

    @task
    def claim_events(run_id: str | None = None) -> None:
        """Give this run all events that no other run has: they have no id in Userflow, so one that is sent twice counts twice."""
        BaseHook.get_hook(WAREHOUSE_CONNECTION).run(CLAIM_EVENTS, parameters={"run_id": run_id})

    push_companies = UserflowUpsertGroupsOperator(task_id="push_companies", rows=read_companies())
    push_users = UserflowUpsertUsersOperator(task_id="push_users", rows=read_users())
    push_events = UserflowTrackEventsOperator(task_id="push_events", rows=claimed_events)

    wait_for_cohort = UserflowContentSessionSensor(
        task_id="wait_for_cohort",
        content_id="{{ params.flow_id }}",
        user_ids=read_cohort(),
        since="{{ dag_run.run_after | ts }}",
        deferrable=True,  # no worker slot is taken while it waits
        poke_interval=10,
        timeout=timedelta(days=3).total_seconds(),
    )
    export_sessions = UserflowToObjectStorageOperator(
        task_id="export_sessions",
        content_ids=["{{ params.flow_id }}"],
        path="{{ params.export_path }}",
        start="{{ dag_run.run_after | ts }}",
        end="{{ ti.start_date | ts }}",
    )

    @task
    def summarize(pushed: list[dict[str, Any]], waited: dict[str, Any], exported: dict[str, Any]) -> dict[str, Any]:
        """Say in one place what the run did."""
        companies, users, events = (counts["sent"] for counts in pushed)
        return {"companies": companies, "users": users, "events": events, "completed": waited["completed"], "exported": exported}

    push_companies >> push_users >> push_events >> wait_for_cohort >> export_sessions
    claim_events() >> push_events
    summarize([push_companies.output, push_users.output, push_events.output], wait_for_cohort.output, export_sessions.output)


userflow_onboarding()
