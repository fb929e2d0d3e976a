"""Webhooks from Userflow: who sent it, and what it says (https://userflow.com/docs/api#receiving-webhooks)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from airflow_provider.engagement.userflow.api import Event, Group, GroupMembership, User
from airflow_provider.engagement.userflow.attributes import check_name
from airflow_provider.engagement.wire import signature
from airflow_provider.engagement.wire.record import Record, moment
from airflow_provider.engagement.wire.signature import TOLERANCE, SignatureError, sign, topic_matches

__all__ = [
    "HEADER",
    "TOLERANCE",
    "TOPICS",
    "Notification",
    "SignatureError",
    "check_topic",
    "check_topics",
    "read_notification",
    "sign",
    "topic_matches",
    "verify",
]

HEADER: Final = "Userflow-Signature"
TOPICS: Final = ("*", "event", "event.tracked", "group", "group.created", "group.updated", "user", "user.created", "user.updated")
"""Topics that can be subscribed to; `event.tracked.<name>` for each event name besides."""

_KINDS: Mapping[str, type[Record]] = {"event": Event, "group": Group, "group_membership": GroupMembership, "user": User}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification(Record):
    """A webhook notification (https://userflow.com/docs/api#the-webhook-notification-object).

    Attributes:
        object: what it is about: a `User`, `Group` or `Event`, or a bare `Record` of a kind not known here.
        previous_attributes: the changed attributes before the change; only of `….updated`.
        updated_attributes: the changed attributes after it; only of `….updated`.
    """

    id: str
    topic: str
    api_version: str | None = None
    created_at: datetime | None = None
    object: User | Group | GroupMembership | Event | Record
    previous_attributes: Mapping[str, Any] | None = None
    updated_attributes: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read a notification.

        Raises:
            ValueError: not a webhook notification.
        """
        if not isinstance(raw, Mapping) or raw.get("object") != "webhook_notification":
            raise ValueError("not a webhook notification: its object must be 'webhook_notification'")
        data, named, topic = raw.get("data"), raw.get("id"), raw.get("topic")
        if not isinstance(data, Mapping) or not isinstance(data.get("object"), Mapping):
            raise ValueError("not a webhook notification: data.object is missing")
        if not isinstance(named, str) or not isinstance(topic, str):
            raise ValueError("not a webhook notification: id and topic must be texts")
        told = data["object"]
        kind = _KINDS.get(told.get("object"), Record) if isinstance(told.get("id"), str) else Record
        return cls(
            raw=raw,
            id=named,
            topic=topic,
            api_version=raw.get("api_version"),
            created_at=moment(raw.get("created_at")),
            object=kind.read(told),
            previous_attributes=data.get("previous_attributes"),
            updated_attributes=data.get("updated_attributes"),
        )


def verify(
    body: bytes,
    header: str | None,
    secrets: str | Sequence[str],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> None:
    """Check that a notification comes from Userflow, and is fresh (https://userflow.com/docs/api#webhook-signatures).

    Args:
        body: the request's body, byte for byte as it came.
        header: the value of the `Userflow-Signature` header.
        secrets: the subscription's secret; several while one replaces another, or for several subscriptions on one address.
        tolerance: seconds the signature may be old, or ahead of our clock.
        now: Unix seconds; the present by default.

    Raises:
        SignatureError: the header is missing or unreadable, no secret made this signature, or it is too old or too new.
        TypeError: the body is not bytes.
        ValueError: there is no secret to check with.
    """
    signature.verify(body, header, secrets, name=HEADER, tolerance=tolerance, now=now)


def read_notification(body: bytes) -> Notification:
    """Read the body of a webhook request; `verify` it first.

    Raises:
        ValueError: not JSON, or not a webhook notification.
    """
    return Notification.read(signature.decode(body, "a webhook notification"))


def check_topic(topic: Any) -> str:
    """Check a topic to subscribe to (https://userflow.com/docs/api#webhook-topics).

    Raises:
        TypeError: not text.
        ValueError: not a topic that Userflow documents.
    """
    return signature.check_topic(topic, TOPICS, check_name, "name")


def check_topics(topics: Any) -> list[str]:
    """Check the topics of a subscription: at least one, each known; one named twice is taken once.

    Raises:
        TypeError: not a list of texts.
        ValueError: empty, or with a topic that Userflow does not document.
    """
    return signature.check_each(topics, check_topic)
