"""Records, and how answers are read: sizes of numbers, durations, times, errors in answers of 200."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider.engagement.mirats import api
from airflow_provider.engagement.wire.errors import ApiError, NotFound, RateLimited, ServerFailed, Unauthorized, error_from
from airflow_provider.engagement.wire.message import Request, Response, decode_json

REQUEST = Request("POST", "/user-sessions", body=b"{}")


def answer(body: Any, status: int = 200) -> Response:
    return Response(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def error(response: Response) -> ApiError:
    meant = Response(api.status(response), response.headers, response.body)
    return error_from(api.DIALECT, REQUEST, meant, None, lambda text: text)


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, 2**53 + 1, 17633744316785364, 2**80, "17633744316785364", " 5 "])
def test_survey_numbers_of_any_size(value: Any) -> None:
    assert api.whole(value) == int(value)


@pytest.mark.parametrize("value", [1.0, 1.7633744316785364e16, True, None, "", "12.0", "1e5", "-3", "x", "٣"])
def test_what_is_no_survey_number(value: Any) -> None:
    with pytest.raises(ValueError, match="survey number must be an integer"):
        api.whole(value)


def test_a_survey_number_never_becomes_a_float_on_the_way() -> None:
    session = api.UserSession.read(decode_json(b'{"rid": "r", "surveyNumber": 123456789012345678901234567890}'))
    assert session.survey_number == 123456789012345678901234567890
    with pytest.raises(ValueError, match="float"):
        api.UserSession.read(decode_json(b'{"rid": "r", "surveyNumber": 1.7633744316785364e16}'))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:19:07", 1147), ("00:00:00", 0), ("1:2:3", 3723), ("123:00:01", 442801), ("99:59", None), ("00:60:00", None), ("", None)],
)
def test_durations(text: str, seconds: int | None) -> None:
    session = api.UserSession.read({"rid": "r", "duration": text})
    assert (session.duration, session.duration_seconds) == (text, seconds)


@pytest.mark.parametrize("value", [1147, None, True, [], "-1:00:00"])
def test_what_is_no_duration(value: Any) -> None:
    assert api.seconds(value) is None


def test_times_are_moments_in_utc_where_they_do_not_say() -> None:
    session = api.UserSession.read({"rid": "r", "startTime": "2025-10-01T04:11:21.819Z", "endTime": "2025-10-01T04:30:29"})
    assert session.start_time == datetime(2025, 10, 1, 4, 11, 21, 819000, UTC)
    assert session.end_time == datetime(2025, 10, 1, 4, 30, 29, tzinfo=UTC)
    assert api.UserSession.read({"rid": "r", "startTime": "soon"}).start_time is None


def test_a_session_does_not_show_its_address() -> None:
    session = api.UserSession.read({"rid": "r", "IP": "159.253.79.204", "mood": "fine"})
    assert session.ip == "159.253.79.204"
    assert "159.253.79.204" not in repr(session)
    assert session.extra == {"mood": "fine"}


def test_numbers_and_texts_are_the_same_length_of_interview() -> None:
    listed = api.Survey.read({"surveyNumber": 1, "length_of_interview": 10, "incidence_rate": 10, "cpi": 1.28})
    single = api.Survey.read({"surveyNumber": 1, "length_of_interview": "10", "incidence_rate": "10"})
    assert listed.length_of_interview == single.length_of_interview == 10
    assert listed.cpi == Decimal("1.28")


@pytest.mark.parametrize("name", ["totalDocument", "totalDocuments"])
def test_both_names_of_the_total_are_read(name: str) -> None:
    page = api.LIST_USER_SESSIONS.read({"data": [], "pagination": {name: 59, "rows": 500, "page": 1, "totalPages": 1}})
    assert (page.total, page.pages) == (59, 1)


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "meant"),
    [
        ({"success": True}, 200, 200),
        ({"success": False, "code": 500, "message": "internal server error"}, 200, 500),
        ({"success": False, "code": "401"}, 200, 401),
        ({"success": False, "code": 429}, 201, 429),
        ({"success": False}, 200, 500),
        ({"success": False, "code": 200}, 200, 500),
        ({"success": False, "code": 99999}, 200, 500),
        ({"success": False, "code": 500}, 404, 404),
        ({"data": [{"success": False}]}, 200, 200),
        ({"message": '"success": false'}, 200, 200),
        ([{"success": False}], 200, 200),
        (b'{"success" : false', 200, 200),
        (b'{ "success" :  false }', 200, 500),
        (b"", 204, 204),
    ],
)
def test_which_status_an_answer_stands_for(body: Any, status: int, meant: int) -> None:
    assert api.status(answer(body, status)) == meant


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (500, ServerFailed, "Mirats Quanto answered 500: it broke. This is the only error Mirats Quanto documents"),
        (401, Unauthorized, "Check the Secret Key in the connection's password field and the Web API Key in its extra web_api_key"),
        (404, NotFound, "Check the connection's base URL; Mirats Quanto's ends in /api/v1/publisher"),
        (429, RateLimited, "Mirats Quanto answered 429: it broke"),
    ],
)
def test_errors_say_what_to_do(code: int, kind: type[ApiError], said: str) -> None:
    found = error(answer({"message": "it broke", "code": code, "success": False}))
    assert type(found) is kind
    assert said in str(found)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"text"', b"", b'{"other": 1}', b'{"success": false, "message": 5}'])
def test_any_body_makes_an_error(body: bytes) -> None:
    assert isinstance(error(answer(body, 502)), ServerFailed)


def test_a_code_that_is_not_the_status_is_told() -> None:
    assert error(answer({"message": "m", "code": "E17", "success": False}, 400)).problem.code == "E17"
    assert error(answer({"message": "m", "code": 400, "success": False}, 400)).problem.code is None


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (api.LIST_USER_SESSIONS, {"success": True}),
        (api.LIST_USER_SESSIONS, {"data": [{"surveyNumber": 1}], "pagination": {}}),
        (api.LIST_SURVEYS, {"surveys": [{"_id": "x"}], "pagination": {}}),
        (api.GET_SURVEY, {"qualification": []}),
        (api.GET_SURVEY_LINK, {"testLink": "https://example.com"}),
    ],
)
def test_what_was_not_promised_is_not_read(endpoint: Any, body: Any) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        endpoint.read(body)


def test_every_call_is_a_repeatable_post() -> None:
    assert {(endpoint.method, endpoint.repeatable) for endpoint in api.ENDPOINTS} == {("POST", True)}
    assert not any(api.KEY_FIELD in endpoint.fields for endpoint in api.ENDPOINTS)
