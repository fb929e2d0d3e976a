"""Webhooks from Userflow: who sent it, and what it says (https://userflow.com/docs/api#receiving-webhooks)."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from airflow_provider.engagement.userflow.api import Event, Group, GroupMembership, User
from airflow_provider.engagement.userflow.attributes import check_name, shorten
from airflow_provider.engagement.wire.message import decode_json
from airflow_provider.engagement.wire.record import Record, moment

HEADER: Final = "Userflow-Signature"
TOLERANCE: Final = 300.0
"""Seconds a signature's time may differ from ours, as Userflow recommends; later ones could be replayed."""
TOPICS: Final = ("*", "event", "event.tracked", "group", "group.created", "group.updated", "user", "user.created", "user.updated")
"""Topics that can be subscribed to; `event.tracked.<name>` for each event name besides."""

_TRACKED = "event.tracked."
_SECONDS = re.compile(r"[0-9]{1,15}")
_KINDS: Mapping[str, type[Record]] = {"event": Event, "group": Group, "group_membership": GroupMembership, "user": User}


class SignatureError(ValueError):
    """A notification is not proven to come from Userflow. The message says why, without the secret or the right signature."""


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


def sign(secret: str, body: bytes, timestamp: int) -> str:
    """Make the value of the `Userflow-Signature` header.

    Args:
        secret: the subscription's secret, `whsec_…`.
        body: the request's body, byte for byte.
        timestamp: Unix seconds.
    """
    return f"t={timestamp},v1={_digest(secret, str(timestamp), body)}"


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
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(f"the body must be the bytes that came, got {type(body).__name__}; decoding and encoding may change them")
    known = [secrets] if isinstance(secrets, str) else list(secrets)
    if not known or not all(known):
        raise ValueError("there is no webhook secret to check with, or an empty one")
    timestamp, signatures = _read_header(header)
    valid = False
    for secret in known:
        expected = _digest(secret, timestamp, bytes(body)).encode()
        for signature in signatures:
            # No early way out: how long the check takes must not tell which secret was close.
            valid |= hmac.compare_digest(expected, signature.encode("utf-8", "replace"))
    if not valid:
        raise SignatureError("no known secret made this signature: another subscription's secret, or the body was changed")
    age = (time.time() if now is None else now) - int(timestamp)
    if age > tolerance:
        raise SignatureError(f"the signature is {age:.0f} s old, more than {tolerance:g} s: a replay, a late delivery or a wrong clock")
    if age < -tolerance:
        raise SignatureError(f"the signature is {-age:.0f} s ahead of this machine's clock, more than {tolerance:g} s")


def read_notification(body: bytes) -> Notification:
    """Read the body of a webhook request; `verify` it first.

    Raises:
        ValueError: not JSON, or not a webhook notification.
    """
    try:
        raw = decode_json(body)
    except (ValueError, RecursionError):
        raise ValueError("not a webhook notification: the body is not JSON") from None
    return Notification.read(raw)


def topic_matches(subscribed: str | Iterable[str], topic: str) -> bool:
    """Say whether a subscription to these topics is told of a topic: `*` is told of all, `user` of `user.created`."""
    names = [subscribed] if isinstance(subscribed, str) else subscribed
    return any(name in ("*", topic) or topic.startswith(f"{name}.") for name in names)


def check_topic(topic: Any) -> str:
    """Check a topic to subscribe to (https://userflow.com/docs/api#webhook-topics).

    Raises:
        TypeError: not text.
        ValueError: not a topic that Userflow documents.
    """
    if not isinstance(topic, str):
        raise TypeError(f"a topic must be text, got {type(topic).__name__}")
    if topic in TOPICS:
        return topic
    if topic.startswith(_TRACKED):
        check_name(topic.removeprefix(_TRACKED), f"the event name in topic {shorten(topic)},")
        return topic
    raise ValueError(f"{shorten(topic)} is no topic; there are {', '.join(TOPICS)} and event.tracked.<name>")


def check_topics(topics: Any) -> list[str]:
    """Check the topics of a subscription: at least one, each known; one named twice is taken once.

    Raises:
        TypeError: not a list of texts.
        ValueError: empty, or with a topic that Userflow does not document.
    """
    if isinstance(topics, str) or not isinstance(topics, Iterable):
        raise TypeError(f'topics must be a list such as ["user", "event"], got {type(topics).__name__}')
    checked = list(dict.fromkeys(check_topic(topic) for topic in topics))
    if not checked:
        raise ValueError('topics is empty; name at least one, or "*" for all')
    return checked


def _digest(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _read_header(header: str | None) -> tuple[str, list[str]]:
    if not header:
        raise SignatureError(f"the {HEADER} header is missing")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for key, _, value in pairs if key == "t"]
    signatures = [value for key, _, value in pairs if key == "v1" and value]
    if len(times) != 1 or not _SECONDS.fullmatch(times[0]):
        raise SignatureError(f"the {HEADER} header needs one timestamp, t=<Unix seconds>")
    if not signatures:
        raise SignatureError(f"the {HEADER} header holds no v1 signature")
    return times[0], signatures
