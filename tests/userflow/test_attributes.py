from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider.engagement.userflow.attributes import (
    DATA_TYPES,
    INTERNAL_DATA_TYPES,
    add,
    append,
    check_attributes,
    check_name,
    is_repeatable,
    prepend,
    remove,
    set_,
    set_once,
    subtract,
    unset,
)
from airflow_provider.engagement.wire.message import decode_json, encode_json

LONG = "x" * 10_000
HALF = "\ud800"


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    SMALL = 1


class Plan(StrEnum):
    PRO = "Pro"


class Text(str):
    """A kind of text, as `Markup` is."""


class Scalar:
    """What numpy's scalars are to those who do not import numpy."""

    ndim = 0

    def __init__(self, value: Any) -> None:
        self._value = value

    def item(self) -> Any:
        return self._value


class datetime64(Scalar):
    """numpy's; `.item()` of nanoseconds, pandas' usual kind, is a plain integer."""

    def astype(self, unit: str) -> Scalar:
        assert unit == "datetime64[us]"
        return Scalar(self._value)

    def item(self) -> int:
        return 1_664_454_896_000_000_000


class NAType:
    """pandas' missing value, which refuses to be compared."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = object.__hash__


class NaTType(datetime):
    """pandas' missing date, which calls itself a date."""


def check(value: Any, **settings: Any) -> Any:
    return check_attributes({"x": value}, **settings)["x"]


# --- operations --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (set_(12345678, "string"), {"set": 12345678, "data_type": "string"}),
        (set_("a"), {"set": "a"}),
        (set_once("xyz123"), {"set_once": "xyz123"}),
        (add(1), {"add": 1}),
        (subtract(1.5), {"subtract": 1.5}),
        (append("apple"), {"append": "apple"}),
        (prepend(["apple", "banana"]), {"prepend": ["apple", "banana"]}),
        (remove(["apple"], "list"), {"remove": ["apple"], "data_type": "list"}),
    ],
)
def test_operations_are_plain_dicts_that_pass_unchanged(made: dict[str, Any], told: dict[str, Any]) -> None:
    assert made == told
    assert json.loads(json.dumps(made)) == told
    assert check(made) == told


def test_unset_is_null() -> None:
    assert encode_json(check_attributes({"old": unset})) == b'{"old":null}'


@pytest.mark.parametrize("operation", [{}, {"set": 1, "add": 1}, {"set": 1, "color": "red"}, {"data_type": "string"}, {"street": "x"}])
def test_anything_but_exactly_one_operation_is_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"attributes\['x'\] must hold exactly one of add, append, prepend"):
        check(operation)


@pytest.mark.parametrize("make", [add, subtract])
@pytest.mark.parametrize("value", ["1", True, ["1"], datetime(2022, 1, 1, tzinfo=UTC), b"1"])
def test_only_numbers_are_added(make: Callable[[Any], dict[str, Any]], value: Any) -> None:
    with pytest.raises(TypeError, match=r"attributes\['x'\]"):
        check(make(value))


def test_a_template_that_gave_text_is_explained() -> None:
    with pytest.raises(TypeError, match="must be a number, got str; a template gives text unless"):
        check(add("3"))


@pytest.mark.parametrize("value", [1, 1.5, Decimal("1.10"), -(2**70)])
def test_numbers_are_added(value: Any) -> None:
    assert check(add(value)) == {"add": value}


@pytest.mark.parametrize("make", [append, prepend, remove])
def test_only_texts_go_into_lists(make: Callable[[Any], dict[str, Any]]) -> None:
    assert check(make(("a", "b")))[next(iter(make("a")))] == ["a", "b"]
    with pytest.raises(TypeError, match=r"must be text or a list of texts, got int"):
        check(make(5))
    with pytest.raises(TypeError, match=r"\[1\] must be text, got int; a list attribute holds texts only"):
        check(make(["a", 5]))
    with pytest.raises(TypeError, match="got NoneType"):
        check(make(None))
    with pytest.raises(ValueError, match="half a character"):
        check(make(["a", HALF]))


@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_data_types_go_with_the_operations_they_fit(data_type: str) -> None:
    if data_type != "list":
        assert check(set_("1", data_type)) == {"set": "1", "data_type": data_type}
        assert check(set_once("1", data_type)) == {"set_once": "1", "data_type": data_type}
    for operation, fits in ((add(1, data_type), "number"), (append("a", data_type), "list")):
        if data_type == fits:
            assert check(operation) == operation
        else:
            with pytest.raises(ValueError, match=f"works on {fits} attributes only"):
                check(operation)


@pytest.mark.parametrize("data_type", INTERNAL_DATA_TYPES)
def test_internal_data_types_are_not_writable(data_type: str) -> None:
    with pytest.raises(ValueError, match="only Userflow itself writes"):
        check(set_("a", data_type))


@pytest.mark.parametrize("data_type", ["text", "String", 5, LONG])
def test_unknown_data_types_are_refused(data_type: Any) -> None:
    with pytest.raises(ValueError, match="must be one of boolean, datetime, list, number, string"):
        check(set_("a", data_type))


def test_setting_a_whole_list_is_refused_with_advice() -> None:
    for value in (["a"], ("a",), {"a"}, set_(["a"]), set_once(["a"])):
        with pytest.raises(TypeError, match="setting a whole list is not documented: use append"):
            check(value)
    with pytest.raises(ValueError, match="sets a list, which Userflow does not document"):
        check(set_("a", "list"))


def test_a_missing_value_unsets_and_cannot_be_added() -> None:
    assert check(set_(None)) is None
    assert check(set_(float("nan"), "number")) is None
    for operation in (set_once(None), add(float("nan")), subtract(None)):
        with pytest.raises(ValueError, match="has no value; leave the attribute out"):
            check(operation)


def test_what_counts_twice_is_not_repeatable() -> None:
    assert is_repeatable({})
    assert is_repeatable({"a": 1, "b": set_(1), "c": set_once(1), "d": append("x"), "e": prepend("x"), "f": remove("x"), "g": None})
    assert not is_repeatable({"a": 1, "b": add(1)})
    assert not is_repeatable({"b": subtract(1, "number")})


# --- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "snake_case", "kebab-case", "With Space", "A1", "-", "9"])
def test_good_names_pass(name: str) -> None:
    assert check_name(name) == name
    assert check_attributes({name: 1}) == {name: 1}


@pytest.mark.parametrize("name", ["", "a.b", "é", "a/b", "a\n", "a\tb", "a$", "групп", LONG + "."])
def test_bad_names_are_refused_shortly(name: str) -> None:
    with pytest.raises(ValueError, match=r"may only hold a-z, A-Z, 0-9, underscores, dashes and spaces; rename it") as caught:
        check_attributes({name: 1})
    assert len(str(caught.value)) < 250


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="the attribute name in attributes must be text, got int"):
        check_attributes({1: "a"})


def test_where_says_which_attributes() -> None:
    with pytest.raises(ValueError, match=r"groups\[0\].attributes"):
        check_attributes({"a.b": 1}, where="groups[0].attributes")
    with pytest.raises(TypeError, match=r"groups\[0\].attributes\['a'\] is of type bytes"):
        check_attributes({"a": b"x"}, where="groups[0].attributes")


@pytest.mark.parametrize("attributes", [None, [("a", 1)], "a", 5])
def test_attributes_are_a_mapping(attributes: Any) -> None:
    with pytest.raises(TypeError, match="attributes must be a mapping of names to values"):
        check_attributes(attributes)


# --- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("text", b'"text"'),
        ("Zoë 👩‍🚀", '"Zoë 👩‍🚀"'.encode()),
        ("", b'""'),
        (True, b"true"),
        (0, b"0"),
        (2**80, b"1208925819614629174706176"),
        (1.5, b"1.5"),
        (Decimal("19.90"), b"19.90"),
        (Decimal("12345678901234567890.123456789"), b"12345678901234567890.123456789"),
        (None, b"null"),
        (float("nan"), b"null"),
        (Decimal("NaN"), b"null"),
        (Decimal("sNaN"), b"null"),
        (datetime(2022, 9, 29, 12, 34, 56, tzinfo=UTC), b'"2022-09-29T12:34:56.000+00:00"'),
        (datetime(2022, 9, 29, 12, 34, 56, 789_999, tzinfo=timezone(timedelta(hours=-7))), b'"2022-09-29T19:34:56.789+00:00"'),
        (datetime(2022, 7, 1, 0, 0, tzinfo=ZoneInfo("Europe/Copenhagen")), b'"2022-06-30T22:00:00.000+00:00"'),
        (date(2022, 9, 29), b'"2022-09-29T00:00:00.000+00:00"'),
        (UUID("2a845972-4cde-4cb4-ba14-5cb2fc15ec4c"), b'"2a845972-4cde-4cb4-ba14-5cb2fc15ec4c"'),
        (Text("x"), b'"x"'),
        (Scalar(5), b"5"),
        (Scalar(1.5), b"1.5"),
        (Scalar(True), b"true"),
        (Scalar(float("nan")), b"null"),
        (NAType(), b"null"),
        (NaTType(2022, 1, 1), b"null"),
    ],
)
def test_values_are_sent_by_stated_rules(value: Any, sent: bytes) -> None:
    assert encode_json(check(value)) == sent
    assert encode_json(check(set_(value)) if check(value) is None else check(set_(value))["set"]) == sent


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (Colour.RED, r"send its \.value"),
        (Size.SMALL, r"send its \.value"),
        (Plan.PRO, r"send its \.value"),
        (b"bytes", "decode it to text"),
        (timedelta(1), "total_seconds"),
        ([1], "use append, prepend or remove"),
        (object(), "which an attribute cannot hold"),
        (1j, "which an attribute cannot hold"),
    ],
)
def test_other_types_are_refused_with_the_remedy(value: Any, remedy: str) -> None:
    with pytest.raises(TypeError, match=rf"attributes\['x'\] is .*{remedy}"):
        check(value)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), Decimal("Infinity"), Scalar(float("inf"))])
def test_infinity_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"attributes\['x'\] is infinite"):
        check(value)


def test_half_characters_are_refused() -> None:
    with pytest.raises(ValueError, match=r"attributes\['x'\] holds half a character"):
        check("a" + HALF)


def test_a_naive_date_needs_a_zone() -> None:
    naive = datetime(2022, 7, 1, 12, 0)  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match=r"attributes\['x'\] is a date and time without a time zone.*timezone="):
        check(naive)
    assert check(naive, timezone="Europe/Copenhagen") == "2022-07-01T10:00:00.000+00:00"
    assert check(naive, timezone=ZoneInfo("Asia/Tokyo")) == "2022-07-01T03:00:00.000+00:00"
    assert check(set_(naive), timezone=UTC) == {"set": "2022-07-01T12:00:00.000+00:00"}
    assert check(datetime64(naive), timezone="UTC") == "2022-07-01T12:00:00.000+00:00"
    with pytest.raises(ValueError, match="without a time zone"):
        check(datetime64(naive))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", LONG])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        check(1, timezone=zone)


def test_a_date_out_of_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        check(datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))))


@pytest.mark.parametrize("value", [[LONG], {"a": LONG}, {"set": [LONG]}, {"add": LONG}, LONG.encode(), LONG + HALF, {LONG: 1}])
def test_no_error_shows_a_long_value(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        check(value)
    assert len(str(caught.value)) < 400


def test_the_given_mapping_stays_as_it_was() -> None:
    given_attributes = {"a": Decimal("1.0"), "b": {"set": date(2022, 1, 1)}}
    check_attributes(given_attributes)
    assert given_attributes == {"a": Decimal("1.0"), "b": {"set": date(2022, 1, 1)}}


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_infinity=False) | st.text() | st.decimals(allow_infinity=False)
values = plain | st.datetimes(timezones=st.just(UTC)) | st.dates() | st.uuids() | st.datetimes()


@given(st.dictionaries(st.from_regex(r"\A[A-Za-z0-9_\- ]+\Z"), values | values.map(set_)))
def test_what_is_checked_can_be_encoded_and_checked_again(attributes: dict[str, Any]) -> None:
    checked = check_attributes(attributes, timezone="UTC")
    assert checked.keys() == attributes.keys()
    assert decode_json(encode_json(checked)).keys() == attributes.keys()
    assert encode_json(check_attributes(checked)) == encode_json(checked)
