"""The emulated Usertour's lists: which rows, in which order, and the pages of them in both versions.

v1's `previous` is reproduced with its mistakes: it names the first row of the page before, which a cursor leaves out, and between
rows of equal sort value it is a row that comes later. v2's sorts by id as well and is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from airflow_provider.engagement.emulator.state import Document
from airflow_provider.engagement.usertour.emulator_account import Account, Ask, Handler
from airflow_provider.engagement.usertour.emulator_errors import dead_cursor, missing
from airflow_provider.engagement.usertour.emulator_objects import Expand, Show
from airflow_provider.engagement.usertour.emulator_order import fetch
from airflow_provider.engagement.usertour.emulator_params import Reader, choices_v1, email_v1, given, limit_v1, needed, one

Filter = Callable[[Document], bool]
SESSION_EXPAND = ("answers", "content", "company", "user", "version")
USER_EXPAND = ("companies", "memberships", "memberships.company")
COMPANY_EXPAND = ("users", "memberships", "memberships.user")
CONTENT_EXPAND = ("editedVersion", "publishedVersion")
_CREATED, _SHOWN = "created_at", "display_name"
_FIELDS = {"createdAt": _CREATED, "displayName": _SHOWN}


@dataclass(frozen=True, slots=True)
class Listing:
    """One list.

    Attributes:
        collection: the name of the collection it lists, in `Objects`.
        show: makes the object that goes out.
        expand: what can be expanded.
        order: the field it is sorted by unless `orderBy` says otherwise, by version.
        orders: the fields that `orderBy` may name.
        whole: v1 refuses a broken number as `limit`.
        dated: v2 filters by `createdAfter` and `createdBefore`.
    """

    collection: str
    show: Callable[[Show, Document, Expand], Document]
    expand: tuple[str, ...] = ()
    order: Mapping[str, str] | None = None
    orders: tuple[str, ...] = ("createdAt",)
    whole: bool = False
    dated: bool = False


_BY_NAME = {"v1": _SHOWN, "v2": _SHOWN}
LISTINGS: Mapping[str, Listing] = {
    "list_content_sessions": Listing("sessions", Show.session, SESSION_EXPAND, whole=True, dated=True),
    "list_users": Listing("users", Show.user, USER_EXPAND, dated=True),
    "list_companies": Listing("companies", Show.company, COMPANY_EXPAND, dated=True),
    "list_content": Listing("content", Show.content, CONTENT_EXPAND, dated=True),
    "list_content_versions": Listing("versions", Show.version, ("questions", "steps")),
    "list_attribute_definitions": Listing(
        "attribute_definitions", lambda show, item, _: show.attribute_definition(item), order=_BY_NAME, orders=("createdAt", "displayName")
    ),
    "list_event_definitions": Listing(
        "event_definitions",
        lambda show, item, _: show.event_definition(item),
        order={"v1": _CREATED, "v2": _SHOWN},
        orders=("createdAt", "displayName"),
    ),
    "list_segments": Listing("segments", lambda _, item, __: _segment(item)),
    "list_environments": Listing("environments", lambda _, item, __: item),
    "list_webhook_subscriptions": Listing("webhooks", lambda _, item, __: webhook(item)),
}


def handlers(account: Account) -> dict[str, Handler]:
    """Give the lists by the names of their endpoints."""

    def handler(name: str) -> Handler:
        return lambda ask: Lists(account, LISTINGS[name], name).answer(ask)

    return {name: handler(name) for name in LISTINGS}


class Lists:
    """One list of one account.

    Args:
        account: the account.
        listing: the list.
        name: the name of its endpoint.
    """

    def __init__(self, account: Account, listing: Listing, name: str) -> None:
        self._account = account
        self._objects = account.objects
        self._listing = listing
        self._name = name

    def answer(self, ask: Ask) -> Document:
        """Answer the request."""
        return self._first(ask) if ask.version == "v1" else self._second(ask)

    def _first(self, ask: Ask) -> Document:
        listing, incoming = self._listing, ask.incoming
        allowed = tuple(item for item in listing.expand if item != "steps")
        required = needed(incoming, "contentId") if self._name in ("list_content_sessions", "list_content_versions") else None
        limit = limit_v1(incoming, whole=listing.whole)
        orders = choices_v1(incoming, "orderBy", [f"{sign}{name}" for name in listing.orders for sign in ("", "-")])
        expand = choices_v1(incoming, "expand", allowed) if allowed else []
        if required is not None and required not in self._objects.content:
            raise missing("content")
        rows = self._rows(ask, email_v1(incoming) if self._name == "list_users" else None)
        rows.sort(key=lambda row: row["row"])
        field, descending = self._order(ask, orders)

        def value(row: Document) -> Any:
            return row[field]

        def get(cursor: Document | None, take: int, *, backwards: bool = False) -> list[Document]:
            ties = self._account.quirks.ties
            return fetch(rows, value, descending=descending, cursor=cursor, take=take, backwards=backwards, ties=ties)

        cursor = one(incoming, "cursor")
        at = next((row for row in rows if row["id"] == cursor), None)
        found = [] if cursor and at is None else get(at, limit + 1)
        page, more = found[:limit], len(found) > limit
        if cursor and not page and self._account.quirks.dead_cursor_fails:
            raise dead_cursor()
        before = get(page[0], limit, backwards=True) if cursor and page else []
        at_start = len(before) < limit or before[0] is get(None, limit + 1)[0]
        show = self._account.show("v1", ask.environment_id)
        return {
            "results": [listing.show(show, row, expand) for row in page],
            "next": _url_v1(ask, page[-1]["id"], limit) if more else None,
            "previous": _url_v1(ask, None if at_start else before[0]["id"], limit) if before else None,
        }

    def _second(self, ask: Ask) -> Document:
        listing, incoming = self._listing, ask.incoming
        read = Reader(incoming)
        limit = read.limit()
        orders = read.choices("orderBy", [f"{sign}{name}" for name in listing.orders for sign in ("", "-")])
        expand = read.choices("expand", listing.expand)
        since, until = (read.moment("createdAfter"), read.moment("createdBefore")) if listing.dated else (None, None)
        email = read.email() if self._name == "list_users" else None
        completed = read.flag("completed") if self._name == "list_content_sessions" else None
        read.check()
        keep = (_between(since, until), _completed(completed))
        rows = [row for row in self._rows(ask, email) if all(fits(row) for fits in keep)]
        field, descending = self._order(ask, orders)
        rows.sort(key=lambda row: (row[field], row["id"]), reverse=descending)
        cursor = one(incoming, "cursor")
        places = {row["id"]: place for place, row in enumerate(rows)}
        start = 0 if not cursor else places.get(cursor, len(rows)) + 1
        page = rows[start : start + limit]
        show = self._account.show("v2", ask.environment_id)
        return {
            "results": [self._shown(ask, listing.show(show, row, expand)) for row in page],
            "next": _url_v2(ask, page[-1]["id"]) if start + limit < len(rows) else None,
            "previous": _url_v2(ask, rows[start - limit - 1]["id"] if start > limit else None) if cursor and page else None,
        }

    def _shown(self, ask: Ask, shown: Document) -> Document:
        if self._name != "list_environments":
            return shown
        token = ask.token
        inside = token is None or token.environments is None or shown["id"] in token.environments
        own = {"name": shown["name"], "isPrimary": shown["is_primary"], "token": shown["token"], "inTokenScope": inside}
        return {"id": shown["id"], "object": "environment", **own, "createdAt": shown["created_at"], "updatedAt": shown["updated_at"]}

    def _order(self, ask: Ask, orders: list[str]) -> tuple[str, bool]:
        if orders:
            # More than one is accepted; the first decides, for the others order what is equal by the same value.
            return _FIELDS[orders[0].removeprefix("-")], orders[0].startswith("-")
        return (self._listing.order or {}).get(ask.version, _CREATED), False

    def _rows(self, ask: Ask, email: str | None) -> list[Document]:
        """The rows that the request's filters leave, but for those that only v2 has."""
        objects, incoming, content_id = self._objects, ask.incoming, ask.ids.get("content_id") or one(ask.incoming, "contentId")
        if self._name == "list_content_versions":
            if content_id not in objects.content:
                raise missing("content")
            return objects.versions.by("content_id", content_id)
        if self._name == "list_content_sessions" and content_id is not None:
            rows = objects.sessions.by("content_id", content_id)
        else:
            rows = getattr(objects, self._listing.collection).values()
        belongs = "environment_id" if rows and "environment_id" in rows[0] and ask.environment_id else "project_id"
        owner = ask.environment_id if belongs == "environment_id" else ask.project_id
        rows = [row for row in rows if row.get(belongs, owner) == owner]
        keep: list[Filter] = []
        if self._name == "list_content_sessions" and (user_id := one(incoming, "userId")) is not None:
            user = objects.holder("user", ask.environment_id, user_id)
            keep.append(lambda row: user is not None and row["user_id"] == user["id"])
        if self._name in ("list_users", "list_companies"):
            keep += self._people(ask, email)
        if self._name == "list_attribute_definitions":
            keep += self._definitions(ask)
        return [row for row in rows if all(fits(row) for fits in keep)]

    def _people(self, ask: Ask, email: str | None) -> list[Filter]:
        objects, keep = self._objects, []
        if email is not None:
            keep.append(lambda row: row["attributes"].get("email") == email)
        if self._name == "list_users" and (company_id := one(ask.incoming, "companyId")) is not None:
            company = objects.holder("company", ask.environment_id, company_id)
            members = {item["user_id"] for item in objects.memberships.by("company_id", company["id"])} if company else set()
            keep.append(lambda row: row["id"] in members)
        segment = self._segment(ask)
        if segment is not None and segment["kind"] == "manual":
            chosen = set(segment["members"])
            keep.append(lambda row: row["own_id"] in chosen)
        return keep

    def _segment(self, ask: Ask) -> Document | None:
        segment_id = one(ask.incoming, "segmentId")
        if segment_id is not None:
            found = self._objects.segments.get(segment_id)
            if found is None and ask.version == "v2":
                raise missing("segment")
            return found
        if ask.version == "v1" and self._name == "list_users" and self._account.quirks.first_segment_filters:
            return next((item for item in self._objects.segments.values() if item["environment_id"] == ask.environment_id), None)
        return None

    def _definitions(self, ask: Ask) -> list[Filter]:
        keep: list[Filter] = []
        if (scope := one(ask.incoming, "scope")) is not None:
            keep.append(lambda row: row["scope"] == scope)
        events = given(ask.incoming, "eventName")
        if events:
            used = {name for event in events for item in self._objects.event_definitions.by("key", event) for name in item["attributes"]}
            keep.append(lambda row: row["scope"] == "eventDefinition" and row["code_name"] in used)
        return keep


def webhook(document: Document) -> Document:
    """A webhook as it is listed, without its secret."""
    return {
        "id": document["id"],
        "object": "webhook",
        "createdAt": document["created_at"],
        **{name: document[name] for name in ("url", "topics", "enabled", "description")},
        "consecutiveFailures": 0,
        "cooldownUntil": None,
        "autoDisabledAt": None,
    }


def _segment(document: Document) -> Document:
    shown = {"id": document["id"], "object": "segment", "name": document["name"], "scope": document["scope"]}
    return {**shown, "type": document["kind"], "createdAt": document["created_at"]}


def _between(since: datetime | None, until: datetime | None) -> Filter:
    def fits(row: Document) -> bool:
        at = datetime.fromisoformat(row["created_at"])
        return (since is None or at >= since) and (until is None or at <= until)

    return fits if since or until else lambda _row: True


def _completed(wanted: bool | None) -> Filter:
    return lambda row: wanted is None or (row["completed_at"] is not None) is wanted


def _url_v1(ask: Ask, cursor: str | None, limit: int) -> str:
    """The address of another page: what is there already keeps its place, `expand[]` goes last."""
    pairs = [(name, value) for name, value in ask.incoming.query if name != "expand[]"]
    pairs = _with_cursor(pairs, cursor)
    if all(name != "limit" for name, _ in pairs):
        pairs.append(("limit", str(limit)))
    plain = [name for name, _ in ask.incoming.query if name == "expand"]
    if not (len(plain) == 1 and given(ask.incoming, "expand") == [one(ask.incoming, "expand")]):
        pairs = [(name, value) for name, value in pairs if name != "expand"]
        pairs += [("expand[]", value) for value in given(ask.incoming, "expand")]
    return f"{ask.incoming.path}?{urlencode(pairs)}"


def _url_v2(ask: Ask, cursor: str | None) -> str:
    query = urlencode(_with_cursor(list(ask.incoming.query), cursor))
    return f"{ask.incoming.path}?{query}" if query else ask.incoming.path


def _with_cursor(pairs: list[tuple[str, str]], cursor: str | None) -> list[tuple[str, str]]:
    if cursor is None:
        return [pair for pair in pairs if pair[0] != "cursor"]
    if any(name == "cursor" for name, _ in pairs):
        return [(name, cursor if name == "cursor" else value) for name, value in pairs]
    return [*pairs, ("cursor", cursor)]
