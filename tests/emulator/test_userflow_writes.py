from __future__ import annotations

from typing import Any

import pytest


def members(userflow: Any, user_id: str) -> dict[str, dict[str, Any]]:
    """The attributes of a user's memberships by group."""
    return {item["group_id"]: item["attributes"] for item in userflow.get(f"/users/{user_id}?expand=memberships")["memberships"]}


def membership(group_id: str, role: str | None = None, **attributes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"group": {"id": group_id, "attributes": attributes} if attributes else {"id": group_id}}
    return made if role is None else {**made, "attributes": {"role": role}}


def test_upsert_creates_then_merges(userflow: Any) -> None:
    first = userflow.post("/users", {"id": "u", "attributes": {"a": 1, "b": 2}})
    assert first == {"id": "u", "object": "user", "attributes": {"a": 1, "b": 2}, "created_at": "2026-03-01T12:00:00.000+00:00"}
    userflow.clock.advance(60)
    assert userflow.post("/users", {"id": "u", "attributes": {"b": 3}}) == {**first, "attributes": {"a": 1, "b": 3}}
    assert userflow.post("/users", {"id": "u", "attributes": None})["attributes"] == {"a": 1, "b": 3}
    group = userflow.post("/groups", {"id": "g", "attributes": {"a": 1}})
    assert group == {
        "id": "g",
        "object": "group",
        "attributes": {"a": 1},
        "created_at": "2026-03-01T12:01:00.000+00:00",
        "memberships": None,
        "users": None,
    }
    assert userflow.post("/groups", {"id": "g", "attributes": {"b": 2}})["attributes"] == {"a": 1, "b": 2}


def test_groups_are_upserted_and_joined(userflow: Any) -> None:
    userflow.post("/groups", {"id": "g", "attributes": {"plan": "Free", "seats": 3}})
    userflow.post("/users", {"id": "u", "groups": [{"id": "g", "attributes": {"plan": "Pro"}}, {"id": "h"}]})
    assert members(userflow, "u") == {"g": {}, "h": {}}
    assert userflow.get("/groups/g")["attributes"] == {"plan": "Pro", "seats": 3}
    userflow.post("/users", {"id": "u", "groups": [{"id": "i"}]})
    assert sorted(members(userflow, "u")) == ["g", "h", "i"]


def test_memberships_hold_attributes_of_their_own(userflow: Any) -> None:
    userflow.post("/users", {"id": "u", "memberships": [membership("g", "admin", plan="Pro"), membership("h")]})
    first = userflow.get("/users/u?expand=memberships")["memberships"]
    userflow.post("/users", {"id": "u", "memberships": [{"group": {"id": "g"}, "attributes": {"role": "owner", "since": 2020}}]})
    assert members(userflow, "u") == {"g": {"role": "owner", "since": 2020}, "h": {}}
    again = userflow.get("/users/u?expand=memberships")["memberships"]
    assert [item["id"] for item in again] == [item["id"] for item in first]
    userflow.post("/users", {"id": "u", "groups": [{"id": "g"}]})
    assert members(userflow, "u")["g"] == {"role": "owner", "since": 2020}


def test_pruning_removes_what_is_not_named_and_leaves_the_groups(userflow: Any) -> None:
    userflow.post("/users", {"id": "u", "groups": [{"id": "g"}, {"id": "h"}]})
    userflow.post("/users", {"id": "u", "groups": [{"id": "h"}], "prune_memberships": False})
    assert sorted(members(userflow, "u")) == ["g", "h"]
    userflow.post("/users", {"id": "u", "memberships": [membership("h"), membership("i")], "prune_memberships": True})
    assert sorted(members(userflow, "u")) == ["h", "i"]
    assert userflow.ids("/groups") == ["g", "h", "i"]
    userflow.post("/users", {"id": "u", "groups": [], "prune_memberships": True})
    assert members(userflow, "u") == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"groups": [], "memberships": []}, "only one of groups and memberships can be set"),
        ({"prune_memberships": True}, "prune_memberships needs groups or memberships"),
        ({"groups": [{"id": "g"}], "prune_memberships": "yes"}, "prune_memberships must be a boolean"),
        ({"groups": {"id": "g"}}, "groups must be an array of objects"),
        ({"groups": ["g"]}, "groups[0] must be an object"),
        ({"groups": [{"id": "g"}, {"attributes": {}}]}, "groups[1].id must be a non-empty string"),
        ({"groups": [{"id": "g", "name": "x"}]}, "groups[0] takes no name"),
        ({"groups": [{"id": "g", "attributes": {"a.b": 1}}]}, "groups[0].attributes: 'a.b' is no attribute name"),
        ({"memberships": [{"attributes": {}}]}, "memberships[0].group must be a group object with at least an id"),
        ({"memberships": [{"group": {"attributes": {}}}]}, "memberships[0].group.id must be a non-empty string"),
        ({"memberships": [{"group": {"id": "g"}, "group_id": "g"}]}, "memberships[0] takes no group_id"),
        ({"memberships": [{"group": {"id": "g", "plan": 1}}]}, "memberships[0].group takes no plan"),
        ({"memberships": [{"group": {"id": "g"}, "attributes": {"role": ["x"]}}]}, "memberships[0].attributes.role: a list"),
        ({"memberships": [{"group": {"id": "g", "attributes": {"a": {}}}}]}, "memberships[0].group.attributes.a must hold"),
    ],
)
def test_a_wrong_upsert_writes_nothing(userflow: Any, body: dict[str, Any], message: str) -> None:
    assert message in userflow.refused("POST", "/users", {"id": "u", "attributes": {"a": 1}, **body})
    assert userflow.ids("/users") == userflow.ids("/groups") == userflow.ids("/attribute_definitions") == []


def test_a_group_named_twice_is_merged_twice(userflow: Any) -> None:
    groups = [{"id": "g", "attributes": {"n": {"add": 1}}}, {"id": "g", "attributes": {"n": {"add": 1}}}]
    userflow.post("/users", {"id": "u", "groups": groups})
    assert userflow.get("/groups/g")["attributes"] == {"n": 2}
    assert members(userflow, "u") == {"g": {}}


def test_deleting_a_user_takes_its_history_along(userflow: Any) -> None:
    userflow.seed({"users": [{"id": "other"}]})
    userflow.post("/users", {"id": "u", "groups": [{"id": "g"}]})
    userflow.post("/events", {"name": "e", "user_id": "u", "group_id": "g"})
    kept = userflow.post("/events", {"name": "e", "user_id": "other", "group_id": "g"})
    content = {"id": "c", "questions": [{"cvid": "q", "name": "Why?"}]}
    userflow.seed({"content": [content], "content_sessions": [{"content_id": "c", "user_id": "u", "answers": {"q": "x"}}]})
    for _ in range(2):
        assert userflow.delete("/users/u") == {"id": "u", "object": "user", "deleted": True}
    objects = userflow.emulator.objects
    assert [event["id"] for event in objects.events.values()] == [kept["id"]]
    assert [len(item) for item in (objects.memberships, objects.sessions, objects.answers)] == [0, 0, 0]
    assert userflow.ids("/groups") == ["g"]
    assert userflow.ask("GET", "/users/u")[0] == 404


def test_deleting_a_group_leaves_its_users(userflow: Any) -> None:
    userflow.post("/users", {"id": "u", "groups": [{"id": "g"}, {"id": "h"}]})
    userflow.post("/events", {"name": "e", "user_id": "u", "group_id": "g"})
    kept = userflow.post("/events", {"name": "e", "user_id": "u"})
    for _ in range(2):
        assert userflow.delete("/groups/g") == {"id": "g", "object": "group", "deleted": True}
    assert [event["id"] for event in userflow.emulator.objects.events.values()] == [kept["id"]]
    assert members(userflow, "u") == {"h": {}}
    assert userflow.ask("GET", "/groups/g")[0] == 404


def test_removing_a_membership_leaves_both_sides(userflow: Any) -> None:
    userflow.post("/users", {"id": "a b", "groups": [{"id": "g&h"}, {"id": "i"}]})
    (first, _) = userflow.get("/users/a%20b?expand=memberships")["memberships"]
    gone = userflow.delete("/group_memberships?user_id=a%20b&group_id=g%26h")
    assert gone == {"id": first["id"], "object": "group_membership", "deleted": True}
    assert members(userflow, "a%20b") == {"i": {}}
    assert userflow.ids("/groups") == ["g&h", "i"]
    again = userflow.delete("/group_memberships?user_id=a%20b&group_id=g%26h")
    assert again == {"id": None, "object": "group_membership", "deleted": True}


def test_events_of_users_and_groups(userflow: Any) -> None:
    first = userflow.post("/events", {"name": "Plan changed-2", "user_id": "u", "attributes": {"price": 9.5}})
    assert first == {
        "id": first["id"],
        "object": "event",
        "attributes": {"price": 9.5},
        "created_at": "2026-03-01T12:00:00.000+00:00",
        "group": None,
        "group_id": None,
        "name": "Plan changed-2",
        "time": "2026-03-01T12:00:00.000+00:00",
        "user": None,
        "user_id": "u",
    }
    assert first["id"].isdigit()
    second = userflow.post("/events", {"name": "e", "group_id": "g", "user_id": None})
    assert (second["group_id"], second["user_id"], int(second["id"])) == ("g", None, int(first["id"]) + 1)
    assert [item["name"] for item in userflow.get("/event_definitions?order_by=created_at")["data"]] == ["Plan changed-2", "e"]


@pytest.mark.parametrize(
    ("time", "kept"),
    [
        ("1999-12-31T23:59:59Z", "1999-12-31T23:59:59.000+00:00"),
        ("2026-03-01T13:00:00.5+01:00", "2026-03-01T12:00:00.500+00:00"),
        ("2026-03-01T12:00:00", "2026-03-01T12:00:00.000+00:00"),
        (None, "2026-03-01T12:00:00.000+00:00"),
    ],
)
def test_an_event_may_have_happened_at_another_time(userflow: Any, time: str | None, kept: str) -> None:
    event = userflow.post("/events", {"name": "e", "user_id": "u", "time": time})
    assert (event["time"], event["created_at"]) == (kept, "2026-03-01T12:00:00.000+00:00")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "e"}, "one (or both) of user_id and group_id is required"),
        ({"name": "e", "user_id": None, "group_id": None}, "one (or both) of user_id and group_id is required"),
        ({"name": "e", "user_id": ""}, "user_id must be a non-empty string"),
        ({"name": "e", "group_id": 7}, "group_id must be a non-empty string"),
        ({"name": "plan.changed", "user_id": "u"}, "name must consist of a-z, A-Z, 0-9"),
        ({"name": "", "user_id": "u"}, "name must consist of"),
        ({"name": 7, "user_id": "u"}, "name must consist of"),
        ({"name": "e", "user_id": "u", "time": "yesterday"}, "time must be an ISO 8601 date time"),
        ({"name": "e", "user_id": "u", "time": 1578424823}, "time must be an ISO 8601 date time"),
        ({"name": "e", "user_id": "u", "attributes": {"a.b": 1}}, "'a.b' is no attribute name"),
    ],
)
def test_wrong_events_are_refused(userflow: Any, body: dict[str, Any], message: str) -> None:
    assert message in userflow.refused("POST", "/events", body)
    assert userflow.ids("/event_definitions") == []


def test_unknown_subjects_can_be_refused(userflow: Any) -> None:
    userflow.emulator.quirks.unknown_subjects = False
    assert "there is no user with the id 'u'" in userflow.refused("POST", "/events", {"name": "e", "user_id": "u"})
    userflow.post("/users", {"id": "u"})
    userflow.post("/events", {"name": "e", "user_id": "u"})
    assert "there is no group with the id 'g'" in userflow.refused("POST", "/events", {"name": "e", "user_id": "u", "group_id": "g"})


def test_a_plan_without_groups_refuses_them(userflow: Any) -> None:
    userflow.emulator.quirks.groups = False
    for path, body in (("/groups", {"id": "g"}), ("/users", {"id": "u", "groups": [{"id": "g"}]})):
        status, answer = userflow.ask("POST", path, body)
        assert (status, answer["error"]["code"]) == (403, "feature_not_available")
    userflow.post("/users", {"id": "u"})
