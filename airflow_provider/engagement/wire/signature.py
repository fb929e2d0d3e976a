"""Signed webhooks: `t=<Unix seconds>,v1=<hex HMAC-SHA256 of "{t}.{raw body}">`, as Userflow and Usertour make them."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

from airflow_provider.engagement.wire.message import decode_json
from airflow_provider.engagement.wire.values import shorten

TOLERANCE: Final = 300.0
"""Seconds a signature's time may differ from ours; later ones could be replayed."""

_TRACKED = "event.tracked."
_SECONDS = re.compile(r"[0-9]{1,15}")


class SignatureError(ValueError):
    """A notification is not proven to come from the vendor. The message says why, without the secret or the right signature."""


def sign(secret: str, body: bytes, timestamp: int) -> str:
    """Make the value of the signature header.

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
    name: str,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> None:
    """Check that a notification comes from the one who knows a secret, and is fresh.

    Args:
        body: the request's body, byte for byte as it came.
        header: the value of the signature header.
        secrets: the subscription's secret; several while one replaces another, or for several subscriptions on one address.
        name: what the header is called, for the message.
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
    timestamp, signatures = _read_header(header, name)
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


def topic_matches(subscribed: str | Iterable[str], topic: str) -> bool:
    """Say whether a subscription to these topics is told of a topic: `*` is told of all, `user` of `user.created`."""
    names = [subscribed] if isinstance(subscribed, str) else subscribed
    return any(name in ("*", topic) or topic.startswith(f"{name}.") for name in names)


def check_topic(topic: Any, known: Collection[str], check_name: Callable[[Any, str], object], placeholder: str) -> str:
    """Check a topic to subscribe to.

    Args:
        topic: the topic.
        known: the topics the vendor documents.
        check_name: checks the event's name behind `event.tracked.`, told what to call it.
        placeholder: what the vendor calls that name, for the message.

    Raises:
        TypeError: not text.
        ValueError: not a topic that the vendor documents.
    """
    if not isinstance(topic, str):
        raise TypeError(f"a topic must be text, got {type(topic).__name__}")
    if topic in known:
        return topic
    if topic.startswith(_TRACKED):
        check_name(topic.removeprefix(_TRACKED), f"the event name in topic {shorten(topic)},")
        return topic
    raise ValueError(f"{shorten(topic)} is no topic; there are {', '.join(known)} and {_TRACKED}<{placeholder}>")


def decode(body: bytes, what: str) -> Any:
    """Decode a request's body; `verify` it first.

    Raises:
        ValueError: not JSON; the message says `what` it should be.
    """
    try:
        return decode_json(body)
    except (ValueError, RecursionError):
        raise ValueError(f"not {what}: the body is not JSON") from None


def check_each(topics: Any, check_topic: Callable[[Any], str]) -> list[str]:
    """Check the topics of a subscription: at least one, each known; one named twice is taken once.

    Raises:
        TypeError: not a list of texts.
        ValueError: empty, or with a topic that `check_topic` refuses.
    """
    if isinstance(topics, str) or not isinstance(topics, Iterable):
        raise TypeError(f'topics must be a list such as ["user", "event.tracked"], got {type(topics).__name__}')
    checked = list(dict.fromkeys(check_topic(topic) for topic in topics))
    if not checked:
        raise ValueError('topics is empty; name at least one, or "*" for all')
    return checked


def _digest(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _read_header(header: str | None, name: str) -> tuple[str, list[str]]:
    if not header:
        raise SignatureError(f"the {name} header is missing")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for key, _, value in pairs if key == "t"]
    signatures = [value for key, _, value in pairs if key == "v1" and value]
    if len(times) != 1 or not _SECONDS.fullmatch(times[0]):
        raise SignatureError(f"the {name} header needs one timestamp, t=<Unix seconds>")
    if not signatures:
        raise SignatureError(f"the {name} header holds no v1 signature")
    return times[0], signatures
