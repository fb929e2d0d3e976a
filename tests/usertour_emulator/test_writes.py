"""Users, companies, memberships, events and definitions in both versions."""

from __future__ import annotations

from typing import Any

import pytest

NOW = "2026-03-01T12:00:00.000Z"
SEEN = {"last_seen_at": NOW, "first_seen_at": NOW}


def test_upserts_create_and_merge(usertour: Any) -> None:
    for target, first, second in (
        ("/v1/users", {"id": "u", "attributes": {"a": 1, "b": "x"}}, {"id": "u", "attributes": {"b": None, "c": [1]}}),
        ("/v1/companies", {"id": "c", "attributes": {"a": 1, "b": "x"}}, {"id": "c", "attributes": {"b": None, "c": [1]}}),
    ):
        assert usertour.post(target, first)["attributes"] == {"a": 1, "b": "x", **SEEN}
        assert usertour.post(target, second)["attributes"] == {"a": 1, "c": [1], **SEEN}
    for name in ("users", "companies"):
        assert usertour.put(f"E/{name}/v", {"attributes": {"z": 1}})["attributes"] == {"z": 1, **SEEN}
        assert usertour.put(f"E/{name}/v", {"attributes": {"z": None}})["attributes"] == SEEN


def test_definitions_are_made_of_new_attributes(usertour: Any) -> None:
    usertour.put("E/users/u", {"attributes": {"text": "x", "number": 1.5, "flag": True, "many": ["a"], "at": "2026-01-02T03:04:05Z"}})
    made = {item["codeName"]: item["dataType"] for item in usertour.get("P/attribute-definitions?scope=user&limit=100")["results"]}
    assert {name: made[name] for name in ("text", "number", "flag", "many", "at")} == {
        "text": "string",
        "number": "number",
        "flag": "boolean",
        "many": "list",
        "at": "datetime",
    }


def test_v2_refuses_what_v1_takes(usertour: Any) -> None:
    usertour.put("E/users/u", {"attributes": {"age": 3}})
    status, answer = usertour.ask("PUT", "E/users/u", {"attributes": {"age": "x"}})
    assert (status, answer["error"]["message"].split(".")[0]) == (400, 'Attribute value type mismatch: "age" (expected Number)')
    assert usertour.refused("PUT", "E/users/u", {"attributes": {"bad name": 1}}) == (400, "E1017")
    assert usertour.refused("PUT", "E/users/u", {"companies": []}) == (400, "E1017")
    assert usertour.refused("PUT", "E/users/u", [1]) == (400, "E1017")
    assert usertour.refused("GET", "E/users/u?expand=nothing") == (400, "E1017")


def test_nothing_is_written_by_a_refused_request(usertour: Any) -> None:
    usertour.put("E/companies/c", {"attributes": {"seats": 3}})
    usertour.quirks.drops_wrong_types = False
    body = {"id": "u", "attributes": {"new": 1}, "companies": [{"id": "c", "attributes": {"seats": "many"}}]}
    assert usertour.refused("POST", "/v1/users", body) == (400, "E1017")
    assert usertour.refused("GET", "/v1/users/u") == (404, "E1001")
    assert "new" not in [item["codeName"] for item in usertour.get("P/attribute-definitions?scope=user&limit=100")["results"]]


def test_memberships(usertour: Any) -> None:
    usertour.post("/v1/users", {"id": "u", "memberships": [{"attributes": {"role": "x"}, "company": {"id": "c", "attributes": {"n": 1}}}]})
    (member,) = usertour.get("E/users/u?expand=memberships.company")["memberships"]
    assert (member["attributes"], member["company"]["attributes"]) == ({"role": "x"}, {"n": 1, **SEEN})
    assert usertour.put("E/companies/c/memberships/u", {"attributes": {"role": "y"}})["id"] == member["id"]
    assert [item["id"] for item in usertour.get("E/companies/c?expand=users")["users"]] == ["u"]
    assert usertour.refused("PUT", "E/companies/none/memberships/u", {}) == (404, "E1002")
    assert usertour.refused("PUT", "E/companies/c/memberships/none", {}) == (404, "E1001")
    assert usertour.ask("DELETE", "/v1/company-memberships?userId=u&companyId=c")[1]["deleted"] is True
    assert usertour.refused("DELETE", "/v1/company-memberships?userId=u&companyId=c") == (404, "E1003")
    usertour.put("E/companies/c/memberships/u")
    assert usertour.ask("DELETE", "E/companies/c/memberships/u") == (204, None)


def test_a_company_takes_its_memberships_with_it(usertour: Any) -> None:
    usertour.post("/v1/users", {"id": "u", "companies": [{"id": "c"}]})
    assert usertour.ask("DELETE", "/v1/companies/c")[1] == {"id": "c", "object": "company", "deleted": True}
    assert usertour.get("/v1/users/u?expand=memberships")["memberships"] == []


def test_a_user_takes_sessions_and_events_along(usertour: Any) -> None:
    usertour.put("E/users/u")
    usertour.post("E/events", {"name": "signed_up", "userId": "u"})
    usertour.seed({"content": [{"id": "flow", "questions": [{"cvid": "q", "type": "nps"}]}]})
    usertour.seed({"content_sessions": [{"contentId": "flow", "userId": "u", "answers": {"q": 3}}]})
    assert usertour.ask("DELETE", "E/users/u") == (204, None)
    objects = usertour.emulator.objects
    assert [len(item) for item in (objects.users, objects.sessions, objects.answers, objects.events)] == [0, 0, 0, 0]


def test_events(usertour: Any) -> None:
    usertour.put("E/companies/c")
    told = {"name": "order_paid", "userId": "new", "companyId": "c", "attributes": {"sum": 3.5}, "occurredAt": "2026-02-01T00:00:00+01:00"}
    event = usertour.post("E/events", told)
    assert (event["codeName"], event["userId"], event["companyId"], event["attributes"], event["createdAt"]) == (
        *("order_paid", "new", "c", {"sum": 3.5}),
        "2026-01-31T23:00:00.000Z",
    )
    assert usertour.get("E/users/new")["id"] == "new"
    assert usertour.post("E/events", {"name": "order_paid", "userId": "new", "companyId": "none"})["companyId"] is None
    assert "order_paid" in [item["codeName"] for item in usertour.get("P/event-definitions?limit=100")["results"]]


@pytest.mark.parametrize(
    "body",
    [
        {"userId": "u"},
        {"name": "order_paid"},
        {"name": "1st", "userId": "u"},
        {"name": "x", "userId": "u"},
        {"name": "order_paid", "userId": 3},
        {"name": "order_paid", "userId": "u", "occurredAt": "yesterday"},
        {"name": "order_paid", "userId": "u", "occurredAt": "2026-02-01T00:00:00"},
        {"name": "order_paid", "userId": "u", "foo": 1},
        {"name": "order_paid", "userId": "u", "attributes": {"bad name": 1}},
    ],
)
def test_events_that_are_refused(usertour: Any, body: dict[str, Any]) -> None:
    assert usertour.refused("POST", "E/events", body) == (400, "E1017")
    assert len(usertour.emulator.objects.users) == 0


def test_definitions_can_be_created(usertour: Any) -> None:
    told = {"codeName": "plan", "displayName": "Plan", "dataType": "string", "scope": "company"}
    assert usertour.post("P/attribute-definitions", told)["dataType"] == "string"
    assert usertour.refused("POST", "P/attribute-definitions", told) == (409, "E1023")
    assert usertour.refused("POST", "P/attribute-definitions", {**told, "codeName": "x", "scope": "all"}) == (400, "E1017")
    assert usertour.refused("POST", "P/attribute-definitions", {"scope": "user", "dataType": "string"}) == (400, "E1017")
    assert usertour.post("P/event-definitions", {"codeName": "paid"})["attributes"] == []
    assert usertour.refused("POST", "P/event-definitions", {"codeName": "paid"}) == (409, "E1023")
    assert usertour.refused("POST", "P/event-definitions", {}) == (400, "E1017")


def test_predefined_definitions(usertour: Any) -> None:
    assert len(usertour.walk("P/attribute-definitions?limit=100")) == 76
    assert len(usertour.walk("P/event-definitions?limit=100")) == 26
    asked = usertour.get("P/attribute-definitions?eventName=page_viewed")["results"]
    assert [item["codeName"] for item in asked] == ["locale_code", "page_url", "viewport_height", "viewport_width"]
