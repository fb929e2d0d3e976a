"""Puts objects into the emulated Userflow that its API cannot create: content, sessions, segments, definitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from airflow_provider.engagement.emulator.state import Document
from airflow_provider.engagement.userflow.api import API_VERSION, CONTENT_TYPES
from airflow_provider.engagement.userflow.emulator_account import Account
from airflow_provider.engagement.userflow.emulator_people import answer
from airflow_provider.engagement.wire.message import encode_json

_QUESTION_TYPES = ("multiline_text", "multiple_choice", "nps", "stars", "text")


class Seeds:
    """Makes objects out of what is told about them; what is not told gets a default. `id` and `created_at` can always be told."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._objects = account.objects
        self._makers: dict[str, Callable[[Document], Document]] = {
            "users": lambda told: self._holder("users", told),
            "groups": lambda told: self._holder("groups", told),
            "group_memberships": self._membership,
            "segments": self._segment,
            "content": self.content,
            "content_sessions": self.session,
            "attribute_definitions": self._attribute_definition,
            "event_definitions": lambda told: account.define_event(**told),
            "events": self._event,
            "webhook_subscriptions": self._subscription,
        }

    def seed(self, data: Mapping[str, Any]) -> Document:
        """Make objects; answers them by collection, as they are kept.

        Args:
            data: lists of objects by collection name.

        Raises:
            ValueError: no such collection, or an object lacks or has something it should not.
        """
        unknown = [name for name in data if name not in self._makers]
        if unknown:
            raise ValueError(f"cannot seed {', '.join(unknown)}; there are {', '.join(self._makers)}")
        return {name: [self._makers[name](dict(told)) for told in data[name]] for name in self._makers if name in data}

    def content(self, told: Mapping[str, Any]) -> Document:
        """Make a content object and its versions.

        Args:
            told: `name`, `type` (`flow` by default), and either `questions` and `tasks` of its only version, or `versions`: a
                list of `{questions, tasks, description, …}`, the last of them the draft. `published` is the number of the
                published version (the last by default), or None for none.

        Raises:
            ValueError: something is wrong with it.
        """
        given = dict(told)
        content_id, created_at = given.pop("id", None) or str(uuid4()), given.pop("created_at", None) or self._account.now()
        kind, name = given.pop("type", "flow"), given.pop("name", "Example")
        if kind not in CONTENT_TYPES:
            raise ValueError(f"type must be one of {', '.join(CONTENT_TYPES)}, got {kind!r}")
        versions = given.pop("versions", None) or [{"questions": given.pop("questions", ()), "tasks": given.pop("tasks", ())}]
        published = given.pop("published", len(versions))
        _nothing_left(given, "content")
        made: list[Document] = []
        stable: dict[str, str] = {}
        for number, version in enumerate(versions, 1):
            made.append(self._version(dict(version), content_id, kind, number, created_at, stable))
        return self._objects.content.put(
            {
                "id": content_id,
                "created_at": created_at,
                "draft_version_id": made[-1]["id"],
                "name": name,
                "published_version_id": next((version["id"] for version in made if version["number"] == published), None),
                "type": kind,
            }
        )

    def session(self, told: Mapping[str, Any]) -> Document:
        """Make a content session as it stands; nobody moves it.

        Args:
            told: `content_id`, `user_id`, and any of a session's fields; `answers` by question `cvid`.

        Raises:
            ValueError: there is no such content or user.
        """
        given = dict(told)
        content, user_id = self._objects.content.get(given.pop("content_id", None)), given.pop("user_id", None)
        if content is None or user_id not in self._objects.users:
            raise ValueError("a session needs content_id and user_id of objects that exist")
        answers = given.pop("answers", {})
        session = {
            "id": str(uuid4()),
            "completed_at": None,
            "completed": given.get("completed_at") is not None,
            "content_id": content["id"],
            "created_at": self._account.now(),
            "group_id": None,
            "is_preview": False,
            "last_activity_at": given.get("completed_at"),
            "launcher_activated": False,
            "progress": "1" if given.get("completed_at") is not None else "0",
            "user_id": user_id,
            "version_id": content["published_version_id"] or content["draft_version_id"],
        }
        _nothing_left({key: value for key, value in given.items() if key not in session}, "content session")
        session |= given
        version = self._objects.versions.get(session["version_id"])
        questions = {question["cvid"]: question for question in (version["questions"] if version is not None else ())}
        unasked = [cvid for cvid in answers if cvid not in questions]
        if unasked:
            raise ValueError(f"the version has no question with the cvid {', '.join(unasked)}")
        at = session["last_activity_at"] or session["created_at"]
        for cvid, value in answers.items():
            self._objects.answers.put({"id": str(uuid4()), "session_id": session["id"], **answer(questions[cvid], value), "created_at": at})
        return self._objects.sessions.put(session)

    def _version(self, told: Document, content_id: str, kind: str, number: int, created_at: str, stable: dict[str, str]) -> Document:
        questions = [self._part(dict(item), stable, question=True) for item in told.pop("questions", ())]
        tasks = [self._part(dict(item), stable, question=False) for item in told.pop("tasks", ())]
        if (questions and kind != "flow") or (tasks and kind != "checklist"):
            raise ValueError("only flows can have questions, only checklists can have tasks")
        version = {
            "id": str(uuid4()),
            "content_id": content_id,
            "created_at": created_at,
            "description": None,
            "edited_at": created_at,
            "number": number,
            "questions": questions,
            "tasks": tasks,
        }
        _nothing_left({key: value for key, value in told.items() if key not in version}, "content version")
        return self._objects.versions.put({**version, **told})

    def _part(self, told: Document, stable: dict[str, str], *, question: bool) -> Document:
        """Make a question or task. Its id is new in every version; its `cvid` is the one its name had before."""
        name = told.pop("name", "Question" if question else "Task")
        part = {
            "id": told.pop("id", None) or str(uuid4()),
            "cvid": told.pop("cvid", None) or stable.get(name) or str(uuid4()),
            "name": name,
        }
        stable[name] = part["cvid"]
        if question:
            part["type"] = told.pop("type", "text")
            if part["type"] not in _QUESTION_TYPES:
                raise ValueError(f"a question's type must be one of {', '.join(_QUESTION_TYPES)}, got {part['type']!r}")
        _nothing_left(told, "question" if question else "task")
        return part

    def _holder(self, name: str, told: Document) -> Document:
        """Make a user or group with attributes as they stand, and define them."""
        scope = name.removesuffix("s")
        merger = self._account.merger()
        attributes = merger.merge(scope, {}, told.pop("attributes", {}))
        self._account.define_attributes(merger)
        document = {"id": told.pop("id"), "attributes": attributes, "created_at": told.pop("created_at", None) or self._account.now()}
        _nothing_left(told, scope)
        collection = self._objects.users if name == "users" else self._objects.groups
        arrived = scope == "user" and document["id"] not in collection
        collection.put(document)
        for arrive in self._account.arrivals if arrived else ():
            arrive(document)
        return document

    def _membership(self, told: Document) -> Document:
        merger = self._account.merger()
        attributes = merger.merge("group_membership", {}, told.pop("attributes", {}))
        self._account.define_attributes(merger)
        user_id, group_id = told.pop("user_id"), told.pop("group_id")
        if user_id not in self._objects.users or group_id not in self._objects.groups:
            raise ValueError("a membership needs user_id and group_id of objects that exist")
        old = self._objects.membership(user_id, group_id)
        made = {"id": old["id"] if old else str(uuid4()), "created_at": self._account.now(), **told}
        return self._objects.memberships.put({**made, "attributes": attributes, "group_id": group_id, "user_id": user_id})

    def _segment(self, told: Document) -> Document:
        """Make a segment: of a `scope` (`user` or `group`), by a `condition` or by `ids`."""
        condition = told.pop("condition", None)
        segment = {
            "id": told.pop("id", None) or str(uuid4()),
            "name": told.pop("name", "Segment"),
            "scope": told.pop("scope", "user"),
            "condition": condition if condition is None or isinstance(condition, str) else encode_json(condition).decode(),
            "ids": list(told.pop("ids", ())),
        }
        _nothing_left(told, "segment")
        return self._objects.segments.put(segment)

    def _attribute_definition(self, told: Document) -> Document:
        return self._account.define_attribute(told.pop("scope"), told.pop("name"), told.pop("data_type"), **told)

    def _event(self, told: Document) -> Document:
        merger = self._account.merger()
        attributes = merger.merge("event", {}, told.get("attributes", {}))
        self._account.define_attributes(merger)
        return self._account.track(
            told["name"], told.get("user_id"), told.get("group_id"), attributes, time=told.get("time"), created_at=told.get("created_at")
        )

    def _subscription(self, told: Document) -> Document:
        made = {
            "id": str(uuid4()),
            "api_version": API_VERSION,
            "created_at": self._account.now(),
            "disabled": False,
            "secret": "whsec_test",
        }
        return self._objects.subscriptions.put({**made, **told})


def _nothing_left(told: Mapping[str, Any], what: str) -> None:
    if told:
        raise ValueError(f"a {what} takes no {', '.join(told)}")
