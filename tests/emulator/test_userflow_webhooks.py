from __future__ import annotations

import json
import re
from typing import Any

import pytest

from airflow_provider.engagement.userflow.webhook import Notification, SignatureError, verify

URL = "http://127.0.0.1:9/hooks"


def subscribe(userflow: Any, *topics: str) -> dict[str, Any]:
    made: dict[str, Any] = userflow.post("/webhook_subscriptions", {"url": URL, "topics": list(topics)})
    return made


def sent(userflow: Any) -> list[Notification]:
    return [Notification.read(json.loads(delivery.body)) for delivery in userflow.emulator.deliveries]


def test_the_secret_is_shown_once(userflow: Any) -> None:
    made = subscribe(userflow, "user", "event")
    assert re.fullmatch(r"whsec_[a-z2-7]{26}", made.pop("secret"))
    assert made == {
        "id": made["id"],
        "object": "webhook_subscription",
        "api_version": "2020-01-03",
        "created_at": "2026-03-01T12:00:00.000+00:00",
        "disabled": False,
        "topics": ["user", "event"],
        "url": URL,
    }
    path = f"/webhook_subscriptions/{made['id']}"
    assert userflow.get(path) == userflow.get("/webhook_subscriptions")["data"][0] == userflow.patch(path, {}) == made


def test_secrets_differ_and_are_not_on_the_page(userflow: Any) -> None:
    secrets = {subscribe(userflow, "*")["secret"] for _ in range(3)}
    assert len(secrets) == 3
    assert not any(secret in json.dumps(userflow.emulator.summary()) for secret in secrets)


def test_update_and_delete(userflow: Any) -> None:
    made = subscribe(userflow, "user")
    path = f"/webhook_subscriptions/{made['id']}"
    changed = userflow.patch(path, {"disabled": True, "topics": ["event.tracked.flow started"], "url": "https://example.com/"})
    assert (changed["disabled"], changed["topics"], changed["url"]) == (True, ["event.tracked.flow started"], "https://example.com/")
    for _ in range(2):
        assert userflow.delete(path) == {"id": made["id"], "object": "webhook_subscription", "deleted": True}
    assert [userflow.ask(method, path, body)[0] for method, body in (("GET", None), ("PATCH", {}))] == [404, 404]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"topics": []}, "topics must be an array of"),
        ({"topics": "user"}, "topics must be an array of"),
        ({"topics": ["user.deleted"]}, "topics must be an array of"),
        ({"topics": ["event.tracked."]}, "topics must be an array of"),
        ({"topics": ["event.tracked.a.b"]}, "topics must be an array of"),
        ({"topics": [1]}, "topics must be an array of"),
        ({"url": "example.com"}, "url must be an http or https URL"),
        ({"url": "ftp://example.com"}, "url must be an http or https URL"),
        ({"url": "http://[::1"}, "url must be an http or https URL"),
        ({"url": 7}, "url must be an http or https URL"),
        ({"api_version": "2019-01-01"}, "api_version must be 2020-01-03"),
        ({"secret": "whsec_mine"}, "unknown field secret"),
    ],
)
def test_wrong_subscriptions_are_refused(userflow: Any, change: dict[str, Any], message: str) -> None:
    body = {"url": URL, "topics": ["*"], **change}
    assert message in userflow.refused("POST", "/webhook_subscriptions", body)
    made = subscribe(userflow, "*")
    assert message in userflow.refused("PATCH", f"/webhook_subscriptions/{made['id']}", change)
    assert userflow.refused("PATCH", f"/webhook_subscriptions/{made['id']}", {"disabled": "yes"})


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("*", ["user.created", "user.updated", "group.created", "group.updated", "event.tracked.plan", "event.tracked.plan changed"]),
        ("user", ["user.created", "user.updated"]),
        ("user.updated", ["user.updated"]),
        ("group", ["group.created", "group.updated"]),
        ("group.created", ["group.created"]),
        ("event", ["event.tracked.plan", "event.tracked.plan changed"]),
        ("event.tracked", ["event.tracked.plan", "event.tracked.plan changed"]),
        ("event.tracked.plan", ["event.tracked.plan"]),
    ],
)
def test_topics_are_namespaces(userflow: Any, topic: str, expected: list[str]) -> None:
    subscribe(userflow, topic)
    userflow.post("/users", {"id": "u", "attributes": {"a": 1}})
    userflow.post("/users", {"id": "u", "attributes": {"a": 1}})
    userflow.post("/users", {"id": "u", "attributes": {"a": 2}})
    userflow.post("/groups", {"id": "g"})
    userflow.post("/groups", {"id": "g", "attributes": {"a": 2}})
    userflow.post("/events", {"name": "plan", "user_id": "u"})
    userflow.post("/events", {"name": "plan changed", "group_id": "g"})
    userflow.delete("/users/u")
    assert [notification.topic for notification in sent(userflow)] == expected


def test_an_update_tells_what_changed(userflow: Any) -> None:
    subscribe(userflow, "user.updated")
    userflow.post("/users", {"id": "u", "attributes": {"kept": 1, "changed": 1, "gone": 1}})
    userflow.post("/users", {"id": "u", "attributes": {"changed": 2, "gone": None, "new": 3}})
    (notification,) = sent(userflow)
    assert notification.previous_attributes == {"changed": 1, "gone": 1, "new": None}
    assert notification.updated_attributes == {"changed": 2, "gone": None, "new": 3}
    assert notification.object.raw["attributes"] == {"kept": 1, "changed": 2, "new": 3}


def test_two_subscriptions_and_one_that_is_disabled(userflow: Any) -> None:
    first, second, third = (subscribe(userflow, "user", "user.created") for _ in range(3))
    userflow.patch(f"/webhook_subscriptions/{third['id']}", {"disabled": True})
    userflow.post("/users", {"id": "u"})
    deliveries = userflow.emulator.deliveries
    assert [delivery.topic for delivery in deliveries] == ["user.created", "user.created"]
    for delivery, subscription in zip(deliveries, (first, second), strict=True):
        seconds = userflow.clock.now().timestamp()
        verify(delivery.body, delivery.headers["Userflow-Signature"], subscription["secret"], now=seconds)
        with pytest.raises(SignatureError):
            verify(delivery.body, delivery.headers["Userflow-Signature"], third["secret"], now=seconds)


def test_every_attempt_is_signed_anew(userflow: Any) -> None:
    secret = subscribe(userflow, "user")["secret"]
    userflow.post("/users", {"id": "u"})
    (delivery,) = userflow.emulator.take_deliveries()
    later = userflow.clock.advance(600)
    with pytest.raises(SignatureError):
        verify(delivery.body, delivery.headers["Userflow-Signature"], secret, now=later.timestamp())
    verify(delivery.body, delivery.sign(later)["Userflow-Signature"], secret, now=later.timestamp())
    assert userflow.emulator.take_deliveries() == []
    assert secret not in repr(delivery)
