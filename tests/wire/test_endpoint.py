from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider.engagement.wire.endpoint import Endpoint

GET: Endpoint[Any] = Endpoint("GET", "/teams/{team_id}/people/{person_id}", lambda raw: raw, "get_person", "doc", query=("expand",))
LIST: Endpoint[Any] = Endpoint("GET", "/people", lambda raw: raw, "list_people", "doc", query=("team_id", "limit"), required=("team_id",))
PUT: Endpoint[Any] = Endpoint(
    "POST",
    "/people",
    lambda raw: raw,
    "upsert_person",
    "doc",
    fields=("id", "count"),
    required=("id",),
    repeatable=lambda body: "count" not in body,
)


def test_a_call_is_complete() -> None:
    call = GET.call({"expand": "team"}, team_id="a/b", person_id="é")
    assert call.request.method == "GET"
    assert call.request.target == "/teams/a%2Fb/people/%C3%A9?expand=team"
    assert call.request.body is None
    assert call.request.repeatable


def test_a_body_is_encoded_and_decides_whether_it_may_be_repeated() -> None:
    call = PUT.call(json={"id": "1"})
    assert call.request.body == b'{"id":"1"}'
    assert call.request.repeatable
    assert not PUT.call(json={"id": "1", "count": 1}).request.repeatable


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="list_people takes no page; it takes team_id, limit"):
        LIST.call({"team_id": "1", "page": 2})
    with pytest.raises(ValueError, match="upsert_person takes no name; it takes id, count"):
        PUT.call(json={"id": "1", "name": "x"})


def test_missing_names_are_named() -> None:
    with pytest.raises(ValueError, match="list_people needs team_id"):
        LIST.call()
    with pytest.raises(ValueError, match="list_people needs team_id"):
        LIST.call({"team_id": None})
    with pytest.raises(ValueError, match="upsert_person needs id"):
        PUT.call(json={})


def test_the_path_gets_exactly_its_ids() -> None:
    with pytest.raises(ValueError, match="get_person needs team_id, person_id; it got team_id"):
        GET.call(team_id="1")
    with pytest.raises(ValueError, match="list_people needs no id; it got person_id"):
        LIST.call({"team_id": "1"}, person_id="2")


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_request_matches_its_own_endpoint(team_id: str, person_id: str) -> None:
    if {team_id, person_id} & {".", ".."}:
        return
    request = GET.call(team_id=team_id, person_id=person_id).request
    assert GET.match(request.method, request.path) == {"team_id": team_id, "person_id": person_id}


@pytest.mark.parametrize(("method", "path"), [("POST", "/teams/a/people/b"), ("GET", "/teams/a/people"), ("GET", "/teams/a/people/b/c")])
def test_other_requests_do_not_match(method: str, path: str) -> None:
    assert GET.match(method, path) is None
