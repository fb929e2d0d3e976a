from __future__ import annotations

from typing import Any

import pytest

MOMENT = "2022-09-29T12:34:56.000+00:00"


def upsert(userflow: Any, **attributes: Any) -> dict[str, Any]:
    attributes = {name.replace("__", " "): value for name, value in attributes.items()}
    changed: dict[str, Any] = userflow.post("/users", {"id": "1", "attributes": attributes})["attributes"]
    return changed


def types(userflow: Any, scope: str = "user") -> dict[str, str]:
    return {item["name"]: item["data_type"] for item in userflow.get(f"/attribute_definitions?scope={scope}&limit=100")["data"]}


@pytest.mark.parametrize(
    ("value", "kept", "data_type"),
    [
        ("text", "text", "string"),
        ("", "", "string"),
        ("2022-09-29", "2022-09-29", "string"),
        ("2022-13-29T12:34:56Z", "2022-13-29T12:34:56Z", "string"),
        (17, 17, "number"),
        (2**60, 2**60, "number"),
        (0.1, 0.1, "number"),
        (True, True, "boolean"),
        ("2022-09-29T12:34:56Z", MOMENT, "datetime"),
        ("2022-09-29T14:34:56.000999+02:00", MOMENT, "datetime"),
        ("2022-09-29T12:34:56", MOMENT, "datetime"),
        ("2022-09-29 12:34", "2022-09-29T12:34:00.000+00:00", "datetime"),
        ({"append": "x"}, ["x"], "list"),
        ({"remove": "x"}, [], "list"),
        ({"add": 2}, 2, "number"),
        ({"subtract": 2}, -2, "number"),
        ({"set_once": "x"}, "x", "string"),
    ],
)
def test_first_value_defines_the_type(userflow: Any, value: Any, kept: Any, data_type: str) -> None:
    assert upsert(userflow, a=value) == {"a": kept}
    assert types(userflow) == {"a": data_type}


@pytest.mark.parametrize(
    ("operation", "kept"),
    [
        ({"set": 12345678, "data_type": "string"}, "12345678"),
        ({"set": True, "data_type": "string"}, "true"),
        ({"set": MOMENT, "data_type": "string"}, MOMENT),
        ({"set": "12.50", "data_type": "number"}, 12.5),
        ({"set_once": "7", "data_type": "number"}, 7),
        ({"set": "false", "data_type": "boolean"}, False),
        ({"set": "2022-09-29", "data_type": "datetime"}, "2022-09-29T00:00:00.000+00:00"),
        ({"append": ["x"], "data_type": "list"}, ["x"]),
        ({"add": 1, "data_type": "number"}, 1),
    ],
)
def test_data_type_goes_with_every_operation(userflow: Any, operation: Any, kept: Any) -> None:
    assert upsert(userflow, a=operation) == {"a": kept}
    assert types(userflow) == {"a": operation["data_type"]}


def test_operations_on_what_is_there(userflow: Any) -> None:
    upsert(userflow, plan="Free", count=1, tags={"append": ["a", "b"]}, gone="x", kept="y")
    changed = upsert(
        userflow,
        plan={"set_once": "Pro"},
        count={"add": 2.5},
        tags={"prepend": ["c", "a", "c"]},
        gone=None,
        never_there=None,
    )
    assert changed == {"plan": "Free", "count": 3.5, "tags": ["c", "a", "b"], "kept": "y"}
    assert "never_there" not in types(userflow)
    assert upsert(userflow, tags={"append": ["b", "d", "d"]}, count={"subtract": -1}, gone={"set_once": "again"}) == {
        "plan": "Free",
        "count": 4.5,
        "tags": ["c", "a", "b", "d"],
        "kept": "y",
        "gone": "again",
    }
    assert upsert(userflow, tags={"remove": ["a", "d", "z"]})["tags"] == ["c", "b"]


def test_sums_are_exact(userflow: Any) -> None:
    upsert(userflow, revenue={"add": 0.1}, large={"add": 2**70})
    assert upsert(userflow, revenue={"add": 0.2}, large={"add": 1}) == {"revenue": 0.3, "large": 2**70 + 1}
    assert upsert(userflow, revenue={"subtract": 0.3})["revenue"] == 0


def test_a_text_like_a_date_stays_a_text_where_texts_are(userflow: Any) -> None:
    upsert(userflow, a="x")
    assert upsert(userflow, a="2022-09-29T12:34:56Z")["a"] == "2022-09-29T12:34:56Z"


def test_names_may_hold_spaces_and_dashes(userflow: Any) -> None:
    assert upsert(userflow, Signed__Up="x") == {"Signed Up": "x"}
    assert userflow.post("/users", {"id": "1", "attributes": {"a-B_9 z": 1}})["attributes"]["a-B_9 z"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"": 1}, "is no attribute name"),
        ({"e-mail@": 1}, "is no attribute name"),
        ({"größe": 1}, "is no attribute name"),
        ({"a.b": 1}, "is no attribute name"),
        ({"new": ["x"]}, "attributes.new: a list is changed by append, prepend or remove"),
        ({"new": {"set": ["x"]}}, "a list is changed by append"),
        ({"new": {"set": "x", "data_type": "list"}}, "a list is changed by append"),
        ({"new": {}}, "must hold exactly one of set, set_once"),
        ({"new": {"set": 1, "add": 1}}, "must hold exactly one of"),
        ({"new": {"data_type": "string"}}, "must hold exactly one of"),
        ({"new": {"set": 1, "unit": "kg"}}, "must hold exactly one of"),
        ({"new": {"street": "x"}}, "must hold exactly one of"),
        ({"new": {"set": None}}, "cannot take null"),
        ({"new": {"add": "1"}}, "is a number attribute, it cannot take str"),
        ({"new": {"add": True}}, "is a number attribute, it cannot take bool"),
        ({"new": {"append": 1}}, "must be a string or a list of strings"),
        ({"new": {"append": ["x", 1]}}, "must be a string or a list of strings"),
        ({"new": {"set": 1, "data_type": "integer"}}, "data_type must be one of"),
        ({"new": {"set": "many", "data_type": "number"}}, "'many' is no number"),
        ({"new": {"set": "Infinity", "data_type": "number"}}, "'Infinity' is no number"),
        ({"new": {"set": "yes", "data_type": "boolean"}}, "is a boolean attribute, it cannot take str"),
        ({"new": {"set": 7, "data_type": "datetime"}}, "is a datetime attribute, it cannot take int"),
        ({"new": {"append": "x", "data_type": "string"}}, "append works on list attributes only"),
        ({"text": 1}, "attributes.text is a string attribute, it cannot take int"),
        ({"text": {"add": 1}}, "add works on number attributes only, this is a string"),
        ({"text": {"append": "x"}}, "append works on list attributes only, this is a string"),
        ({"text": {"set": "x", "data_type": "number"}}, "is a string attribute, it cannot take data_type number"),
        ({"number": "1"}, "is a number attribute, it cannot take str"),
        ({"number": True}, "is a number attribute, it cannot take bool"),
        ({"flag": 1}, "is a boolean attribute, it cannot take int"),
        ({"moment": "yesterday"}, "is a datetime attribute, it cannot take str"),
        ({"tags": "x"}, "a list is changed by append"),
        ({"tags": {"set_once": "x"}}, "a list is changed by append"),
        ({"internal": "x"}, "is of the internal data type content and not writable"),
        ({"internal": None}, "is of the internal data type content and not writable"),
        (["x"], "attributes must be an object"),
        ("x", "attributes must be an object"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(userflow: Any, change: Any, message: str) -> None:
    before = upsert(userflow, text="x", number=1, flag=True, moment=MOMENT, tags={"append": "x"})
    userflow.seed({"attribute_definitions": [{"name": "internal", "scope": "user", "data_type": "content"}]})
    known = types(userflow)
    both = {"fresh": 1, **change} if isinstance(change, dict) else change
    assert message in userflow.refused("POST", "/users", {"id": "1", "attributes": both})
    assert userflow.get("/users/1")["attributes"] == before
    assert types(userflow) == known


def test_definitions_are_by_scope(userflow: Any) -> None:
    membership = {"attributes": {"a": True}, "group": {"id": "g", "attributes": {"a": 1}}}
    userflow.post("/users", {"id": "1", "attributes": {"a": "x"}, "memberships": [membership]})
    userflow.post("/events", {"name": "e", "user_id": "1", "attributes": {"a": MOMENT}})
    got = {scope: types(userflow, scope)["a"] for scope in ("user", "group", "group_membership", "event")}
    assert got == {"user": "string", "group": "number", "group_membership": "boolean", "event": "datetime"}


def test_definition_object(userflow: Any) -> None:
    upsert(userflow, signed_up_at=MOMENT)
    (definition,) = userflow.get("/attribute_definitions")["data"]
    assert definition == {
        "id": definition["id"],
        "object": "attribute_definition",
        "created_at": "2026-03-01T12:00:00.000+00:00",
        "data_type": "datetime",
        "description": None,
        "display_name": "Signed Up At",
        "name": "signed_up_at",
        "scope": "user",
    }


def test_one_request_cannot_define_one_attribute_twice(userflow: Any) -> None:
    groups = [{"id": "g", "attributes": {"size": 1}}, {"id": "h", "attributes": {"size": "big"}}]
    assert "groups[1].attributes.size is a number attribute" in userflow.refused("POST", "/users", {"id": "1", "groups": groups})
    assert userflow.ids("/groups") == userflow.ids("/users") == []
