"""The hook: a method for every call, lazy lists, connection to client, and what its test button says."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider.engagement.emulator.faults import NotJson, Status
from airflow_provider.engagement.mirats import api
from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook
from airflow_provider.engagement.wire.errors import Invalid, NotFound, ServerFailed, Unauthorized
from tests.mirats.project import PATH, SALT, SURVEY, Project

WINDOW = {"start_date": date(2026, 3, 1), "end_date": date(2026, 3, 31)}
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_every_endpoint_has_a_method_of_its_name() -> None:
    for endpoint in api.ENDPOINTS:
        assert callable(getattr(MiratsQuantoHook, endpoint.name)), endpoint.name


def test_airflow_makes_it_from_a_connection_id_alone_without_any_request(project: Project) -> None:
    hook = MiratsQuantoHook(**{MiratsQuantoHook.conn_name_attr: "mirats_quanto_default"})
    assert hook.get_conn() is hook.get_conn()
    assert project.server.requests() == []


def test_the_connection_becomes_the_clients_settings(project: Project) -> None:
    project.connect({"requests_per_minute": "600", "timeout": "12.5", "concurrency": "3", "verify": "false"})
    config = project.hook.get_config()
    assert (config.requests_per_minute, config.timeout, config.concurrency, config.verify) == (600.0, 12.5, 3, False)
    assert config.headers == {"publisher-authentication-key": "secret_test"}
    assert config.json_fields == {"authorizationKey": "web_test"}
    assert [text for text in ("secret_test", "web_test", SALT) if text in repr(config)] == []


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        (None, "https://api.publisher.miratsquanto.com/api/v1/publisher"),
        ("https://api.publisher.miratsquanto.com", "https://api.publisher.miratsquanto.com/api/v1/publisher"),
        ("https://api.publisher.miratsquanto.com/api/v1/publisher/", "https://api.publisher.miratsquanto.com/api/v1/publisher"),
        ("gateway.example.com/mirats", "https://gateway.example.com/mirats"),
    ],
)
def test_a_host_without_a_path_gets_the_vendors(project: Project, host: str | None, base_url: str) -> None:
    project.connect(host=host)
    assert project.hook.get_config().base_url == base_url


def test_sessions_are_filtered_by_the_server(project: Project) -> None:
    project.session("done", NOON)
    project.session("full", NOON, status="overquota")
    project.session("trial", NOON, test=True)
    project.session("under way", NOON, status=None)
    project.session("old", NOON - timedelta(days=40))

    def found(**arguments: Any) -> set[str]:
        return {session.rid for session in project.hook.list_user_sessions(**{**WINDOW, **arguments})}

    assert found() == {"done", "full", "under way"}
    assert found(status="completed") == {"done"}
    assert found(status="overquota") == {"full"}
    assert found(status="prescreen") == set()
    assert found(session_type="test") == found(session_type=1) == {"trial"}
    assert found(start_date="2026-01-01") == {"done", "full", "under way", "old"}
    assert found(end_date=NOON - timedelta(days=1)) == set()


def test_a_session_as_a_record(project: Project) -> None:
    project.session("r", NOON, IP="192.0.2.7", reconciliationStatus="Approved")
    (session,) = project.hook.list_user_sessions(**WINDOW)
    assert session.survey_number == SURVEY
    assert (session.duration, session.duration_seconds) == ("00:10:00", 600)
    assert (session.start_time, session.end_time) == (NOON, NOON + timedelta(minutes=10))
    assert session.completed
    assert session.mirats_status is not None
    assert session.mirats_status.code == 3
    assert (session.os, session.ip, session.reconciliation_status) == ("Mac OS X", "192.0.2.7", "Approved")


def test_lists_are_lazy_and_walk_all_pages(project: Project) -> None:
    for number in range(7):
        project.session(f"r{number}", NOON + timedelta(seconds=number))
    sessions = project.hook.list_user_sessions(**WINDOW, page_size=3)
    assert project.server.requests() == []
    assert next(sessions).rid == "r6"
    assert project.asked() == 1
    assert [session.rid for session in sessions] == [f"r{number}" for number in range(5, -1, -1)]
    assert project.asked() == 3
    assert [session.rid for session in project.hook.list_user_sessions(**WINDOW, page_size=3, first_page=3)] == ["r0"]


def test_each_rid_comes_once_while_new_ones_come_in(project: Project) -> None:
    for number in range(10):
        project.session(f"r{number}", NOON + timedelta(seconds=number))
    found = []
    for session in project.hook.list_user_sessions(**WINDOW, page_size=3):
        found.append(session.rid)
        if len(found) in (3, 6):  # between two pages
            project.session(f"new{len(found)}", NOON + timedelta(hours=len(found)))
    assert len(found) == len(set(found))
    assert set(found) == {*(f"r{number}" for number in range(10)), "new3", "new6"}


def test_people_come_in_while_the_list_is_read(project: Project) -> None:
    rids = project.server.mirats.walk({"survey_number": SURVEY, "people": 20, "every": 60, "seconds": 300})["rids"]
    project.server.clock.advance(8 * 60)
    found = []
    for session in project.hook.list_user_sessions(page_size=2):
        found.append(session.rid)
        if len(found) <= 12:
            project.server.clock.advance(60)
    assert sorted(found) == sorted(rids)


def test_surveys_are_filtered_by_the_server(project: Project) -> None:
    told = [
        {"number": 1, "country_code": "DE", "language": "German", "length_of_interview": 5, "incidence_rate": 20, "cpi": 0.9},
        {"number": 2, "country_code": "DE", "language": "German", "length_of_interview": 15, "incidence_rate": 60, "collect_pii": True},
        {"number": 3, "country_code": "DE", "language": "English", "length_of_interview": 25, "cpi": 3.5, "grouped": True},
        {"number": 4, "country_code": "DE", "live": False},
    ]
    project.server.mirats.seed({"surveys": told})

    def found(**arguments: Any) -> set[int]:
        return {survey.survey_number for survey in project.hook.list_surveys(**{"country": "DE", **arguments})}

    assert found() == {1, 2, 3}
    assert found(country=None) == {1, 2, 3, SURVEY}
    assert found(language="German") == {1, 2}
    assert found(length_of_interview_gte=5, length_of_interview_lte=15) == {1, 2}
    assert found(incidence_rate_gte=30, incidence_rate_lte=59.5) == {3}
    assert found(cpi_gte=1, cpi_lte=Decimal("1.25")) == {2}
    assert found(collect_pii=True) == {2}
    assert found(collect_pii=False, survey_group_exists=True) == {3}
    assert len(list(project.hook.list_surveys(page_size=1))) == 4


def test_one_survey_its_qualification_and_its_links(project: Project) -> None:
    survey = project.hook.get_survey(SURVEY)
    assert survey.survey_number == SURVEY
    assert survey.length_of_interview == 10
    assert survey.qualification is not None
    qualification = project.hook.get_survey_qualification(str(SURVEY))
    assert qualification.qualification is not None
    assert qualification.qualification[0] == survey.qualification[0]
    assert qualification.qualification[0].question == "AGE"
    link = project.hook.get_survey_link(SURVEY)
    assert f"sn={SURVEY}&t=1" in link.test_link
    assert f"sn={SURVEY}&t=0" in link.live_link


@pytest.mark.parametrize("call", ["get_survey", "get_survey_qualification", "get_survey_link"])
def test_an_unknown_survey_is_not_found(project: Project, call: str) -> None:
    with pytest.raises(NotFound, match="there is no survey with the number 99"):
        getattr(project.hook, call)(99)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda hook: hook.list_user_sessions(page_size=501),
        lambda hook: hook.list_user_sessions(first_page=0),
        lambda hook: hook.list_user_sessions(status="done"),
        lambda hook: hook.list_user_sessions(start_date="yesterday"),
        lambda hook: hook.list_surveys(cpi_gte=-1),
        lambda hook: hook.get_survey(1.7e16),
        lambda hook: hook.get_survey_link(".."),
        lambda hook: hook.get_survey_qualification(""),
        lambda hook: hook.request("POST", "user-sessions"),
        lambda hook: hook.request("POST", "/user-sessions", json=[1]),
        lambda hook: hook.request("POST", "/user-sessions", json={"authorizationKey": "web_test"}),
    ],
)
def test_bad_arguments_fail_before_anything_is_sent(project: Project, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        wrong(project.hook)
    assert project.server.requests() == []


def test_request_reaches_what_has_no_method(project: Project) -> None:
    project.session("r", NOON)
    body = {"startDate": "2026-03-01", "endDate": "2026-03-31", "rows": 1}
    assert project.hook.request("post", "/user-sessions", json=body)["data"][0]["rid"] == "r"
    assert project.hook.request("POST", f"/surveys/{SURVEY}/link").keys() == {"testLink", "liveLink"}
    with pytest.raises(Invalid, match="unknown field limit"):
        project.hook.request("POST", "/surveys", json={"limit": 1})


def test_a_failure_in_a_200_is_an_error_and_a_read_is_tried_again(project: Project) -> None:
    project.patience_is_short()
    project.server.mirats.quirks.errors_as_200 = True
    project.server.faults.add(Status(status=500, times=1))
    assert list(project.hook.list_user_sessions()) == []
    assert [request.status for request in project.server.requests()] == [200, 200]
    project.server.faults.add(Status(status=500))
    with pytest.raises(ServerFailed, match=r"500: internal server error\. This is the only error Mirats Quanto documents"):
        MiratsQuantoHook().get_survey_link(SURVEY)
    project.server.faults.clear()
    project.connect(password="secret_wrong")
    with pytest.raises(Unauthorized, match="answered 401"):
        project.hook.get_survey(SURVEY)


# --- connection ------------------------------------------------------------------------------------------------------


def test_the_test_button_says_yes(project: Project) -> None:
    ok, said = project.hook.test_connection()
    assert (ok, said) == (True, f"Mirats Quanto at {project.server.base_url}{PATH} accepted the key")
    assert len(project.server.requests()) == project.asked() == 1


@pytest.mark.parametrize("wrong", [{"password": "wrong_marked"}, {"extra": {"web_api_key": "wrong_marked"}}])
def test_the_test_button_names_a_wrong_key_without_showing_it(project: Project, wrong: dict[str, Any]) -> None:
    project.connect(**wrong)
    ok, said = project.hook.test_connection()
    assert not ok
    assert said.startswith("Wrong key: ")
    assert "web_api_key" in said
    assert "wrong_marked" not in said


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ({"host": "http://127.0.0.1:1"}, "No network: "),
        ({"password": ""}, "password is empty; put the Secret Key there"),
        ({"extra": {"web_api_key": ""}}, "web_api_key is empty; put the project's Web API Key into this extra"),
        ({"extra": {"web_api_key": 5}}, "web_api_key must be text"),
        ({"host": "http://example.com"}, "plain http"),
    ],
)
def test_the_test_button_names_what_is_wrong_with_the_connection(project: Project, connection: dict[str, Any], said: str) -> None:
    project.connect(**connection)
    ok, text = project.hook.test_connection()
    assert not ok
    assert said in text


@pytest.mark.parametrize(
    ("fault", "said"),
    [(Status(status=404, html=True), "Wrong host: "), (NotJson(), "wrong host, or a temporary failure"), (Status(status=500), "500")],
    ids=["not found", "a sign-in page", "failing"],
)
def test_the_test_button_names_a_wrong_host(project: Project, fault: Any, said: str) -> None:
    project.server.faults.add(fault)
    ok, text = project.hook.test_connection()
    assert not ok
    assert said in text
    assert len(project.server.requests()) == 1


@pytest.mark.parametrize(("salt", "said"), [("", "ip_salt_secret is empty"), ("short", "ip_salt_secret is shorter than 16")])
def test_the_salt_comes_from_the_connection(project: Project, salt: str, said: str) -> None:
    assert project.hook.get_ip_salt() == SALT
    project.connect({"ip_salt_secret": salt})
    with pytest.raises(ValueError, match=f"{said}.*long random text.*drop") as caught:
        project.hook.get_ip_salt()
    assert salt == "" or salt not in str(caught.value).replace("shorter", "")


def test_records_keep_unknown_fields() -> None:
    raw = json.loads('{"rid": "r", "surveyNumber": 5, "mood": "fine"}')
    session = api.UserSession.read(raw)
    assert session.extra == {"mood": "fine"}
    assert session.raw == raw
