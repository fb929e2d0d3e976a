"""The emulated Userflow's objects: what fields they show, and what `expand` fills in (https://userflow.com/docs/api#expanding-objects)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider.engagement.emulator.state import Collection, Document, Refused, Store

MOST_LEVELS = 4
Tree = Mapping[str, Any]
"""What to expand: a tree of field names."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A field that stays null unless it is expanded.

    Attributes:
        kind: what it holds.
        find: finds the documents; for `many`, all of them.
        many: whether it holds an array.
    """

    kind: str
    find: Callable[[Objects, Document], Any]
    many: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """An object's fields beside `id` and `object`.

    Attributes:
        fields: fields that are always there.
        relations: fields that can be expanded.
        leaves_out: the reference's examples leave the unexpanded relations out of it where anything is expanded, and in the
            answer to an upsert of a user, instead of showing null.
    """

    fields: tuple[str, ...]
    relations: Mapping[str, Relation] = field(default_factory=dict)
    leaves_out: bool = False


class Objects:
    """All collections of an account, and how their documents are shown.

    Args:
        store: where they are.
    """

    def __init__(self, store: Store) -> None:
        def collection(name: str, *indexes: str) -> Collection:
            return store.collection(f"userflow.{name}", indexes)

        self.users = collection("users")
        self.groups = collection("groups")
        self.memberships = collection("group_memberships", "user_id", "group_id")
        self.events = collection("events", "user_id", "group_id")
        self.content = collection("content")
        self.versions = collection("content_versions", "content_id")
        self.sessions = collection("content_sessions", "user_id", "content_id")
        self.answers = collection("content_session_answers", "session_id")
        self.attribute_definitions = collection("attribute_definitions", "key")
        self.event_definitions = collection("event_definitions", "name")
        self.subscriptions = collection("webhook_subscriptions")
        self.segments = collection("segments")
        self.walks = collection("walks")

    def membership(self, user_id: str, group_id: str) -> Document | None:
        """Find a user's membership of a group."""
        return next((item for item in self.memberships.by("user_id", user_id) if item["group_id"] == group_id), None)

    def show(self, kind: str, document: Document, tree: Tree, *, upserted: bool = False) -> Document:
        """Make the object that goes out.

        Args:
            kind: what the document is.
            document: as it is kept.
            tree: what to expand.
            upserted: it answers `POST /users`.
        """
        return self._show(kind, document, tree, leave_out=bool(tree) or (upserted and kind == "user"))

    def _show(self, kind: str, document: Document, tree: Tree, leave_out: bool) -> Document:
        shape = SHAPES[kind]
        shown: Document = {"id": document["id"], "object": kind}
        for name in shape.fields:
            shown[name] = document[name]
        for name, relation in shape.relations.items():
            below = tree.get(name)
            if below is None:
                if not (leave_out and shape.leaves_out):
                    shown[name] = None
                continue
            found = relation.find(self, document)
            if relation.many:
                shown[name] = [self._show(relation.kind, item, below, leave_out) for item in found]
            else:
                shown[name] = None if found is None else self._show(relation.kind, found, below, leave_out)
        return shown

    def groups_of(self, user: Document) -> list[Document]:
        """The groups a user is a member of."""
        found = (self.groups.get(item["group_id"]) for item in self.memberships.by("user_id", user["id"]))
        return [group for group in found if group is not None]

    def users_of(self, group: Document) -> list[Document]:
        """The users that are members of a group."""
        found = (self.users.get(item["user_id"]) for item in self.memberships.by("group_id", group["id"]))
        return [user for user in found if user is not None]


def expand_tree(kind: str, paths: Iterable[str]) -> Tree:
    """Read the `expand` parameters.

    Args:
        kind: what the endpoint answers.
        paths: field names separated by dots.

    Raises:
        Refused: a field that cannot be expanded, or more than four levels.
    """
    tree: dict[str, Any] = {}
    for path in paths:
        names = path.split(".")
        if len(names) > MOST_LEVELS:
            raise Refused(400, "invalid_expand", f"expand: {path} is more than {MOST_LEVELS} levels deep")
        at, branch = kind, tree
        for name in names:
            relation = SHAPES[at].relations.get(name)
            if relation is None:
                offered = ", ".join(SHAPES[at].relations) or "nothing"
                raise Refused(400, "invalid_expand", f"expand: {name!r} in {path!r} cannot be expanded; of a {at}, {offered} can")
            at, branch = relation.kind, branch.setdefault(name, {})
    return tree


def _one(kind: str, collection: str, key: str) -> Relation:
    return Relation(kind, lambda objects, document: getattr(objects, collection).get(document[key]))


SHAPES: Mapping[str, Shape] = {
    "user": Shape(
        ("attributes", "created_at"),
        {
            "groups": Relation("group", lambda objects, user: objects.groups_of(user), many=True),
            "memberships": Relation("group_membership", lambda objects, user: objects.memberships.by("user_id", user["id"]), many=True),
        },
        leaves_out=True,
    ),
    "group": Shape(
        ("attributes", "created_at"),
        {
            "memberships": Relation("group_membership", lambda objects, group: objects.memberships.by("group_id", group["id"]), many=True),
            "users": Relation("user", lambda objects, group: objects.users_of(group), many=True),
        },
        leaves_out=True,
    ),
    "group_membership": Shape(
        ("attributes", "created_at", "group_id", "user_id"),
        {"group": _one("group", "groups", "group_id"), "user": _one("user", "users", "user_id")},
    ),
    "event": Shape(
        ("attributes", "created_at", "group_id", "name", "time", "user_id"),
        {"group": _one("group", "groups", "group_id"), "user": _one("user", "users", "user_id")},
    ),
    "content": Shape(
        ("created_at", "draft_version_id", "name", "published_version_id", "type"),
        {
            "draft_version": _one("content_version", "versions", "draft_version_id"),
            "published_version": _one("content_version", "versions", "published_version_id"),
        },
    ),
    "content_version": Shape(
        ("created_at", "description", "edited_at", "number"),
        {
            "questions": Relation("question", lambda _objects, version: version["questions"], many=True),
            "tasks": Relation("checklist_task", lambda _objects, version: version["tasks"], many=True),
        },
    ),
    "question": Shape(("cvid", "name", "type")),
    "checklist_task": Shape(("cvid", "name")),
    "content_session": Shape(
        (
            "completed_at",
            "completed",
            "content_id",
            "created_at",
            "group_id",
            "is_preview",
            "last_activity_at",
            "launcher_activated",
            "progress",
            "user_id",
            "version_id",
        ),
        {
            "answers": Relation(
                "content_session_answer", lambda objects, session: objects.answers.by("session_id", session["id"]), many=True
            ),
            "content": _one("content", "content", "content_id"),
            "group": _one("group", "groups", "group_id"),
            "user": _one("user", "users", "user_id"),
            "version": _one("content_version", "versions", "version_id"),
        },
    ),
    "content_session_answer": Shape(("answer_type", "answer_value", "created_at", "question_cvid", "question_name")),
    "attribute_definition": Shape(("created_at", "data_type", "description", "display_name", "name", "scope")),
    "event_definition": Shape(("created_at", "description", "display_name", "name")),
    "webhook_subscription": Shape(("api_version", "created_at", "disabled", "topics", "url")),
}
