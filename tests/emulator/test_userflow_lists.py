from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

DAY = "2026-01-{:02}T00:00:00.000+00:00"


def people(*names: str | None) -> list[dict[str, Any]]:
    """Users numbered from 1, created a day apart, with these names."""
    return [
        {"id": str(place), "created_at": DAY.format(place), "attributes": {} if name is None else {"name": name}}
        for place, name in enumerate(names, 1)
    ]


def session(key: str, day: int, active: int | None, **told: Any) -> dict[str, Any]:
    active_at = None if active is None else DAY.format(active)
    return {"id": key, "user_id": "1", "content_id": "c", "created_at": DAY.format(day), "last_activity_at": active_at, **told}


def walk(userflow: Any, target: str) -> list[list[str]]:
    """Follow `next_page_url` to the end, as published clients do."""
    pages = []
    while True:
        page = userflow.get(target)
        pages.append([item["id"] for item in page["data"]])
        if not page["has_more"]:
            return pages
        target = page["next_page_url"]


def test_ten_by_default_in_order_of_creation(userflow: Any) -> None:
    userflow.seed({"users": people(*"abcdefghijkl")})
    page = userflow.get("/users")
    assert [item["id"] for item in page["data"]] == [str(place) for place in range(1, 11)]
    assert {**page, "data": None} == {
        "object": "list",
        "data": None,
        "has_more": True,
        "url": "/users",
        "next_page_url": "/users?starting_after=10",
    }


def test_next_page_is_named_even_after_the_last(userflow: Any) -> None:
    assert userflow.get("/users")["next_page_url"] == "/users"
    userflow.seed({"users": people("a")})
    page = userflow.get("/users?limit=1")
    assert (page["has_more"], page["next_page_url"]) == (False, "/users?limit=1&starting_after=1")
    empty = userflow.get(page["next_page_url"])
    assert (empty["data"], empty["has_more"], empty["next_page_url"]) == ([], False, "/users?limit=1&starting_after=1")
    userflow.seed({"users": [{"id": "later"}]})
    assert userflow.ids(page["next_page_url"]) == ["later"]


def test_next_page_carries_the_query_with_the_cursor_last(userflow: Any) -> None:
    userflow.seed({"users": people("a", "b", "c")})
    condition = quote(json.dumps({"type": "attribute", "attribute_name": "name", "operator": "not_empty"}))
    page = userflow.get(f"/users?starting_after=1&order_by[]=attributes.name&order_by[]=created_at&condition={condition}&limit=1")
    path, _, query = page["next_page_url"].partition("?")
    names = [pair.partition("=")[0] for pair in query.split("&")]
    assert (path, names) == ("/users", ["limit", "order_by[]", "order_by[]", "condition", "starting_after"])
    assert userflow.ids(page["next_page_url"]) == ["3"]


def test_pages_hold_everything_once(userflow: Any) -> None:
    userflow.seed({"users": people(*"abcdefg")})
    assert walk(userflow, "/users?limit=3") == [["1", "2", "3"], ["4", "5", "6"], ["7"]]
    assert walk(userflow, "/users?limit=7") == [["1", "2", "3", "4", "5", "6", "7"]]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "1.5", "", "٣"])
def test_limits_out_of_range_are_refused(userflow: Any, limit: str) -> None:
    assert "limit must be a number from 1 to 100" in userflow.refused("GET", f"/users?limit={quote(limit)}")


def test_unknown_cursor_is_refused(userflow: Any) -> None:
    assert "invalid_starting_after" in userflow.refused("GET", "/users?starting_after=nobody")


def test_a_cursor_outside_the_filter_still_stands_somewhere(userflow: Any) -> None:
    userflow.seed({"users": people("a", "b", "c"), "groups": [{"id": "g"}]})
    userflow.seed({"group_memberships": [{"user_id": key, "group_id": "g"} for key in ("1", "3")]})
    assert userflow.ids("/users?group_id=g&starting_after=2") == ["3"]


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ("order_by=created_at", "1234"),
        ("order_by=-created_at", "4321"),
        ("order_by=attributes.name", "2413"),
        ("order_by=-attributes.name", "3124"),
        ("order_by[]=attributes.name&order_by[]=-created_at", "4213"),
        ("order_by=-attributes.name&order_by=created_at", "3124"),
    ],
)
def test_orders_with_nulls_last_and_equals_by_creation(userflow: Any, order: str, ids: str) -> None:
    userflow.seed({"users": people("Bea", "Ann", None, "Ann")})
    assert "".join(userflow.ids(f"/users?{order}")) == ids


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/users", "attributes.email"),
        ("/users", "name"),
        ("/users", "+created_at"),
        ("/groups", "attributes.signed_up_at"),
        ("/content", "type"),
        ("/content_versions?content_id=c", "created_at"),
        ("/content_sessions", "completed_at"),
        ("/attribute_definitions", "scope"),
        ("/event_definitions", "-description"),
        ("/webhook_subscriptions", "topics"),
    ],
)
def test_orders_that_are_not_documented_are_refused(userflow: Any, path: str, field: str) -> None:
    assert "order_by must be among" in userflow.refused("GET", f"{path}{'&' if '?' in path else '?'}order_by={quote(field)}")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/users", ["created_at", "attributes.signed_up_at", "attributes.last_seen_at", "attributes.name"]),
        ("/groups", ["created_at", "attributes.name"]),
        ("/content", ["created_at", "name"]),
        ("/content_versions?content_id=c", ["number"]),
        ("/content_sessions", ["created_at", "last_activity_at"]),
        ("/attribute_definitions", ["created_at", "display_name", "name"]),
        ("/event_definitions", ["created_at", "display_name", "name"]),
        ("/webhook_subscriptions", ["created_at", "url"]),
    ],
)
def test_documented_orders(userflow: Any, path: str, fields: list[str]) -> None:
    for field in fields:
        userflow.get(f"{path}{'&' if '?' in path else '?'}order_by={field}")
        userflow.get(f"{path}{'&' if '?' in path else '?'}order_by=-{field}")


def test_a_cursor_on_a_null_fails_as_users_report(userflow: Any) -> None:
    userflow.seed({"users": people("a"), "content": [{"id": "c"}], "content_sessions": [session("x", 1, None), session("y", 2, 3)]})
    assert userflow.ids("/content_sessions?order_by=-last_activity_at") == ["x", "y"]
    status, answer = userflow.ask("GET", "/content_sessions?order_by=-last_activity_at&starting_after=x")
    assert (status, answer["error"]["code"]) == (500, "internal_error")
    assert userflow.ids("/content_sessions?starting_after=x") == ["y"]
    userflow.emulator.quirks.null_cursor_fails = False
    assert userflow.ids("/content_sessions?order_by=-last_activity_at&starting_after=x") == ["y"]


def test_user_filters(userflow: Any) -> None:
    userflow.seed({"users": people("a", "b", "c"), "groups": [{"id": "g"}], "group_memberships": [{"user_id": "2", "group_id": "g"}]})
    userflow.post("/users", {"id": "3", "attributes": {"email": "Ü+c@example.com"}})
    assert userflow.ids(f"/users?email={quote('Ü+c@example.com')}") == ["3"]
    assert userflow.ids("/users?email=c@example.com") == []
    assert userflow.ids("/users?group_id=g") == ["2"]
    assert userflow.ids("/users?group_id=g&email=c@example.com") == []
    assert userflow.ids("/users?group_id=nowhere") == []


def test_group_filters(userflow: Any) -> None:
    userflow.seed({"users": people("a"), "groups": [{"id": "g", "attributes": {"email": "office@example.com"}}, {"id": "h"}]})
    userflow.seed({"group_memberships": [{"user_id": "1", "group_id": "h"}]})
    assert userflow.ids("/groups?user_id=1") == ["h"]
    assert userflow.ids("/groups?email=office@example.com") == ["g"]


def test_segments(userflow: Any) -> None:
    condition = {"type": "attribute", "attribute_name": "name", "operator": "eq", "value": "b"}
    segments = [
        {"id": "named-b", "condition": condition},
        {"id": "picked", "ids": ["1", "3"]},
        {"id": "companies", "scope": "group", "condition": condition},
    ]
    userflow.seed({"users": people("a", "b", "c"), "groups": [{"id": "g", "attributes": {"name": "b"}}], "segments": segments})
    assert userflow.ids("/users?segment_id=named-b") == ["2"]
    assert userflow.ids("/users?segment_id=picked") == ["1", "3"]
    assert userflow.ids("/groups?segment_id=companies") == ["g"]
    for target in ("/users?segment_id=companies", "/groups?segment_id=picked", "/users?segment_id=none"):
        assert "invalid_segment_id" in userflow.refused("GET", target)


def test_content_and_version_filters(userflow: Any) -> None:
    userflow.seed({"content": [{"id": "f", "versions": [{}, {}, {}]}, {"id": "l", "type": "launcher"}]})
    assert userflow.ids("/content?type=launcher") == ["l"]
    assert "type must be one of checklist, flow, launcher" in userflow.refused("GET", "/content?type=banner")
    numbers = [item["number"] for item in userflow.get("/content_versions?content_id=f")["data"]]
    assert numbers == [1, 2, 3]
    assert [item["number"] for item in userflow.get("/content_versions?content_id=f&number=2")["data"]] == [2]
    assert userflow.ids("/content_versions?content_id=none") == []
    assert "number must be a number" in userflow.refused("GET", "/content_versions?content_id=f&number=two")


def test_session_filters(userflow: Any) -> None:
    userflow.seed({"users": people("a", "b"), "content": [{"id": "c"}, {"id": "d"}]})
    userflow.seed({"content_sessions": [session("x", 1, 1), session("y", 2, 2, user_id="2"), session("z", 3, 3, content_id="d")]})
    assert userflow.ids("/content_sessions") == ["x", "y", "z"]
    assert userflow.ids("/content_sessions?content_id=c") == ["x", "y"]
    assert userflow.ids("/content_sessions?content_id=c&user_id=2") == ["y"]
    assert userflow.ids("/content_sessions?order_by=-last_activity_at") == ["z", "y", "x"]


def test_a_large_account_cannot_be_read_as_a_whole(userflow: Any) -> None:
    userflow.emulator.quirks.large_account = True
    assert userflow.ask("GET", "/content_sessions")[0] == 500
    assert userflow.ids("/content_sessions?content_id=c") == []


def test_definitions_are_listed_by_display_name_scope_and_event(userflow: Any) -> None:
    userflow.post("/users", {"id": "1", "attributes": {"zip": "1", "Age": 3}, "groups": [{"id": "g", "attributes": {"plan": "x"}}]})
    userflow.post("/events", {"name": "seen", "user_id": "1", "attributes": {"where": "x"}})
    userflow.post("/events", {"name": "bought", "user_id": "1", "attributes": {"price": 3}})

    def names(query: str) -> list[str]:
        return [item["name"] for item in userflow.get(f"/attribute_definitions?{query}")["data"]]

    assert names("") == ["Age", "plan", "price", "where", "zip"]
    assert names("scope=user") == ["Age", "zip"]
    assert names("event_name=seen") == ["where"]
    assert names("event_name[]=seen&event_name[]=bought") == ["price", "where"]
    assert names("event_name=never") == []
    assert "scope must be one of" in userflow.refused("GET", "/attribute_definitions?scope=team")
    assert [item["display_name"] for item in userflow.get("/event_definitions")["data"]] == ["Bought", "Seen"]
