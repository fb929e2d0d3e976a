"""Puts objects into the emulated Usertour, also those that its API cannot create. They are told as v2 shows them, in camelCase."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider.engagement.emulator.state import Document
from airflow_provider.engagement.usertour.emulator_account import ENVIRONMENT, PROJECT, Account, Token
from airflow_provider.engagement.usertour.emulator_attributes import sort_names

CONTENT_TYPES = ("flow", "checklist", "launcher", "banner", "tracker", "resource-center", "announcement")


class Seeds:
    """Makes objects out of what is told about them; what is not told gets a default. `id` and `createdAt` can always be told."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._objects = account.objects
        self._makers: dict[str, Callable[[Document], Document]] = {
            "environments": self._environment,
            "keys": self._key,
            "tokens": self._token,
            "attribute_definitions": self._attribute_definition,
            "event_definitions": self._event_definition,
            "users": lambda told: self._holder("user", told),
            "companies": lambda told: self._holder("company", told),
            "company_memberships": self._membership,
            "segments": self._segment,
            "content": self.content,
            "content_sessions": self.session,
            "webhooks": self._webhook,
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
        return {name: [maker(dict(told)) for told in data[name]] for name, maker in self._makers.items() if name in data}

    def content(self, told: Mapping[str, Any]) -> Document:
        """Make a content object and its versions.

        Args:
            told: `name`, `type` (`flow` by default), and either `questions`, `steps` and `tasks` of its only version, or `versions`: a
                list of such, the last of them the draft. `published` is the place of the published version (the last by
                default), or None for none.

        Raises:
            ValueError: something is wrong with it.
        """
        given, at = dict(told), self._account.now()
        content_id, kind = given.pop("id", None) or self._account.new_id(), given.pop("type", "flow")
        if kind not in CONTENT_TYPES:
            raise ValueError(f"type must be one of {', '.join(CONTENT_TYPES)}, got {kind!r}")
        created_at = given.pop("createdAt", at)
        parts = ("questions", "steps", "tasks", "versionId")
        versions = given.pop("versions", None) or [{name: given.pop(name) for name in parts if name in given}]
        published, environment_id = given.pop("published", len(versions) - 1), given.pop("environmentId", ENVIRONMENT)
        published_at, updated_at = given.pop("publishedAt", at), given.pop("updatedAt", at)
        name, project_id = given.pop("name", "Example"), given.pop("projectId", PROJECT)
        _nothing_left(given, "content object")
        made = [self._version(dict(version), content_id, number, created_at) for number, version in enumerate(versions)]
        shown = {} if published is None else {environment_id: {"version_id": made[published]["id"], "published_at": published_at}}
        document = {"id": content_id, "project_id": project_id, "name": name, "type": kind, "edited_version_id": made[-1]["id"]}
        return self._account.put(
            self._objects.content, {**document, "published": shown, "updated_at": updated_at, "created_at": created_at}
        )

    def session(self, told: Mapping[str, Any]) -> Document:
        """Make a content session as it stands; nobody moves it.

        Args:
            told: `contentId`, `userId`, and any of a session's fields; `answers` by question `cvid`, or as the API shows them.

        Raises:
            ValueError: there is no such content, user or company.
        """
        given = dict(told)
        environment_id = given.pop("environmentId", ENVIRONMENT)
        content = self._objects.content.get(given.pop("contentId", None))
        user = self._objects.holder("user", environment_id, given.pop("userId", ""))
        company_id = given.pop("companyId", None)
        company = None if company_id is None else self._objects.holder("company", environment_id, company_id)
        if content is None or user is None or (company_id is not None and company is None):
            raise ValueError("a session needs contentId and userId, and where told companyId, of objects that exist")
        completed_at = given.pop("completedAt", None)
        ended_at = given.pop("endedAt", completed_at)
        session = {
            "id": given.pop("id", None) or self._account.new_id(),
            "environment_id": environment_id,
            "content_id": content["id"],
            "version_id": given.pop("versionId", None) or content["edited_version_id"],
            "user_id": user["id"],
            "company_id": company["id"] if company else None,
            "completed_at": completed_at,
            "ended_at": ended_at,
            "end_reason": given.pop("endReason", None if ended_at is None else "close_button_dismiss"),
            "created_at": given.pop("createdAt", None) or self._account.now(),
            "progress": given.pop("progress", 100 if completed_at else 0),
        }
        session["last_activity_at"] = given.pop("lastActivityAt", None) or ended_at or session["created_at"]
        self._answers(session, given.pop("answers", {}))
        _nothing_left(given, "content session")
        return self._account.put(self._objects.sessions, session)

    def _answers(self, session: Document, told: Any) -> None:
        version = self._objects.versions.get(session["version_id"])
        questions = {question["cvid"]: question for question in (version["questions"] if version else ())}
        if isinstance(told, Mapping):
            unasked = [cvid for cvid in told if cvid not in questions]
            if unasked:
                raise ValueError(f"the version has no question with the cvid {', '.join(unasked)}")
            told = [{"questionCvid": cvid, "answerValue": value} for cvid, value in told.items()]
        for item in told or ():
            question = questions.get(item["questionCvid"], {})
            made = {
                "id": item.get("id") or self._account.new_id(),
                "session_id": session["id"],
                "type": item.get("answerType") or question.get("type"),
                "value": item["answerValue"],
                "question_cvid": item["questionCvid"],
                "question_name": item.get("questionName") or question.get("name"),
                "created_at": item.get("createdAt") or session["last_activity_at"],
            }
            self._account.put(self._objects.answers, made)

    def _version(self, told: Document, content_id: str, number: int, created_at: str) -> Document:
        questions = [
            {"cvid": item["cvid"], "name": item.get("name", "Question"), "type": item.get("type", "text")}
            for item in told.pop("questions", ())
        ]
        version = {
            "id": told.pop("id", None) or told.pop("versionId", None) or self._account.new_id(),
            "content_id": content_id,
            "number": told.pop("number", number),
            "first_published_at": told.pop("firstPublishedAt", None),
            "theme_id": told.pop("themeId", None),
            "questions": questions,
            "steps": list(told.pop("steps", ())),
            "tasks": list(told.pop("tasks", ())),
            "created_at": told.pop("createdAt", created_at),
        }
        version["updated_at"] = told.pop("updatedAt", version["created_at"])
        _nothing_left(told, "content version")
        return self._account.put(self._objects.versions, version)

    def _holder(self, kind: str, told: Document) -> Document:
        environment_id, own_id = told.pop("environmentId", ENVIRONMENT), told.pop("id")
        made = {
            "id": told.pop("internalId", None) or self._account.new_id(),
            "key": f"{environment_id}/{own_id}",
            "own_id": own_id,
            "environment_id": environment_id,
            "attributes": sort_names(told.pop("attributes", {})),
            "created_at": told.pop("createdAt", None) or self._account.now(),
        }
        _nothing_left(told, kind)
        merger = self._account.merger("v1")
        merger.merge(kind, {}, made["attributes"])
        self._account.define_attributes(merger)
        collection = self._objects.users if kind == "user" else self._objects.companies
        old = next(iter(collection.by("key", made["key"])), None)
        document = self._account.put(collection, {**made, "id": old["id"]} if old else made)
        for arrived in self._account.arrivals if kind == "user" and old is None else ():
            arrived(document)
        return document

    def _membership(self, told: Document) -> Document:
        environment_id = told.pop("environmentId", ENVIRONMENT)
        user = self._objects.holder("user", environment_id, told.pop("userId"))
        company = self._objects.holder("company", environment_id, told.pop("companyId"))
        if user is None or company is None:
            raise ValueError("a membership needs userId and companyId of objects that exist")
        old = self._objects.membership(user, company)
        made = {
            "id": told.pop("id", None) or (old["id"] if old else self._account.new_id()),
            "user_id": user["id"],
            "company_id": company["id"],
            "attributes": sort_names(told.pop("attributes", {})),
            "created_at": told.pop("createdAt", None) or self._account.now(),
        }
        _nothing_left(told, "membership")
        merger = self._account.merger("v1")
        merger.merge("companyMembership", {}, made["attributes"])
        self._account.define_attributes(merger)
        return self._account.put(self._objects.memberships, made)

    def _segment(self, told: Document) -> Document:
        """Make a segment: of hand-picked `members` (your ids of users or companies), or of all."""
        members = told.pop("members", None)
        segment = {
            "id": told.pop("id", None) or self._account.new_id(),
            "environment_id": told.pop("environmentId", ENVIRONMENT),
            "name": told.pop("name", "Segment"),
            "scope": told.pop("scope", "user"),
            "kind": "all" if members is None else "manual",
            "members": list(members or ()),
            "created_at": told.pop("createdAt", None) or self._account.now(),
        }
        _nothing_left(told, "segment")
        return self._account.put(self._objects.segments, segment)

    def _environment(self, told: Document) -> Document:
        at = told.pop("createdAt", None) or self._account.now()
        environment = {
            "id": told.pop("id", None) or self._account.new_id(),
            "project_id": told.pop("projectId", PROJECT),
            "name": told.pop("name", "Environment"),
            "is_primary": told.pop("isPrimary", False),
            "token": told.pop("token", None) or self._account.new_id(),
            "created_at": at,
            "updated_at": told.pop("updatedAt", at),
        }
        _nothing_left(told, "environment")
        return self._account.put(self._objects.environments, environment)

    def _key(self, told: Document) -> Document:
        """Accept a key of v1. Keys and tokens are not kept beyond the process."""
        self._account.keys[told.pop("key")] = told.pop("environmentId", ENVIRONMENT)
        _nothing_left(told, "key")
        return {}

    def _token(self, told: Document) -> Document:
        environments = told.pop("environments", None)
        self._account.tokens[told.pop("token")] = Token(
            told.pop("projectId", PROJECT),
            None if environments is None else tuple(environments),
            tuple(told.pop("scopes", ("*",))),
            told.pop("expired", False),
            told.pop("rateLimit", None),
        )
        _nothing_left(told, "token")
        return {}

    def _attribute_definition(self, told: Document) -> Document:
        scope, name = told.pop("scope"), told.pop("codeName")
        return self._account.define_attribute(scope, name, told.pop("dataType"), **_snake(told, "attribute definition"))

    def _event_definition(self, told: Document) -> Document:
        return self._account.define_event(told.pop("codeName"), **_snake(told, "event definition"))

    def _webhook(self, told: Document) -> Document:
        webhook = {
            "id": told.pop("id", None) or self._account.new_id(),
            "environment_id": told.pop("environmentId", ENVIRONMENT),
            "created_at": told.pop("createdAt", None) or self._account.now(),
            "url": told.pop("url"),
            "topics": list(told.pop("topics", ["*"])),
            "enabled": told.pop("enabled", True),
            "description": told.pop("description", None),
            "secret": told.pop("secret", "whsec_test"),
        }
        _nothing_left(told, "webhook")
        return self._account.put(self._objects.webhooks, webhook)


_NAMES = {"id": "id", "createdAt": "created_at", "description": "description", "displayName": "display_name", "predefined": "predefined"}


def _snake(told: Document, what: str) -> dict[str, Any]:
    names = {**_NAMES, "attributes": "attributes"} if what.startswith("event") else _NAMES
    _nothing_left({name: value for name, value in told.items() if name not in names}, what)
    return {names[name]: value for name, value in told.items()}


def _nothing_left(told: Mapping[str, Any], what: str) -> None:
    if told:
        raise ValueError(f"a {what} takes no {', '.join(told)}")
