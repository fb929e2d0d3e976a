"""A survey's completes, day by day, from Mirats Quanto to object storage.

Makes the survey's link, waits until enough people who began within the run's data interval have completed it, and writes all
sessions of that interval to a file. The file of a week before is written again: whether a complete is accepted is decided days
after it, and the file then says so.

Needs the connection `mirats_quanto_default` (type Mirats Quanto) with a salt, because IP addresses leave hashed. A run needs a
data interval: one by the schedule or a backfill has it; one started by hand has it if a logical date is given.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, dag, task

from airflow_provider.engagement.mirats.operators import MiratsQuantoSurveyLinkOperator
from airflow_provider.engagement.mirats.sensors import MiratsQuantoUserSessionSensor
from airflow_provider.engagement.mirats.transfers import MiratsQuantoToObjectStorageOperator


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    params={
        # Text, because a browser rounds numbers of this size.
        "survey_number": Param("17633744316785364", type="string", pattern=r"^\d+$", description="The survey's number."),
        "completes": Param(10, type="integer", minimum=1, description="How many completes a day is worth waiting for."),
        "export_path": Param("s3://analytics/mirats", type="string", description="A folder on any storage that Airflow can write."),
    },
    doc_md=__doc__,
    tags=["mirats quanto", "example"],
)
def mirats_survey_completes() -> None:
    """Link → wait → export the day → export the day a week before."""
    make_link = MiratsQuantoSurveyLinkOperator(task_id="make_link", survey_number="{{ params.survey_number }}")

    wait_for_completes = MiratsQuantoUserSessionSensor(
        task_id="wait_for_completes",
        survey_number="{{ params.survey_number }}",
        min_sessions="{{ params.completes }}",
        start="{{ data_interval_start | ts }}",
        end="{{ data_interval_end | ts }}",
        deferrable=True,  # no worker slot is taken while it waits
        poke_interval=300,
        timeout=timedelta(hours=12).total_seconds(),
    )

    export_sessions = MiratsQuantoToObjectStorageOperator(task_id="export_sessions", path="{{ params.export_path }}")

    export_again = MiratsQuantoToObjectStorageOperator(
        task_id="export_again",
        path="{{ params.export_path }}",
        start="{{ (data_interval_start - macros.timedelta(days=7)) | ts }}",
        end="{{ (data_interval_end - macros.timedelta(days=7)) | ts }}",
    )

    @task
    def summarize(links: dict[str, str], waited: dict[str, Any], exported: dict[str, Any]) -> dict[str, Any]:
        """Say in one place what the run did."""
        return {"link": links["live_link"], "waited_for": waited["wanted"], "completed": exported["completed"], "file": exported["path"]}

    make_link >> wait_for_completes >> [export_sessions, export_again]
    summarize(make_link.output, wait_for_completes.output, export_sessions.output)


mirats_survey_completes()
