"""Userflow's API as data: every object as a record, every call as an endpoint. Source: https://userflow.com/docs/api."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from airflow_provider.engagement.userflow.attributes import is_repeatable
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import Dialect, Problem
from airflow_provider.engagement.wire.message import Query, Request, Response, T
from airflow_provider.engagement.wire.page import Page
from airflow_provider.engagement.wire.record import Record, Secret, each, moment, reads

BASE_URL = "https://api.userflow.com"
EU_BASE_URL = "https://api.eu.userflow.com"
API_VERSION = "2020-01-03"
DOCS = "https://userflow.com/docs/api"
CONTENT_TYPES = ("checklist", "flow", "launcher")
SCOPES = ("event", "group", "group_membership", "user")

_EARLIER = 10
"""How many records of a page are kept as cursors for when the last one is deleted before the next page is asked for."""

R = TypeVar("R", bound=Record)


def headers(api_key: str, api_version: str = API_VERSION) -> dict[str, str]:
    """Make the headers of every request (https://userflow.com/docs/api#authentication, #versioning)."""
    return {"Authorization": f"Bearer {api_key}", "Userflow-Version": api_version}


# --- objects ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Record):
    """A user (https://userflow.com/docs/api#the-user-object)."""

    id: str
    attributes: Mapping[str, Any] | None = None
    created_at: datetime | None = reads(moment)
    groups: list[Group] | None = reads(each(lambda raw: Group.read(raw)))
    memberships: list[GroupMembership] | None = reads(each(lambda raw: GroupMembership.read(raw)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Record):
    """A group, also called company (https://userflow.com/docs/api#the-group-object)."""

    id: str
    attributes: Mapping[str, Any] | None = None
    created_at: datetime | None = reads(moment)
    memberships: list[GroupMembership] | None = reads(each(lambda raw: GroupMembership.read(raw)))
    users: list[User] | None = reads(each(User.read))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMembership(Record):
    """A user's membership of a group (https://userflow.com/docs/api#the-group-membership-object)."""

    id: str
    attributes: Mapping[str, Any] | None = None
    created_at: datetime | None = reads(moment)
    group: Group | None = reads(Group.read)
    group_id: str | None = None
    user: User | None = reads(User.read)
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Record):
    """A tracked event (https://userflow.com/docs/api#the-event-object)."""

    id: str
    attributes: Mapping[str, Any] | None = None
    created_at: datetime | None = reads(moment)
    group: Group | None = reads(Group.read)
    group_id: str | None = None
    name: str | None = None
    time: datetime | None = reads(moment)
    user: User | None = reads(User.read)
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Record):
    """A survey question of a flow's version; refer to it by `cvid` (https://userflow.com/docs/api#the-question-object)."""

    id: str
    cvid: str | None = None
    name: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistTask(Record):
    """A task of a checklist's version; refer to it by `cvid` (https://userflow.com/docs/api#the-checklist-task-object)."""

    id: str
    cvid: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentVersion(Record):
    """A version of a content object (https://userflow.com/docs/api#the-content-version-object)."""

    id: str
    created_at: datetime | None = reads(moment)
    description: str | None = None
    edited_at: datetime | None = reads(moment)
    number: int | None = None
    questions: list[Question] | None = reads(each(Question.read))
    tasks: list[ChecklistTask] | None = reads(each(ChecklistTask.read))


@dataclass(frozen=True, slots=True, kw_only=True)
class Content(Record):
    """A flow, checklist or launcher (https://userflow.com/docs/api#the-content-object)."""

    id: str
    created_at: datetime | None = reads(moment)
    draft_version_id: str | None = None
    draft_version: ContentVersion | None = reads(ContentVersion.read)
    name: str | None = None
    published_version_id: str | None = None
    published_version: ContentVersion | None = reads(ContentVersion.read)
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentSessionAnswer(Record):
    """An answer to a survey question (https://userflow.com/docs/api#the-content-session-answer-object).

    `answer_value` is text for `text`, a numeric text for `number`, a list of texts for `list`.
    """

    id: str
    answer_type: str | None = None
    answer_value: str | list[str] | None = None
    created_at: datetime | None = reads(moment)
    question_cvid: str | None = None
    question_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentSession(Record):
    """One user's way through one content object (https://userflow.com/docs/api#the-content-session-object).

    `progress` is a fraction from 0 to 1. `completed` is said of flows and checklists; a launcher counts by `launcher_activated`.
    """

    id: str
    answers: list[ContentSessionAnswer] | None = reads(each(ContentSessionAnswer.read))
    completed_at: datetime | None = reads(moment)
    completed: bool | None = None
    content_id: str | None = None
    content: Content | None = reads(Content.read)
    created_at: datetime | None = reads(moment)
    group_id: str | None = None
    group: Group | None = reads(Group.read)
    is_preview: bool | None = None
    last_activity_at: datetime | None = reads(moment)
    launcher_activated: bool | None = None
    progress: Decimal | None = reads(lambda text: Decimal(str(text)))
    user_id: str | None = None
    user: User | None = reads(User.read)
    version_id: str | None = None
    version: ContentVersion | None = reads(ContentVersion.read)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeDefinition(Record):
    """What is known of an attribute (https://userflow.com/docs/api#the-attribute-definition-object)."""

    id: str
    created_at: datetime | None = reads(moment)
    data_type: str | None = None
    description: str | None = None
    display_name: str | None = None
    name: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDefinition(Record):
    """What is known of an event's name (https://userflow.com/docs/api#the-event-definition-object)."""

    id: str
    created_at: datetime | None = reads(moment)
    description: str | None = None
    display_name: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSubscription(Record):
    """A webhook subscription (https://userflow.com/docs/api#the-webhook-subscription-object).

    `secret` is there once, in the answer to its creation; it is kept out of `repr`, and `raw` is too.
    """

    id: str
    api_version: str | None = None
    created_at: datetime | None = reads(moment)
    disabled: bool | None = None
    secret: Secret | None = reads(Secret)
    topics: list[str] | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted(Record):
    """The answer to a delete; the same whether or not the object existed."""

    id: str | None = None
    object: str | None = None
    deleted: bool | None = None


# --- how answers are read --------------------------------------------------------------------------------------------


def read_problem(response: Response) -> Problem:
    """Read Userflow's error object (https://userflow.com/docs/api#error-responses), as far as there is one."""
    try:
        error = response.json()["error"]
        return Problem(error.get("code"), error.get("message"), error.get("request_id"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return Problem()


def not_processed(response: Response) -> bool:
    """Say whether an answer means that the request was not processed.

    Userflow answers 503 to requests that waited too long or during maintenance, both before processing. Only one with
    Userflow's own error object counts: a proxy's 503 says nothing about what happened behind it.
    """
    return response.status == 503 and read_problem(response) != Problem()


def hint(request: Request, response: Response) -> str | None:
    """Say what to do about an answer."""
    if response.status == 401:
        return "Check the API key in the connection's password field: it belongs to one environment (Settings > API)"
    if response.status in (402, 403) and request.path.startswith(("/groups", "/group_memberships")):
        return "Groups are part of certain Userflow plans only; check the account's billing page"
    if response.status == 404 and request.method == "GET" and request.path.count("/") == 1:
        return "Check the connection's base URL"
    return None


DIALECT = Dialect("Userflow", read_problem, not_processed, hint)


def _page(read: Callable[[Any], R]) -> Callable[[Any], Page[R]]:
    def read_page(raw: Any) -> Page[R]:
        items = [read(item) for item in raw["data"]]
        return make_page(items, [str(item.raw["id"]) for item in items], raw["has_more"], raw.get("next_page_url"))

    return read_page


def make_page(items: list[T], ids: Sequence[str], has_more: bool, next_page_url: str | None) -> Page[T]:
    """Make a page of a list.

    Args:
        items: what is on it.
        ids: their ids.
        has_more: whether another page follows; nothing else ends a list.
        next_page_url: nothing of it is trusted but its cursor, and that only where there are no items.

    Raises:
        ValueError: another page follows, and nothing says where.
    """
    if not has_more:
        return Page(items, None)
    if ids:
        return Page(items, ids[-1], tuple(ids[-_EARLIER:-1]))
    cursor = parse_qs(urlsplit(next_page_url or "").query).get("starting_after")
    if not cursor:
        raise ValueError("has_more without items or a cursor")
    return Page(items, cursor[0])


def _next(page: Page[Any], query: Query) -> Query | None:
    return None if page.cursor is None else {**query, "starting_after": page.cursor}


# --- calls -----------------------------------------------------------------------------------------------------------


def _list(path: str, read: Callable[[Any], R], *filters: str, name: str, doc: str, required: tuple[str, ...] = ()) -> Endpoint[Page[R]]:
    query = (*filters, "expand", "limit", "order_by", "starting_after")
    return Endpoint("GET", path, _page(read), name, f"{DOCS}#{doc}", query=query, required=required, next_query=_next)


def _upsert_repeatable(body: Mapping[str, Any]) -> bool:
    holders: list[Mapping[str, Any]] = [body, *(body.get("groups") or ())]
    for membership in body.get("memberships") or ():
        holders += [membership, membership.get("group") or {}]
    return all(is_repeatable(holder.get("attributes") or {}) for holder in holders)


UPSERT_USER = Endpoint(
    "POST",
    "/users",
    User.read,
    "upsert_user",
    f"{DOCS}#create-or-update-a-user",
    query=("expand",),
    fields=("id", "attributes", "groups", "memberships", "prune_memberships"),
    required=("id",),
    repeatable=_upsert_repeatable,
)
GET_USER = Endpoint("GET", "/users/{user_id}", User.read, "get_user", f"{DOCS}#get-a-user", query=("expand",))
DELETE_USER = Endpoint("DELETE", "/users/{user_id}", Deleted.read, "delete_user", f"{DOCS}#delete-a-user")
LIST_USERS = _list("/users", User.read, "condition", "email", "group_id", "segment_id", name="list_users", doc="list-users")

UPSERT_GROUP = Endpoint(
    "POST",
    "/groups",
    Group.read,
    "upsert_group",
    f"{DOCS}#create-or-update-a-group",
    query=("expand",),
    fields=("id", "attributes"),
    required=("id",),
    repeatable=_upsert_repeatable,
)
GET_GROUP = Endpoint("GET", "/groups/{group_id}", Group.read, "get_group", f"{DOCS}#get-a-group", query=("expand",))
DELETE_GROUP = Endpoint("DELETE", "/groups/{group_id}", Deleted.read, "delete_group", f"{DOCS}#delete-a-group")
LIST_GROUPS = _list("/groups", Group.read, "condition", "email", "segment_id", "user_id", name="list_groups", doc="list-groups")

REMOVE_MEMBERSHIP = Endpoint(
    "DELETE",
    "/group_memberships",
    Deleted.read,
    "remove_membership",
    f"{DOCS}#remove-a-user-from-a-group",
    query=("user_id", "group_id"),
    required=("user_id", "group_id"),
)

TRACK_EVENT = Endpoint(
    "POST",
    "/events",
    Event.read,
    "track_event",
    f"{DOCS}#track-an-event",
    query=("expand",),
    fields=("name", "user_id", "group_id", "attributes", "time"),
    required=("name",),
    repeatable=False,
)

GET_CONTENT = Endpoint("GET", "/content/{content_id}", Content.read, "get_content", f"{DOCS}#get-a-content-object", query=("expand",))
LIST_CONTENT = _list("/content", Content.read, "type", name="list_content", doc="list-content")

GET_CONTENT_VERSION = Endpoint(
    "GET", "/content_versions/{version_id}", ContentVersion.read, "get_content_version", f"{DOCS}#get-a-content-version", query=("expand",)
)
LIST_CONTENT_VERSIONS = _list(
    "/content_versions",
    ContentVersion.read,
    "content_id",
    "number",
    name="list_content_versions",
    doc="list-content-versions",
    required=("content_id",),
)

GET_CONTENT_SESSION = Endpoint(
    "GET", "/content_sessions/{session_id}", ContentSession.read, "get_content_session", f"{DOCS}#get-a-content-session", query=("expand",)
)
LIST_CONTENT_SESSIONS = _list(
    "/content_sessions", ContentSession.read, "content_id", "user_id", name="list_content_sessions", doc="list-content-sessions"
)

LIST_ATTRIBUTE_DEFINITIONS = _list(
    "/attribute_definitions",
    AttributeDefinition.read,
    "event_name",
    "scope",
    name="list_attribute_definitions",
    doc="list-attribute-definitions",
)
LIST_EVENT_DEFINITIONS = _list("/event_definitions", EventDefinition.read, name="list_event_definitions", doc="list-event-definitions")

CREATE_WEBHOOK_SUBSCRIPTION = Endpoint(
    "POST",
    "/webhook_subscriptions",
    WebhookSubscription.read,
    "create_webhook_subscription",
    f"{DOCS}#create-a-webhook-subscription",
    fields=("api_version", "topics", "url"),
    required=("topics", "url"),
    repeatable=False,
)
GET_WEBHOOK_SUBSCRIPTION = Endpoint(
    "GET",
    "/webhook_subscriptions/{webhook_subscription_id}",
    WebhookSubscription.read,
    "get_webhook_subscription",
    f"{DOCS}#get-a-webhook-subscription",
)
UPDATE_WEBHOOK_SUBSCRIPTION = Endpoint(
    "PATCH",
    "/webhook_subscriptions/{webhook_subscription_id}",
    WebhookSubscription.read,
    "update_webhook_subscription",
    f"{DOCS}#update-a-webhook-subscription",
    fields=("api_version", "topics", "url", "disabled"),
)
DELETE_WEBHOOK_SUBSCRIPTION = Endpoint(
    "DELETE",
    "/webhook_subscriptions/{webhook_subscription_id}",
    Deleted.read,
    "delete_webhook_subscription",
    f"{DOCS}#delete-a-webhook-subscription",
)
LIST_WEBHOOK_SUBSCRIPTIONS = _list(
    "/webhook_subscriptions", WebhookSubscription.read, name="list_webhook_subscriptions", doc="list-webhook-subscriptions"
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    UPSERT_USER,
    GET_USER,
    DELETE_USER,
    LIST_USERS,
    UPSERT_GROUP,
    GET_GROUP,
    DELETE_GROUP,
    LIST_GROUPS,
    REMOVE_MEMBERSHIP,
    TRACK_EVENT,
    GET_CONTENT,
    LIST_CONTENT,
    GET_CONTENT_VERSION,
    LIST_CONTENT_VERSIONS,
    GET_CONTENT_SESSION,
    LIST_CONTENT_SESSIONS,
    LIST_ATTRIBUTE_DEFINITIONS,
    LIST_EVENT_DEFINITIONS,
    CREATE_WEBHOOK_SUBSCRIPTION,
    GET_WEBHOOK_SUBSCRIPTION,
    UPDATE_WEBHOOK_SUBSCRIPTION,
    DELETE_WEBHOOK_SUBSCRIPTION,
    LIST_WEBHOOK_SUBSCRIPTIONS,
)
