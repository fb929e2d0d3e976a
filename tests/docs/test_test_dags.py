"""The code of docs/how-to/test-dags.md."""

# [start imports]
import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.emulator.faults import Drop, Status
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.userflow.operators import UserflowTrackEventsOperator, UserflowUpsertUsersOperator
from airflow_provider.engagement.userflow.sensors import UserflowContentSessionSensor

# [end imports]


# [start operator]
def test_users_arrive(userflow: EmulatorServer) -> None:
    rows = [{"id": "1", "attributes": {"plan": "Pro"}}, {"id": "2", "attributes": {"plan": "Free"}}]

    counts = UserflowUpsertUsersOperator(task_id="push", rows=rows).execute({})

    assert counts["sent"] == 2
    assert UserflowHook().get_user("1").attributes == {"plan": "Pro"}


# [end operator]


# [start people]
def test_the_cohort_completes_the_flow(userflow: EmulatorServer) -> None:
    UserflowHook().upsert_user("1")
    flow = userflow.userflow.seed_content("Onboarding", questions=[{"cvid": "q1", "name": "How was it?"}])
    userflow.userflow.walk({"content_id": flow["id"], "users": ["1"], "seconds_per_step": 3600, "answers": {"q1": "Fine"}})
    sensor = UserflowContentSessionSensor(task_id="wait", content_id=flow["id"], user_ids=["1"])

    assert not sensor.poke({}).is_done

    userflow.clock.advance(24 * 3600)  # seconds

    assert sensor.poke({}).is_done


# [end people]


# [start faults]
EVENTS = [{"name": "signed_up", "user_id": "1"}]


def test_a_busy_server_is_asked_again(userflow: EmulatorServer) -> None:
    userflow.faults.add(Status(status=429, retry_after="seconds", seconds=1, times=1))

    assert UserflowTrackEventsOperator(task_id="push", rows=EVENTS).execute({})["sent"] == 1


def test_an_event_whose_answer_is_lost_is_not_sent_twice(userflow: EmulatorServer) -> None:
    userflow.faults.add(Drop(path="/events", after=True, times=1))

    with pytest.raises(AirflowFailException, match="1 are in doubt"):
        UserflowTrackEventsOperator(task_id="push", rows=EVENTS).execute({})

    assert len(userflow.requests("POST", "/events")) == 1


# [end faults]
