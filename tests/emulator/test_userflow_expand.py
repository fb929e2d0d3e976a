from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def account(userflow: Any) -> Any:
    userflow.post("/users", {"id": "u", "memberships": [{"attributes": {"role": "admin"}, "group": {"id": "g"}}]})
    userflow.post("/users", {"id": "v", "groups": [{"id": "g"}, {"id": "h"}]})
    questions = [{"cvid": "q", "name": "Why?", "type": "text"}]
    userflow.seed({"content": [{"id": "c", "questions": questions}, {"id": "k", "type": "checklist", "tasks": [{"name": "Do"}]}]})
    userflow.seed({"content_sessions": [{"id": "s", "content_id": "c", "user_id": "u", "group_id": "g", "answers": {"q": ["a", "b"]}}]})
    return userflow


def test_unexpanded_relations_are_null(account: Any) -> None:
    user, group = account.get("/users/u"), account.get("/groups/g")
    assert (user["groups"], user["memberships"], group["users"], group["memberships"]) == (None, None, None, None)
    session = account.get("/content_sessions/s")
    assert [session[key] for key in ("answers", "content", "group", "user", "version")] == [None] * 5
    content = account.get("/content/c")
    assert (content["draft_version"], content["published_version"]) == (None, None)
    version = account.get(f"/content_versions/{content['draft_version_id']}")
    assert (version["questions"], version["tasks"]) == (None, None)


def test_relations_to_many_and_to_one(account: Any) -> None:
    assert [group["id"] for group in account.get("/users/v?expand=groups")["groups"]] == ["g", "h"]
    assert [user["id"] for user in account.get("/groups/g?expand=users")["users"]] == ["u", "v"]
    (membership,) = account.get("/users/u?expand=memberships")["memberships"]
    assert (membership["attributes"], membership["group"], membership["group_id"]) == ({"role": "admin"}, None, "g")


def test_several_paths_meet_in_one_tree(account: Any) -> None:
    session = account.get(
        "/content_sessions/s?expand[]=user.memberships.group&expand[]=user.groups&expand[]=version.questions&expand[]=answers"
    )
    assert session["user"]["memberships"][0]["group"]["id"] == "g"
    assert session["user"]["groups"][0]["id"] == "g"
    assert session["version"]["questions"][0]["cvid"] == session["answers"][0]["question_cvid"] == "q"
    assert session["answers"][0]["answer_type"] == "list"
    assert (session["content"], session["group"]) == (None, None)


def test_four_levels_and_no_more(account: Any) -> None:
    user = account.get("/users/u?expand=memberships.group.memberships.user")
    assert [item["user"]["id"] for item in user["memberships"][0]["group"]["memberships"]] == ["u", "v"]
    assert "more than 4 levels" in account.refused("GET", "/users/u?expand=memberships.group.memberships.user.groups")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/users/u?expand=group", "'group' in 'group' cannot be expanded; of a user, groups, memberships can"),
        ("/users/u?expand=memberships.role", "of a group_membership, group, user can"),
        ("/users/u?expand=", "cannot be expanded"),
        ("/users/u?expand=groups.", "cannot be expanded"),
        ("/content_sessions/s?expand=user.sessions", "of a user, groups, memberships can"),
        ("/event_definitions?expand=events", "of a event_definition, nothing can"),
    ],
)
def test_what_cannot_be_expanded_is_refused(account: Any, target: str, message: str) -> None:
    assert message in account.refused("GET", target)


def test_lists_and_writes_expand_too(account: Any) -> None:
    assert account.get("/users?expand=groups")["data"][0]["groups"][0]["id"] == "g"
    assert account.get("/content?expand=draft_version.tasks&type=checklist")["data"][0]["draft_version"]["tasks"][0]["name"] == "Do"
    assert account.post("/users?expand=memberships.group", {"id": "u"})["memberships"][0]["group"]["id"] == "g"
    assert account.post("/groups?expand=users", {"id": "h"})["users"][0]["id"] == "v"
    event = account.post("/events?expand[]=user&expand[]=group.users", {"name": "x", "user_id": "u", "group_id": "g"})
    assert (event["user"]["id"], len(event["group"]["users"])) == ("u", 2)


def test_a_relation_to_nothing_is_null(account: Any) -> None:
    event = account.post("/events?expand[]=user&expand[]=group", {"name": "x", "user_id": "nobody"})
    assert (event["user_id"], event["user"], event["group"]) == ("nobody", None, None)


def test_fields_left_out_as_in_the_examples(account: Any) -> None:
    assert account.post("/users", {"id": "u"}).keys() == {"id", "object", "attributes", "created_at"}
    assert account.get("/users/u?expand=memberships").keys() == {"id", "object", "attributes", "created_at", "memberships"}
    assert account.post("/groups", {"id": "g"}).keys() == {"id", "object", "attributes", "created_at", "memberships", "users"}
