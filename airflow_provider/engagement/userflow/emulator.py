"""Userflow emulated: its calls on plain values, no network (https://userflow.com/docs/api).

Strict, so that a mistake shows here and not on a customer's account: unknown paths, query parameters and body fields are refused.
What the reference leaves open is decided, and said, in the modules beside this one; in this one:

- a key is asked for before anything else is looked at, so a wrong key is 401 on every path;
- error codes other than `invalid_api_key` are this emulator's own;
- the version header may be missing, but one that does not exist is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from airflow_provider.engagement.emulator.state import Clock, Delivery, Document, Incoming, Refused, Reply, Store
from airflow_provider.engagement.userflow import emulator_reads, emulator_webhooks, emulator_writes
from airflow_provider.engagement.userflow.api import API_VERSION, ENDPOINTS
from airflow_provider.engagement.userflow.emulator_account import Account, Ask, Handler, Quirks
from airflow_provider.engagement.userflow.emulator_lists import LISTINGS
from airflow_provider.engagement.userflow.emulator_objects import Objects, expand_tree
from airflow_provider.engagement.userflow.emulator_people import People
from airflow_provider.engagement.userflow.emulator_seed import Seeds
from airflow_provider.engagement.wire.endpoint import Endpoint

DOC_URL = "https://userflow.com/docs/api"
_JSON = "application/json"
_SEVERAL = ("event_name", "expand", "order_by")
_SHOWN = 5
_PROBLEMS: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request", "The request is invalid"),
    401: ("invalid_api_key", "Invalid API key provided: ..."),
    403: ("forbidden", "This is not allowed"),
    404: ("not_found", "Unrecognized URL"),
    405: ("method_not_allowed", "This method is not allowed for this URL"),
    406: ("not_acceptable", "Only JSON can be answered"),
    415: ("unsupported_media_type", "Send Content-Type: application/json"),
    429: ("rate_limit_exceeded", "Too many requests, slow down"),
    500: ("internal_error", "Something went wrong on our end"),
    502: ("bad_gateway", "Something went wrong on our end"),
    503: ("service_unavailable", "The service is unavailable, try again later"),
}


class UserflowEmulator:
    """One emulated Userflow account.

    Args:
        store: where its objects are.
        clock: the time it lives in.
        keys: API keys it accepts.

    Attributes:
        name: `userflow`.
        objects: its collections, to inspect.
        people: walk through its content.
        seeds: makes objects the API cannot create.
    """

    name = "userflow"

    def __init__(self, store: Store, clock: Clock, keys: Sequence[str] = ("ak_test",)) -> None:
        self._store = store
        self._account = Account(store, clock)
        self._keys = tuple(keys)
        self._taken = 0
        self.people = People(self._account)
        self.seeds = Seeds(self._account)
        self.handlers: Mapping[str, Handler] = {
            **emulator_reads.handlers(self._account),
            **emulator_writes.handlers(self._account),
            **emulator_webhooks.handlers(self._account),
        }
        self._routes: dict[str, list[Endpoint[Any]]] = {}
        for endpoint in ENDPOINTS:
            self._routes.setdefault(endpoint.path.split("/")[1], []).append(endpoint)

    @property
    def objects(self) -> Objects:
        """Its collections."""
        return self._account.objects

    @property
    def quirks(self) -> Quirks:
        """Its peculiarities, to be switched."""
        return self._account.quirks

    @property
    def deliveries(self) -> list[Delivery]:
        """All webhook notifications so far, oldest first."""
        return self._account.deliveries

    def owns(self, path: str) -> bool:
        """Userflow's paths begin at the root, so whatever nobody else owns is its."""
        return True

    def handle(self, incoming: Incoming) -> Reply:
        """Answer a request."""
        try:
            with self._store.lock:
                self._check_key(incoming)
                endpoint, ids = self._route(incoming)
                self._check_headers(incoming)
                ask = self._ask(endpoint, ids, incoming)
                self.people.advance()
                return Reply.of(self.handlers[endpoint.name](ask))
        except Refused as refused:
            return self._error(refused.status, refused.code, refused.text)

    def problem(self, status: int, text: str | None = None) -> Reply:
        """Make Userflow's error object for a status."""
        code, usual = _PROBLEMS.get(status, ("error", f"Error {status}"))
        return self._error(status, code, text or usual)

    def advance(self) -> None:
        """Let happen what is due by the clock."""
        self.people.advance()

    def seed(self, data: Mapping[str, Any]) -> Document:
        """Put in objects, also those the API cannot create; see `Seeds.seed`."""
        with self._store.lock:
            return self.seeds.seed(data)

    def seed_content(self, name: str = "Example flow", type: str = "flow", **told: Any) -> Document:
        """Put in one content object; see `Seeds.content`."""
        with self._store.lock:
            return self.seeds.content({"name": name, "type": type, **told})

    def walk(self, data: Mapping[str, Any]) -> Document:
        """Send people through content; see `People.start`."""
        with self._store.lock:
            return self.people.start(**data)

    def take_deliveries(self) -> list[Delivery]:
        """The notifications not taken yet."""
        fresh = self._account.deliveries[self._taken :]
        self._taken += len(fresh)
        return fresh

    def summary(self) -> Document:
        """Count and latest objects of each collection; no webhook secrets."""
        objects, shown = self._account.objects, {}
        for kind, collection in (
            ("user", objects.users),
            ("group", objects.groups),
            ("group_membership", objects.memberships),
            ("event", objects.events),
            ("content", objects.content),
            ("content_version", objects.versions),
            ("content_session", objects.sessions),
            ("content_session_answer", objects.answers),
            ("attribute_definition", objects.attribute_definitions),
            ("event_definition", objects.event_definitions),
            ("webhook_subscription", objects.subscriptions),
        ):
            latest = [objects.show(kind, document, {}) for document in collection.latest(_SHOWN)]
            shown[collection.name.removeprefix("userflow.")] = {"count": len(collection), "latest": latest}
        return shown

    def reset(self) -> None:
        """Forget people, notifications and switched quirks."""
        self.people.stop()
        self._account.deliveries.clear()
        self._taken = 0
        self._account.quirks = Quirks()

    def _check_key(self, incoming: Incoming) -> None:
        scheme, _, key = incoming.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refused(401, "missing_api_key", "No API key provided; send it in the header Authorization: Bearer <api-key>")
        if key.strip() not in self._keys:
            raise Refused(401, "invalid_api_key", f"Invalid API key provided: {key.strip()}")

    def _route(self, incoming: Incoming) -> tuple[Endpoint[Any], Mapping[str, str]]:
        allowed: list[str] = []
        for endpoint in self._routes.get(incoming.path.split("/")[1] if "/" in incoming.path else "", ()):
            ids = endpoint.match(incoming.method, incoming.path)
            if ids is not None:
                return endpoint, ids
            if endpoint.match(endpoint.method, incoming.path) is not None:
                allowed.append(endpoint.method)
        if allowed:
            raise Refused(405, "method_not_allowed", f"{incoming.method} is not allowed here; {', '.join(allowed)} is")
        raise Refused(404, "not_found", f"Unrecognized URL: {incoming.path}")

    @staticmethod
    def _check_headers(incoming: Incoming) -> None:
        version = incoming.headers.get("userflow-version")
        if version is not None and version != API_VERSION:
            raise Refused(400, "invalid_version", f"Userflow-Version must be {API_VERSION}, got {version!r}")
        accepted = [part.split(";")[0].strip().lower() for part in incoming.headers.get("accept", "*/*").split(",")]
        if not any(part in ("*/*", "application/*", _JSON, "") for part in accepted):
            raise Refused(406, "not_acceptable", "Only JSON can be answered")
        if incoming.method in ("POST", "PATCH"):
            kind = incoming.headers.get("content-type", "").split(";")[0].strip().lower()
            if kind != _JSON:
                raise Refused(415, "unsupported_media_type", "Send Content-Type: application/json")

    @staticmethod
    def _ask(endpoint: Endpoint[Any], ids: Mapping[str, str], incoming: Incoming) -> Ask:
        for name, _value in incoming.query:
            bare = name.removesuffix("[]")
            if bare not in endpoint.query or (name != bare and bare not in _SEVERAL):
                raise Refused(400, "invalid_request", f"unknown query parameter {name!r}")
        body: Any = {}
        if endpoint.method in ("POST", "PATCH"):
            try:
                body = incoming.json()
            except (ValueError, RecursionError):
                raise Refused(400, "invalid_json", "the body is not valid JSON") from None
            if not isinstance(body, dict):
                raise Refused(400, "invalid_json", "the body must be a JSON object")
        unknown = [key for key in body if key not in endpoint.fields]
        if unknown:
            raise Refused(400, "invalid_request", f"unknown field {', '.join(unknown)}")
        given = set(incoming.names())
        missing = [name for name in endpoint.required if body.get(name) is None and name not in given]
        if missing:
            raise Refused(400, "invalid_request", f"{', '.join(missing)} is required")
        return Ask(incoming, ids, body, expand_tree(_KINDS.get(endpoint.name, "event"), incoming.many("expand")))

    def _error(self, status: int, code: str, text: str) -> Reply:
        error = {"code": code, "message": text, "doc_url": DOC_URL, "request_id": f"req_{uuid4().hex[:24]}"}
        return Reply.of({"error": error}, status)


_KINDS: Mapping[str, str] = {
    "upsert_user": "user",
    "get_user": "user",
    "upsert_group": "group",
    "get_group": "group",
    "track_event": "event",
    "get_content": "content",
    "get_content_version": "content_version",
    "get_content_session": "content_session",
    **{name: listing.kind for name, listing in LISTINGS.items()},
}
"""What the endpoints that take `expand` answer."""
