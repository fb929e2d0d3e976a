"""What is waited for: what fits together, and when it holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider.engagement.mirats.api import NumberedPage, UserSession
from airflow_provider.engagement.mirats.condition import SessionCondition
from airflow_provider.engagement.mirats.sessions import ask
from airflow_provider.engagement.watch.condition import Done, Verdict, Waiting
from airflow_provider.engagement.wire.message import decode_json

SURVEY = "17633744316785364"


def session(rid: str, survey: int = int(SURVEY), at: str | None = "2026-03-10T12:00:00Z") -> UserSession:
    return UserSession.read({"rid": rid, "surveyNumber": survey, "startTime": at})


def judged(condition: SessionCondition, *pages: list[UserSession]) -> tuple[Verdict, list[Any]]:
    """Answer a poll with these pages; its verdict, and what it asked for."""
    asking, asked, total = ask(condition), [], sum(map(len, pages))
    try:
        call = next(asking)
        for page in pages:
            asked.append(decode_json(call.request.body or b""))
            call = asking.send(NumberedPage(page, total, len(pages), {}))
    except StopIteration as end:
        return end.value, asked
    raise AssertionError("it asks for more than there is")


def of(**told: Any) -> SessionCondition:
    usual: dict[str, Any] = {"rid": None, "survey_number": None, "min_sessions": None, "status": "completed"}
    return SessionCondition.of(**{**usual, "session_type": "live", "start": None, "end": None, **told})


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "give either rid or survey_number"),
        ({"rid": "r", "survey_number": 5}, "give either rid or survey_number"),
        ({"rid": "", "survey_number": ""}, "give either rid or survey_number"),
        ({"rid": "r", "min_sessions": 2}, "rid stands alone"),
        ({"survey_number": 5, "min_sessions": 0}, "min_sessions must be at least 1"),
        ({"survey_number": 5, "status": "done"}, "status must be one of"),
        ({"survey_number": 5, "session_type": "preview"}, "session_type must be live"),
        ({"survey_number": 1.7e16}, "survey_number: a survey number must be an integer or a text of digits, got float"),
        ({"survey_number": 5, "start": "soon"}, "start must be a date"),
        ({"survey_number": 5, "start": "2026-03-10T12:00:00"}, "start has a time of day but no time zone"),
        ({"survey_number": 5, "start": "2026-03-10", "end": "2026-03-10"}, "must be before end .* which does not belong"),
    ],
)
def test_what_does_not_fit_together_is_named(told: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        of(**told)


def test_it_travels_as_json_without_rounding_the_survey() -> None:
    condition = of(survey_number=int(SURVEY), min_sessions=3, session_type="test", start=datetime(2026, 3, 10, tzinfo=UTC))
    values = json.loads(json.dumps(condition.to_dict()))
    assert values["survey_number"] == SURVEY
    assert SessionCondition.from_dict(values) == condition
    with pytest.raises(ValueError, match="unknown fields in a condition: mood"):
        SessionCondition.from_dict({**values, "mood": "fine"})


def test_the_server_is_asked_for_the_days_around_the_window() -> None:
    _, (body,) = judged(of(survey_number=5, start="2026-03-10", end="2026-03-11", status="overquota", session_type="test"), [])
    assert body == {
        "rows": 500,
        "page": 1,
        "status": "overquota",
        "sessionType": 1,
        "startDate": "2026-03-09",
        "endDate": "2026-03-11",
    }


def test_without_a_window_the_servers_own_holds() -> None:
    _, (body,) = judged(of(survey_number=5), [])
    assert body.keys() == {"rows", "page", "status", "sessionType"}


def test_sessions_of_the_survey_within_the_window_count() -> None:
    condition = of(survey_number=SURVEY, min_sessions=2, start="2026-03-10T12:00:00Z", end="2026-03-10T13:00:00Z")
    others = [
        session("early", at="2026-03-10T11:59:59.999Z"),
        session("late", at="2026-03-10T13:00:00Z"),
        session("never", at=None),
        session("other", survey=5),
    ]
    verdict, _ = judged(condition, [session("first"), *others])
    assert verdict == Waiting({"sessions": 1, "wanted": 2, "status": "completed"})
    verdict, _ = judged(condition, [session("first"), *others, session("second", at="2026-03-10T12:59:59.999Z")])
    assert verdict == Done({"sessions": 2, "wanted": 2, "status": "completed", "rids": ["first", "second"]})


def test_a_session_that_is_pushed_to_the_next_page_counts_once() -> None:
    condition = of(survey_number=SURVEY, min_sessions=3)
    verdict, asked = judged(condition, [session("a"), session("b")], [session("b"), session("a")])
    assert isinstance(verdict, Waiting)
    assert [body["page"] for body in asked] == [1, 2]


def test_reading_ends_when_there_are_enough() -> None:
    verdict, asked = judged(of(survey_number=SURVEY), [session("a"), session("b")], [session("c")])
    assert isinstance(verdict, Done)
    assert len(asked) == 1


def test_one_session() -> None:
    condition = of(rid="b", start="2026-01-01")
    assert judged(condition, [session("a")])[0] == Waiting({"sessions": 0, "wanted": 1, "status": "completed", "rids": []})
    verdict, _ = judged(condition, [session("a")], [session("b", survey=5)])
    assert verdict == Done({"sessions": 1, "wanted": 1, "status": "completed", "rids": ["b"]})
