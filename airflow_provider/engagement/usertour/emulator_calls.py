"""The emulated Usertour's calls on single objects: users, companies, memberships, content, sessions, definitions, events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from airflow_provider.engagement.emulator.state import Document, Refused
from airflow_provider.engagement.usertour.emulator_account import Account, Ask, Handler, stamp
from airflow_provider.engagement.usertour.emulator_errors import Invalid, crashed, invalid, missing
from airflow_provider.engagement.usertour.emulator_lists import COMPANY_EXPAND, CONTENT_EXPAND, SESSION_EXPAND, USER_EXPAND
from airflow_provider.engagement.usertour.emulator_objects import Show
from airflow_provider.engagement.usertour.emulator_params import Reader, check_body, choices_v1, moment_of, needed

Kind = Literal["user", "company"]
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,99}")
_EVENT = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{1,99}")
_TYPES = ("string", "number", "boolean", "list", "datetime")


def handlers(account: Account) -> dict[str, Handler]:
    """Give the calls by the names of their endpoints."""
    calls = Calls(account)
    return {
        "upsert_user": lambda ask: calls.upsert("user", ask),
        "get_user": lambda ask: calls.get("user", ask),
        "delete_user": lambda ask: calls.delete("user", ask),
        "upsert_company": lambda ask: calls.upsert("company", ask),
        "get_company": lambda ask: calls.get("company", ask),
        "delete_company": lambda ask: calls.delete("company", ask),
        "upsert_membership": calls.upsert_membership,
        "remove_membership": calls.remove_membership,
        "get_content": calls.get_content,
        "get_content_version": calls.get_content_version,
        "get_content_session": calls.get_session,
        "end_content_session": calls.end_session,
        "delete_content_session": calls.delete_session,
        "track_event": calls.track_event,
        "create_attribute_definition": calls.create_attribute_definition,
        "create_event_definition": calls.create_event_definition,
    }


class Calls:
    """The calls on one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._objects = account.objects

    def get(self, kind: Kind, ask: Ask) -> Document:
        """`GET …/users/:id`, `GET …/companies/:id`."""
        expand = _expand(ask, USER_EXPAND if kind == "user" else COMPANY_EXPAND)
        return self._shown(kind, ask, self._found(kind, ask), expand)

    def delete(self, kind: Kind, ask: Ask) -> Document | None:
        """`DELETE …/users/:id`, `DELETE …/companies/:id`."""
        document = self._found(kind, ask)
        self._account.delete_holder(kind, document)
        return _deleted(ask, document["own_id"], kind)

    def upsert(self, kind: Kind, ask: Ask) -> Document:
        """`POST /v1/users`, `PUT …/users/:id` and the same for companies."""
        expand = _expand(ask, USER_EXPAND if kind == "user" else COMPANY_EXPAND)
        if ask.version == "v2":
            body = check_body(ask.body, {"attributes": "record"})
            own_id, attributes = ask.ids[f"{kind}_id"], _checked_names(body.get("attributes"))
            members: list[tuple[Mapping[str, Any], Any]] = []
        else:
            body = ask.body if isinstance(ask.body, dict) else {}
            own_id, attributes = _own_id(body), _attributes(body)
            members = self._members(body) if kind == "user" else []
        merger = self._account.merger(ask.version)
        old = self._objects.holder(kind, ask.environment_id, own_id)
        merged = merger.merge(kind, old["attributes"] if old else self._first_seen(), attributes)
        joined = []
        for given, of_membership in members:
            company = self._objects.holder("company", ask.environment_id, given["id"])
            now = company["attributes"] if company else self._first_seen()
            joined.append((given["id"], merger.merge("company", now, given.get("attributes")), of_membership))
        self._account.define_attributes(merger)
        holder = self._account.put_holder(kind, ask.environment_id, own_id, merged)
        for company_id, of_company, of_membership in joined:
            company = self._account.put_holder("company", ask.environment_id, company_id, of_company)
            self._join(ask, holder, company, of_membership)
        return self._shown(kind, ask, holder, expand)

    def upsert_membership(self, ask: Ask) -> Document:
        """`PUT …/companies/:id/memberships/:userId`."""
        body = check_body(ask.body, {"attributes": "record"})
        attributes = _checked_names(body.get("attributes"))
        company, user = self._found("company", ask), self._found("user", ask)
        return self._show(ask).membership(self._join(ask, user, company, attributes))

    def remove_membership(self, ask: Ask) -> Document | None:
        """`DELETE /v1/company-memberships`, `DELETE …/companies/:id/memberships/:userId`."""
        if ask.version == "v1":
            ids = {"user": needed(ask.incoming, "userId"), "company": needed(ask.incoming, "companyId")}
        else:
            ids = {"user": ask.ids["user_id"], "company": ask.ids["company_id"]}
        user = self._objects.holder("user", ask.environment_id, ids["user"])
        company = self._objects.holder("company", ask.environment_id, ids["company"])
        found = self._objects.membership(user, company) if user and company else None
        if found is None:
            raise missing("membership")
        self._objects.memberships.delete(found["id"])
        return _deleted(ask, found["id"], "companyMembership")

    def get_content(self, ask: Ask) -> Document:
        """`GET …/content/:id`."""
        expand = _expand(ask, CONTENT_EXPAND)
        return self._show(ask).content(self._content(ask), expand)

    def get_content_version(self, ask: Ask) -> Document:
        """`GET /v1/content-versions/:id`, `GET …/content/:id/versions/:id`."""
        expand = _expand(ask, ("questions",) if ask.version == "v1" else ("questions", "steps"))
        version = self._objects.versions.get(ask.ids["version_id"])
        if version is None or ask.ids.get("content_id", version["content_id"]) != version["content_id"]:
            raise missing("content")
        return self._show(ask).version(version, expand)

    def get_session(self, ask: Ask) -> Document:
        """`GET …/sessions/:id`."""
        expand = _expand(ask, SESSION_EXPAND)
        return self._show(ask).session(self._session(ask), expand)

    def end_session(self, ask: Ask) -> Document:
        """`POST …/sessions/:id/end`."""
        expand = _expand(ask, SESSION_EXPAND)
        session = self._session(ask)
        if session["ended_at"] is None:
            at = self._account.now()
            ended = {"ended_at": at, "end_reason": "admin_ended", "last_activity_at": at}
            session = self._account.put(self._objects.sessions, {**session, **ended})
        elif ask.version == "v1" and self._account.quirks.second_end_fails:
            raise missing("session")
        return self._show(ask).session(session, expand)

    def delete_session(self, ask: Ask) -> Document | None:
        """`DELETE …/sessions/:id`."""
        session = self._session(ask)
        self._account.delete_session(session)
        return _deleted(ask, session["id"], "contentSession")

    def track_event(self, ask: Ask) -> Document:
        """`POST …/events` (v2): an unknown user is created, an unknown company left out."""
        shape = {"name": "string", "userId": "string", "companyId": "string", "attributes": "record", "occurredAt": "string"}
        body = check_body(ask.body, shape)
        name, own_id = body.get("name"), body.get("userId")
        issues = [(key, "Invalid input: expected string, received undefined") for key in ("name", "userId") if not body.get(key)]
        if isinstance(name, str) and name and not _EVENT.fullmatch(name):
            issues.append(("name", "Invalid string: must match pattern /^[a-zA-Z][a-zA-Z0-9_]*$/, 2 to 100 characters"))
        moment = moment_of(body["occurredAt"]) if "occurredAt" in body else self._account.clock.now()
        if moment is None:
            issues.append(("occurredAt", "Invalid ISO datetime"))
        if issues or moment is None:
            raise Invalid(issues)
        merger = self._account.merger("v2")
        attributes = merger.merge("eventDefinition", {}, _checked_names(body.get("attributes")))
        self._account.define_attributes(merger)
        user = self._objects.holder("user", ask.environment_id, str(own_id))
        user = user or self._account.put_holder("user", ask.environment_id, str(own_id), self._first_seen())
        company = self._objects.holder("company", ask.environment_id, body["companyId"]) if "companyId" in body else None
        event = self._account.track(user, str(name), attributes, company["id"] if company else None, stamp(moment))
        return self._show(ask).event(event)

    def create_attribute_definition(self, ask: Ask) -> Document:
        """`POST …/attribute-definitions` (v2)."""
        shape = {"codeName": "string", "displayName": "string", "description": "string", "dataType": "string", "scope": "string"}
        body = check_body(ask.body, shape)
        wrong = [(key, "Invalid input") for key, fits in (("dataType", _TYPES), ("scope", _SCOPES)) if body.get(key) not in fits]
        if wrong or not body.get("codeName"):
            raise Invalid(wrong or [("codeName", "Invalid input: expected string, received undefined")])
        scope, name = body["scope"], body["codeName"]
        if self._objects.attribute_definitions.by("key", f"{scope}/{name}"):
            raise _taken()
        told = {"display_name": body.get("displayName", name), "description": body.get("description", "")}
        return self._show(ask).attribute_definition(self._account.define_attribute(scope, name, body["dataType"], **told))

    def create_event_definition(self, ask: Ask) -> Document:
        """`POST …/event-definitions` (v2)."""
        body = check_body(ask.body, {"codeName": "string", "displayName": "string", "description": "string", "attributes": "array"})
        name = body.get("codeName")
        if not name:
            raise Invalid([("codeName", "Invalid input: expected string, received undefined")])
        if self._objects.event_definitions.by("key", name):
            raise _taken()
        told = {"display_name": body.get("displayName", name), "description": body.get("description", "")}
        return self._show(ask).event_definition(self._account.define_event(name, attributes=body.get("attributes", []), **told))

    def _found(self, kind: Kind, ask: Ask) -> Document:
        found = self._objects.holder(kind, ask.environment_id, ask.ids[f"{kind}_id"])
        if found is None:
            raise missing(kind)
        return found

    def _content(self, ask: Ask) -> Document:
        found = self._objects.content.get(ask.ids["content_id"])
        if found is None or found["project_id"] != ask.project_id:
            raise missing("content")
        return found

    def _session(self, ask: Ask) -> Document:
        found = self._objects.sessions.get(ask.ids["session_id"])
        if found is None or found["environment_id"] != ask.environment_id:
            raise missing("session")
        return found

    def _show(self, ask: Ask) -> Show:
        return self._account.show(ask.version, ask.environment_id)

    def _shown(self, kind: Kind, ask: Ask, document: Document, expand: list[str]) -> Document:
        show = self._show(ask)
        return show.user(document, expand) if kind == "user" else show.company(document, expand)

    def _first_seen(self) -> dict[str, Any]:
        at = self._account.now()
        return {"last_seen_at": at, "first_seen_at": at}

    def _members(self, body: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Any]]:
        """Read `companies` and `memberships` of a v1 body: of each the company, and the membership's attributes."""
        found: list[tuple[Mapping[str, Any], Any]] = []
        for name in ("companies", "memberships"):
            items = body.get(name)
            if items is not None and not isinstance(items, list):
                raise invalid(f"{name} must be an array")
            for item in items or ():
                company = item if name == "companies" else item.get("company") if isinstance(item, dict) else None
                if not isinstance(company, dict) and self._account.quirks.crashes:
                    raise crashed()
                company = company if isinstance(company, dict) else {}
                own = item.get("attributes") if name == "memberships" and isinstance(item, dict) else None
                found.append(({"id": _own_id(company), "attributes": _attributes(company)}, own))
        return found

    def _join(self, ask: Ask, user: Document, company: Document, attributes: Any) -> Document:
        old = self._objects.membership(user, company)
        merger = self._account.merger(ask.version)
        merged = merger.merge("companyMembership", old["attributes"] if old else {}, attributes)
        self._account.define_attributes(merger)
        if old is not None and old["attributes"] == merged:
            return old
        made = {"id": self._account.new_id(), "user_id": user["id"], "company_id": company["id"], "created_at": self._account.now()}
        return self._account.put(self._objects.memberships, {**(old or made), "attributes": merged})


_SCOPES = ("user", "company", "companyMembership", "eventDefinition")


def _expand(ask: Ask, allowed: tuple[str, ...]) -> list[str]:
    if ask.version == "v1":
        return choices_v1(ask.incoming, "expand", allowed)
    read = Reader(ask.incoming)
    found = read.choices("expand", allowed)
    read.check()
    return found


def _own_id(body: Mapping[str, Any]) -> str:
    given = body.get("id")
    # The server turns whatever it gets into text before it looks.
    text = "" if given is None else given if isinstance(given, str) else str(given)
    if not text.strip() or isinstance(given, dict | list):
        raise invalid("id must be a non-empty string")
    return text


def _attributes(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    given = body.get("attributes")
    if given is not None and not isinstance(given, dict):
        raise invalid("attributes must be an object")
    return given


def _checked_names(attributes: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    wrong = [(f"attributes.{name}", "Invalid key in record") for name in attributes or () if not _NAME.fullmatch(name)]
    if wrong:
        raise Invalid(wrong)
    return attributes


def _deleted(ask: Ask, key: str, kind: str) -> Document | None:
    return {"id": key, "object": kind, "deleted": True} if ask.version == "v1" else None


def _taken() -> Refused:
    return Refused(409, "E1023", "A resource with this identifier already exists")
