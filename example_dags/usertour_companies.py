"""Companies and their people to Usertour, and what they did back.

Reads companies with their members from a file, pushes both, waits until enough members have finished a flow, and writes the flow's
sessions of the run's data interval, with survey answers, to object storage.

Needs one connection of type Usertour. Whether it is for API v1 (`ak_…`) or v2 (`utp_…`) makes no difference to this file. A run
needs a data interval: one by the schedule or a backfill has it; one started by hand has it if a logical date is given.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, ObjectStoragePath, Param, dag, task

from airflow_provider.engagement.retries import retry_policy
from airflow_provider.engagement.usertour.operators import UsertourUpsertCompaniesOperator, UsertourUpsertUsersOperator
from airflow_provider.engagement.usertour.sensors import UsertourContentSessionSensor
from airflow_provider.engagement.usertour.transfers import UsertourToObjectStorageOperator

CONNECTION = "{{ params.connection }}"


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)} | retry_policy(),
    params={
        "connection": Param("usertour_default", type="string", description="A connection of type Usertour."),
        "companies_path": Param("s3://analytics/companies.jsonl", type="string", description="One company with its members a line."),
        "content_id": Param("cm9f6vwed0002iejc4vg2zu3t", type="string", description="The flow to wait for."),
        "completions": Param(1, type="integer", minimum=1, description="How many members must have finished it."),
        "export_path": Param("s3://analytics/usertour", type="string", description="A folder on any storage that Airflow can write."),
    },
    doc_md=__doc__,
    tags=["usertour", "example"],
)
def usertour_companies() -> None:
    """Read → companies → users with memberships → wait → export."""

    @task
    def read_companies(path: str) -> list[dict[str, Any]]:
        """Read the file."""
        with ObjectStoragePath(path).open("r") as lines:
            return [json.loads(line) for line in lines]

    @task
    def make_companies(companies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Make a row of each company."""
        return [{"id": company["id"], "attributes": {"name": company["name"], "plan": company["plan"]}} for company in companies]

    @task
    def make_users(companies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Make a row of each person, with a membership for each of their companies."""
        users: dict[str, dict[str, Any]] = {}
        for company in companies:
            for member in company["members"]:
                attributes = {"name": member["name"], "email": member["email"]}
                user = users.setdefault(member["id"], {"id": member["id"], "attributes": attributes, "memberships": []})
                user["memberships"].append({"company": {"id": company["id"]}, "attributes": {"role": member["role"]}})
        return list(users.values())

    companies = read_companies("{{ params.companies_path }}")

    push_companies = UsertourUpsertCompaniesOperator(task_id="push_companies", rows=make_companies(companies), usertour_conn_id=CONNECTION)
    push_users = UsertourUpsertUsersOperator(task_id="push_users", rows=make_users(companies), usertour_conn_id=CONNECTION)

    wait_for_members = UsertourContentSessionSensor(
        task_id="wait_for_members",
        content_id="{{ params.content_id }}",
        min_completed="{{ params.completions }}",
        since="{{ data_interval_start | ts }}",
        usertour_conn_id=CONNECTION,
        deferrable=True,  # no worker slot is taken while it waits
        poke_interval=60,
        timeout=timedelta(hours=12).total_seconds(),
    )

    export_sessions = UsertourToObjectStorageOperator(
        task_id="export_sessions",
        path="{{ params.export_path }}",
        content_ids=["{{ params.content_id }}"],
        usertour_conn_id=CONNECTION,
    )

    @task
    def summarize(pushed_companies: dict[str, Any], pushed_users: dict[str, Any], exported: dict[str, Any]) -> dict[str, Any]:
        """Say in one place what the run did."""
        return {
            "companies": pushed_companies["sent"],
            "users": pushed_users["sent"],
            "completed": exported["completed"],
            "answers": exported["answers"],
            "file": exported["path"],
        }

    push_companies >> push_users >> wait_for_members >> export_sessions
    summarize(push_companies.output, push_users.output, export_sessions.output)


usertour_companies()
