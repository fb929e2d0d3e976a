"""Events from files to Userflow, each at most once; and a second DAG that sends again what was refused, once it is mended.

Userflow cannot recognise an event it has already got. So each event is claimed before it is sent: if the worker dies, the few that were
under way are reported in doubt and not sent again, and the retry goes on behind them.

Needs a connection `userflow_default` (type Userflow) and a folder with one folder of files a day, `…/2026-11-22/*.csv.gz`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import CronDataIntervalTimetable, Param, dag

from airflow_provider.engagement.bulk.mapping import RowMapping
from airflow_provider.engagement.retries import retry_policy
from airflow_provider.engagement.userflow.transfers import ObjectStorageToUserflowOperator

EVENTS = RowMapping(
    event_name_column="event",
    user="user_id",
    group="company_id",
    time="happened_at",
    data_types={"amount": "number", "is_trial": "boolean"},  # a CSV file knows only text
)
PATH = Param("s3://analytics/userflow-events", type="string", description="A folder on any storage that Airflow can read and write.")


@dag(
    schedule=CronDataIntervalTimetable("0 1 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)} | retry_policy(),
    params={"path": PATH},
    doc_md=__doc__,
    tags=["userflow", "example"],
)
def events_from_files() -> None:
    """The files of the run's day."""
    ObjectStorageToUserflowOperator(
        task_id="push_events",
        target="events",
        path="{{ params.path }}/{{ data_interval_start | ds }}/*.csv*",
        mapping=EVENTS,
        empty_as_null=True,
        timezone="UTC",  # of times that do not say theirs
        delivery="at_most_once",
        work_path="{{ params.path }}/work",  # the plan outlives the worker
        rejects_path="{{ params.path }}/rejects/{{ data_interval_start | ds }}",
        max_rejects=0.01,  # a percent of unusable rows is a matter for tomorrow
    )


@dag(
    schedule=None,
    params={"rejects": Param("s3://analytics/userflow-events/rejects/2026-11-22", type="string", description="The rejects, mended.")},
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)} | retry_policy(),
    doc_md="Sends rejected events again. Rows in doubt are left out: they may have arrived.",
    tags=["userflow", "example"],
)
def replay_rejected_events() -> None:
    """What was invalid or refused."""
    ObjectStorageToUserflowOperator(
        task_id="replay",
        target="events",
        path="{{ params.rejects }}",
        file_format="rejects",
        mapping=EVENTS,
        timezone="UTC",
        delivery="at_most_once",
        rejects_path="{{ params.rejects }}-again",
    )


events_from_files()
replay_rejected_events()
