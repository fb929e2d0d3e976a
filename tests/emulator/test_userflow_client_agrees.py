"""What this package's own modules let through, the emulator accepts: the two were written from the reference separately."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider.engagement.emulator.state import Clock, Incoming, Store
from airflow_provider.engagement.userflow import attributes
from airflow_provider.engagement.userflow.api import ENDPOINTS, GET_USER, TRACK_EVENT, UPSERT_USER
from airflow_provider.engagement.userflow.conditions import attribute
from airflow_provider.engagement.userflow.emulator import UserflowEmulator
from airflow_provider.engagement.wire.message import Request

TEXTS = st.text(st.characters(codec="utf-8"))
NAMES = st.text("abcXYZ019_- ", min_size=1)
NUMBERS = st.one_of(st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False), st.decimals(-(10**9), 10**9, places=4))
NOON = datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
ZONED = st.integers(-(10**12), 10**12).map(lambda milliseconds: NOON + timedelta(milliseconds=milliseconds))
LITERALS = st.one_of(TEXTS, NUMBERS, st.booleans(), ZONED, st.dates(), st.none())
LISTS = st.one_of(TEXTS, st.lists(TEXTS))
OPERATIONS = st.one_of(
    LITERALS.filter(lambda value: value is not None).map(attributes.set_once),
    LITERALS.map(attributes.set_),
    NUMBERS.map(attributes.add),
    NUMBERS.map(attributes.subtract),
    LISTS.map(attributes.append),
    LISTS.map(attributes.prepend),
    LISTS.map(attributes.remove),
)


def send(emulator: UserflowEmulator, request: Request) -> Any:
    headers = {"authorization": "Bearer ak_test", "content-type": "application/json"}
    reply = emulator.handle(Incoming(request.method, request.path, request.query, headers, request.body or b""))
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


@settings(max_examples=200, deadline=None, database=None)
@given(st.dictionaries(NAMES, st.one_of(LITERALS, OPERATIONS), max_size=5))
def test_checked_attributes_are_accepted(given_attributes: dict[str, Any]) -> None:
    emulator = UserflowEmulator(Store(), Clock())
    body = {"id": "u", "attributes": attributes.check_attributes(given_attributes)}
    send(emulator, UPSERT_USER.call(json=body).request)
    send(emulator, TRACK_EVENT.call(json={"name": "e", "user_id": "u", "attributes": body["attributes"]}).request)


@settings(max_examples=100, deadline=None, database=None)
@given(TEXTS.filter(lambda text: text not in ("", ".", "..")))
def test_every_id_survives_the_path(user_id: str) -> None:
    emulator = UserflowEmulator(Store(), Clock())
    send(emulator, UPSERT_USER.call(json={"id": user_id}).request)
    assert send(emulator, GET_USER.call(user_id=user_id).request)["id"] == user_id


@pytest.mark.parametrize("value", [date(2024, 2, 29), datetime(2024, 2, 29, 12, tzinfo=UTC)])
def test_dates_become_datetimes(value: date) -> None:
    emulator = UserflowEmulator(Store(), Clock())
    send(emulator, UPSERT_USER.call(json={"id": "u", "attributes": attributes.check_attributes({"d": value})}).request)
    (definition,) = emulator.objects.attribute_definitions.values()
    assert definition["data_type"] == "datetime"


def test_decimals_add_up_exactly() -> None:
    emulator = UserflowEmulator(Store(), Clock())
    for _ in range(10):
        body = {"id": "u", "attributes": attributes.check_attributes({"revenue": attributes.add(Decimal("0.10"))})}
        send(emulator, UPSERT_USER.call(json=body).request)
    assert emulator.objects.users.values()[0]["attributes"] == {"revenue": 1}


@pytest.mark.parametrize(
    "condition",
    [
        attribute("a") == "x",
        attribute("a") != 1.5,
        attribute("a") > 1,
        attribute("a") >= 1,
        attribute("a") < 1,
        attribute("a") <= 1,
        attribute("a").between(1, 2),
        attribute("a").contains("x"),
        attribute("a").not_contains("x"),
        attribute("a").starts_with("x"),
        attribute("a").ends_with("x"),
        attribute("a").is_empty(),
        attribute("a").is_not_empty(),
        attribute("a").is_true(),
        attribute("a").is_false(),
        attribute("a").includes_all(["x"]),
        attribute("a").includes_any(["x"]),
        attribute("a").excludes_all(["x"]),
        attribute("a").excludes_any(["x"]),
        (attribute("group/a") == "x") & ((attribute("group_membership/a") == "y") | attribute("b").is_empty()),
    ],
    ids=lambda condition: quote(condition.to_json()),
)
def test_every_condition_is_understood(condition: Any) -> None:
    emulator = UserflowEmulator(Store(), Clock())
    for endpoint in ENDPOINTS:
        if "condition" in endpoint.query:
            assert send(emulator, endpoint.call({"condition": condition.to_json()}).request)["data"] == []
