"""The emulated Userflow's reading calls: single objects and lists with their filters.

What the reference leaves open is decided here: a filter by an id that does not exist matches nothing, but an unknown segment is
refused; `email` of a list of groups is the groups' own `email` attribute; `scope` and `type` take documented values only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider.engagement.emulator.state import Collection, Document, Refused
from airflow_provider.engagement.userflow.api import CONTENT_TYPES, SCOPES
from airflow_provider.engagement.userflow.emulator_account import Account, Ask, Handler
from airflow_provider.engagement.userflow.emulator_conditions import MOST_MATCHES, Test, parse
from airflow_provider.engagement.userflow.emulator_lists import (
    LISTINGS,
    Predicate,
    cut_page,
    has_null,
    in_order,
    list_object,
    read_limit,
    read_order,
)
from airflow_provider.engagement.userflow.emulator_objects import Objects


def handlers(account: Account) -> dict[str, Handler]:
    """Give the calls by the names of their endpoints."""
    objects = account.objects
    lists = Lists(account)
    return {
        "get_user": _getter(objects, "user", objects.users, "user_id"),
        "get_group": _getter(objects, "group", objects.groups, "group_id"),
        "get_content": _getter(objects, "content", objects.content, "content_id"),
        "get_content_version": _getter(objects, "content_version", objects.versions, "version_id"),
        "get_content_session": _getter(objects, "content_session", objects.sessions, "session_id"),
        "get_webhook_subscription": _getter(objects, "webhook_subscription", objects.subscriptions, "webhook_subscription_id"),
        **{name: lists.handler(name) for name in LISTINGS},
    }


def _getter(objects: Objects, kind: str, collection: Collection, key: str) -> Handler:
    def get(ask: Ask) -> Document:
        return objects.show(kind, found(collection, kind, ask.ids[key]), ask.expand)

    return get


def found(collection: Collection, kind: str, key: str) -> Document:
    """Get a document.

    Raises:
        Refused: there is none.
    """
    document = collection.get(key)
    if document is None:
        raise Refused(404, "not_found", f"there is no {kind} with the id {key!r}")
    return document


class Person:
    """A user as the subject of a condition."""

    def __init__(self, objects: Objects, user: Document) -> None:
        self._objects = objects
        self._user = user

    def values(self, scope: str, name: str) -> Sequence[Any]:
        """An attribute's values: of the user, of its groups or of its memberships."""
        if scope == "user":
            holders: Sequence[Document] = (self._user,)
        elif scope == "group":
            holders = self._objects.groups_of(self._user)
        else:
            holders = self._objects.memberships.by("user_id", self._user["id"])
        return [holder["attributes"].get(name) for holder in holders]


class Company:
    """A group as the subject of a condition."""

    def __init__(self, objects: Objects, group: Document) -> None:
        self._objects = objects
        self._group = group

    def values(self, scope: str, name: str) -> Sequence[Any]:
        """An attribute's values: of the group or of its memberships."""
        holders = (self._group,) if scope == "group" else self._objects.memberships.by("group_id", self._group["id"])
        return [holder["attributes"].get(name) for holder in holders]


class Lists:
    """The lists of one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._objects = account.objects
        self._matched: dict[tuple[str, str], tuple[Any, frozenset[str]]] = {}
        self._filters: dict[str, Callable[[Ask], list[Predicate]]] = {
            "list_users": lambda ask: self._people(ask, "user", "group_id", "user_id"),
            "list_groups": lambda ask: self._people(ask, "group", "user_id", "group_id"),
            "list_content": self._content,
            "list_content_versions": self._versions,
            "list_content_sessions": self._sessions,
            "list_attribute_definitions": self._definitions,
        }

    def handler(self, name: str) -> Handler:
        """Make the call of a list endpoint."""
        listing = LISTINGS[name]
        collection: Collection = getattr(self._objects, listing.collection)
        filters = self._filters.get(name, _no_filters)

        def answer(ask: Ask) -> Document:
            limit, order, after = read_limit(ask.incoming), read_order(ask.incoming, listing), ask.incoming.one("starting_after")
            predicates = filters(ask)
            last = collection.get(after)
            if last is not None and self._account.quirks.null_cursor_fails and has_null(last, order):
                raise Refused(500, "internal_error", "Something went wrong on our end")
            matches = None if not predicates else lambda document: all(predicate(document) for predicate in predicates)
            page, more = cut_page(in_order(collection, order), after, limit, matches)
            shown = [self._objects.show(listing.kind, document, ask.expand) for document in page]
            return list_object(ask.incoming, shown, more)

        return answer

    def _people(self, ask: Ask, kind: str, relative: str, own: str) -> list[Predicate]:
        """The filters that users and groups have in common; `relative` names the members on the other side."""
        predicates: list[Predicate] = []
        email, related = ask.incoming.one("email"), ask.incoming.one(relative)
        condition, segment_id = ask.incoming.one("condition"), ask.incoming.one("segment_id")
        if email is not None:
            predicates.append(lambda document: bool(document["attributes"].get("email") == email))
        if related is not None:
            members = {item[own] for item in self._objects.memberships.by(relative, related)}
            predicates.append(lambda document: document["id"] in members)
        if segment_id is not None:
            predicates.append(self._segment(kind, segment_id))
        if condition is not None:
            matched = self._matches(kind, condition)
            predicates.append(lambda document: document["id"] in matched)
        return predicates

    def _segment(self, kind: str, segment_id: str) -> Predicate:
        segment = self._objects.segments.get(segment_id)
        if segment is None or segment["scope"] != kind:
            raise Refused(400, "invalid_segment_id", f"there is no {kind} segment with the id {segment_id!r}")
        if segment["condition"] is not None:
            test = parse(segment["condition"], kind)
            return lambda document: test(self._subject(kind, document))
        return lambda document: document["id"] in segment["ids"]

    def _matches(self, kind: str, condition: str) -> frozenset[str]:
        """The ids that match a condition, remembered until something is written."""
        objects = self._objects
        state = (objects.users.revision, objects.groups.revision, objects.memberships.revision)
        remembered = self._matched.get((kind, condition))
        if remembered is not None and remembered[0] == state:
            return remembered[1]
        test: Test = parse(condition, kind)
        collection = objects.users if kind == "user" else objects.groups
        matched = frozenset(document["id"] for document in collection.values() if test(self._subject(kind, document)))
        if len(matched) > MOST_MATCHES:
            raise Refused(400, "too_many_matches", f"the condition matches more than {MOST_MATCHES} records; narrow it down")
        self._matched = {(kind, condition): (state, matched)}
        return matched

    def _subject(self, kind: str, document: Document) -> Person | Company:
        return Person(self._objects, document) if kind == "user" else Company(self._objects, document)

    def _content(self, ask: Ask) -> list[Predicate]:
        return _equals(ask, "type", CONTENT_TYPES)

    def _versions(self, ask: Ask) -> list[Predicate]:
        content_id, number = ask.incoming.one("content_id"), ask.incoming.one("number")
        predicates: list[Predicate] = [lambda document: bool(document["content_id"] == content_id)]
        if number is not None:
            if not (number.isascii() and number.isdigit()):
                raise Refused(400, "invalid_request", f"number must be a number, got {number!r}")
            wanted = int(number)
            predicates.append(lambda document: bool(document["number"] == wanted))
        return predicates

    def _sessions(self, ask: Ask) -> list[Predicate]:
        if self._account.quirks.large_account and ask.incoming.one("content_id") is None:
            raise Refused(500, "internal_error", "Something went wrong on our end")
        return [*_equals(ask, "content_id"), *_equals(ask, "user_id")]

    def _definitions(self, ask: Ask) -> list[Predicate]:
        predicates = _equals(ask, "scope", SCOPES)
        events = set(ask.incoming.many("event_name"))
        if events:
            predicates.append(lambda document: not events.isdisjoint(document["event_names"]))
        return predicates


def _no_filters(_ask: Ask) -> list[Predicate]:
    return []


def _equals(ask: Ask, name: str, allowed: Sequence[str] | None = None) -> list[Predicate]:
    wanted = ask.incoming.one(name)
    if wanted is None:
        return []
    if allowed is not None and wanted not in allowed:
        raise Refused(400, f"invalid_{name}", f"{name} must be one of {', '.join(allowed)}, got {wanted!r}")
    return [lambda document: bool(document[name] == wanted)]
