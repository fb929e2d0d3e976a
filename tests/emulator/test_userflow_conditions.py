from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider.engagement.userflow.conditions import attribute


def attr(name: str, operator: str, **operands: Any) -> dict[str, Any]:
    return {"type": "attribute", "attribute_name": name, "operator": operator, **operands}


def clause(operator: str, *conditions: Any) -> dict[str, Any]:
    return {"type": "clause", "operator": operator, "conditions": list(conditions)}


def target(condition: Any, path: str = "/users") -> str:
    return f"{path}?limit=100&condition={quote(condition if isinstance(condition, str) else json.dumps(condition))}"


@pytest.fixture
def account(userflow: Any) -> Any:
    """Ann is on her own, Bea in two companies, Cem in one."""
    ann = {"id": "ann", "attributes": {"age": 30, "vip": True, "tags": {"append": ["a", "b"]}, "note": "Hello"}}
    bea = {"id": "bea", "attributes": {"age": 40, "vip": False, "tags": {"append": ["a"]}, "note": ""}}
    groups = [{"id": "acme", "attributes": {"plan": "Pro", "seats": 5}}, {"id": "bolt", "attributes": {"plan": "Free"}}]
    userflow.seed({"users": [ann, bea, {"id": "cem"}], "groups": groups})
    members = [("bea", "acme", {"role": "admin"}), ("bea", "bolt", {}), ("cem", "bolt", {"role": "reader"})]
    userflow.seed({"group_memberships": [{"user_id": user, "group_id": group, "attributes": role} for user, group, role in members]})
    return userflow


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (attr("age", "eq", value=30), ["ann"]),
        (attr("age", "eq", value=30.0), ["ann"]),
        (attr("age", "eq", value="30"), []),
        (attr("age", "ne", value=30), ["bea", "cem"]),
        (attr("vip", "eq", value=True), ["ann"]),
        (attr("vip", "eq", value=1), []),
        (attr("age", "between", value=30, value2=40), ["ann", "bea"]),
        (attr("note", "gt", value=1), []),
        (attr("note", "contains", value=""), ["ann", "bea"]),
        (attr("note", "not_contains", value="ell"), ["bea", "cem"]),
        (attr("note", "empty"), ["bea", "cem"]),
        (attr("note", "not_empty"), ["ann"]),
        (attr("vip", "true"), ["ann"]),
        (attr("vip", "false"), ["bea"]),
        (attr("tags", "includes_all", values=["a", "b"]), ["ann"]),
        (attr("tags", "includes_any", values=["b", "c"]), ["ann"]),
        (attr("tags", "excludes_all", values=["a", "b"]), ["bea", "cem"]),
        (attr("tags", "excludes_any", values=["b", "c"]), ["bea", "cem"]),
        (attr("tags", "excludes_any", value=["b", "c"]), ["bea", "cem"]),
        (attr("tags", "excludes_any", value="b"), ["bea", "cem"]),
        (attr("tags", "contains", value="a"), []),
        (attr("undefined", "empty"), ["ann", "bea", "cem"]),
        (attr("group/plan", "eq", value="Pro"), ["bea"]),
        (attr("group/plan", "eq", value="Free"), ["bea", "cem"]),
        (attr("group/seats", "empty"), ["ann", "bea", "cem"]),
        (attr("group/plan", "empty"), ["ann"]),
        (attr("group_membership/role", "eq", value="admin"), ["bea"]),
        (attr("group_membership/role", "not_empty"), ["bea", "cem"]),
        (clause("and", attr("age", "gte", value=30), attr("group/plan", "eq", value="Free")), ["bea"]),
        (clause("or", attr("age", "lt", value=35), attr("age", "lte", value=40)), ["ann", "bea"]),
        (clause("and", clause("or", attr("vip", "true"), attr("vip", "false")), attr("age", "gt", value=30)), ["bea"]),
    ],
    ids=json.dumps,
)
def test_users(account: Any, condition: Any, ids: list[str]) -> None:
    assert account.ids(target(condition)) == ids


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (attr("plan", "eq", value="Pro"), ["acme"]),
        (attr("group/plan", "eq", value="Pro"), ["acme"]),
        (attr("group_membership/role", "eq", value="reader"), ["bolt"]),
        (attr("group_membership/role", "empty"), ["bolt"]),
        (attr("age", "empty"), ["acme", "bolt"]),
    ],
)
def test_groups(account: Any, condition: Any, ids: list[str]) -> None:
    assert account.ids(target(condition, "/groups")) == ids


def test_what_this_package_writes_is_understood(account: Any) -> None:
    condition = ((attribute("age") >= 30) & attribute("vip").is_true()) | (attribute("group/plan") == "Pro")
    assert account.ids(target(condition.to_json())) == ["ann", "bea"]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("plan = Pro", "must be a JSON-formatted string"),
        ("", "must be a JSON-formatted string"),
        ("[" * 100_000, "nested too deeply|must be a JSON"),
        ([], "a condition must be an object"),
        ({}, "type must be attribute or clause"),
        ({"type": "segment"}, "type must be attribute or clause"),
        (attr("age", "equals", value=1), "operator must be one of between, contains"),
        ({"type": "attribute", "attribute_name": "age", "operator": ["eq"], "value": 1}, "operator must be one of"),
        (attr("age", "eq"), "'eq' needs value"),
        (attr("age", "between", value=1), "'between' needs value2"),
        (attr("age", "between", value=1, value2="2"), "value and value2 must be numbers"),
        (attr("age", "gt", value="1"), "value must be a number"),
        (attr("age", "gt", value=True), "value must be a number"),
        (attr("age", "eq", value=None), "value must be a string, a number or a boolean"),
        (attr("note", "contains", value=1), "value must be a string"),
        (attr("note", "empty", value=1), "'empty' takes no value"),
        (attr("tags", "includes_all", value=["a"]), "'includes_all' takes no value"),
        (attr("tags", "includes_all", values="a"), "values must be an array of strings"),
        (attr("tags", "includes_any", values=[]), "values must be an array of strings"),
        (attr("tags", "excludes_any", value=1), "values must be an array of strings"),
        (attr("", "empty"), "is no attribute name"),
        (attr("e.mail", "empty"), "is no attribute name"),
        ({"type": "attribute", "operator": "empty"}, "is no attribute name"),
        (attr("company/plan", "empty"), "has an unknown prefix"),
        (attr("group/plan/name", "empty"), "is no attribute name"),
        (clause("not", attr("age", "empty")), "a clause's operator must be and or or"),
        (clause("and"), "a clause needs a list of conditions"),
        ({"type": "clause", "operator": "and"}, "a clause needs a list of conditions"),
        ({**clause("and", attr("age", "empty")), "negate": True}, "takes no negate"),
        (clause("or", attr("age", "empty"), {"type": "x"}), "type must be attribute or clause"),
    ],
)
def test_what_is_no_condition_is_refused(account: Any, condition: Any, message: str) -> None:
    said = account.refused("GET", target(condition))
    assert said.startswith("invalid_condition: ")
    assert any(part in said for part in message.split("|"))


def test_more_than_ten_thousand_matches_are_refused(userflow: Any) -> None:
    users = userflow.emulator.objects.users
    for number in range(10_001):
        users.put({"id": str(number), "attributes": {"n": number}, "created_at": "2026-03-01T12:00:00.000+00:00"})
    everyone, all_but_one = attr("n", "gte", value=0), attr("n", "gte", value=1)
    assert "matches more than 10000 records" in userflow.refused("GET", target(everyone))
    assert len(userflow.ids(target(all_but_one))) == 100
    assert "matches more than 10000 records" in userflow.refused("GET", target(everyone))


def test_a_remembered_condition_sees_every_write(account: Any) -> None:
    condition = target(attr("group/plan", "eq", value="Pro"))
    assert account.ids(condition) == ["bea"]
    account.post("/users", {"id": "cem", "groups": [{"id": "acme"}]})
    assert account.ids(condition) == ["bea", "cem"]
    account.post("/groups", {"id": "acme", "attributes": {"plan": "Free"}})
    assert account.ids(condition) == []
