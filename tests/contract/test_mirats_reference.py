"""Every example of Mirats Quanto's page for user sessions, held against client and emulator; and the shapes of the other four pages.

`mirats_examples.jsonl` holds the page's examples as they stand, numbered in its order; `note` says why one contradicts itself or
cannot be used as it stands. The tests named after a contradiction say what is done about it.
"""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider.engagement.emulator.state import Clock, Incoming, Reply, Store
from airflow_provider.engagement.mirats import api, bodies
from airflow_provider.engagement.mirats.emulator import PROJECT, MiratsEmulator
from airflow_provider.engagement.wire.errors import ServerFailed, error_from
from airflow_provider.engagement.wire.message import Request, Response, decode_json, encode_json, splice

EXAMPLES = [json.loads(line) for line in (Path(__file__).parent / "mirats_examples.jsonl").read_text().splitlines()]
CURL, ANSWER, HEADERS, BODY, TABLE, RESPONSE, ERROR = (example["text"] for example in EXAMPLES)
ANSWERED: Any = decode_json(ANSWER.encode())
SURVEY = 17633744316785364


def emulator(now: str = "2025-12-24T12:00:00+00:00", **seeded: Any) -> MiratsEmulator:
    clock = Clock()
    clock.stop(datetime.fromisoformat(now))
    made = MiratsEmulator(Store(), clock, web_keys=("web_test", "DqcInvhIFAl5WtUNwihFUIgUH77EL2hTNRU"))
    made.seed(seeded)
    return made


def seeded(shown: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**shown, "status": "completed", **changes}


def curl() -> Incoming:
    """Read the request; the placeholder of the Secret Key stands for the test key."""
    words = iter(shlex.split(CURL.replace("<api-key>", "secret_test").replace("\\\n", " "))[1:])
    method, url, data, headers = "", "", "", {}
    for word in words:
        value = next(words)
        if word == "--request":
            method = value
        elif word == "--url":
            url = value
        elif word == "--header":
            name, _, said = value.partition(":")
            headers[name.lower()] = said.strip()
        else:
            assert word == "--data"
            data = value
    assert url == api.BASE_URL + api.LIST_USER_SESSIONS.path
    return Incoming(method, urlsplit(url).path, (), headers, data.encode())


def ask(made: MiratsEmulator, path: str, **body: Any) -> Any:
    headers = {api.KEY_HEADER: "secret_test", "content-type": "application/json"}
    raw = encode_json({api.KEY_FIELD: "web_test", **body})
    return answered(made.handle(Incoming("POST", api.PREFIX + path, (), headers, raw)))


def answered(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return decode_json(reply.body)


def shape(value: Any) -> Any:
    """Names and types of a JSON value; whole numbers and others are one type."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


# --- the page's examples ---------------------------------------------------------------------------------------------


def test_all_examples_of_the_page_are_here() -> None:
    assert [(example["number"], example["kind"]) for example in EXAMPLES] == list(
        enumerate(("curl", "answer", "headers", "body", "table", "answer", "error"))
    )


def test_the_request_is_what_the_client_sends() -> None:
    wanted = decode_json(curl().body)
    key = wanted.pop(api.KEY_FIELD)
    body = bodies.sessions_body(rows=100, page=1, session_type="live", status="completed", start_date="2025-11-24", end_date="2025-12-24")
    call = api.LIST_USER_SESSIONS.call(None, body)
    assert (call.request.method, api.PREFIX + call.request.path) == (curl().method, curl().path)
    assert decode_json(splice(encode_json({api.KEY_FIELD: key}), call.request.body or b"")) == {api.KEY_FIELD: key, **wanted}
    assert curl().headers == {"content-type": "application/json", **api.headers("secret_test")}


def test_headers_and_body_stand_for_the_two_keys() -> None:
    assert decode_json(HEADERS.encode()) == api.headers("your_project_secret_key")
    assert decode_json(BODY.encode()) == {**decode_json(curl().body), api.KEY_FIELD: "your web api key"}


@pytest.mark.parametrize("row", ["rows", "page", "sessionType", "status", "startDate", "endDate"])
def test_the_table_has_the_fields_of_the_endpoint(row: str) -> None:
    assert row in api.LIST_USER_SESSIONS.fields
    assert f"\n{row}" in TABLE


@pytest.mark.parametrize("status", bodies.STATUSES)
def test_the_table_has_every_status(status: str) -> None:
    assert status in TABLE.partition("Enum: ")[2].partition(".")[0].split(", ")


def test_the_defaults_of_the_table_are_those_of_the_emulator() -> None:
    assert "rowsintegerNo100" in TABLE
    assert "Defaults to 30 days ago" in TABLE
    times = {
        "first": "2025-11-24T00:00:00Z",
        "last": "2025-12-24T23:59:59Z",
        "old": "2025-11-23T23:59:59Z",
        "trial": "2025-12-01T00:00:00Z",
    }
    made = emulator(sessions=[{"rid": rid, "surveyNumber": 1, "startTime": at, "test": rid == "trial"} for rid, at in times.items()])
    page = ask(made, "/user-sessions")
    assert [session["rid"] for session in page["data"]] == ["last", "first"]
    assert (page["pagination"]["rows"], page["pagination"]["page"]) == (100, 1)


def test_the_answer_as_records() -> None:
    page = api.LIST_USER_SESSIONS.read(ANSWERED)
    (session,) = page.items
    assert (page.total, page.pages) == (59, 1)
    assert (page.raw["organisation"], page.raw["project"]) == ("Organisation Name", "Project Name")
    assert (session.rid, session.survey_number) == ("c339b91cf474987f12aa43015b436f15", 1759222310541001)
    assert session.client_status is not None
    assert (session.client_status.title, session.client_status.code, session.completed) == ("Survey completed", 10, True)
    assert session.mirats_status is not None
    assert (session.mirats_status.description, session.mirats_status.code) == ("The user has been redirected to the client survey", 3)
    assert (session.os, session.ip, session.browser, session.device) == ("Mac OS X", "159.253.79.204", "Chrome", "Desktop")
    assert (session.country, session.timezone, session.reconciliation_status) == ("GB", "Europe/London", "Approved")
    assert session.start_time == datetime(2025, 10, 1, 4, 11, 21, 819000, UTC)
    assert session.end_time == datetime(2025, 10, 1, 4, 30, 29, 7000, UTC)
    assert session.extra == {}


def test_the_duration_is_that_between_start_and_end() -> None:
    (session,) = api.LIST_USER_SESSIONS.read(ANSWERED).items
    assert session.duration == "00:19:07"
    assert session.start_time is not None
    assert session.end_time is not None
    assert session.duration_seconds == int((session.end_time - session.start_time).total_seconds()) == 1147


def test_the_emulator_answers_with_the_session_as_it_is_shown() -> None:
    shown = ANSWERED["data"][0]
    made = emulator(sessions=[seeded(shown)])
    body = {**decode_json(curl().body), "startDate": "2025-10-01", "endDate": "2025-10-01"}
    request = Incoming(curl().method, curl().path, (), curl().headers, encode_json(body))
    answer = answered(made.handle(request))
    assert answer["data"] == [shown]
    assert shape(answer) == shape(ANSWERED)
    assert (answer["success"], answer["message"]) == (ANSWERED["success"], ANSWERED["message"])


# --- its contradictions ----------------------------------------------------------------------------------------------


def test_contradiction_the_session_shown_is_outside_of_the_window_asked_for() -> None:
    """The answer's session began in October, the request asks for November and December: the emulator does filter."""
    shown = ANSWERED["data"][0]
    assert not decode_json(curl().body)["startDate"] <= shown["startTime"] <= decode_json(curl().body)["endDate"]
    assert answered(emulator(sessions=[seeded(shown)]).handle(curl()))["data"] == []


def test_contradiction_rows_is_not_what_was_asked_for() -> None:
    """The request asks for 100 rows, the answer says 500: the client does not look at it, the emulator says what was asked for."""
    assert (decode_json(curl().body)["rows"], ANSWERED["pagination"]["rows"]) == (100, 500)
    assert answered(emulator().handle(curl()))["pagination"]["rows"] == 100


def test_contradiction_one_session_is_shown_of_59_on_one_page() -> None:
    """The total does not fit the rows shown: a walk reads such a list again, and believes it when nothing new comes."""
    from airflow_provider.engagement.mirats.walk import NumberedWalk

    walk = NumberedWalk(api.LIST_USER_SESSIONS, {}, lambda session: session.rid)
    found, asked = [], 0
    while walk.next_call() is not None:
        asked += 1
        found += walk.take(api.LIST_USER_SESSIONS.read(ANSWERED))
    assert (len(found), asked) == (1, 2)


def test_contradiction_both_answers_are_one_in_another_order() -> None:
    assert decode_json(RESPONSE.encode()) == ANSWERED
    assert list(decode_json(RESPONSE.encode())) != list(ANSWERED)


@pytest.mark.parametrize("status", [200, 500])
def test_contradiction_the_error_has_no_http_status(status: int) -> None:
    """Its `code` is all there is: it counts, whichever HTTP status it comes with; the emulator can send both."""
    response = Response(status, {}, ERROR.encode())
    meant = api.status(response)
    error = error_from(api.DIALECT, Request("POST", "/user-sessions"), Response(meant, {}, response.body), None, lambda text: text)
    assert isinstance(error, ServerFailed)
    assert "Mirats Quanto answered 500: internal server error" in str(error)
    made = emulator()
    made.quirks.errors_as_200 = status == 200
    problem = made.problem(500)
    assert (problem.status, decode_json(problem.body)) == (status, decode_json(ERROR.encode()))


# --- the other four pages --------------------------------------------------------------------------------------------

STATED = {"projectName": "str", "projectNumber": "number", "organisation": "str"}
QUALIFICATION = {
    "question": "str",
    "validOptions": [{"from": "number", "to": "number"}],
    "displayOptions": [],
    "quotas": {},
    "questionType": "str",
    "preCodes": ["str"],
}


def test_surveys_have_the_shape_of_their_page() -> None:
    """The total has another name here, the survey's number two, and the numbers of minutes and percent are numbers."""
    answer = ask(emulator(surveys=[{"number": SURVEY}]), "/surveys")
    listed = {
        "_id": "str",
        "surveyNumber": "number",
        "length_of_interview": "number",
        "incidence_rate": "number",
        "cpi": "number",
        "countryCode": "str",
        "cost_per_interview": {"value": "number", "currency_code": "str"},
        "survey_number": "number",
        "loi": "number",
        "ir": "number",
        "country": "str",
        "country_code": "str",
        "required_completes": "number",
        "overall_completes": "number",
        "revenue_per_click": "number",
        "survey_created_date": "str",
        "survey_last_updated_date": "str",
    }
    pagination = dict.fromkeys(("totalDocuments", "rows", "page", "totalPages"), "number")
    assert shape(answer) == {"success": "bool", "surveys": [listed], "surveysCount": "number", "pagination": pagination, **STATED}
    (survey,) = api.LIST_SURVEYS.read(answer).items
    assert survey.survey_number == SURVEY
    assert set(survey.extra) == {"countryCode", "survey_number", "loi", "ir"}


def test_one_survey_has_the_shape_of_its_page() -> None:
    """The numbers of minutes and percent are texts here, the deprecated ones beside them are not."""
    answer = ask(emulator(surveys=[{"number": SURVEY}]), f"/surveys/one/{SURVEY}")
    assert shape(answer) == {
        "length_of_interview": "str",
        "incidence_rate": "str",
        "surveyNumber": "number",
        "loi": "number",
        "ir": "number",
        "survey_created_date": "str",
        "survey_last_updated_date": "str",
        "qualification": [QUALIFICATION],
        **STATED,
    }
    assert set(api.GET_SURVEY.read(answer).extra) == {"loi", "ir"}


def test_a_qualification_has_the_shape_of_its_page() -> None:
    answer = ask(emulator(surveys=[{"number": SURVEY}]), f"/surveys/{SURVEY}/qualification")
    assert shape(answer) == {"surveyNumber": "number", "qualification": [QUALIFICATION], **STATED}
    assert api.GET_SURVEY_QUALIFICATION.read(answer).extra == {}


def test_links_have_the_shape_of_their_page() -> None:
    answer = ask(emulator(surveys=[{"number": SURVEY}]), f"/surveys/{SURVEY}/link")
    assert answer.keys() == {"testLink", "liveLink"}
    links = [dict(pair.split("=") for pair in urlsplit(answer[name]).query.split("&")) for name in ("testLink", "liveLink")]
    assert [(link["sn"], link["t"]) for link in links] == [(str(SURVEY), "1"), (str(SURVEY), "0")]


def test_the_project_is_told_with_every_survey() -> None:
    survey = api.GET_SURVEY.read(ask(emulator(surveys=[{"number": SURVEY}]), f"/surveys/one/{SURVEY}"))
    assert (survey.project_name, survey.project_number, survey.organisation) == tuple(PROJECT.values())
