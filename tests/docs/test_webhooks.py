"""The code of docs/how-to/webhooks.md."""

import json
import time

import pytest

from airflow_provider.engagement.userflow.api import User
from airflow_provider.engagement.userflow.operators import UserflowCreateWebhookSubscriptionOperator
from airflow_provider.engagement.userflow.webhook import Notification, SignatureError, sign, verify

SECRET = "whsec_documentation"
NOTIFICATION = {
    "id": "n1",
    "object": "webhook_notification",
    "topic": "user.created",
    "created_at": "2026-03-01T09:30:00.000+00:00",
    "api_version": "2020-01-03",
    "data": {"object": {"id": "1", "object": "user", "attributes": {"name": "Ada"}, "created_at": "2026-03-01T09:30:00.000+00:00"}},
}
BODY = json.dumps(NOTIFICATION).encode()


def test_subscription() -> None:
    # [start subscribe]
    subscribe = UserflowCreateWebhookSubscriptionOperator(
        task_id="subscribe",
        url="https://hooks.example.com/userflow",
        topics=["user", "event.tracked.flow_completed"],
        secret_variable="userflow_webhook_secret",
    )
    # [end subscribe]

    assert subscribe.secret_variable == "userflow_webhook_secret"


# [start receive]
def receive(body: bytes, signature: str | None, secrets: list[str]) -> Notification | None:
    """Take a notification: `body` byte for byte as it came, `signature` from the header Userflow-Signature."""
    try:
        verify(body, signature, secrets)
    except SignatureError:
        return None  # answer 400, and say no more
    return Notification.read(json.loads(body))


# [end receive]


def test_receive() -> None:
    signature = sign(SECRET, BODY, int(time.time()))

    notification = receive(BODY, signature, ["whsec_the_next_one", SECRET])

    assert notification is not None
    assert isinstance(notification.object, User)
    assert (notification.topic, notification.object.id) == ("user.created", "1")


@pytest.mark.parametrize(
    "signature", [None, "", "t=1,v1=00", sign("whsec_of_another", json.dumps(NOTIFICATION).encode(), int(time.time()))]
)
def test_receive_what_is_not_from_userflow(signature: str | None) -> None:
    assert receive(json.dumps(NOTIFICATION).encode(), signature, [SECRET]) is None
