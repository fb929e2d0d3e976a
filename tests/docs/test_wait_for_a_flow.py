"""The code of docs/how-to/wait-for-a-flow.md."""

from typing import Any

import pytest
from airflow.sdk import BaseOperator

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow.sensors import UserflowContentSessionSensor

FLOW = "aa49-a3f3"
CHECKLIST = "bb51-b2c4"


def sensors() -> list[BaseOperator]:
    # [start conditions]
    one_of_a_cohort = UserflowContentSessionSensor(task_id="anyone", content_id="aa49-a3f3")
    whole_cohort = UserflowContentSessionSensor(
        task_id="cohort",
        content_id="aa49-a3f3",
        user_ids=["1", "2"],  # or the output of an upstream task
        since="2026-03-01T00:00:00+00:00",
    )
    half_of_those_who_began = UserflowContentSessionSensor(
        task_id="half",
        content_id="bb51-b2c4",
        group_id="acme",
        min_completed=2,
        min_completion_rate=0.5,
    )
    # [end conditions]
    return [one_of_a_cohort, whole_cohort, half_of_those_who_began]


def wait(sensor: BaseOperator) -> dict[str, Any]:
    returned: dict[str, Any] = sensor.execute({})
    return returned


@pytest.mark.parametrize("sensor", sensors(), ids=lambda sensor: sensor.task_id)
def test_conditions(userflow: EmulatorServer, sensor: BaseOperator) -> None:
    sessions = [
        {"content_id": content, "user_id": user, "group_id": "acme", "completed": True, "completed_at": "2026-03-02T00:00:00.000+00:00"}
        for content in (FLOW, CHECKLIST)
        for user in ("1", "2")
    ]
    userflow.userflow.seed(
        {
            "users": [{"id": "1"}, {"id": "2"}, {"id": "3"}],
            "groups": [{"id": "acme"}],
            "content": [{"id": FLOW, "type": "flow"}, {"id": CHECKLIST, "type": "checklist"}],
            "content_sessions": [*sessions, {"content_id": CHECKLIST, "user_id": "3", "group_id": "acme"}],
        }
    )

    assert wait(sensor)["completed"] == 2
