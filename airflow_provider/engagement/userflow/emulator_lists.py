"""How the emulated Userflow orders and pages its lists (https://userflow.com/docs/api#pagination, #ordering).

What the reference leaves open is decided here: nulls come last (first in descending order), equal values in order of creation;
a cursor that is not in the collection is refused; `url` is the bare path, as in every example; `next_page_url` carries the
query's own parameters, `limit` first and `starting_after` last, because published clients follow it as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from airflow_provider.engagement.emulator.state import Collection, Document, Incoming, Ordered, Refused

_RANKS: Mapping[type, int] = {bool: 0, int: 1, float: 1, str: 2, list: 3}
Predicate = Callable[[Document], bool]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list endpoint lists.

    Attributes:
        kind: the objects' kind.
        collection: name of the collection.
        orders: fields it can be ordered by; the first is the default.
    """

    kind: str
    collection: str
    orders: tuple[str, ...]


LISTINGS: Mapping[str, Listing] = {
    "list_users": Listing("user", "users", ("created_at", "attributes.signed_up_at", "attributes.last_seen_at", "attributes.name")),
    "list_groups": Listing("group", "groups", ("created_at", "attributes.name")),
    "list_content": Listing("content", "content", ("created_at", "name")),
    "list_content_versions": Listing("content_version", "versions", ("number",)),
    "list_content_sessions": Listing("content_session", "sessions", ("created_at", "last_activity_at")),
    "list_attribute_definitions": Listing("attribute_definition", "attribute_definitions", ("display_name", "created_at", "name")),
    "list_event_definitions": Listing("event_definition", "event_definitions", ("display_name", "created_at", "name")),
    "list_webhook_subscriptions": Listing("webhook_subscription", "subscriptions", ("created_at", "url")),
}


def read_limit(incoming: Incoming) -> int:
    """Read the `limit` parameter.

    Raises:
        Refused: not a number from 1 to 100.
    """
    text = incoming.one("limit")
    if text is None:
        return 10
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 100:
        raise Refused(400, "invalid_limit", f"limit must be a number from 1 to 100, got {text!r}")
    return int(text)


def read_order(incoming: Incoming, listing: Listing) -> tuple[str, ...]:
    """Read the `order_by` parameters.

    Raises:
        Refused: a field this list cannot be ordered by.
    """
    given = tuple(incoming.many("order_by"))
    for item in given:
        if item.removeprefix("-") not in listing.orders:
            raise Refused(400, "invalid_order_by", f"order_by must be among {', '.join(listing.orders)}, got {item!r}")
    return given or listing.orders[:1]


def in_order(collection: Collection, order: tuple[str, ...]) -> Ordered:
    """Put a collection into an order."""

    def sort(documents: list[Document]) -> list[Document]:
        for item in reversed(order):
            path = item.removeprefix("-")
            documents.sort(key=lambda document: _rank(_value(document, path)), reverse=item.startswith("-"))
        return documents

    return collection.ordered(order, sort)


def cut_page(ordered: Ordered, after: str | None, limit: int, matches: Predicate | None) -> tuple[list[Document], bool]:
    """Take a page out of ordered documents.

    Args:
        ordered: all documents.
        after: id of the last document of the page before.
        limit: documents on a page.
        matches: the filter.

    Returns:
        The documents, and whether there are more.

    Raises:
        Refused: there is no document with the id `after`.
    """
    start = 0
    if after is not None:
        place = ordered.positions.get(after)
        if place is None:
            raise Refused(400, "invalid_starting_after", f"starting_after: there is no object with the id {after!r}")
        start = place + 1
    if matches is None:
        return ordered.documents[start : start + limit], len(ordered.documents) > start + limit
    found: list[Document] = []
    for place in range(start, len(ordered.documents)):
        if matches(ordered.documents[place]):
            if len(found) == limit:
                return found, True
            found.append(ordered.documents[place])
    return found, False


def has_null(document: Document, order: tuple[str, ...]) -> bool:
    """Say whether a document has no value in a field it is ordered by."""
    return any(_value(document, item.removeprefix("-")) is None for item in order)


def list_object(incoming: Incoming, shown: list[Document], more: bool) -> Document:
    """Make the list object of a page."""
    after = shown[-1]["id"] if shown else incoming.one("starting_after")
    pairs = sorted((pair for pair in incoming.query if pair[0] != "starting_after"), key=lambda pair: pair[0] != "limit")
    if after is not None:
        pairs.append(("starting_after", after))
    query = urlencode(pairs, safe="[]", quote_via=quote)
    return {
        "object": "list",
        "data": shown,
        "has_more": more,
        "url": incoming.path,
        "next_page_url": f"{incoming.path}?{query}" if query else incoming.path,
    }


def _value(document: Document, path: str) -> Any:
    if path.startswith("attributes."):
        return document["attributes"].get(path.removeprefix("attributes."))
    return document[path]


def _rank(value: Any) -> tuple[bool, int, Any]:
    # Numbers, texts and nulls cannot be compared with each other.
    return (True, 0, 0) if value is None else (False, _RANKS[type(value)], value)
