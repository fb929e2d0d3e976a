from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider.engagement.userflow.conditions import Condition, attribute, parse

a = attribute("my_attribute")


def told(operator: str, **operands: Any) -> dict[str, Any]:
    return {"type": "attribute", "attribute_name": "my_attribute", "operator": operator, **operands}


EVERY: list[tuple[Condition, dict[str, Any]]] = [
    (a == "my value", told("eq", value="my value")),
    (a != "my value", told("ne", value="my value")),
    (a == 5, told("eq", value=5)),
    (a > 123, told("gt", value=123)),
    (a >= 123, told("gte", value=123)),
    (a < 123, told("lt", value=123)),
    (a <= 123, told("lte", value=123)),
    (a.between(10, 20), told("between", value=10, value2=20)),
    (a.contains("my value"), told("contains", value="my value")),
    (a.not_contains("my value"), told("not_contains", value="my value")),
    (a.starts_with("my value"), told("starts_with", value="my value")),
    (a.ends_with("my value"), told("ends_with", value="my value")),
    (a.is_empty(), told("empty")),
    (a.is_not_empty(), told("not_empty")),
    (a.is_true(), told("true")),
    (a.is_false(), told("false")),
    (a.includes_all(["apple", "banana"]), told("includes_all", values=["apple", "banana"])),
    (a.includes_any(["apple", "banana"]), told("includes_any", values=["apple", "banana"])),
    (a.excludes_all(["apple", "banana"]), told("excludes_all", values=["apple", "banana"])),
    (a.excludes_any(("apple",)), told("excludes_any", values=["apple"])),
]


@pytest.mark.parametrize(("condition", "shown"), EVERY, ids=[shown["operator"] for _, shown in EVERY])
def test_every_operator_renders_as_documented_and_reads_back(condition: Condition, shown: dict[str, Any]) -> None:
    assert condition.to_dict() == shown
    assert json.loads(condition.to_json()) == shown
    assert parse(shown) == condition
    assert parse(condition.to_json()) == condition


def test_the_references_example_of_a_clause() -> None:
    condition = (attribute("plan") == "Pro") & (attribute("widget_count") >= 10)
    assert condition.to_dict() == {
        "type": "clause",
        "operator": "and",
        "conditions": [
            {"type": "attribute", "attribute_name": "plan", "operator": "eq", "value": "Pro"},
            {"type": "attribute", "attribute_name": "widget_count", "operator": "gte", "value": 10},
        ],
    }
    assert parse(condition.to_dict()) == condition


def test_the_other_side_works_as_well() -> None:
    assert parse("Pro" == attribute("plan")) == (attribute("plan") == "Pro")  # type: ignore[arg-type] # noqa: SIM300
    assert (10 < a).to_dict() == told("gt", value=10)  # noqa: SIM300


def test_chains_of_one_kind_become_one_clause() -> None:
    one, two, three, four = (attribute(name) == 1 for name in "abcd")
    chain = (one & two) & (three & four)
    assert chain.to_dict()["conditions"] == [each.to_dict() for each in (one, two, three, four)]
    mixed = (one | two) & three
    assert [part["type"] for part in mixed.to_dict()["conditions"]] == ["clause", "attribute"]
    assert parse(mixed.to_json()).to_json() == mixed.to_json()


@pytest.mark.parametrize("name", ["plan", "group/plan", "group_membership/role", "With Space"])
def test_names_may_have_a_known_prefix(name: str) -> None:
    assert attribute(name).is_empty().to_dict()["attribute_name"] == name


@pytest.mark.parametrize("name", ["user/plan", "/plan", "group/", "group/a/b", "", "a.b", "groups/plan"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="attribute name"):
        attribute(name)


def test_a_name_must_be_text() -> None:
    with pytest.raises(TypeError, match="the attribute name must be text"):
        attribute(5)  # type: ignore[arg-type]


# --- misuse ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: (a == 1) and (a == 2),
        lambda: (a == 1) or (a == 2),
        lambda: not (a == 1),  # noqa: SIM201
        lambda: 10 < a < 20,
        lambda: bool(a == 1),
    ],
    ids=["and", "or", "not", "chain", "bool"],
)
def test_python_logic_is_refused_with_advice(misuse: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match=r"combine conditions with & and \|"):
        misuse()


def test_a_bare_attribute_is_no_condition() -> None:
    with pytest.raises(TypeError, match=r"for a boolean attribute write \.is_true\(\)"):
        bool(a)
    with pytest.raises(TypeError, match="write attribute"):
        "x" in a  # noqa: B015
    with pytest.raises(TypeError, match="cannot combine a condition with attribute"):
        (a == 1) & a  # type: ignore[operator]


def test_forgotten_parentheses_are_noticed() -> None:
    with pytest.raises(TypeError):
        attribute("a") == 1 & attribute("b") == 2  # type: ignore[operator] # noqa: B015


@pytest.mark.parametrize("value", [True, None, ["a"], ("a",), {"a"}])
def test_what_has_an_operator_of_its_own_is_refused_with_it(value: Any) -> None:
    with pytest.raises(TypeError, match=r"\.is_true\(\).*\.is_empty\(\).*\.includes_all"):
        a == value  # noqa: B015


@pytest.mark.parametrize("value", [datetime(2022, 1, 1, tzinfo=UTC), date(2022, 1, 1)])
def test_dates_are_refused(value: Any) -> None:
    for compare in (lambda: a == value, lambda: a > value, lambda: a.between(value, value)):
        with pytest.raises(TypeError, match="no operator for dates"):
            compare()


@pytest.mark.parametrize("value", ["5", True, None, b"5"])
def test_only_numbers_are_ordered(value: Any) -> None:
    with pytest.raises(TypeError, match="must be a number"):
        a > value  # noqa: B015


@pytest.mark.parametrize("value", [float("inf"), float("nan"), Decimal("Infinity")])
def test_numbers_are_finite(value: Any) -> None:
    with pytest.raises(ValueError, match="not a number that JSON can carry"):
        a > value  # noqa: B015


def test_decimals_are_numbers() -> None:
    assert (a > Decimal("1.10")).to_json().endswith('"value":1.10}')


def test_an_impossible_range_is_refused() -> None:
    with pytest.raises(ValueError, match="20 is above 10"):
        a.between(20, 10)


def test_texts_are_texts_and_lists_are_lists() -> None:
    with pytest.raises(TypeError, match="must be text, got int"):
        a.contains(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be a list of texts, got str"):
        a.includes_any("apple")
    with pytest.raises(TypeError, match="must be a list of texts"):
        a.includes_any([5])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="the list of values is empty"):
        a.includes_any([])


# --- as objects --------------------------------------------------------------------------------------------------------


def test_conditions_compare_by_what_they_say() -> None:
    one, same, other = attribute("a") == 1, attribute("a") == 1, attribute("a") == 2
    assert {one, same, other} == {one, other}
    assert one.__eq__("text") is NotImplemented
    assert len({one & other, same & other}) == 1


def test_attributes_are_not_hashable() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)


def test_conditions_do_not_change() -> None:
    condition: Any = a.includes_all(["x"])
    with pytest.raises(FrozenInstanceError):
        condition.operator = "eq"
    condition.to_dict()["values"].append("y")
    assert condition.to_dict()["values"] == ["x"]


# --- what a user wrote -------------------------------------------------------------------------------------------------


def test_a_condition_stays_as_it_is() -> None:
    condition = a == 1
    assert parse(condition) is condition


def test_the_references_odd_example_is_understood() -> None:
    assert parse(told("excludes_any", value="my value")).to_dict() == told("excludes_any", values=["my value"])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("{", "the condition is not JSON"),
        ("", "the condition is not JSON"),
        ("[" * 100_000, "the condition is not JSON"),
        ("[]", "the condition must be an object, got list"),
        ("null", "the condition must be an object, got NoneType"),
        (5, "the condition must be an object, got int"),
        ({}, "has type None; it must be 'attribute' or 'clause'"),
        ({"type": "segment"}, "has type 'segment'"),
        (told("like", value="x"), "has operator 'like'; it must be one of between, contains"),
        (told("eq"), "missing: \\['value'\\]"),
        (told("eq", value="x", values=[]), "not known: \\['values'\\]"),
        (told("between", value=1), "missing: \\['value2'\\]"),
        (told("empty", value=None), "not known"),
        (told("includes_all", values="apple"), "must be a list of texts"),
        (told("gt", value="5"), "must be a number"),
        (told("eq", value=None), "must be text or a number"),
        ({**told("empty"), "attribute_name": 5}, "the attribute name must be text"),
        ({**told("empty"), "attribute_name": "user/x"}, "unknown prefix"),
        ({"type": "clause", "operator": "not", "conditions": [told("empty")]}, "has operator 'not'; a clause's is 'and' or 'or'"),
        ({"type": "clause", "operator": "and"}, "missing: \\['conditions'\\]"),
        ({"type": "clause", "operator": "and", "conditions": []}, "needs a list of at least one condition"),
        ({"type": "clause", "operator": "and", "conditions": told("empty")}, "needs a list of at least one condition"),
        ({"type": "clause", "operator": "or", "conditions": [told("empty"), 5]}, r"conditions\[1\] must be an object, got int"),
    ],
)
def test_what_userflow_does_not_document_is_refused(raw: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        parse(raw)
