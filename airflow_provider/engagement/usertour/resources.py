"""What can be read from Usertour, and the tables it becomes, the same with both versions of the API; pure.

The reference of columns in the docs is made from this.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from airflow_provider.engagement.extract.resource import Resource
from airflow_provider.engagement.extract.table import POSITION, Column, Table
from airflow_provider.engagement.usertour import api, records

_ID = Column("id", "text", "Usertour's id")
_OWN_ID = Column("id", "text", "The id you gave")
_CREATED = Column("created_at", "moment", "When it was created with Usertour")
_UPDATED = Column("updated_at", "moment", "When it was last changed")
_ATTRIBUTES = Column("attributes", "json", "All attributes, by name")
_PREDEFINED = Column("predefined", "boolean", "It is one of Usertour's own (API v2 only)")


def answer_number(answer: records.ContentSessionAnswer) -> int | Decimal | None:
    """Give the number that answers a question, where it is one."""
    value = answer.answer_value
    return value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def finished_at(session: records.ContentSession) -> object:
    """Give when the user reached the end, where he did."""
    return session.completed_at if session.finished else None


def ended_at(session: records.ContentSession) -> object:
    """Give when the session was over: v1 calls that its completion."""
    return session.ended_at if "endedAt" in session.raw else session.completed_at


SESSIONS = Table(
    "content_sessions",
    "One user's way through one content object",
    (
        _ID,
        Column("content_id", "text", "The flow, checklist, launcher or banner"),
        Column("version_id", "text", "The version of it that the user saw"),
        Column("user_id", "text", "The user"),
        Column("company_id", "text", "The company the user was in"),
        Column("finished", "boolean", "The user reached the end"),
        Column("ended", "boolean", "It is over, whatever the reason"),
        Column("end_reason", "text", "Why it is over (API v2 only)"),
        Column("progress", "decimal", "How far the user came, from 0 to 1"),
        Column("created_at", "moment", "When it began"),
        Column("last_activity_at", "moment", "When the user last did something in it"),
        Column("finished_at", "moment", "When the user reached the end", finished_at),
        Column("ended_at", "moment", "When it was over", ended_at),
    ),
)
ANSWERS = Table(
    "content_session_answers",
    "An answer to a survey question within a session",
    (
        Column("session_id", "text", "The session", "id", parent=True),
        _ID,
        Column("question_cvid", "text", "The question; the same in all versions of the content"),
        Column("question_name", "text", "The question as it was asked"),
        Column("answer_type", "text", "The question's type, for instance `nps` or `multiple-choice`"),
        Column("answer_value", "text", "The answer; a list is written as JSON"),
        Column("answer_number", "decimal", "The answer where it is a number", answer_number),
        Column("created_at", "moment", "When it was given"),
    ),
    ("session_id", "id"),
    lambda session: session.answers,
)
USERS = Table("users", "A user", (_OWN_ID, _ATTRIBUTES, _CREATED))
COMPANIES = Table("companies", "A company", (_OWN_ID, _ATTRIBUTES, _CREATED))
MEMBERSHIPS = Table(
    "company_memberships",
    "A user's membership of a company",
    (
        _ID,
        Column("user_id", "text", "The user, by the id you gave"),
        Column("company_id", "text", "The company, by the id you gave"),
        _ATTRIBUTES,
        _CREATED,
    ),
)
CONTENT = Table(
    "content",
    "A flow, checklist, launcher, banner, tracker, resource center or announcement",
    (
        _ID,
        Column("type", "text", "What it is"),
        Column("name", "text", "Its name"),
        Column("edited_version_id", "text", "The version that is being edited"),
        Column("published_version_id", "text", "The version that users of this environment see"),
        Column("deleted", "boolean", "It was deleted (API v2 only)"),
        _CREATED,
        _UPDATED,
    ),
)
VERSIONS = Table(
    "content_versions",
    "A version of a content object",
    (
        _ID,
        Column("content_id", "text", "Whose version it is", lambda version: version.raw.get("contentId")),
        Column("number", "integer", "Its number, counted for each content"),
        _CREATED,
        _UPDATED,
        Column("first_published_at", "moment", "When users first saw it (API v2 only)"),
    ),
)
QUESTIONS = Table(
    "content_version_questions",
    "A survey question in a version of a content object",
    (
        Column("version_id", "text", "The version", "id", parent=True),
        Column("position", "integer", "Where it stands among the version's questions, from 0", POSITION),
        Column("cvid", "text", "The same in all versions; answers refer to it"),
        Column("name", "text", "The question"),
        Column("type", "text", "Its type, for instance `nps` or `multiple-choice`"),
    ),
    ("version_id", "position"),
    lambda version: version.questions,
)
ATTRIBUTE_DEFINITIONS = Table(
    "attribute_definitions",
    "What is known of an attribute",
    (
        _ID,
        Column("scope", "text", "`user`, `company`, `companyMembership` or `eventDefinition`"),
        Column("code_name", "text", "The name it is sent by"),
        Column("display_name", "text", "The name people see"),
        Column("description", "text", "What people say of it"),
        Column("data_type", "text", "Its type"),
        _PREDEFINED,
        _CREATED,
    ),
)
EVENT_DEFINITIONS = Table(
    "event_definitions",
    "What is known of an event's name",
    (
        _ID,
        Column("code_name", "text", "The name it is sent by"),
        Column("display_name", "text", "The name people see"),
        Column("description", "text", "What people say of it"),
        _PREDEFINED,
        _CREATED,
    ),
)

_CREATION: Mapping[str, str] = {"created": "created_at"}
RESOURCES: Mapping[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource(
            "content_sessions",
            f"{api.DOCS}/content-sessions/model",
            records.ContentSession.read,
            (SESSIONS, ANSWERS),
            windows={**_CREATION, "last_activity": "last_activity_at"},
            counts=("sessions", "completed", "answers"),
            version="last_activity_at",
            scope="content_id",
        ),
        Resource("users", f"{api.DOCS}/users/model", records.User.read, (USERS,), _CREATION, snapshot=True, counts=("users",)),
        Resource(
            "companies", f"{api.DOCS}/companies/model", records.Company.read, (COMPANIES,), _CREATION, snapshot=True, counts=("companies",)
        ),
        Resource(
            "company_memberships",
            f"{api.DOCS}/company-memberships/model",
            records.CompanyMembership.read,
            (MEMBERSHIPS,),
            snapshot=True,
            counts=("memberships",),
        ),
        Resource("content", f"{api.DOCS}/content/model", records.Content.read, (CONTENT,), snapshot=True, counts=("content",)),
        Resource(
            "content_versions",
            f"{api.DOCS}/content-versions/model",
            records.ContentVersion.read,
            (VERSIONS, QUESTIONS),
            snapshot=True,
            counts=("versions",),
            scope="content_id",
        ),
        Resource(
            "attribute_definitions",
            f"{api.DOCS}/attribute-definitions/model",
            records.AttributeDefinition.read,
            (ATTRIBUTE_DEFINITIONS,),
            snapshot=True,
            counts=("definitions",),
        ),
        Resource(
            "event_definitions",
            f"{api.DOCS}/event-definitions/model",
            records.EventDefinition.read,
            (EVENT_DEFINITIONS,),
            snapshot=True,
            counts=("definitions",),
        ),
    )
}
"""By name."""
