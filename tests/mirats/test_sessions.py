"""What is read of Mirats Quanto's list, in the first round and in those after it; counted by the requests received."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow_provider.engagement.mirats.condition import SessionCondition
from airflow_provider.engagement.mirats.sessions import UserSessions, body_of
from airflow_provider.engagement.watch.condition import Done, Failed, Waiting
from airflow_provider.engagement.watch.poll import poll
from airflow_provider.engagement.watch.reading import Round
from tests.mirats.project import SURVEY, Project


def of(**told: Any) -> SessionCondition:
    return SessionCondition(**told) if "rid" in told else SessionCondition(survey_number=str(SURVEY), **told)


def make(project: Project, reading: UserSessions, *conditions: SessionCondition, afresh: bool = False) -> int:
    """Make a round; answers how many requests it made."""
    project.server.received.clear()
    wanted = [condition for condition in conditions if not isinstance(reading.judge(condition), Done)]
    poll(project.hook.get_conn(), reading.steps(Round(lambda: wanted, lasting=True, afresh=afresh)))
    return len(project.server.requests())


def test_after_the_first_walk_it_reads_until_as_many_are_known_as_there_are(project: Project) -> None:
    now = project.server.clock.now()
    for number in range(1200):
        project.session(f"r{number}", now - timedelta(minutes=number))
    condition = of(min_sessions=2000)
    reading = UserSessions(body_of(condition))
    assert make(project, reading, condition) == 3
    assert make(project, reading, condition) == 1
    project.session("new", now)
    assert make(project, reading, condition) == 1
    project.session("late", now - timedelta(minutes=1000), endTime=None)
    assert make(project, reading, condition) == 3, "it began long ago, so it stands on the last page"
    assert make(project, reading, condition) == 1
    assert reading.judge(condition) == Waiting({"sessions": 1202, "wanted": 2000, "status": "completed"})


def test_sessions_that_left_the_list_are_forgotten(project: Project) -> None:
    for number in range(3):
        project.session(f"r{number}")
    condition = of(min_sessions=5)
    reading = UserSessions(body_of(condition))
    make(project, reading, condition)
    project.session("r1", status="terminated")
    make(project, reading, condition)
    assert reading.judge(condition) == Waiting({"sessions": 2, "wanted": 5, "status": "completed"})


def test_a_session_that_ended_otherwise_fails_who_asked_for_it(project: Project) -> None:
    project.session("r", status=None)
    asks, does_not = of(rid="r", fail_if_ended=True), of(rid="r")
    assert body_of(asks)["status"] == "all"
    assert body_of(does_not)["status"] == "completed"
    reading = UserSessions(body_of(asks))
    make(project, reading, asks)
    assert isinstance(reading.judge(asks), Waiting)
    project.session("r", status="terminated")
    make(project, reading, asks)
    assert reading.judge(asks) == Failed("session r ended with another status than completed")
    project.session("r")
    make(project, reading, asks, afresh=True)
    assert isinstance(reading.judge(asks), Done)


def test_a_survey_that_is_gone_fails_who_asked_for_it(project: Project) -> None:
    asks = of(fail_if_unpublished=True)
    reading = UserSessions(body_of(asks))
    assert make(project, reading, asks) == 2
    assert isinstance(reading.judge(asks), Waiting)
    project.server.mirats.surveys.delete(str(SURVEY))
    make(project, reading, asks)
    assert reading.judge(asks) == Failed(f"survey {SURVEY} does not exist, with 0 of 1 sessions")


def test_surveys_and_sessions_of_one_list_share_it() -> None:
    assert body_of(of(min_sessions=3)) == body_of(of(rid="r")) == body_of(SessionCondition(survey_number="5"))
    assert body_of(of(session_type=1)) != body_of(of())
