"""The emulated Usertour's objects: how they are kept, and how each version of the API shows them."""

from __future__ import annotations

from collections.abc import Collection as Group
from typing import Any, Literal

from airflow_provider.engagement.emulator.state import Collection, Document, Store
from airflow_provider.engagement.wire.message import encode_json

Version = Literal["v1", "v2"]
Expand = Group[str]
NOTHING: Expand = frozenset()


class Objects:
    """All collections of an account. Users and companies are kept under ids of the server's own; `key` finds them by yours.

    Args:
        store: where they are.
    """

    def __init__(self, store: Store) -> None:
        def collection(name: str, *indexes: str) -> Collection:
            return store.collection(f"usertour.{name}", indexes)

        self.environments = collection("environments", "project_id")
        self.users = collection("users", "key")
        self.companies = collection("companies", "key")
        self.memberships = collection("company_memberships", "user_id", "company_id")
        self.events = collection("events", "user_id")
        self.content = collection("content")
        self.versions = collection("content_versions", "content_id")
        self.sessions = collection("content_sessions", "user_id", "content_id")
        self.answers = collection("content_session_answers", "session_id")
        self.attribute_definitions = collection("attribute_definitions", "key")
        self.event_definitions = collection("event_definitions", "key")
        self.segments = collection("segments")
        self.webhooks = collection("webhooks")
        self.walks = collection("walks")

    def holder(self, kind: Literal["user", "company"], environment_id: str, own_id: str) -> Document | None:
        """Find a user or company by the id that the account's owner gave it."""
        collection = self.users if kind == "user" else self.companies
        return next(iter(collection.by("key", f"{environment_id}/{own_id}")), None)

    def membership(self, user: Document, company: Document) -> Document | None:
        """Find a user's membership of a company."""
        return next((item for item in self.memberships.by("user_id", user["id"]) if item["company_id"] == company["id"]), None)


class Show:
    """Makes the objects that go out.

    Args:
        objects: all collections.
        version: the API's version.
        environment_id: the environment that the request is about.
        internal_ids: v1 shows the server's own ids in memberships.
        ended_is_completed: v1 calls a session completed when it has ended.
    """

    def __init__(
        self, objects: Objects, version: Version, environment_id: str = "", *, internal_ids: bool = True, ended_is_completed: bool = True
    ) -> None:
        self._objects = objects
        self._first = version == "v1"
        self._environment_id = environment_id
        self._internal_ids = internal_ids and self._first
        self._ended_is_completed = ended_is_completed

    def user(self, user: Document, expand: Expand = NOTHING) -> Document:
        """A user."""
        members = self._objects.memberships.by("user_id", user["id"])
        companies = [self._objects.companies.get(item["company_id"]) for item in members]
        return {
            **self._holder("user", user),
            "companies": [self._holder("company", item) for item in companies if item] if "companies" in expand else None,
            "memberships": self._members(members, expand, "company"),
        }

    def company(self, company: Document, expand: Expand = NOTHING) -> Document:
        """A company."""
        members = self._objects.memberships.by("company_id", company["id"])
        users = [self._objects.users.get(item["user_id"]) for item in members]
        return {
            **self._holder("company", company),
            "users": [self._holder("user", item) for item in users if item] if "users" in expand else None,
            "memberships": self._members(members, expand, "user"),
        }

    def membership(self, membership: Document, *, other: str | None = None) -> Document:
        """A membership.

        Args:
            membership: as it is kept.
            other: `user` or `company`, to show whose it is.
        """
        user, company = self._objects.users.get(membership["user_id"]), self._objects.companies.get(membership["company_id"])
        field = "id" if self._internal_ids else "own_id"
        shown = {
            "id": membership["id"],
            "object": "companyMembership",
            "attributes": membership["attributes"],
            "createdAt": membership["created_at"],
            "companyId": company[field] if company else None,
            "userId": user[field] if user else None,
        }
        found = company if other == "company" else user
        return {**shown, other: self._holder(other, found)} if other and found else shown

    def session(self, session: Document, expand: Expand = NOTHING) -> Document:
        """A content session."""
        return self._session_v1(session, expand) if self._first else self._session_v2(session, expand)

    def content(self, content: Document, expand: Expand = NOTHING) -> Document:
        """A content object."""
        shown = {"id": content["id"], "object": "content", "name": content["name"], "type": content["type"]}
        times = {"updatedAt": content["updated_at"], "createdAt": content["created_at"]}
        if not self._first:
            published = content["published"].items()
            environments = [
                {"environmentId": key, "published": True, "publishedVersionId": item["version_id"], "publishedAt": item["published_at"]}
                for key, item in published
            ]
            own = {"buildUrl": None, "editedVersionId": content["edited_version_id"], "deleted": False, "environments": environments}
            return {**shown, **own, **times}
        for name, key in (("edited", content["edited_version_id"]), ("published", self.published(content))):
            shown[f"{name}VersionId"] = key
            version = self._objects.versions.get(key)
            if f"{name}Version" in expand and version:
                shown[f"{name}Version"] = {**self.version(version), "questions": []}
        return {**shown, **times}

    def published(self, content: Document) -> str | None:
        """The version of a content object that is published in this environment."""
        found = content["published"].get(self._environment_id)
        return found["version_id"] if found else None

    def version(self, version: Document, expand: Expand = NOTHING) -> Document:
        """A version of a content object."""
        shown = {"id": version["id"], "object": "contentVersion", "number": version["number"]}
        if not self._first:
            shown |= {"firstPublishedAt": version["first_published_at"], "themeId": version["theme_id"]}
        questions = [{"object": "question", **question} for question in version["questions"]]
        shown["questions"] = questions if "questions" in expand else None
        if "steps" in expand:
            shown["steps"] = version["steps"]
        return {**shown, "updatedAt": version["updated_at"], "createdAt": version["created_at"]}

    def attribute_definition(self, definition: Document) -> Document:
        """An attribute definition."""
        shown = {
            "id": definition["id"],
            "object": "attributeDefinition",
            "createdAt": definition["created_at"],
            "dataType": definition["data_type"],
            "description": definition["description"],
            "displayName": definition["display_name"],
            "codeName": definition["code_name"],
            "scope": definition["scope"],
        }
        return shown if self._first else {**shown, "predefined": definition["predefined"]}

    def event_definition(self, definition: Document) -> Document:
        """An event definition."""
        shown = {
            "id": definition["id"],
            "object": "eventDefinition",
            "createdAt": definition["created_at"],
            "description": definition["description"],
            "displayName": definition["display_name"],
            "codeName": definition["code_name"],
        }
        return shown if self._first else {**shown, "predefined": definition["predefined"], "attributes": definition["attributes"]}

    def event(self, event: Document) -> Document:
        """A tracked event."""
        user, company = self._objects.users.get(event["user_id"]), self._objects.companies.get(event["company_id"])
        return {
            "id": event["id"],
            "object": "event",
            "attributes": event["attributes"],
            "codeName": event["code_name"],
            "companyId": company["own_id"] if company else None,
            "createdAt": event["created_at"],
            "eventDefinitionId": event["event_definition_id"],
            "userId": user["own_id"] if user else None,
        }

    def _holder(self, kind: str, document: Document) -> Document:
        shown = {"id": document["own_id"], "object": kind, "attributes": document["attributes"]}
        return {**shown, "createdAt": document["created_at"]}

    def _members(self, members: list[Document], expand: Expand, other: str) -> list[Document] | None:
        if f"memberships.{other}" in expand:
            return [self.membership(item, other=other) for item in members]
        return [self.membership(item) for item in members] if "memberships" in expand else None

    def _session_v1(self, session: Document, expand: Expand) -> Document:
        over = session["ended_at"] is not None if self._ended_is_completed else session["completed_at"] is not None
        at = session["last_activity_at"] if self._ended_is_completed else session["completed_at"]
        return {
            "id": session["id"],
            "object": "contentSession",
            "answers": self._answers(session, expand),
            "completedAt": at if over else None,
            "completed": over,
            **self._subject(session, expand),
            "isPreview": False,
            **self._way(session, expand),
        }

    def _session_v2(self, session: Document, expand: Expand) -> Document:
        return {
            "id": session["id"],
            "object": "contentSession",
            "answers": self._answers(session, expand),
            "completed": session["completed_at"] is not None,
            "completedAt": session["completed_at"],
            "endedAt": session["ended_at"],
            "endReason": session["end_reason"],
            **self._subject(session, expand),
            **self._way(session, expand),
        }

    def _subject(self, session: Document, expand: Expand) -> Document:
        content, company = self._objects.content.get(session["content_id"]), self._objects.companies.get(session["company_id"])
        return {
            "contentId": session["content_id"],
            "content": self._short_content(content) if "content" in expand and content else None,
            "createdAt": session["created_at"],
            "companyId": company["own_id"] if company else None,
            "company": self._holder("company", company) if "company" in expand and company else None,
        }

    def _way(self, session: Document, expand: Expand) -> Document:
        user, version = self._objects.users.get(session["user_id"]), self._objects.versions.get(session["version_id"])
        return {
            "lastActivityAt": session["last_activity_at"],
            "progress": session["progress"],
            "userId": user["own_id"] if user else None,
            "user": self._holder("user", user) if "user" in expand and user else None,
            "versionId": session["version_id"],
            "version": _short_version(version) if "version" in expand and version else None,
        }

    def _short_content(self, content: Document) -> Document:
        shown = {"id": content["id"], "object": "content", "name": content["name"], "type": content["type"]}
        shown["editedVersionId"] = content["edited_version_id"]
        if self._first:
            shown["publishedVersionId"] = self.published(content)
        return {**shown, "updatedAt": content["updated_at"], "createdAt": content["created_at"]}

    def _answers(self, session: Document, expand: Expand) -> list[Document] | None:
        content = self._objects.content.get(session["content_id"])
        if "answers" not in expand or (self._first and content and content["type"] == "checklist"):
            return None
        found = sorted(self._objects.answers.by("session_id", session["id"]), key=lambda answer: str(answer["question_cvid"]))
        return [
            {
                "id": answer["id"],
                "object": "contentSessionAnswer",
                "answerType": answer["type"],
                "answerValue": _as_text(answer["value"]) if self._first else answer["value"],
                "createdAt": answer["created_at"],
                "questionCvid": answer["question_cvid"],
                "questionName": answer["question_name"],
            }
            for answer in found
        ]


def _short_version(version: Document) -> Document:
    shown = {"id": version["id"], "object": "contentVersion", "number": version["number"]}
    return {**shown, "updatedAt": version["updated_at"], "createdAt": version["created_at"]}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else encode_json(value).decode()
