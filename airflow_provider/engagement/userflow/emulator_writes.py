"""The emulated Userflow's writing calls: users, groups, memberships and events.

What the reference leaves open is decided here: a request is checked as a whole before anything of it is written;
`prune_memberships` without `groups` or `memberships` is refused; removing a membership that does not exist answers `"id": null`;
an event may name a user or group that does not exist (`Quirks.unknown_subjects`); a time without a zone is UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from airflow_provider.engagement.emulator.state import Document, Refused, timestamp
from airflow_provider.engagement.userflow.emulator_account import Account, Ask, Handler
from airflow_provider.engagement.userflow.emulator_attributes import Merger, parse_moment, valid_name


def handlers(account: Account) -> dict[str, Handler]:
    """Give the calls by the names of their endpoints."""
    writes = Writes(account)
    return {
        "upsert_user": writes.upsert_user,
        "delete_user": writes.delete_user,
        "upsert_group": writes.upsert_group,
        "delete_group": writes.delete_group,
        "remove_membership": writes.remove_membership,
        "track_event": writes.track_event,
    }


class Writes:
    """The writing calls on one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._objects = account.objects

    def upsert_user(self, ask: Ask) -> Document:
        """`POST /users`: create or update a user, its groups and memberships."""
        user_id = _id(ask.body.get("id"), "id")
        members, pruned = self._members(ask.body), ask.body.get("prune_memberships")
        if not isinstance(pruned, bool | None):
            raise _refused("prune_memberships must be a boolean")
        if pruned and members is None:
            raise _refused("prune_memberships needs groups or memberships, with all groups the user belongs to")
        if members and not self._account.quirks.groups:
            raise _no_groups()
        merger = self._account.merger()
        attributes = self._merge(merger, "user", self._objects.users.get(user_id), ask.body.get("attributes"), "attributes")
        groups, memberships = self._embedded(merger, user_id, members or [])
        self._account.define_attributes(merger)
        user = self._put("user", user_id, attributes)
        for group_id, merged in groups.items():
            self._put("group", group_id, merged)
        for group_id, merged in memberships.items():
            self._put_membership(user_id, group_id, merged)
        if pruned:
            for item in self._objects.memberships.by("user_id", user_id):
                if item["group_id"] not in memberships:
                    self._objects.memberships.delete(item["id"])
        return self._objects.show("user", user, ask.expand, upserted=True)

    def upsert_group(self, ask: Ask) -> Document:
        """`POST /groups`: create or update a group."""
        if not self._account.quirks.groups:
            raise _no_groups()
        group_id = _id(ask.body.get("id"), "id")
        merger = self._account.merger()
        attributes = self._merge(merger, "group", self._objects.groups.get(group_id), ask.body.get("attributes"), "attributes")
        self._account.define_attributes(merger)
        return self._objects.show("group", self._put("group", group_id, attributes), ask.expand)

    def delete_user(self, ask: Ask) -> Document:
        """`DELETE /users/:user_id`: with memberships, events and flow history; groups stay."""
        user_id = ask.ids["user_id"]
        objects = self._objects
        objects.users.delete(user_id)
        for collection in (objects.memberships, objects.events):
            for item in collection.by("user_id", user_id):
                collection.delete(item["id"])
        for session in objects.sessions.by("user_id", user_id):
            for answer in objects.answers.by("session_id", session["id"]):
                objects.answers.delete(answer["id"])
            objects.sessions.delete(session["id"])
        return {"id": user_id, "object": "user", "deleted": True}

    def delete_group(self, ask: Ask) -> Document:
        """`DELETE /groups/:group_id`: with memberships and events; users stay."""
        group_id = ask.ids["group_id"]
        self._objects.groups.delete(group_id)
        for collection in (self._objects.memberships, self._objects.events):
            for item in collection.by("group_id", group_id):
                collection.delete(item["id"])
        return {"id": group_id, "object": "group", "deleted": True}

    def remove_membership(self, ask: Ask) -> Document:
        """`DELETE /group_memberships`: user and group stay."""
        found = self._objects.membership(ask.incoming.one("user_id") or "", ask.incoming.one("group_id") or "")
        if found is not None:
            self._objects.memberships.delete(found["id"])
        return {"id": found["id"] if found is not None else None, "object": "group_membership", "deleted": True}

    def track_event(self, ask: Ask) -> Document:
        """`POST /events`: record an event of a user, a group or both."""
        body = ask.body
        name = body.get("name")
        if not isinstance(name, str) or not valid_name(name):
            raise _refused(f"name must consist of a-z, A-Z, 0-9, underscores, dashes and spaces, got {name!r}")
        subjects = {key: None if body.get(key) is None else _id(body[key], key) for key in ("user_id", "group_id")}
        if not any(subjects.values()):
            raise _refused("one (or both) of user_id and group_id is required")
        self._check_subjects(subjects)
        time = None
        if body.get("time") is not None:
            moment = parse_moment(body["time"])
            if moment is None:
                raise _refused(f"time must be an ISO 8601 date time, got {body['time']!r}")
            time = timestamp(moment)
        merger = self._account.merger()
        attributes = merger.merge("event", {}, body.get("attributes"))
        self._account.define_attributes(merger)
        event = self._account.track(name, subjects["user_id"], subjects["group_id"], attributes, time=time)
        return self._objects.show("event", event, ask.expand)

    def _check_subjects(self, subjects: Mapping[str, str | None]) -> None:
        if self._account.quirks.unknown_subjects:
            return
        for key, collection in (("user_id", self._objects.users), ("group_id", self._objects.groups)):
            if subjects[key] is not None and subjects[key] not in collection:
                raise _refused(f"{key}: there is no {key.removesuffix('_id')} with the id {subjects[key]!r}")

    def _members(self, body: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any], Any, str]] | None:
        """Read `groups` or `memberships`: of each its group's id, the group, the membership's attributes, and where it stands."""
        groups, memberships = body.get("groups"), body.get("memberships")
        if groups is not None and memberships is not None:
            raise _refused("only one of groups and memberships can be set")
        if groups is not None:
            return [
                (_id(item.get("id"), f"{where}.id"), _only(item, where, "id", "attributes"), None, where)
                for item, where in _items(groups, "groups")
            ]
        if memberships is None:
            return None
        found = []
        for item, where in _items(memberships, "memberships"):
            _only(item, where, "attributes", "group")
            group = item.get("group")
            if not isinstance(group, Mapping):
                raise _refused(f"{where}.group must be a group object with at least an id")
            _only(group, f"{where}.group", "id", "attributes")
            found.append((_id(group.get("id"), f"{where}.group.id"), group, item.get("attributes"), f"{where}.group"))
        return found

    def _embedded(
        self, merger: Merger, user_id: str, members: list[tuple[str, Mapping[str, Any], Any, str]]
    ) -> tuple[dict[str, Document], dict[str, Document]]:
        """Merge the attributes of embedded groups and memberships; a group named twice is merged twice, in order."""
        groups: dict[str, Document] = {}
        memberships: dict[str, Document] = {}
        for group_id, group, attributes, where in members:
            now = {"attributes": groups[group_id]} if group_id in groups else self._objects.groups.get(group_id)
            groups[group_id] = self._merge(merger, "group", now, group.get("attributes"), f"{where}.attributes")
            here = {"attributes": memberships[group_id]} if group_id in memberships else self._objects.membership(user_id, group_id)
            memberships[group_id] = self._merge(merger, "group_membership", here, attributes, f"{where.removesuffix('.group')}.attributes")
        return groups, memberships

    def _merge(self, merger: Merger, scope: str, now: Mapping[str, Any] | None, changes: Any, where: str) -> dict[str, Any]:
        return merger.merge(scope, {} if now is None else now["attributes"], changes, where)

    def _put(self, kind: str, key: str, attributes: dict[str, Any]) -> Document:
        """Write a user or group, and tell the subscriptions."""
        collection = self._objects.users if kind == "user" else self._objects.groups
        old = collection.get(key)
        if old is None:
            new = collection.put({"id": key, "attributes": attributes, "created_at": self._account.now()})
            self._account.notify(f"{kind}.created", self._objects.show(kind, new, {}))
            if kind == "user":
                for arrived in self._account.arrivals:
                    arrived(new)
            return new
        if old["attributes"] == attributes:
            return old
        new = collection.put({**old, "attributes": attributes})
        names = [name for name in {**old["attributes"], **attributes} if old["attributes"].get(name) != attributes.get(name)]
        changes = ({name: old["attributes"].get(name) for name in names}, {name: attributes.get(name) for name in names})
        self._account.notify(f"{kind}.updated", self._objects.show(kind, new, {}), changes)
        return new

    def _put_membership(self, user_id: str, group_id: str, attributes: dict[str, Any]) -> None:
        old = self._objects.membership(user_id, group_id)
        if old is None:
            old = {"id": str(uuid4()), "created_at": self._account.now(), "group_id": group_id, "user_id": user_id}
        elif old["attributes"] == attributes:
            return
        self._objects.memberships.put({**old, "attributes": attributes})


def _items(value: Any, name: str) -> list[tuple[Mapping[str, Any], str]]:
    if not isinstance(value, list):
        raise _refused(f"{name} must be an array of objects")
    for place, item in enumerate(value):
        if not isinstance(item, Mapping):
            raise _refused(f"{name}[{place}] must be an object")
    return [(item, f"{name}[{place}]") for place, item in enumerate(value)]


def _only(item: Mapping[str, Any], where: str, *allowed: str) -> Mapping[str, Any]:
    unknown = [key for key in item if key not in allowed]
    if unknown:
        raise _refused(f"{where} takes no {', '.join(unknown)}")
    return item


def _id(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise _refused(f"{where} must be a non-empty string")
    return value


def _refused(text: str) -> Refused:
    return Refused(400, "invalid_request", text)


def _no_groups() -> Refused:
    return Refused(403, "feature_not_available", "Groups are not included in your plan")
