"""Values that a defined data type would refuse are known before anything is sent: the emulated Userflow is asked who is right."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider.engagement.emulator.state import Clock, Incoming, Store
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.attributes import DATA_TYPES, INTERNAL_DATA_TYPES, OPERATIONS
from airflow_provider.engagement.userflow.bodies import check_event_body, check_group_body, check_user_body
from airflow_provider.engagement.userflow.emulator import UserflowEmulator
from airflow_provider.engagement.userflow.preflight import Definitions, check_types, read_definitions
from airflow_provider.engagement.wire.message import decode_json
from tests.userflow.account import Account

SCOPES = ("user", "group", "group_membership", "event")
WRITES: dict[str, Any] = {
    "users": (api.UPSERT_USER, check_user_body),
    "groups": (api.UPSERT_GROUP, check_group_body),
    "events": (api.TRACK_EVENT, check_event_body),
}
TEXTS = (
    *("", "x", "true", "false", "True", "12", "1.5", "1e3", "1_000", " 7", "nan", "Infinity", "٣", "0x1"),
    *("2026-01-02", "2026-02-30", "2026-01-02T03:04:05Z", "2026-01-02t03:04", "2026-01-02 03:04:05,5+0100"),
    *("20260102T030405", "2026-W01-1T00:00", "2026-01-02T03", "2026-01-02T24:00", "0001-01-01T00:00+05:00", "2026-13-01T00:00", "T"),
    *("٢026-01-02T03:04", "2026-01-02T03:04Z\n", "2026-01-02T03:04:60Z", "9999-12-31T23:59-05:00", "2026-01-02T03:04:05.123456789Z"),
)


def server(definitions: Definitions) -> UserflowEmulator:
    emulator = UserflowEmulator(Store(), Clock())
    told = [{"scope": scope, "name": name, "data_type": data_type} for (scope, name), data_type in definitions.items()]
    emulator.seed({"attribute_definitions": told})
    return emulator


def refused(emulator: UserflowEmulator, kind: str, body: Any) -> str | None:
    """What the emulated Userflow says against a body; None if it takes it."""
    request = WRITES[kind][0].call(json=body).request
    headers = {"authorization": "Bearer ak_test", "content-type": "application/json"}
    reply = emulator.handle(Incoming(request.method, request.path, (), headers, request.body))
    return None if reply.status == 200 else str(decode_json(reply.body)["error"]["message"])


# --- agreement with the emulator -------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "c"])
literals = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-1000, 1000, places=2),
    st.sampled_from(TEXTS),
    st.text("0123456789-:.TZ+ ", max_size=20),
    st.dates(date(1, 1, 2)),
    st.datetimes(datetime(1, 1, 2), timezones=st.just(UTC)),  # noqa: DTZ001
)


def typed(operations: st.SearchStrategy[dict[str, Any]], *data_types: str) -> st.SearchStrategy[dict[str, Any]]:
    said = st.one_of(st.just({}), st.sampled_from(data_types).map(lambda data_type: {"data_type": data_type}))
    return st.tuples(operations, said).map(lambda pair: {**pair[0], **pair[1]})


PLAIN = [name for name in DATA_TYPES if name != "list"]
operations = st.one_of(
    typed(st.builds(lambda value: {"set": value}, literals), *PLAIN),
    typed(st.builds(lambda value: {"set_once": value}, literals.filter(lambda value: value is not None)), *PLAIN),
    typed(st.builds(lambda name, number: {name: number}, st.sampled_from(["add", "subtract"]), st.integers(-9, 9)), "number"),
    typed(st.builds(lambda name, texts: {name: texts}, st.sampled_from(["append", "prepend", "remove"]), st.just(["x", "y"])), "list"),
)
attributes = st.dictionaries(names, st.one_of(literals, operations), max_size=3)
definitions = st.dictionaries(
    st.tuples(st.sampled_from(SCOPES), names), st.sampled_from([*DATA_TYPES, *DATA_TYPES, INTERNAL_DATA_TYPES[0]]), max_size=12
)
objects = st.builds(lambda index, given: {"id": f"g{index}", "attributes": given}, st.integers(0, 2), attributes)
bodies = st.one_of(
    st.tuples(st.just("users"), st.builds(lambda given: {"id": "u", "attributes": given}, attributes)),
    st.tuples(
        st.just("users"),
        st.builds(lambda given, groups: {"id": "u", "attributes": given, "groups": groups}, attributes, st.lists(objects, max_size=3)),
    ),
    st.tuples(
        st.just("users"),
        st.builds(
            lambda members: {"id": "u", "memberships": members},
            st.lists(st.builds(lambda group, given: {"group": group, "attributes": given}, objects, attributes), max_size=3),
        ),
    ),
    st.tuples(st.just("groups"), objects),
    st.tuples(st.just("events"), st.builds(lambda given: {"name": "e", "user_id": "u", "attributes": given}, attributes)),
)


@settings(max_examples=250, deadline=None)
@given(definitions, bodies)
def test_it_refuses_what_the_emulated_userflow_refuses_and_nothing_else(definitions: Definitions, planned: tuple[str, Any]) -> None:
    kind, row = planned
    body = WRITES[kind][1](row)
    emulator = server(definitions)
    assert (check_types(kind, body, definitions) is None) == (refused(emulator, kind, body) is None)


@pytest.mark.parametrize("defined", [None, *DATA_TYPES])
def test_every_text_against_every_type(defined: str | None) -> None:
    known: Definitions = {} if defined is None else {("user", "a"): defined}
    emulator = server(known)
    for text in TEXTS:
        for value in (text, *({"set": text, "data_type": data_type} for data_type in DATA_TYPES if data_type != "list")):
            body = {"id": "u", "attributes": {"a": value}}
            found = check_types("users", body, known)
            fresh = server(known) if defined is None else emulator
            assert (found is None) == (refused(fresh, "users", body) is None), (defined, value)


# --- what it says ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("defined", "value", "said"),
    [
        ("number", "33", "attribute 'a' of the user is defined as number, but the row gives text"),
        ("number", True, "is defined as number, but the row gives true or false"),
        ("string", 7, "is defined as string, but the row gives a number"),
        ("boolean", Decimal("1.5"), "is defined as boolean, but the row gives a number"),
        ("boolean", "2026-01-02T03:04:05Z", "is defined as boolean, but the row gives a date and time"),
        ("datetime", "2026-01-02", "is defined as datetime, but the row gives text"),
        ("list", "x", "is defined as list, but the row gives text"),
        ("string", {"add": 1}, "is defined as string, but the row gives the operation 'add', which works on numbers only"),
        ("number", {"append": "x"}, "is defined as number, but the row gives the operation 'append', which works on lists only"),
        ("number", {"set": 1, "data_type": "string"}, "is defined as number, but the row gives data_type 'string'"),
        (None, {"set": "x", "data_type": "number"}, "is given as data_type 'number', but text cannot be read as that"),
        (None, {"set": 1, "data_type": "boolean"}, "is given as data_type 'boolean', but a number cannot be read as that"),
        ("random_ab", "A", "is of the data type random_ab, which only Userflow itself writes"),
        ("content", None, "is of the data type content, which only Userflow itself writes"),
    ],
)
def test_the_sentence_names_attribute_defined_type_and_the_values_type(defined: str | None, value: Any, said: str) -> None:
    found = check_types("users", {"id": "u", "attributes": {"a": value}}, {} if defined is None else {("user", "a"): defined})
    assert found is not None
    assert said in found
    assert "data_types=" in found
    assert "33" not in found


def test_all_problems_of_a_row_are_told_with_their_places() -> None:
    known = {("user", "age"): "number", ("group", "seats"): "number", ("group_membership", "role"): "string"}
    member = {"group": {"id": "g", "attributes": {"seats": "x"}}, "attributes": {"role": 1}}
    found = check_types(
        "users", {"id": "u", "attributes": {"age": "x", "name": "y"}, "memberships": [{"group": {"id": "h"}}, member]}, known
    )
    assert found is not None
    assert "attribute 'age' of the user is defined" in found
    assert "memberships[1]: attribute 'seats' of the group is defined" in found
    assert "memberships[1]: attribute 'role' of the group membership is defined" in found
    assert "'name'" not in found


def test_scopes_are_told_apart() -> None:
    known = {("user", "a"): "number"}
    assert check_types("groups", {"id": "g", "attributes": {"a": "x"}}, known) is None
    assert check_types("events", {"name": "e", "user_id": "u", "attributes": {"a": "x"}}, known) is None
    assert check_types("users", {"id": "u", "groups": [{"id": "g", "attributes": {"a": "x"}}]}, known) is None


def test_every_operation_on_its_own_type_is_fine() -> None:
    own = {"set": ("string", "x"), "set_once": ("string", "x"), "add": ("number", 1), "subtract": ("number", 1)}
    for operation in OPERATIONS:
        kind, value = own.get(operation, ("list", "x"))
        assert check_types("users", {"id": "u", "attributes": {"a": {operation: value}}}, {("user", "a"): kind}) is None


# --- reading the definitions -----------------------------------------------------------------------------------------


def test_all_pages_of_definitions_are_read(account: Account) -> None:
    told = [{"scope": scope, "name": f"n{index}", "data_type": "number"} for index in range(130) for scope in ("user", "event")]
    account.server.userflow.seed({"attribute_definitions": told})
    found = read_definitions(account.hook)
    assert {key: data_type for key, data_type in found.items() if key[1].startswith("n")} == {
        (scope, f"n{index}"): "number" for index in range(130) for scope in ("user", "event")
    }
    assert len(account.server.requests("GET", "/attribute_definitions")) == 3
