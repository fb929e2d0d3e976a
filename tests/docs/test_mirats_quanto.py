"""The code of docs/how-to/mirats-quanto.md."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk import BaseOperator

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook
from airflow_provider.engagement.mirats.sensors import MiratsQuantoUserSessionSensor

SURVEY = 17633744316785364


# [start connection]
@pytest.fixture
def mirats(engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """An empty Mirats Quanto, behind the connection `mirats_quanto_default`."""
    connection = {
        "conn_type": "mirats_quanto",
        "host": engagement_emulator.base_url,
        "password": "secret_test",
        "extra": {"web_api_key": "web_test", "ip_salt_secret": "any text of 16 characters or more"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_MIRATS_QUANTO_DEFAULT", json.dumps(connection))
    return engagement_emulator


# [end connection]


def sensors() -> list[BaseOperator]:
    # [start conditions]
    one_session = MiratsQuantoUserSessionSensor(task_id="one", rid="c339b91cf474987f12aa43015b436f15", start="2026-03-01")
    completes_of_a_survey = MiratsQuantoUserSessionSensor(
        task_id="completes",
        survey_number="17633744316785364",
        min_sessions=2,
        start="2026-03-10T00:00:00+00:00",
        end="2026-03-11T00:00:00+00:00",
    )
    any_over_quota = MiratsQuantoUserSessionSensor(
        task_id="full", survey_number="17633744316785364", status="overquota", start="2026-03-01"
    )
    # [end conditions]
    return [one_session, completes_of_a_survey, any_over_quota]


def put_sessions(mirats: EmulatorServer) -> None:
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    mirats.clock.stop(noon)
    rids = ("c339b91cf474987f12aa43015b436f15", "second")
    sessions = [{"rid": rid, "surveyNumber": SURVEY} for rid in rids]
    mirats.mirats.seed({"surveys": [{"number": SURVEY}], "sessions": [*sessions, {"surveyNumber": SURVEY, "status": "overquota"}]})


@pytest.mark.parametrize("sensor", sensors(), ids=lambda sensor: sensor.task_id)
def test_conditions(mirats: EmulatorServer, sensor: BaseOperator) -> None:
    put_sessions(mirats)
    returned: Any = sensor.execute({})
    assert returned["sessions"] == returned["wanted"]


def test_hook(mirats: EmulatorServer) -> None:
    put_sessions(mirats)
    # [start hook]
    hook = MiratsQuantoHook()
    minutes = {
        session.rid: session.duration_seconds / 60
        for session in hook.list_user_sessions(start_date="2026-03-01", end_date="2026-03-31", status="completed")
        if session.duration_seconds is not None
    }
    good_surveys = [survey.survey_number for survey in hook.list_surveys(country="US", cpi_gte=1, length_of_interview_lte=15)]
    # [end hook]
    assert set(minutes.values()) == {10}
    assert good_surveys == [SURVEY]


# [start people]
def test_people_complete_a_survey(mirats: EmulatorServer) -> None:
    mirats.mirats.seed({"surveys": [{"number": 5}]})
    mirats.mirats.walk({"survey_number": 5, "people": 3, "every": 60, "seconds": 300})
    sensor = MiratsQuantoUserSessionSensor(task_id="wait", survey_number=5, min_sessions=3)
    assert not sensor.poke({})
    mirats.clock.advance(600)
    assert sensor.poke({})


# [end people]


# [start errors]
def test_a_failure_that_comes_as_200(mirats: EmulatorServer) -> None:
    mirats.mirats.quirks.errors_as_200 = True
    mirats.faults.add(Status(status=500, times=1))
    assert list(MiratsQuantoHook().list_user_sessions()) == []  # it was tried again
    assert [request.status for request in mirats.requests()] == [200, 200]


# [end errors]
