"""Usertour emulated, v1 and v2: its calls on plain values, no network (https://docs.usertour.io/api-reference).

It says what a real server was recorded saying, mistakes included; `tests/contract` holds the recordings against it. The mistakes can be
switched off one by one (`Quirks`). What no recording shows is decided, and said, in the modules beside this one; in this one:

- a request is counted before its token is looked at, then token, project, environment and scope are checked in this order;
- a scope is the object and `read` or `manage`, such as `session:read`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from airflow_provider.engagement.emulator.state import Clock, Delivery, Document, Incoming, Refused, Reply, Store
from airflow_provider.engagement.usertour import emulator_analytics, emulator_calls, emulator_lists, emulator_webhooks
from airflow_provider.engagement.usertour.api import DOCS, ENDPOINTS, NO_ROUTE
from airflow_provider.engagement.usertour.emulator_account import ENVIRONMENT, PROJECT, Account, Ask, Handler, Quirks, Token
from airflow_provider.engagement.usertour.emulator_attributes import has_nul
from airflow_provider.engagement.usertour.emulator_errors import USUAL, Plain, crashed, invalid, missing, reply
from airflow_provider.engagement.usertour.emulator_objects import Objects, Version
from airflow_provider.engagement.usertour.emulator_people import People
from airflow_provider.engagement.usertour.emulator_seed import Seeds
from airflow_provider.engagement.usertour.emulator_throttle import Throttle
from airflow_provider.engagement.wire.endpoint import Endpoint

_MOST_BYTES = 100 * 1024
_BAD_TOKENS = "bad tokens"
_SHOWN = 5
_OBJECTS = ("session", "user", "company", "membership", "event", "content", "analytics", "attribute", "segment", "environment", "webhook")


def _more(method: str, thing: str, name: str) -> Endpoint[Any]:
    return Endpoint(method, f"/v2/projects/{{project_id}}/{thing}", lambda raw: raw, name, DOCS)


MORE = (
    _more("POST", "attribute-definitions", "create_attribute_definition"),
    _more("POST", "event-definitions", "create_event_definition"),
)
"""Calls of v2 that the hook has no method for."""


class UsertourEmulator:
    """One emulated Usertour server.

    Args:
        store: where its objects are.
        clock: the time it lives in.
        keys: keys and tokens it accepts for the environment `e_test` of the project `p_test`; those that begin with `utp_` are v2's.

    Attributes:
        name: `usertour`.
        people: walk through its content.
        seeds: makes objects the API cannot create.
    """

    name = "usertour"

    def __init__(self, store: Store, clock: Clock, keys: Sequence[str] = ("ak_test", "utp_test")) -> None:
        self._store = store
        self._account = Account(store, clock)
        self._keys = tuple(keys)
        self._throttle = Throttle()
        self._taken = 0
        self.people = People(self._account)
        self.seeds = Seeds(self._account)
        self.handlers: Mapping[str, Handler] = {
            **emulator_lists.handlers(self._account),
            **emulator_calls.handlers(self._account),
            **emulator_webhooks.handlers(self._account),
            **emulator_analytics.handlers(self._account),
        }
        self._accept_keys()

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
        """Usertour's paths begin with the API's version."""
        return path.startswith(("/v1/", "/v2/"))

    def handle(self, incoming: Incoming) -> Reply:
        """Answer a request."""
        if incoming.method == "OPTIONS":
            return Reply(204)
        if incoming.method == "HEAD":
            said = self.handle(Incoming("GET", incoming.path, incoming.query, incoming.headers))
            return Reply(said.status, said.headers)
        headers: dict[str, str] = {}
        try:
            with self._store.lock:
                self._account.prepare()
                said = self._answer(incoming, headers)
        except Refused as refused:
            said = reply(refused, incoming.headers.get("accept-language", ""))
        return Reply(said.status, {**said.headers, **headers}, said.body)

    def problem(self, status: int, text: str | None = None) -> Reply:
        """Make Usertour's error object for a status."""
        code, usual = USUAL.get(status, ("E0000", f"Error {status}"))
        return reply(Refused(status, code, text or usual))

    def advance(self) -> None:
        """Let happen what is due by the clock."""
        self.people.advance()

    def seed(self, data: Mapping[str, Any]) -> Document:
        """Put in objects, also those the API cannot create; see `Seeds.seed`."""
        with self._store.lock:
            self._account.prepare()
            return self.seeds.seed(data)

    def seed_content(self, name: str = "Example flow", type: str = "flow", **told: Any) -> Document:
        """Put in one content object; see `Seeds.content`."""
        with self._store.lock:
            self._account.prepare()
            return self.seeds.content({"name": name, "type": type, **told})

    def walk(self, data: Mapping[str, Any]) -> Document:
        """Send people through content; see `Walkers.start`."""
        with self._store.lock:
            self._account.prepare()
            return self.people.start(**data)

    def take_deliveries(self) -> list[Delivery]:
        """The notifications not taken yet."""
        fresh = self._account.deliveries[self._taken :]
        self._taken += len(fresh)
        return fresh

    def summary(self) -> Document:
        """Count and latest objects of each collection, as v2 shows them; no webhook secrets."""
        objects, show = self._account.objects, self._account.show("v2", ENVIRONMENT)
        shown: dict[str, Any] = {}
        for collection, shape in (
            (objects.users, show.user),
            (objects.companies, show.company),
            (objects.memberships, show.membership),
            (objects.events, show.event),
            (objects.content, show.content),
            (objects.sessions, show.session),
            (objects.attribute_definitions, show.attribute_definition),
            (objects.event_definitions, show.event_definition),
            (objects.webhooks, emulator_lists.webhook),
        ):
            latest = [cast("Any", shape)(document) for document in collection.latest(_SHOWN)]
            shown[collection.name.removeprefix("usertour.")] = {"count": len(collection), "latest": latest}
        return shown

    def reset(self) -> None:
        """Forget people, notifications, counts, keys told by a seed, and switched quirks."""
        self.people.stop()
        self._account.deliveries.clear()
        self._taken = 0
        self._throttle.clear()
        self._account.quirks = Quirks()
        self._account.keys.clear()
        self._account.tokens.clear()
        self._accept_keys()

    def _accept_keys(self) -> None:
        for key in self._keys:
            if key.startswith("utp_"):
                self._account.tokens[key] = Token()
            else:
                self._account.keys[key] = ENVIRONMENT

    def _answer(self, incoming: Incoming, headers: dict[str, str]) -> Reply:
        version: Version = "v1" if incoming.path.startswith("/v1/") else "v2"
        body = _body(version, incoming)
        endpoint, ids = self._route(version, incoming)
        ask = self._first(incoming, ids, body) if version == "v1" else self._second(endpoint, incoming, ids, body, headers)
        if has_nul(body):
            raise crashed() if self._account.quirks.crashes else invalid("a text must not hold a NUL byte")
        self.people.advance()
        answer = self.handlers[endpoint.name](ask)
        if answer is None:
            return Reply(204)
        ended = version == "v2" and endpoint.name == "end_content_session"
        return Reply.of(answer, 201 if incoming.method == "POST" and not ended else 200)

    def _route(self, version: Version, incoming: Incoming) -> tuple[Endpoint[Any], Mapping[str, str]]:
        for endpoint in (*ENDPOINTS[version].values(), *(MORE if version == "v2" else ())):
            ids = endpoint.match(incoming.method, incoming.path)
            if ids is not None and (endpoint.name != "track_event" or self._account.quirks.events):
                return endpoint, ids
        if version == "v1":
            raise Plain(404, f"Cannot {incoming.method} {incoming.path}")
        raise Refused(404, NO_ROUTE, USUAL[404][1])

    def _first(self, incoming: Incoming, ids: Mapping[str, str], body: Any) -> Ask:
        """Check a v1 request; an expired key is not noticed."""
        environment_id = self._account.keys.get(_key(incoming))
        environment = self._account.objects.environments.get(environment_id)
        if environment is None:
            raise Refused(403, *USUAL[403])
        return Ask("v1", incoming, ids, body, environment["project_id"], environment["id"])

    def _second(self, endpoint: Endpoint[Any], incoming: Incoming, ids: Mapping[str, str], body: Any, headers: dict[str, str]) -> Ask:
        """Count and check a v2 request."""
        key = _key(incoming)
        token, quirks = self._account.tokens.get(key), self._account.quirks
        limit = quirks.bad_token_limit if token is None else token.rate_limit or quirks.rate_limit
        if limit is not None:
            who = _BAD_TOKENS if token is None else key
            admitted, counted = self._throttle.hit(f"{who} {endpoint.name}", limit, self._account.clock.now())
            headers |= counted
            if not admitted:
                raise Refused(429, *USUAL[429])
        if token is None:
            raise Refused(403, *USUAL[403])
        if token.expired:
            raise Refused(401, "E1020", "API key has expired")
        if ids["project_id"] != token.project_id:
            raise Refused(403, "E1011", "API key is not scoped to the requested project")
        environment_id = ids.get("environment_id", "")
        if environment_id:
            self._check_environment(token, environment_id)
        if not {"*", _scope(endpoint)} & set(token.scopes):
            raise Refused(403, "E1012", "API key lacks the required scope for this operation")
        return Ask("v2", incoming, ids, body, token.project_id, environment_id, token)

    def _check_environment(self, token: Token, environment_id: str) -> None:
        environment = self._account.objects.environments.get(environment_id)
        if environment is None or environment["project_id"] != token.project_id:
            raise missing("environment")
        if token.environments is not None and environment_id not in token.environments:
            raise Refused(
                403,
                "E1029",
                "API key is not scoped to the requested environment. List environments (list_environments / GET /environments) — "
                "entries with inTokenScope: true are the ones this credential may act on.",
            )


def _key(incoming: Incoming) -> str:
    given = incoming.headers.get("authorization", "")
    if not given.startswith("Bearer ") or not given.removeprefix("Bearer ").strip():
        raise Refused(401, *USUAL[401])
    return given.removeprefix("Bearer ").strip()


def _body(version: Version, incoming: Incoming) -> Any:
    """Decode the body, whatever its type is said to be."""
    if len(incoming.body) > _MOST_BYTES:
        raise Plain(413, "request entity too large")
    if not incoming.body.strip() or incoming.method == "GET":
        return None
    try:
        return incoming.json()
    except (ValueError, RecursionError) as error:
        cut = "truncated" in str(error)
        text = "Unexpected end of JSON input" if cut else "Unexpected token in JSON"
        raise (Plain(400, text) if version == "v1" else invalid(f"Invalid JSON body: {text}")) from None


def _scope(endpoint: Endpoint[Any]) -> str:
    thing = next((name for name in _OBJECTS if name in endpoint.name), "event")
    return f"{thing}:{'read' if endpoint.method == 'GET' else 'manage'}"


__all__ = ["ENVIRONMENT", "PROJECT", "UsertourEmulator"]
