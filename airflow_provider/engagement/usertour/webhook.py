"""Webhooks from Usertour (v2): who sent it, and what it says (https://docs.usertour.io/developers/webhooks)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from airflow_provider.engagement.usertour.bodies import check_name
from airflow_provider.engagement.usertour.records import Company, Content, Event, User
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

HEADER: Final = "X-Usertour-Signature"
TOPICS: Final = (
    "*",
    "company",
    "company.created",
    "company.deleted",
    "company.updated",
    "content",
    "content.published",
    "event.tracked",
    "user",
    "user.created",
    "user.deleted",
    "user.updated",
)
"""Topics that can be subscribed to; `event.tracked.<codeName>` for each event besides."""

_KINDS: Final[Mapping[str, type[Record]]] = {"user": User, "company": Company, "content": Content, "event": Event}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification(Record):
    """A webhook message. `id` stays the same when a delivery is repeated: forget those seen before.

    Attributes:
        topic: what happened, e.g. `user.created`; `webhook.test` for a test from the app.
        object: what it is about: a `User`, `Company`, `Content` or `Event`, or a bare `Record` of what else is in `data`.
        previous_attributes: the changed attributes before the change; only of `….updated`.
    """

    id: str
    topic: str
    created_at: datetime | None = None
    environment_id: str | None = None
    object: User | Company | Content | Event | Record
    previous_attributes: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read a message.

        Raises:
            ValueError: not a webhook message.
        """
        if not isinstance(raw, Mapping) or raw.get("object") != "webhookMessage":
            raise ValueError("not a webhook message: its object must be 'webhookMessage'")
        named, topic, data = raw.get("id"), raw.get("type"), raw.get("data")
        if not isinstance(named, str) or not isinstance(topic, str):
            raise ValueError("not a webhook message: id and type must be texts")
        if not isinstance(data, Mapping):
            raise ValueError("not a webhook message: data is missing")
        return cls(
            raw=raw,
            id=named,
            topic=topic,
            created_at=moment(raw.get("createdAt")),
            environment_id=raw.get("environmentId"),
            object=_object(topic, data),
            previous_attributes=data.get("previousAttributes"),
        )


def _object(topic: str, data: Mapping[str, Any]) -> Any:
    name = topic.partition(".")[0]
    told = data.get(name)
    if isinstance(told, Mapping) and isinstance(told.get("id"), str):
        return _KINDS.get(name, Record).read(told)
    return Record.read(data)


def verify(
    body: bytes,
    header: str | None,
    secrets: str | Sequence[str],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> None:
    """Check that a message comes from Usertour, and is fresh.

    Args:
        body: the request's body, byte for byte as it came.
        header: the value of the `X-Usertour-Signature` header.
        secrets: the webhook's secret, the whole `whsec_…` text; several while one replaces another.
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
        ValueError: not JSON, or not a webhook message.
    """
    return Notification.read(signature.decode(body, "a webhook message"))


def check_topic(topic: Any) -> str:
    """Check a topic to subscribe to.

    Raises:
        TypeError: not text.
        ValueError: not a topic that Usertour documents.
    """
    return signature.check_topic(topic, TOPICS, check_name, "codeName")


def check_topics(topics: Any) -> list[str]:
    """Check the topics of a webhook: at least one, each known; one named twice is taken once.

    Raises:
        TypeError: not a list of texts.
        ValueError: empty, or with a topic that Usertour does not document.
    """
    return signature.check_each(topics, check_topic)
