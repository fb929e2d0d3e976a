"""Every object, attribute operation, condition and notification in Userflow's reference, held against records and emulator.

The examples are in `userflow_examples.jsonl`; see `test_userflow_reference.py` for its requests and answers.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider.engagement.emulator.state import Clock, Incoming, Store
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.conditions import parse
from airflow_provider.engagement.userflow.emulator import UserflowEmulator
from airflow_provider.engagement.userflow.webhook import Notification, verify

LINES = [json.loads(line) for line in (Path(__file__).parent / "userflow_examples.jsonl").read_text().splitlines()]
EXAMPLES = {line["number"]: line["text"] for line in LINES if line["kind"] == "json"}
TRACK_EVENT = next(line["text"] for line in LINES if line["section"] == "Track an event" and line["kind"] == "curl")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def decoded(number: int) -> Any:
    """Decode an example; lines of `...` are cut out, and with them the commas they leave dangling."""
    lines = [line for line in EXAMPLES[number].splitlines() if not re.fullmatch(r"\s*(\.\.\.|// \.\.\..*),?", line)]
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", "\n".join(lines)))


def account(at: str = "2022-11-29T12:34:56.000+00:00", **seeded: Any) -> UserflowEmulator:
    """Make an account in which it is `at` and stays so."""
    clock = Clock()
    clock.stop(datetime.fromisoformat(at))
    emulator = UserflowEmulator(Store(), clock)
    emulator.seed(seeded)
    return emulator


def send(emulator: UserflowEmulator, method: str, path: str, query: tuple[tuple[str, str], ...] = (), body: str = "") -> Any:
    headers = {"authorization": "Bearer ak_test", "content-type": "application/json"}
    reply = emulator.handle(Incoming(method, path, query, headers, body.encode()))
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def tracked(emulator: UserflowEmulator) -> Any:
    """Send the reference's example of tracking an event."""
    found = re.search(r"-d '(.*)'", TRACK_EVENT, re.DOTALL)
    assert found is not None
    return send(emulator, "POST", "/events", body=found[1])


def subscription() -> dict[str, Any]:
    return {key: value for key, value in decoded(98).items() if key != "object"} | {"secret": "whsec_x"}


# --- attributes and conditions ----------------------------------------------------------------------------------------

OPERATIONS: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {
    8: ({}, {"phone": "12345678"}),
    9: ({"coupon_code": "old"}, {"coupon_code": "old"}),
    10: ({"widget_count": 2}, {"widget_count": 3, "total_revenue": 1234.56}),
    11: ({"days_left": 5}, {"days_left": 4}),
    12: ({"foods": {"append": ["pear", "apple"]}}, {"foods": ["pear", "apple"]}),
    13: ({"foods": {"append": ["pear", "banana"]}}, {"foods": ["pear", "banana", "apple"]}),
    14: ({"foods": {"append": ["pear", "banana"]}}, {"foods": ["apple", "pear", "banana"]}),
    15: ({"foods": {"append": ["pear", "banana"]}}, {"foods": ["pear"]}),
    16: ({"remove_me": "x"}, {}),
}


@pytest.mark.parametrize("number", OPERATIONS)
def test_attribute_operation(number: int) -> None:
    before, after = OPERATIONS[number]
    body = decoded(number)
    emulator = account(users=[{"id": body["id"], "attributes": before}])
    assert send(emulator, "POST", "/users", body=json.dumps(body))["attributes"] == after


PRO = {"plan": "Pro", "widget_count": 10, "experience_level": "Expert", "my_attribute": "my value"}
BOTH, ONE, NONE = {"append": ["apple", "banana", "pear"]}, {"append": ["apple", "pear"]}, {"append": ["pear"]}
CONDITIONS: dict[int, tuple[list[Any], list[Any]]] = {
    22: ([10, 15, 20], [9, 21]),
    23: (["is my value, too"], ["my", "My value"]),
    24: ([None, ""], ["x"]),
    25: (["not my value"], ["my value?"]),
    26: (["my value"], ["My value", "x", None]),
    27: ([ONE, NONE, None], [BOTH]),
    28: ([{"append": ["x"]}, None], [{"append": ["my value", "x"]}]),
    29: ([False], [True, None]),
    30: ([124], [123, 122, None]),
    31: ([124, 123], [122, None]),
    32: ([BOTH], [ONE, NONE, None]),
    33: ([BOTH, ONE], [NONE, None]),
    34: ([122], [123, 124, None]),
    35: ([122, 123], [124, None]),
    36: (["x", None], ["my value"]),
    37: (["x", None], ["is my value, too"]),
    38: (["x"], [None, ""]),
    40: (["my value?"], ["not my value"]),
    41: ([True], [False, None]),
}


def listed(emulator: UserflowEmulator, condition: Any) -> list[str]:
    query = (("condition", json.dumps(condition)), ("limit", "100"))
    return [item["id"] for item in send(emulator, "GET", "/users", query)["data"]]


@pytest.mark.parametrize("number", CONDITIONS)
def test_condition(number: int) -> None:
    within, without = CONDITIONS[number]
    users = [{"id": f"in{place}", "attributes": {"my_attribute": value}} for place, value in enumerate(within)]
    users += [{"id": f"out{place}", "attributes": {"my_attribute": value}} for place, value in enumerate(without)]
    assert listed(account(users=users), decoded(number)) == [user["id"] for user in users[: len(within)]]


@pytest.mark.parametrize(("number", "ids"), [(18, ["1"]), (19, ["2"]), (20, ["1"])])
def test_condition_on_user_and_group(number: int, ids: list[str]) -> None:
    emulator = account(
        users=[{"id": "1", "attributes": PRO}, {"id": "2", "attributes": {"plan": "Pro", "widget_count": 9}}],
        groups=[{"id": "g", "attributes": {"plan": "Pro"}}],
        group_memberships=[{"user_id": "2", "group_id": "g"}],
    )
    assert listed(emulator, decoded(number)) == ids


@pytest.mark.parametrize(("number", "ids"), [(21, ["1"]), (39, ["1", "2"])])
def test_clauses_hold_their_conditions(number: int, ids: list[str]) -> None:
    clause = decoded(number)
    assert clause["conditions"] == [{}, {}]
    clause["conditions"] = [decoded(26), decoded(18)]
    emulator = account(users=[{"id": "1", "attributes": PRO}, {"id": "2", "attributes": {"my_attribute": "my value"}}, {"id": "3"}])
    assert listed(emulator, clause) == ids


@pytest.mark.parametrize("number", [18, 19, 20, *CONDITIONS])
def test_condition_is_read_and_written_again(number: int) -> None:
    example = decoded(number)
    if number == 28:
        example["values"] = [example.pop("value")]
    assert parse(decoded(number)).to_dict() == example


# --- webhooks -----


@pytest.mark.parametrize("number", [99, 101])
def test_event_notification(number: int) -> None:
    emulator = account(webhook_subscriptions=[subscription()])
    event = tracked(emulator)
    (delivery,) = emulator.deliveries
    got, shown = json.loads(delivery.body), decoded(number)
    assert UUID.fullmatch(got["id"])
    shown["id"], shown["data"]["object"]["id"] = got["id"], event["id"]
    assert got == shown


def test_update_notification() -> None:
    shown = decoded(100)
    user, data = shown["data"]["object"], shown["data"]
    before = {"id": user["id"], "created_at": user["created_at"], "attributes": {**user["attributes"], **data["previous_attributes"]}}
    emulator = account(users=[before], webhook_subscriptions=[subscription()])
    send(emulator, "POST", "/users", body=json.dumps({"id": user["id"], "attributes": data["updated_attributes"]}))
    (delivery,) = emulator.deliveries
    got = json.loads(delivery.body)
    assert got == {**shown, "id": got["id"]}


def test_notification_headers() -> None:
    text = next(line["text"] for line in LINES if line["section"] == "Receiving webhooks" and line["kind"] == "http")
    shown = dict(line.split(": ", 1) for line in text.splitlines()[1:])
    emulator = account("2020-01-07T19:20:23+00:00", webhook_subscriptions=[subscription()])
    tracked(emulator)
    (delivery,) = emulator.deliveries
    assert text.startswith(f"POST {urlsplit(delivery.url).path}\n")
    # An HTTP client adds the host.
    assert delivery.headers.keys() == shown.keys() - {"Host"}
    assert delivery.headers["Content-Type"] == shown["Content-Type"]
    assert delivery.headers["User-Agent"] == shown["User-Agent"]
    form = re.compile(r"t=1578424823,v1=[0-9a-f]{64}")
    assert form.fullmatch(shown["Userflow-Signature"])
    assert form.fullmatch(delivery.headers["Userflow-Signature"])
    verify(delivery.body, delivery.headers["Userflow-Signature"], "whsec_x", now=1578424823)
    alone = next(line["text"] for line in LINES if line["section"] == "Webhook signatures")
    assert alone == f"Userflow-Signature: {shown['Userflow-Signature']}"


# --- the records read every object without loss -----------------------------------------------------------------------

RECORDS: dict[str, type[Any]] = {
    "attribute_definition": api.AttributeDefinition,
    "checklist_task": api.ChecklistTask,
    "content": api.Content,
    "content_session": api.ContentSession,
    "content_session_answer": api.ContentSessionAnswer,
    "content_version": api.ContentVersion,
    "event": api.Event,
    "event_definition": api.EventDefinition,
    "group": api.Group,
    "group_membership": api.GroupMembership,
    "question": api.Question,
    "user": api.User,
    "webhook_notification": Notification,
    "webhook_subscription": api.WebhookSubscription,
}


def objects_in(value: Any) -> list[dict[str, Any]]:
    """All objects of a kind in an example, at any depth."""
    if isinstance(value, list):
        return [item for part in value for item in objects_in(part)]
    if not isinstance(value, dict):
        return []
    inner = [item for part in value.values() for item in objects_in(part)]
    kind = value.get("object")
    return ([value] if isinstance(kind, str) and kind in RECORDS and "deleted" not in value else []) + inner


WITH_OBJECTS = [number for number in EXAMPLES if objects_in(decoded(number))]


@pytest.mark.parametrize("number", WITH_OBJECTS)
def test_record_reads_example_without_loss(number: int) -> None:
    for shown in objects_in(decoded(number)):
        record = RECORDS[shown["object"]].read(shown)
        assert record.raw == shown
        if shown["object"] == "webhook_notification":
            continue  # it nests its object; the object in it is checked on its own
        assert set(record.extra) == {"object"}
        for item in fields(record):
            given, value = shown.get(item.name), getattr(record, item.name)
            if item.name == "raw":
                continue
            if given is None or "45:67" in str(given):  # an impossible time is read as none
                assert value is None
            elif isinstance(value, datetime):
                assert value == datetime.fromisoformat(given)
            elif isinstance(given, str | bool | int):
                assert str(value) == str(given)
            else:
                assert value is not None


def test_every_example_is_covered() -> None:
    assert len(EXAMPLES) == 76
    errors_and_deletions = {3, 50, 60, 65, 109}  # among the requests and answers
    covered = {18, 19, 20, 21, 39} | OPERATIONS.keys() | CONDITIONS.keys() | set(WITH_OBJECTS)
    assert covered == EXAMPLES.keys() - errors_and_deletions
    assert sum(len(objects_in(decoded(number))) for number in WITH_OBJECTS) == 52
