"""Webhooks: the recorded deliveries of a real server, and what must be refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider.engagement.usertour.records import Company, Event, User
from airflow_provider.engagement.usertour.webhook import (
    TOPICS,
    SignatureError,
    check_topics,
    read_notification,
    sign,
    topic_matches,
    verify,
)
from airflow_provider.engagement.wire.record import Record

RECORDED: list[dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "contract" / "captures" / "usertour-webhook-deliveries.json").read_text(encoding="utf-8")
)


def at(delivery: dict[str, str]) -> int:
    return int(delivery["header"].partition("=")[2].partition(",")[0])


@pytest.mark.parametrize("delivery", RECORDED, ids=[json.loads(delivery["body"])["type"] for delivery in RECORDED])
def test_recorded_deliveries_are_genuine_and_readable(delivery: dict[str, str]) -> None:
    body = delivery["body"].encode()
    verify(body, delivery["header"], delivery["secret"], now=at(delivery))
    assert sign(delivery["secret"], body, at(delivery)) == delivery["header"]
    message = read_notification(body)
    assert message.id.startswith("whmsg_")
    assert isinstance(message.object, User)
    assert message.object.id == "hook-user"
    assert message.created_at is not None
    assert message.environment_id
    assert message.previous_attributes == ({"name": "H"} if message.topic == "user.updated" else None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"body": b"{}"}, "no known secret made this signature"),
        ({"secrets": "whsec_other"}, "no known secret"),
        ({"header": None}, "X-Usertour-Signature header is missing"),
        ({"header": "v1=00"}, "needs one timestamp"),
        ({"header": "t=1"}, "no v1 signature"),
        ({"late": 301}, "s old"),
        ({"late": -301}, "ahead of this machine's clock"),
    ],
)
def test_forged_and_stale_deliveries_are_refused(changed: dict[str, Any], said: str) -> None:
    delivery = RECORDED[0]
    body, header = changed.get("body", delivery["body"].encode()), changed.get("header", delivery["header"])
    with pytest.raises(SignatureError, match=said) as caught:
        verify(body, header, changed.get("secrets", delivery["secret"]), now=at(delivery) + changed.get("late", 0))
    assert delivery["secret"] not in str(caught.value)


def test_several_secrets_while_one_replaces_another() -> None:
    delivery = RECORDED[0]
    verify(delivery["body"].encode(), delivery["header"], ["whsec_new", delivery["secret"]], now=at(delivery))


@pytest.mark.parametrize(
    ("topic", "data", "kind"),
    [
        ("company.updated", {"company": {"id": "c"}, "previousAttributes": {"a": 1}}, Company),
        ("event.tracked.signed_up", {"event": {"id": "e", "codeName": "signed_up"}}, Event),
        ("webhook.test", {"hello": 1}, Record),
        ("something.new", {"something": {"id": "s"}}, Record),
    ],
)
def test_kinds_of_messages(topic: str, data: dict[str, Any], kind: type) -> None:
    message = read_notification(json.dumps({"id": "whmsg_1", "object": "webhookMessage", "type": topic, "data": data}).encode())
    assert type(message.object) is kind
    assert message.topic == topic


@pytest.mark.parametrize("body", [b"", b"[]", b'{"object": "event"}', b'{"object": "webhookMessage", "id": 1, "type": "x", "data": {}}'])
def test_what_is_no_message(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a webhook message"):
        read_notification(body)


def test_topics() -> None:
    assert check_topics([*TOPICS, "user", "event.tracked.signed_up"]) == [*TOPICS, "event.tracked.signed_up"]
    assert topic_matches("user", "user.created")
    assert not topic_matches("user", "users")
    for wrong in (["nope"], [], ["event.tracked.bad name"], [1], "user"):
        with pytest.raises((ValueError, TypeError)):
            check_topics(wrong)
