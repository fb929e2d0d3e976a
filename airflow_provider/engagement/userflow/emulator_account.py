"""The emulated Userflow account that all of its calls share: objects, definitions, events, notifications."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from airflow_provider.engagement.emulator.state import Clock, Delivery, Document, Incoming, Store, timestamp
from airflow_provider.engagement.userflow.emulator_attributes import Merger
from airflow_provider.engagement.userflow.emulator_objects import Objects, Tree
from airflow_provider.engagement.wire.message import encode_json

_FIRST_EVENT = 4_738_381


@dataclass(slots=True)
class Quirks:
    """How the emulated account behaves where the reference is silent or users report trouble; each can be switched.

    Attributes:
        null_cursor_fails: a cursor on an object whose `order_by` field is null answers 500.
        large_account: `GET /content_sessions` without `content_id` answers 500, as if it had timed out.
        groups: the plan has the Groups feature; else its calls answer 403.
        unknown_subjects: an event may name a user or group that does not exist; else it answers 400.
    """

    null_cursor_fails: bool = True
    large_account: bool = False
    groups: bool = True
    unknown_subjects: bool = True


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that passed all general checks.

    Attributes:
        incoming: as it came.
        ids: the ids in its path.
        body: its JSON object.
        expand: what to expand.
    """

    incoming: Incoming
    ids: Mapping[str, str]
    body: Mapping[str, Any]
    expand: Tree


Handler = Callable[[Ask], Document]


class Account:
    """What all calls share.

    Args:
        store: where the objects are.
        clock: the time the account lives in.

    Attributes:
        lock: held while anything is read or written.
        objects: all collections.
        clock: the time the account lives in.
        quirks: its switchable peculiarities.
        deliveries: webhook notifications, oldest first.
        arrivals: called with each new user.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self.lock = store.lock
        self.objects = Objects(store)
        self.clock = clock
        self.quirks = Quirks()
        self.deliveries: list[Delivery] = []
        self.arrivals: list[Callable[[Document], None]] = []
        # Event ids are numeric, as in the reference, and go on where a file left off.
        self._last_event = max((int(event["id"]) for event in self.objects.events.values()), default=_FIRST_EVENT)

    def now(self) -> str:
        """The time as it goes into objects."""
        return timestamp(self.clock.now())

    def merger(self) -> Merger:
        """Start merging the attributes of one request."""
        return Merger(self._data_type)

    def define_attributes(self, merger: Merger) -> None:
        """Create the definitions of attributes seen for the first time."""
        for (scope, name), data_type in merger.created.items():
            self.define_attribute(scope, name, data_type)

    def define_attribute(self, scope: str, name: str, data_type: str, **told: Any) -> Document:
        """Create an attribute definition unless it is there."""
        key = f"{scope}/{name}"
        found = self.objects.attribute_definitions.by("key", key)
        if found:
            return found[0]
        return self.objects.attribute_definitions.put(
            {
                "id": str(uuid4()),
                "created_at": self.now(),
                "data_type": data_type,
                "description": None,
                "display_name": _display_name(name),
                "name": name,
                "scope": scope,
                "key": key,
                "event_names": [],
                **told,
            }
        )

    def define_event(self, name: str, attributes: Mapping[str, Any] | None = None, **told: Any) -> Document:
        """Create an event definition unless it is there, and note which attributes the event is used with."""
        for used in attributes or ():
            for definition in self.objects.attribute_definitions.by("key", f"event/{used}"):
                if name not in definition["event_names"]:
                    self.objects.attribute_definitions.put({**definition, "event_names": [*definition["event_names"], name]})
        found = self.objects.event_definitions.by("name", name)
        if found:
            return found[0]
        return self.objects.event_definitions.put(
            {"id": str(uuid4()), "created_at": self.now(), "description": None, "display_name": _display_name(name), "name": name, **told}
        )

    def track(
        self,
        name: str,
        user_id: str | None,
        group_id: str | None,
        attributes: Mapping[str, Any],
        *,
        time: str | None = None,
        created_at: str | None = None,
    ) -> Document:
        """Record an event, its definition and its notification.

        Args:
            name: the event's name.
            user_id: its user.
            group_id: its group.
            attributes: its attributes, already merged.
            time: when it happened; when it was created by default.
            created_at: when it was created; now by default.
        """
        created_at = created_at or self.now()
        self.define_event(name, attributes)
        event = self.objects.events.put(
            {
                "id": self._event_id(),
                "attributes": dict(attributes),
                "created_at": created_at,
                "group_id": group_id,
                "name": name,
                "time": time or created_at,
                "user_id": user_id,
            }
        )
        self.notify(f"event.tracked.{name}", {"object": "event", **{key: value for key, value in event.items() if value is not None}})
        return event

    def notify(self, topic: str, shown: Document, changes: tuple[Document, Document] | None = None) -> None:
        """Queue a notification for every subscription to a topic.

        Args:
            topic: what happened.
            shown: the object it happened to.
            changes: of an update, the changed attributes before and after.
        """
        for subscription in self.objects.subscriptions.values():
            if subscription["disabled"] or not any(_covers(item, topic) for item in subscription["topics"]):
                continue
            data: Document = {"object": shown}
            if changes is not None:
                data |= {"previous_attributes": changes[0], "updated_attributes": changes[1]}
            notification = {
                "id": str(uuid4()),
                "object": "webhook_notification",
                "api_version": subscription["api_version"],
                "created_at": self.now(),
                "data": data,
                "topic": topic,
            }
            self.deliveries.append(_delivery(subscription, topic, encode_json(notification), self.clock.now()))

    def _data_type(self, scope: str, name: str) -> str | None:
        found = self.objects.attribute_definitions.by("key", f"{scope}/{name}")
        return found[0]["data_type"] if found else None

    def _event_id(self) -> str:
        self._last_event += 1
        return str(self._last_event)


def _delivery(subscription: Document, topic: str, body: bytes, now: datetime) -> Delivery:
    secret = subscription["secret"]

    def headers(at: datetime) -> dict[str, str]:
        return {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Userflow/1.0 (https://userflow.com/docs/webhooks)",
            "Userflow-Signature": _signature(secret, body, int(at.timestamp())),
        }

    return Delivery(subscription["url"], topic, body, headers(now), headers)


def _signature(secret: str, body: bytes, seconds: int) -> str:
    # Written out from the reference: the receiving side of this package must not be judged by itself.
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def _covers(subscribed: str, topic: str) -> bool:
    return subscribed == "*" or topic == subscribed or topic.startswith(f"{subscribed}.")


def _display_name(name: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in name.replace("_", " ").split(" "))
