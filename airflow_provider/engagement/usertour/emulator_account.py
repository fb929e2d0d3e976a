"""The emulated Usertour account that all of its calls share: objects, definitions, keys, events, notifications."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_provider.engagement.emulator.state import Clock, Collection, Delivery, Document, Incoming, Store
from airflow_provider.engagement.usertour import emulator_definitions
from airflow_provider.engagement.usertour.emulator_attributes import Merger
from airflow_provider.engagement.usertour.emulator_objects import Objects, Show, Version
from airflow_provider.engagement.wire.message import encode_json

PROJECT, ENVIRONMENT = "p_test", "e_test"


@dataclass(slots=True)
class Quirks:
    """What the emulated server does against its documents, or as its operator set it; each can be switched.

    Attributes:
        ties: v1 loses and repeats rows of equal sort value from page to page.
        dead_cursor_fails: v1 answers a cursor with nothing behind it, or one that is gone, with 400 E1007; else an empty last page.
        ended_is_completed: v1 calls a session completed when it has ended, for whatever reason.
        internal_ids: v1 shows the server's own ids in memberships.
        drops_wrong_types: v1 drops a value of the wrong type and answers 201; else 400 like v2.
        second_end_fails: v1 answers 404 E1005 when a session is ended again.
        first_segment_filters: v1 lists only the members of the first segment there is, if that one is of hand-picked users.
        crashes: v1 answers 500 for a membership without a company, and for a NUL byte in a text.
        events: v2 can track events; an older server answers 404 E1033.
        rate_limit: requests a minute of one token to one endpoint of v2; None for no limit.
        bad_token_limit: the same for all tokens together that the server does not know.
    """

    ties: bool = True
    dead_cursor_fails: bool = True
    ended_is_completed: bool = True
    internal_ids: bool = True
    drops_wrong_types: bool = True
    second_end_fails: bool = True
    first_segment_filters: bool = True
    crashes: bool = True
    events: bool = True
    rate_limit: int | None = 1000
    bad_token_limit: int | None = 1000


@dataclass(frozen=True, slots=True)
class Token:
    """A token of v2.

    Attributes:
        project_id: the project it is bound to.
        environments: ids of the environments it may act on; None for all.
        scopes: what it may do, such as `session:read`; `*` for all.
        expired: it has expired.
        rate_limit: its own limit in place of the account's.
    """

    project_id: str = PROJECT
    environments: tuple[str, ...] | None = None
    scopes: tuple[str, ...] = ("*",)
    expired: bool = False
    rate_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that passed all general checks.

    Attributes:
        version: the API's version.
        incoming: as it came.
        ids: the ids in its path.
        body: its decoded JSON, or None.
        project_id: the project it is about.
        environment_id: the environment it is about; empty where it is about the project.
        token: v2's token.
    """

    version: Version
    incoming: Incoming
    ids: Mapping[str, str]
    body: Any
    project_id: str
    environment_id: str
    token: Token | None = None


class Account:
    """What all calls share.

    Args:
        store: where the objects are.
        clock: the time the account lives in.

    Attributes:
        lock: held while anything is read or written.
        objects: all collections.
        quirks: its switchable peculiarities.
        keys: v1's keys, and the environment of each.
        tokens: v2's tokens.
        deliveries: webhook notifications, oldest first.
        arrivals: called with each new user.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self.lock = store.lock
        self.objects = Objects(store)
        self.clock = clock
        self.quirks = Quirks()
        self.keys: dict[str, str] = {}
        self.tokens: dict[str, Token] = {}
        self.deliveries: list[Delivery] = []
        self.arrivals: list[Callable[[Document], None]] = []
        self._rows = max((item["row"] for kept in self._kept() for item in kept.values()), default=0)
        self._ids = self._rows

    def prepare(self) -> None:
        """Make what every account has from the start, unless it is there."""
        if len(self.objects.environments):
            return
        at = self.now()
        environment = {"id": ENVIRONMENT, "project_id": PROJECT, "name": "Production", "is_primary": True, "token": "web_test"}
        self.put(self.objects.environments, {**environment, "created_at": at, "updated_at": at})
        for kind in ("user", "company"):
            segment = {"id": self.new_id(), "name": f"All {'users' if kind == 'user' else 'companies'}", "scope": kind, "kind": "all"}
            self.put(self.objects.segments, {**segment, "environment_id": ENVIRONMENT, "members": [], "created_at": at})
        for scope, name, shown, data_type in emulator_definitions.attributes():
            self.define_attribute(scope, name, data_type, display_name=shown, predefined=True, created_at=at)
        for name, shown, attributes in emulator_definitions.events():
            self.define_event(name, display_name=shown, predefined=True, attributes=attributes, created_at=at)

    def now(self) -> str:
        """The time as it goes into objects."""
        return stamp(self.clock.now())

    def new_id(self) -> str:
        """Make an id as the server makes them: later ones are greater."""
        self._ids += 1
        return f"cm{self._ids:09x}{secrets.token_hex(7)}"

    def put(self, collection: Collection, document: Document) -> Document:
        """Write a document; the database stores it behind all others, also one that was there."""
        self._rows += 1
        return collection.put({**document, "row": self._rows})

    def show(self, version: Version, environment_id: str = "") -> Show:
        """Make objects as a version shows them."""
        quirks = self.quirks
        return Show(self.objects, version, environment_id, internal_ids=quirks.internal_ids, ended_is_completed=quirks.ended_is_completed)

    def merger(self, version: Version) -> Merger:
        """Start merging the attributes of one request."""
        return Merger(self._data_type, drop=version == "v1" and self.quirks.drops_wrong_types)

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
        made = {
            "id": self.new_id(),
            "key": key,
            "code_name": name,
            "created_at": self.now(),
            "data_type": data_type,
            "description": "",
            "display_name": name[:1].upper() + name[1:],
            "predefined": False,
            "scope": scope,
        }
        return self.put(self.objects.attribute_definitions, {**made, **told})

    def define_event(self, name: str, **told: Any) -> Document:
        """Create an event definition unless it is there."""
        found = self.objects.event_definitions.by("key", name)
        if found:
            return found[0]
        made = {
            "id": self.new_id(),
            "key": name,
            "attributes": [],
            "code_name": name,
            "created_at": self.now(),
            "description": "",
            "display_name": name[:1].upper() + name[1:],
            "predefined": False,
        }
        return self.put(self.objects.event_definitions, {**made, **told})

    def put_holder(
        self, kind: str, environment_id: str, own_id: str, attributes: dict[str, Any], created_at: str | None = None
    ) -> Document:
        """Write a user or company, and tell the webhooks."""
        collection = self.objects.users if kind == "user" else self.objects.companies
        old = next(iter(collection.by("key", f"{environment_id}/{own_id}")), None)
        if old is None:
            new = {"id": self.new_id(), "key": f"{environment_id}/{own_id}", "own_id": own_id, "environment_id": environment_id}
            new = self.put(collection, {**new, "attributes": attributes, "created_at": created_at or self.now()})
            self.notify(environment_id, f"{kind}.created", {kind: self._show(kind, new)})
            for arrived in self.arrivals if kind == "user" else ():
                arrived(new)
            return new
        before = old["attributes"]
        if before == attributes:
            return old
        new = self.put(collection, {**old, "attributes": attributes})
        previous = {name: value for name, value in before.items() if attributes.get(name) != value}
        self.notify(environment_id, f"{kind}.updated", {kind: self._show(kind, new), "previousAttributes": previous})
        return new

    def delete_holder(self, kind: str, document: Document) -> None:
        """Delete a user with sessions, events and memberships, or a company with memberships; and tell the webhooks."""
        objects = self.objects
        shown = self._show(kind, document)
        for item in objects.memberships.by(f"{kind}_id", document["id"]):
            objects.memberships.delete(item["id"])
        if kind == "user":
            for session in objects.sessions.by("user_id", document["id"]):
                self.delete_session(session)
            for event in objects.events.by("user_id", document["id"]):
                objects.events.delete(event["id"])
        (objects.users if kind == "user" else objects.companies).delete(document["id"])
        self.notify(document["environment_id"], f"{kind}.deleted", {kind: shown})

    def delete_session(self, session: Document) -> None:
        """Delete a session and its answers."""
        for answer in self.objects.answers.by("session_id", session["id"]):
            self.objects.answers.delete(answer["id"])
        self.objects.sessions.delete(session["id"])

    def track(self, user: Document, name: str, attributes: Mapping[str, Any], company_id: str | None, at: str) -> Document:
        """Record an event, its definition and its notification."""
        definition = self.define_event(name)
        made = {"id": self.new_id(), "code_name": name, "event_definition_id": definition["id"], "user_id": user["id"]}
        event = self.put(self.objects.events, {**made, "company_id": company_id, "attributes": dict(attributes), "created_at": at})
        self.notify(user["environment_id"], f"event.tracked.{name}", {"event": self.show("v2").event(event)})
        return event

    def notify(self, environment_id: str, topic: str, data: Document) -> None:
        """Queue a notification for every webhook of a topic."""
        for webhook in self.objects.webhooks.values():
            if webhook["environment_id"] != environment_id or not webhook["enabled"] or not covers(webhook["topics"], topic):
                continue
            message = {
                "id": f"whmsg_{secrets.token_hex(16)}",
                "object": "webhookMessage",
                "type": topic,
                "createdAt": self.now(),
                "environmentId": environment_id,
                "data": data,
            }
            self.deliveries.append(signed(webhook, topic, encode_json(message), self.clock.now()))

    def _show(self, kind: str, document: Document) -> Document:
        show = self.show("v2", document["environment_id"])
        return show.user(document) if kind == "user" else show.company(document)

    def _data_type(self, scope: str, name: str) -> str | None:
        found = self.objects.attribute_definitions.by("key", f"{scope}/{name}")
        return found[0]["data_type"] if found else None

    def _kept(self) -> list[Collection]:
        return [item for item in vars(self.objects).values() if isinstance(item, Collection)]


Handler = Callable[[Ask], Any]


def stamp(moment: datetime) -> str:
    """Write a time as the server does: `2026-11-22T06:07:25.269Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def covers(subscribed: list[str], topic: str) -> bool:
    """Say whether a webhook's topics take in a topic."""
    return any(item in ("*", topic) or topic.startswith(f"{item}.") for item in subscribed)


def signed(webhook: Document, topic: str, body: bytes, now: datetime) -> Delivery:
    """Make a webhook's delivery, signed with its secret."""
    secret = webhook["secret"]

    def headers(at: datetime) -> dict[str, str]:
        return {"Content-Type": "application/json", "X-Usertour-Signature": _signature(secret, body, int(at.timestamp()))}

    return Delivery(webhook["url"], topic, body, headers(now), headers)


def _signature(secret: str, body: bytes, seconds: int) -> str:
    # Written out from the documents: the receiving side of this package must not be judged by itself.
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"
