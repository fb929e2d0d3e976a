"""Webhooks of v2: secrets, topics, what is delivered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider.engagement.usertour import webhook


@pytest.fixture
def hooked(usertour: Any) -> Any:
    usertour.hook = usertour.post("E/webhooks", {"url": "http://127.0.0.1:9/", "topics": ["user.created", "event.tracked", "company"]})
    return usertour


def topics(usertour: Any) -> list[str]:
    return [delivery.topic for delivery in usertour.emulator.take_deliveries()]


def test_the_secret_is_shown_when_made_and_to_those_who_manage(hooked: Any) -> None:
    path, secret = f"E/webhooks/{hooked.hook['id']}", hooked.hook["secret"]
    assert secret.startswith("whsec_")
    assert hooked.get(path)["secret"] == secret
    hooked.seed({"tokens": [{"token": "utp_reader", "scopes": ["webhook:read"]}]})
    reader = hooked.reply("GET", path, headers={"authorization": "Bearer utp_reader"})
    assert "secret" not in json.loads(reader.body)
    assert all("secret" not in item for item in hooked.get("E/webhooks")["results"])
    assert "secret" not in hooked.ask("PATCH", path, {"enabled": False})[1]
    assert hooked.post(f"{path}/rotate-secret")["secret"] != secret
    assert secret not in json.dumps(hooked.emulator.summary())


def test_deliveries_are_signed_and_carry_the_topics_asked_for(hooked: Any) -> None:
    hooked.put("E/users/u", {"attributes": {"name": "A"}})
    hooked.put("E/users/u", {"attributes": {"name": "B"}})
    hooked.put("E/companies/c")
    hooked.post("E/events", {"name": "order_paid", "userId": "u"})
    first, *others = hooked.emulator.take_deliveries()
    assert [first.topic, *(item.topic for item in others)] == ["user.created", "company.created", "event.tracked.order_paid"]
    at = hooked.clock.now().timestamp()
    for delivery in (first, *others):
        webhook.verify(delivery.body, delivery.headers[webhook.HEADER], hooked.hook["secret"], now=at)
    assert json.loads(first.body)["data"]["user"]["id"] == "u"
    assert topics(hooked) == []


def test_no_delivery_of_what_did_not_change_or_to_who_is_disabled(hooked: Any) -> None:
    hooked.put("E/companies/c", {"attributes": {"n": 1}})
    assert topics(hooked) == ["company.created"]
    hooked.put("E/companies/c", {"attributes": {"n": 1}})
    assert topics(hooked) == []
    hooked.ask("PATCH", f"E/webhooks/{hooked.hook['id']}", {"enabled": False})
    hooked.ask("DELETE", "E/companies/c")
    assert topics(hooked) == []


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"url": "http://127.0.0.1/"},
        {"url": 3, "topics": ["*"]},
        {"url": "ftp://x", "topics": ["*"]},
        {"url": "http://127.0.0.1/", "topics": ["nope"]},
        {"url": "http://127.0.0.1/", "topics": ["event.tracked.bad name"]},
        {"url": "http://127.0.0.1/", "topics": ["*"], "enabled": "yes"},
    ],
)
def test_what_is_refused(usertour: Any, told: dict[str, Any]) -> None:
    assert usertour.refused("POST", "E/webhooks", told) == (400, "E1017")


def test_deleting(hooked: Any) -> None:
    path = f"E/webhooks/{hooked.hook['id']}"
    assert hooked.ask("DELETE", path) == (204, None)
    for method in ("GET", "PATCH", "DELETE"):
        assert hooked.refused(method, path, {} if method == "PATCH" else None) == (404, "E0061")
