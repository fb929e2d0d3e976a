"""The code of docs/how-to/wait-for-a-cohort.md that is not the example's."""

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow.sensors import UserflowContentSessionSensor


def test_what_the_sensor_returns(userflow: EmulatorServer) -> None:
    sessions = [
        {"id": "session-1", "user_id": "ada", "completed_at": "2026-03-02T09:00:00.000+00:00"},
        {"id": "session-2", "user_id": "bob"},
        {"id": "session-3", "user_id": "cy", "completed_at": "2026-03-03T12:30:00.000+00:00"},
    ]
    seeded = {"content_id": "5f1d7c52-survey", "created_at": "2026-03-02T08:00:00.000+00:00"}
    userflow.userflow.seed(
        {
            "users": [{"id": user} for user in ("ada", "bob", "cy", "di")],
            "content": [{"id": "5f1d7c52-survey", "type": "flow"}],
            "content_sessions": [{**session, **seeded} for session in sessions],
        }
    )
    sensor = UserflowContentSessionSensor(
        task_id="wait_for_answers", content_id="5f1d7c52-survey", user_ids=["ada", "bob", "cy", "di"], min_completion_rate=0.5
    )

    result = sensor.execute({})

    # [start result]
    assert result == {
        "completed": 2,
        "users": 3,  # have begun it
        "sessions": 3,
        "wanted": 4,
        "session_ids": ["session-1", "session-3"],
        "completed_at": {"session-1": "2026-03-02T09:00:00+00:00", "session-3": "2026-03-03T12:30:00+00:00"},
    }
    # [end result]
