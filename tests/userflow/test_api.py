"""Userflow's records and endpoints by themselves; `tests/contract` holds them against the reference's examples."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.attributes import add, append, set_, subtract
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import ApiError, NotFound, Problem, Rejected, Unauthorized, error_from
from airflow_provider.engagement.wire.message import Request, Response, encode_json

ADD, SUBTRACT = {"n": add(1)}, {"n": subtract(1)}


def answer(status: int, body: Any = None) -> Response:
    return Response(status, {}, b"<html>" if body is None else encode_json(body))


def judge(status: int, request: Request | None = None, body: Any = None) -> ApiError:
    return error_from(api.DIALECT, request or Request("POST", "/users"), answer(status, body), None, str)


# --- endpoints ---------------------------------------------------------------------------------------------------------


def test_every_endpoint_is_listed_once() -> None:
    declared = [value for value in vars(api).values() if isinstance(value, Endpoint)]
    assert len(declared) == len(api.ENDPOINTS) == len({(item.method, item.path) for item in api.ENDPOINTS}) == 23
    assert {item.name for item in declared} == {item.name for item in api.ENDPOINTS}
    assert len({item.name for item in api.ENDPOINTS}) == 23
    assert all(item.doc.startswith("https://userflow.com/docs/api#") for item in api.ENDPOINTS)


@pytest.mark.parametrize("endpoint", [item for item in api.ENDPOINTS if item.name.startswith("list_")], ids=lambda item: item.name)
def test_every_list_keeps_its_own_query_on_the_next_page(endpoint: Endpoint[Any]) -> None:
    assert {"limit", "order_by", "starting_after"} <= set(endpoint.query)
    read = {"object": "list", "data": [{"id": "1"}], "has_more": True, "next_page_url": "https://evil.example/x?starting_after=1&limit=9"}
    page = endpoint.read(read)
    assert endpoint.next_query is not None
    assert endpoint.next_query(page, {"order_by": "name", "limit": 5}) == {"order_by": "name", "limit": 5, "starting_after": "1"}
    assert endpoint.next_query(endpoint.read({**read, "has_more": False}), {}) is None


def test_the_cursor_is_decoded_or_else_the_last_id() -> None:
    page = {"data": [{"id": "a"}, {"id": "b/c"}], "has_more": True}
    assert api.LIST_USERS.read({**page, "next_page_url": "/users?limit=2&starting_after=b%2Fc"}).cursor == "b/c"
    assert api.LIST_USERS.read({**page, "next_page_url": "/users"}).cursor == "b/c"
    assert api.LIST_USERS.read({**page, "next_page_url": None}).cursor == "b/c"
    assert api.LIST_USERS.read(page).cursor == "b/c"


def test_a_page_that_leads_nowhere_is_no_answer() -> None:
    with pytest.raises(ValueError, match="has_more without items or a cursor"):
        api.LIST_USERS.read({"data": [], "has_more": True})


def test_versions_are_listed_by_content_only() -> None:
    with pytest.raises(ValueError, match="list_content_versions needs content_id"):
        api.LIST_CONTENT_VERSIONS.call()


def test_a_membership_is_removed_by_query() -> None:
    call = api.REMOVE_MEMBERSHIP.call({"user_id": "a&b", "group_id": "c d"})
    assert call.request.target == "/group_memberships?user_id=a%26b&group_id=c%20d"


@pytest.mark.parametrize(
    "body",
    [
        {"attributes": ADD},
        {"attributes": SUBTRACT},
        {"groups": [{"id": "g"}, {"id": "g", "attributes": ADD}]},
        {"memberships": [{"attributes": ADD, "group": {"id": "g"}}]},
        {"memberships": [{"group": {"id": "g", "attributes": SUBTRACT}}]},
    ],
)
def test_an_upsert_that_counts_is_not_repeatable(body: dict[str, Any]) -> None:
    assert not api.UPSERT_USER.call(json={"id": "u", **body}).request.repeatable


def test_other_upserts_are_repeatable_and_events_never() -> None:
    attributes = {"a": 1, "b": set_(1), "c": append("x"), "d": None}
    body: dict[str, Any] = {
        "id": "u",
        "attributes": attributes,
        "memberships": [{"attributes": attributes, "group": {"id": "g", "attributes": attributes}}],
    }
    assert api.UPSERT_USER.call(json=body).request.repeatable
    assert api.UPSERT_USER.call(json={"id": "u", "attributes": None, "groups": None}).request.repeatable
    assert api.UPSERT_GROUP.call(json={"id": "g", "attributes": attributes}).request.repeatable
    assert not api.UPSERT_GROUP.call(json={"id": "g", "attributes": ADD}).request.repeatable
    assert not api.TRACK_EVENT.call(json={"name": "n", "user_id": "u"}).request.repeatable
    assert not api.CREATE_WEBHOOK_SUBSCRIPTION.call(json={"url": "https://x", "topics": ["*"]}).request.repeatable


# --- answers -----------------------------------------------------------------------------------------------------------


def test_the_error_object_is_read_as_far_as_it_is_there() -> None:
    told = {"error": {"code": "invalid_api_key", "message": "Invalid API key provided", "doc_url": "https://userflow.com/docs/api"}}
    assert api.read_problem(answer(401, told)) == Problem("invalid_api_key", "Invalid API key provided")
    told["error"]["request_id"] = "req_1"
    assert api.read_problem(answer(401, told)).request_id == "req_1"
    bodies: list[Any] = [None, [], {}, "text", {"error": None}, {"error": "text"}, {"error": []}]
    for body in bodies:
        assert api.read_problem(answer(500, body)) == Problem()


def test_only_userflows_own_503_was_not_processed() -> None:
    told = {"error": {"code": "service_unavailable", "message": "Try again"}}
    assert api.not_processed(answer(503, told))
    assert not api.not_processed(answer(503))
    assert not api.not_processed(answer(503, {}))
    assert not api.not_processed(answer(500, told))


def test_hints_say_what_to_do() -> None:
    assert "Check the API key in the connection's password field" in str(judge(401))
    assert isinstance(judge(401), Unauthorized)
    for status in (402, 403):
        assert "certain Userflow plans" in str(judge(status, Request("POST", "/groups")))
        assert "certain Userflow plans" not in str(judge(status, Request("POST", "/users")))
    assert isinstance(judge(402), Rejected)
    assert "base URL" in str(judge(404, Request("GET", "/users")))
    assert "base URL" not in str(judge(404, Request("GET", "/users/u1")))
    assert isinstance(judge(404), NotFound)


# --- records -----------------------------------------------------------------------------------------------------------


def test_a_session_is_read_with_what_it_holds() -> None:
    raw = {
        "id": "s1",
        "object": "content_session",
        "answers": [{"id": "a1", "answer_type": "list", "answer_value": ["x", "y"], "question_cvid": "q1"}],
        "completed": True,
        "completed_at": "2022-10-17T12:34:56.000+00:00",
        "content": {"id": "c1", "type": "flow"},
        "progress": "0.4",
        "user": {"id": "u1", "attributes": {"n": 2**70}},
        "version": {"id": "v1", "edited_at": "2022-10-17T23:45:67.000+00:00", "questions": [{"id": "q", "cvid": "q1"}]},
        "new_field": {"a": 1},
    }
    session = api.ContentSession.read(raw)
    assert session.progress == Decimal("0.4")
    assert session.completed_at == datetime(2022, 10, 17, 12, 34, 56, tzinfo=UTC)
    assert session.answers is not None
    assert session.answers[0].answer_value == ["x", "y"]
    assert session.content is not None
    assert session.content.type == "flow"
    assert session.user is not None
    assert session.user.attributes == {"n": 2**70}
    assert session.version is not None
    assert session.version.edited_at is None
    assert session.version.raw["edited_at"] == "2022-10-17T23:45:67.000+00:00"
    assert session.extra == {"object": "content_session", "new_field": {"a": 1}}


def test_users_and_groups_hold_each_other() -> None:
    user = api.User.read(
        {"id": "u", "memberships": [{"id": "m", "group": {"id": "g", "users": [{"id": "u"}]}, "user": None}], "groups": []}
    )
    assert user.memberships is not None
    assert user.memberships[0].group is not None
    assert user.memberships[0].group.users == [api.User(raw={}, id="u")]
    assert user.groups == []


def test_a_webhook_secret_does_not_show_itself() -> None:
    raw = {"id": "w", "secret": "whsec_marked", "topics": ["user"]}
    subscription = api.CREATE_WEBHOOK_SUBSCRIPTION.read(raw)
    assert subscription.secret == "whsec_marked"
    assert "whsec_marked" not in f"{subscription!r} {subscription}"


def test_headers_carry_key_and_version() -> None:
    assert api.headers("ak_1") == {"Authorization": "Bearer ak_1", "Userflow-Version": "2020-01-03"}
    assert api.headers("ak_1", "2031-01-01")["Userflow-Version"] == "2031-01-01"
