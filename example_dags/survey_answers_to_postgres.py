"""Sessions and survey answers to tables of PostgreSQL, and each day's Net Promoter Score from them.

People finish a survey days after they began it. So each run reads the two windows before its own again: rows are merged by their
keys, a row that is there already is updated, and none is doubled.

Needs two connections: `userflow_default` (type Userflow) and `analytics_database` (PostgreSQL).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import BaseHook, CronDataIntervalTimetable, dag, task

from airflow_provider.engagement.retries import retry_policy
from airflow_provider.engagement.userflow.transfers import UserflowToSqlOperator

SCORES = """
    SELECT max(question_name), count(*), count(*) FILTER (WHERE answer_number >= 9), count(*) FILTER (WHERE answer_number <= 6)
    FROM userflow_content_session_answers
    WHERE created_at >= %(start)s AND created_at < %(end)s
      AND question_cvid IN (SELECT cvid FROM userflow_content_version_questions WHERE type = 'nps')
    GROUP BY question_cvid
    ORDER BY 1
"""


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,  # the windows of two runs overlap
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5), **retry_policy()},
    doc_md=__doc__,
    tags=["userflow", "example"],
)
def survey_answers_to_postgres() -> None:
    """Questions and answers → scores."""
    load_questions = UserflowToSqlOperator(task_id="load_questions", resource="content_versions", sql_conn_id="analytics_database")
    load_answers = UserflowToSqlOperator(
        task_id="load_answers",
        resource="content_sessions",
        sql_conn_id="analytics_database",
        lookback=2,  # two more windows, for what was answered late
    )

    @task
    def score(data_interval_start: datetime, data_interval_end: datetime) -> list[dict[str, Any]]:
        """Work out each question's score from the answers that were given within the interval."""
        interval = {"start": data_interval_start, "end": data_interval_end}
        rows = BaseHook.get_hook("analytics_database").get_records(SCORES, parameters=interval)
        return [
            {"question": question, "answers": answers, "score": round(100 * (promoters - detractors) / answers)}
            for question, answers, promoters, detractors in rows
        ]

    [load_questions, load_answers] >> score()  # type: ignore[call-arg]  # Airflow gives the interval


survey_answers_to_postgres()
