from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider.engagement.userflow.api import Event, Group, GroupMembership, User
from airflow_provider.engagement.userflow.webhook import (
    TOPICS,
    SignatureError,
    check_topic,
    check_topics,
    read_notification,
    sign,
    topic_matches,
    verify,
)
from airflow_provider.engagement.wire.record import Record

SECRET = "whsec_example"
OTHER = "whsec_other"
BODY = b'{"id":"1"}'
AT = 1578424823
GOOD = "d7c4cdf0c204212dc032ca9569a0a8c02f443d281d5f05c2e95556531db83706"
"""Made with `printf '1578424823.{"id":"1"}' | openssl dgst -sha256 -hmac whsec_example`."""
HEADER = f"t={AT},v1={GOOD}"


# --- signatures --------------------------------------------------------------------------------------------------------


def test_signing_agrees_with_another_implementation() -> None:
    assert sign(SECRET, BODY, AT) == HEADER
    verify(BODY, HEADER, SECRET, now=AT)


@given(st.binary(), st.integers(0, 2**40), st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_is_signed_verifies(body: bytes, timestamp: int, secret: str) -> None:
    verify(body, sign(secret, body, timestamp), secret, now=timestamp)


@pytest.mark.parametrize("secrets", [[OTHER, SECRET], (SECRET, OTHER), [SECRET]])
def test_any_known_secret_will_do(secrets: list[str]) -> None:
    verify(BODY, HEADER, secrets, now=AT)


@pytest.mark.parametrize(
    "header",
    [
        f"t={AT},v1={'0' * 64},v1={GOOD}",
        f"v1={GOOD},t={AT}",
        f" t={AT} , v1={GOOD} ",
        f"t={AT},v0={'f' * 64},v1={GOOD},v2=x=y,,z",
    ],
    ids=["several", "other order", "spaces", "other schemes"],
)
def test_a_header_may_hold_more(header: str) -> None:
    verify(BODY, header, SECRET, now=AT)


@pytest.mark.parametrize("age", [0, 300, -300, 299.9])
def test_a_signature_may_be_somewhat_old_or_ahead(age: float) -> None:
    verify(BODY, HEADER, SECRET, now=AT + age)


@pytest.mark.parametrize(("age", "message"), [(301, "301 s old"), (-301, "301 s ahead of this machine's clock"), (10**9, "s old")])
def test_but_not_too_much(age: float, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        verify(BODY, HEADER, SECRET, now=AT + age)


def test_the_present_is_the_default_and_tolerance_a_setting() -> None:
    with pytest.raises(SignatureError, match="old"):
        verify(BODY, HEADER, SECRET)
    verify(BODY, HEADER, SECRET, now=AT + 3600, tolerance=3600)
    now = int(datetime.now(UTC).timestamp())
    verify(BODY, sign(SECRET, BODY, now), SECRET)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "header is missing"),
        ("", "header is missing"),
        (f"v1={GOOD}", "needs one timestamp"),
        (f"t=,v1={GOOD}", "needs one timestamp"),
        (f"t=-5,v1={GOOD}", "needs one timestamp"),
        (f"t=١٢٣,v1={GOOD}", "needs one timestamp"),
        (f"t={'9' * 400},v1={GOOD}", "needs one timestamp"),
        (f"t={AT},t={AT},v1={GOOD}", "needs one timestamp"),
        (f"t={AT}", "holds no v1 signature"),
        (f"t={AT},v1=", "holds no v1 signature"),
        (f"t={AT},v0={GOOD}", "holds no v1 signature"),
        (f"t={AT},v1={'0' * 64}", "no known secret made this signature"),
        (f"t={AT},v1={GOOD[:-1]}", "no known secret made this signature"),
        (f"t={AT},v1={GOOD.upper()}", "no known secret made this signature"),
        (f"t={AT},v1=é\ud800", "no known secret made this signature"),
        (f"t={AT + 1},v1={GOOD}", "no known secret made this signature"),
    ],
)
def test_anything_else_is_refused_without_telling_secrets(header: str | None, message: str) -> None:
    with pytest.raises(SignatureError, match=message) as caught:
        verify(BODY, header, [SECRET, OTHER], now=AT)
    assert SECRET not in str(caught.value)
    assert GOOD not in str(caught.value)


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(SignatureError, match="the body was changed"):
        verify(BODY + b" ", HEADER, SECRET, now=AT)


def test_another_subscriptions_secret_is_refused() -> None:
    with pytest.raises(SignatureError, match="another subscription's secret"):
        verify(BODY, HEADER, OTHER, now=AT)


@pytest.mark.parametrize("secrets", ["", [], [""], [SECRET, ""]])
def test_no_secret_verifies_nothing(secrets: Any) -> None:
    with pytest.raises(ValueError, match="no webhook secret"):
        verify(BODY, sign("", BODY, AT), secrets, now=AT)


def test_a_decoded_body_is_refused() -> None:
    with pytest.raises(TypeError, match="the body must be the bytes that came, got str"):
        verify(BODY.decode(), HEADER, SECRET, now=AT)  # type: ignore[arg-type]


# --- notifications -----------------------------------------------------------------------------------------------------


def notification(told: dict[str, Any], topic: str, **data: Any) -> bytes:
    return json.dumps(
        {
            "id": "ec3a21f3",
            "object": "webhook_notification",
            "api_version": "2020-01-03",
            "created_at": "2022-11-29T12:34:56.000+00:00",
            "data": {"object": told, **data},
            "topic": topic,
            "new_field": 1,
        }
    ).encode()


def test_an_event_is_an_event() -> None:
    told = {"id": "4738382", "object": "event", "attributes": {"plan_price": 199}, "name": "subscription_activated", "user_id": "u1"}
    read = read_notification(notification(told, "event.tracked.subscription_activated"))
    assert isinstance(read.object, Event)
    assert read.object.name == "subscription_activated"
    assert read.object.attributes == {"plan_price": 199}
    assert (read.id, read.api_version, read.topic) == ("ec3a21f3", "2020-01-03", "event.tracked.subscription_activated")
    assert read.created_at == datetime(2022, 11, 29, 12, 34, 56, tzinfo=UTC)
    assert read.previous_attributes is None
    assert read.raw["new_field"] == 1


def test_an_update_tells_before_and_after() -> None:
    told = {"id": "u1", "object": "user", "attributes": {"n": 17}}
    read = read_notification(notification(told, "user.updated", previous_attributes={"n": 14}, updated_attributes={"n": 17}))
    assert isinstance(read.object, User)
    assert (read.previous_attributes, read.updated_attributes) == ({"n": 14}, {"n": 17})


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"id": "g", "object": "group"}, Group),
        ({"id": "m", "object": "group_membership"}, GroupMembership),
        ({"id": "x", "object": "flying_saucer"}, Record),
        ({"object": "user"}, Record),
        ({}, Record),
    ],
)
def test_other_objects(told: dict[str, Any], kind: type[Record]) -> None:
    read = read_notification(notification(told, "x.y"))
    assert type(read.object) is kind
    assert read.object.raw == told


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[" * 100_000,
        b"[]",
        b"null",
        b"{}",
        b'{"object":"user","id":"1"}',
        b'{"object":"webhook_notification","id":"1","topic":"a"}',
        b'{"object":"webhook_notification","id":"1","topic":"a","data":{}}',
        b'{"object":"webhook_notification","id":"1","topic":"a","data":{"object":5}}',
        b'{"object":"webhook_notification","id":1,"topic":"a","data":{"object":{}}}',
        b'{"object":"webhook_notification","id":"1","data":{"object":{}}}',
    ],
)
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a webhook notification"):
        read_notification(body)


# --- topics ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subscribed", "topic", "told"),
    [
        ("*", "user.created", True),
        ("user", "user.created", True),
        ("user.created", "user.created", True),
        ("event", "event.tracked.flow_started", True),
        ("event.tracked", "event.tracked.flow_started", True),
        ("event.tracked.flow_started", "event.tracked.flow_started", True),
        ("event.tracked.flow", "event.tracked.flow_started", False),
        ("use", "user.created", False),
        ("user.created", "user", False),
        ("group", "user.created", False),
        (["group", "user"], "user.created", True),
        ([], "user.created", False),
    ],
)
def test_topics_are_namespaces(subscribed: Any, topic: str, told: bool) -> None:
    assert topic_matches(subscribed, topic) is told


@pytest.mark.parametrize("topic", [*TOPICS, "event.tracked.flow_started", "event.tracked.Flow Started-2"])
def test_known_topics_pass(topic: str) -> None:
    assert check_topic(topic) == topic


@pytest.mark.parametrize("topic", ["", "users", "user.deleted", "event.tracked.", "event.tracked.a.b", "User", "**"])
def test_unknown_topics_are_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        check_topic(topic)


def test_a_subscription_needs_topics() -> None:
    assert check_topics(("user", "event", "user")) == ["user", "event"]
    with pytest.raises(ValueError, match="topics is empty"):
        check_topics([])
    for topics in ("user", None, 5):
        with pytest.raises(TypeError, match="topics must be a list"):
            check_topics(topics)
    with pytest.raises(TypeError, match="a topic must be text"):
        check_topics(["user", 5])
