"""What can be read from Userflow, and the tables it becomes; pure. The reference of columns in the docs is made from this."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from airflow_provider.engagement.extract.resource import Resource
from airflow_provider.engagement.extract.table import POSITION, Column, Table
from airflow_provider.engagement.userflow import api

_ID = Column("id", "text", "Userflow's id")
_OWN_ID = Column("id", "text", "The id you gave")
_CREATED = Column("created_at", "moment", "When it was created with Userflow")
_ATTRIBUTES = Column("attributes", "json", "All attributes, by name")


def answer_number(answer: api.ContentSessionAnswer) -> Decimal | None:
    """Give the number that answers a question, where it is one."""
    if answer.answer_type != "number" or not isinstance(answer.answer_value, str):
        return None
    try:
        number = Decimal(answer.answer_value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


SESSIONS = Table(
    "content_sessions",
    "One user's way through one flow, checklist or launcher",
    (
        _ID,
        Column("content_id", "text", "The flow, checklist or launcher"),
        Column("version_id", "text", "The version of it that the user saw"),
        Column("user_id", "text", "The user"),
        Column("group_id", "text", "The group the user was in"),
        Column("completed", "boolean", "A flow's goal was reached, all of a checklist's tasks are done"),
        Column("launcher_activated", "boolean", "A launcher was activated, which is its way of being completed"),
        Column("progress", "decimal", "How far the user came, from 0 to 1"),
        Column("is_preview", "boolean", "A team member looked at a draft"),
        Column("created_at", "moment", "When it began"),
        Column("last_activity_at", "moment", "When the user last did something in it"),
        Column("completed_at", "moment", "When it was completed"),
    ),
)
ANSWERS = Table(
    "content_session_answers",
    "An answer to a survey question within a session",
    (
        Column("session_id", "text", "The session", "id", parent=True),
        _ID,
        Column("question_cvid", "text", "The question; the same in all versions of the flow"),
        Column("question_name", "text", "The question as it was asked"),
        Column("answer_type", "text", "`text`, `number` or `list`"),
        Column("answer_value", "text", "The answer; a list is written as JSON"),
        Column("answer_number", "decimal", "The answer where it is a number", answer_number),
        Column("created_at", "moment", "When it was given"),
    ),
    ("session_id", "id"),
    lambda session: session.answers,
)
USERS = Table("users", "A user", (_OWN_ID, _ATTRIBUTES, _CREATED))
GROUPS = Table("groups", "A group, also called company", (_OWN_ID, _ATTRIBUTES, _CREATED))
MEMBERSHIPS = Table(
    "group_memberships",
    "A user's membership of a group",
    (
        _ID,
        Column("user_id", "text", "The user"),
        Column("group_id", "text", "The group"),
        _ATTRIBUTES,
        _CREATED,
    ),
)
CONTENT = Table(
    "content",
    "A flow, checklist or launcher",
    (
        _ID,
        Column("type", "text", "`flow`, `checklist` or `launcher`"),
        Column("name", "text", "Its name"),
        Column("draft_version_id", "text", "The version that is being edited"),
        Column("published_version_id", "text", "The version that users see"),
        _CREATED,
    ),
)
VERSIONS = Table(
    "content_versions",
    "A version of a flow, checklist or launcher",
    (
        _ID,
        Column("content_id", "text", "Whose version it is", lambda version: version.raw.get("content_id")),
        Column("number", "integer", "Its number, counted from 1 for each content"),
        Column("description", "text", "What its author says of it"),
        _CREATED,
        Column("edited_at", "moment", "When it was last edited, or published"),
    ),
)
QUESTIONS = Table(
    "content_version_questions",
    "A survey question in a version of a flow",
    (
        Column("version_id", "text", "The version", "id", parent=True),
        Column("position", "integer", "Where it stands among the version's questions, from 0", POSITION),
        Column("id", "text", "Userflow's id; another one in every version"),
        Column("cvid", "text", "The same in all versions; answers refer to it"),
        Column("name", "text", "The question"),
        Column("type", "text", "`multiline_text`, `multiple_choice`, `nps`, `stars` or `text`"),
    ),
    ("version_id", "position"),
    lambda version: version.questions,
)
TASKS = Table(
    "content_version_tasks",
    "A task in a version of a checklist",
    (
        Column("version_id", "text", "The version", "id", parent=True),
        Column("position", "integer", "Where it stands among the version's tasks, from 0", POSITION),
        Column("id", "text", "Userflow's id; another one in every version"),
        Column("cvid", "text", "The same in all versions"),
        Column("name", "text", "The task"),
    ),
    ("version_id", "position"),
    lambda version: version.tasks,
)
ATTRIBUTE_DEFINITIONS = Table(
    "attribute_definitions",
    "What is known of an attribute",
    (
        _ID,
        Column("scope", "text", "`user`, `group`, `group_membership` or `event`"),
        Column("name", "text", "The name it is sent by; it never changes"),
        Column("display_name", "text", "The name people see"),
        Column("description", "text", "What people say of it"),
        Column("data_type", "text", "`string`, `number`, `boolean`, `datetime`, `list`, or one of Userflow's own"),
        _CREATED,
    ),
)
EVENT_DEFINITIONS = Table(
    "event_definitions",
    "What is known of an event's name",
    (
        _ID,
        Column("name", "text", "The name it is sent by; it never changes"),
        Column("display_name", "text", "The name people see"),
        Column("description", "text", "What people say of it"),
        _CREATED,
    ),
)

_CREATION: Mapping[str, str] = {"created": "created_at"}
RESOURCES: Mapping[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource(
            "content_sessions",
            f"{api.DOCS}#the-content-session-object",
            api.ContentSession.read,
            (SESSIONS, ANSWERS),
            windows={**_CREATION, "last_activity": "last_activity_at"},
            counts=("sessions", "completed", "answers"),
            version="last_activity_at",
            scope="content_id",
        ),
        Resource("users", f"{api.DOCS}#the-user-object", api.User.read, (USERS,), _CREATION, snapshot=True, counts=("users",)),
        Resource("groups", f"{api.DOCS}#the-group-object", api.Group.read, (GROUPS,), _CREATION, snapshot=True, counts=("groups",)),
        Resource(
            "group_memberships",
            f"{api.DOCS}#the-group-membership-object",
            api.GroupMembership.read,
            (MEMBERSHIPS,),
            snapshot=True,
            counts=("memberships",),
        ),
        Resource("content", f"{api.DOCS}#the-content-object", api.Content.read, (CONTENT,), snapshot=True, counts=("content",)),
        Resource(
            "content_versions",
            f"{api.DOCS}#the-content-version-object",
            api.ContentVersion.read,
            (VERSIONS, QUESTIONS, TASKS),
            snapshot=True,
            counts=("versions",),
            scope="content_id",
        ),
        Resource(
            "attribute_definitions",
            f"{api.DOCS}#the-attribute-definition-object",
            api.AttributeDefinition.read,
            (ATTRIBUTE_DEFINITIONS,),
            snapshot=True,
            counts=("definitions",),
        ),
        Resource(
            "event_definitions",
            f"{api.DOCS}#the-event-definition-object",
            api.EventDefinition.read,
            (EVENT_DEFINITIONS,),
            snapshot=True,
            counts=("definitions",),
        ),
    )
}
"""By name."""
