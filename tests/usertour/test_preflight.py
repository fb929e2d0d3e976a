"""Values that an attribute would not keep are known before anything is sent: the emulated Usertour is asked who is right."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider.engagement.emulator.state import Clock, Incoming, Store
from airflow_provider.engagement.usertour.account import Account as Place
from airflow_provider.engagement.usertour.bodies import check_company, check_event, check_user
from airflow_provider.engagement.usertour.emulator import UsertourEmulator
from airflow_provider.engagement.usertour.preflight import Definitions, check_types, read_definitions
from airflow_provider.engagement.usertour.rows import company_calls, event_call, user_calls
from airflow_provider.engagement.wire.message import Request, decode_json
from tests.usertour.account import Account

TYPES = ("boolean", "datetime", "list", "number", "string")
SCOPES = ("user", "company", "companyMembership", "eventDefinition")
PLACES = {"v1": Place("v1"), "v2": Place("v2", "p_test", "e_test")}
KEYS = {"v1": "ak_test", "v2": "utp_test"}
TEXTS = (
    *("", "x", "true", "12", "T", "Tuesday"),
    *("2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000+00:00", "2026-01-02T03:04", "20260102T030405", "2026-W01-1T00:00"),
    *("2026-01-02 03:04", "2026-01-02t03:04", "2026-13-01T00:00", "0001-01-01T00:00+05:00", "2026-01-02T24:00"),
)


def server(definitions: Definitions) -> UsertourEmulator:
    emulator = UsertourEmulator(Store(), Clock())
    told = [{"scope": scope, "codeName": name, "dataType": data_type} for (scope, name), data_type in definitions.items()]
    emulator.seed({"attribute_definitions": told})
    return emulator


def requests_of(version: str, kind: str, row: Any) -> list[Request]:
    place = PLACES[version]
    if kind == "events":
        return [event_call(place, row).request]
    make = user_calls if kind == "users" else company_calls
    return [call.request for call in make(place, row)[1]]


def kept(emulator: UsertourEmulator, version: str, kind: str, row: Any) -> bool:
    """Say whether the emulated Usertour takes a row and keeps all of its values."""
    for request in requests_of(version, kind, row):
        headers = {"authorization": f"Bearer {KEYS[version]}", "content-type": "application/json"}
        reply = emulator.handle(Incoming(request.method, request.path, (), headers, request.body or b""))
        if reply.status not in (200, 201):
            assert reply.status == 400, reply
            assert "type mismatch" in decode_json(reply.body)["error"]["message"]
            return False
    return all(name in found for sent, found in _written(emulator, kind, row) for name, value in sent.items() if value is not None)


def _written(emulator: UsertourEmulator, kind: str, row: Any) -> list[tuple[Any, Any]]:
    """The attributes that were sent beside those that are there."""
    objects = emulator.objects
    holder = objects.holder
    if kind == "events":
        (event,) = objects.events.values()
        return [(row.get("attributes", {}), event["attributes"])]
    one = holder("user" if kind == "users" else "company", "e_test", row["id"])
    assert one is not None
    pairs = [(row.get("attributes", {}), one["attributes"])]
    for member in row.get("memberships", ()):
        company = holder("company", "e_test", member["company"]["id"])
        assert company is not None
        membership = objects.membership(one, company)
        assert membership is not None
        pairs += [
            (member["company"].get("attributes", {}), company["attributes"]),
            (member.get("attributes", {}), membership["attributes"]),
        ]
    for given_company in row.get("companies", ()):
        company = holder("company", "e_test", given_company["id"])
        assert company is not None
        pairs.append((given_company.get("attributes", {}), company["attributes"]))
    return pairs


def checked(version: str, kind: str, row: Any) -> Any:
    if kind == "events":
        return check_event(row)
    return check_user(row, version) if kind == "users" else check_company(row, version)


# --- agreement with the emulator -------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "c"])
single = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-1000, 1000, places=2),
    st.sampled_from(TEXTS),
    st.text("0123456789-:.TZ+ ", max_size=20),
    st.dates(date(1, 1, 2)),
    st.datetimes(datetime(1, 1, 2), timezones=st.just(UTC)),  # noqa: DTZ001
)
values = st.one_of(st.none(), single, st.lists(single, max_size=2))
attributes = st.dictionaries(names, values, max_size=3)
definitions = st.dictionaries(st.tuples(st.sampled_from(SCOPES), names), st.sampled_from(TYPES), max_size=12)
companies = st.lists(
    st.builds(lambda index, given: {"id": f"c{index}", "attributes": given}, st.integers(0, 3), attributes),
    max_size=3,
    unique_by=lambda company: str(company["id"]),
)
rows = st.one_of(
    st.tuples(st.just("users"), st.builds(lambda given: {"id": "u", "attributes": given}, attributes)),
    st.tuples(st.just("users"), st.builds(lambda given, all: {"id": "u", "attributes": given, "companies": all}, attributes, companies)),
    st.tuples(
        st.just("users"),
        st.builds(
            lambda all, given: {"id": "u", "memberships": [{"company": one, "attributes": given} for one in all]}, companies, attributes
        ),
    ),
    st.tuples(st.just("companies"), st.builds(lambda given: {"id": "c", "attributes": given}, attributes)),
    st.tuples(st.just("events"), st.builds(lambda given: {"name": "it_was", "userId": "u", "attributes": given}, attributes)),
)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(["v1", "v2"]), definitions, rows)
def test_it_refuses_what_the_emulated_usertour_would_not_keep_and_nothing_else(
    version: str, definitions: Definitions, planned: tuple[str, Any]
) -> None:
    kind, row = planned
    version = "v2" if kind == "events" else version
    body = checked(version, kind, row)
    found = check_types(kind, body, definitions)
    assert (found is None) == kept(server(definitions), version, kind, body), found


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("defined", TYPES)
def test_every_text_against_every_type(version: str, defined: str) -> None:
    known = {("user", "a"): defined}
    for text in TEXTS:
        body = {"id": "u", "attributes": {"a": text}}
        assert (check_types("users", body, known) is None) == kept(server(known), version, "users", body), (defined, text)


# --- what it says ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("defined", "value", "said"),
    [
        ("number", "33", "attribute 'a' of the user is defined as number, but the row gives text"),
        ("number", True, "is defined as number, but the row gives true or false"),
        ("string", Decimal("3.3"), "is defined as string, but the row gives a number"),
        ("boolean", 1, "is defined as boolean, but the row gives a number"),
        ("datetime", "2026-01-02", "is defined as datetime, but the row gives text"),
        ("list", "2026-01-02T03:04:05Z", "is defined as list, but the row gives a date and time"),
        ("string", ["33"], "is defined as string, but the row gives a list"),
    ],
)
def test_the_sentence_names_attribute_defined_type_and_the_values_type(defined: str, value: Any, said: str) -> None:
    found = check_types("users", {"id": "u", "attributes": {"a": value}}, {("user", "a"): defined})
    assert found is not None
    assert said in found
    assert "data_types=" in found
    assert "33" not in found


def test_all_problems_of_a_row_are_told_with_their_places() -> None:
    known = {("user", "age"): "number", ("company", "seats"): "number", ("companyMembership", "role"): "string"}
    member = {"company": {"id": "c", "attributes": {"seats": "x"}}, "attributes": {"role": 1}}
    body = {"id": "u", "attributes": {"age": "x"}, "memberships": [member], "companies": [{"id": "d", "attributes": {"seats": False}}]}
    found = check_types("users", body, known)
    assert found is not None
    assert "attribute 'age' of the user is defined" in found
    assert "memberships[0]: attribute 'seats' of the company is defined" in found
    assert "memberships[0]: attribute 'role' of the membership is defined" in found
    assert "companies[0]: attribute 'seats' of the company is defined" in found


def test_a_text_attribute_keeps_a_date_and_time_and_any_takes_null() -> None:
    known = {("user", "a"): "string", ("user", "b"): "number"}
    assert check_types("users", {"id": "u", "attributes": {"a": "2026-01-02T03:04:05Z", "b": None}}, known) is None


# --- reading the definitions -----------------------------------------------------------------------------------------


def test_all_pages_of_definitions_are_read(account: Account) -> None:
    told = [
        {"scope": scope, "codeName": f"n{index}", "dataType": "number"} for index in range(130) for scope in ("user", "companyMembership")
    ]
    account.server.usertour.seed({"attribute_definitions": told})
    found = read_definitions(account.hook)
    assert {key: data_type for key, data_type in found.items() if key[1].startswith("n") and key[1][1:].isdigit()} == {
        (scope, f"n{index}"): "number" for index in range(130) for scope in ("user", "companyMembership")
    }
    assert found["user", "email"] == "string"
    assert found["user", "signed_up_at"] == "datetime"
    assert found["eventDefinition", "flow_step_number"] == "number"


def test_a_list_that_cannot_be_proved_complete_is_better_than_none(v1: Account) -> None:
    told = [{"scope": "user", "codeName": f"n{index}", "dataType": "number", "displayName": "All the same"} for index in range(130)]
    v1.server.usertour.seed({"attribute_definitions": told})
    found = read_definitions(v1.hook)
    assert sum(name.startswith("n") for _, name in found) >= 100
    assert found["user", "email"] == "string"
