"""Usertour's API as data: every call of both versions as an endpoint, by the same name where both have it.

Sources: https://docs.usertour.io/api-reference (v1 and v2). `V1` and `V2` hold the endpoints by name. v2's paths name the project
and, for what belongs to an environment, the environment: their ids go into every call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

from airflow_provider.engagement.usertour import records
from airflow_provider.engagement.usertour.walk import v1_walk, v2_walk
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import Dialect, Problem
from airflow_provider.engagement.wire.message import Query, Request, Response
from airflow_provider.engagement.wire.page import Page, Walk
from airflow_provider.engagement.wire.record import Record

R = TypeVar("R", bound=Record)
Version = Literal["v1", "v2"]

BASE_URL: Final = "https://api.usertour.io"
DOCS: Final = "https://docs.usertour.io/api-reference"
MAX_PAGE: Final = 100
SCOPES: Final = ("company", "companyMembership", "eventDefinition", "user")
"""Scopes of attribute definitions."""
NO_SESSION: Final = "E1005"
NO_ROUTE: Final = "E1033"

_PROJECT = "/v2/projects/{project_id}"
_ENVIRONMENT = f"{_PROJECT}/environments/{{environment_id}}"

_NO_PROJECT = "The token belongs to other projects; check the extra project_id of the connection"
_OTHER_SERVER = "This server has no such call: it may be older than the documents, or not Usertour's API; check the connection's base URL"
_HINTS: Final[Mapping[str, str]] = {
    "E1000": "Check the key in the connection's password field: v1 takes an environment's key (ak_…), v2 a personal token (utp_…)",
    "E1010": "Check the key in the connection's password field",
    "E1011": _NO_PROJECT,
    "E1012": "Give the token the scope this call needs (Settings > API)",
    "E1019": "Check the extra environment_id of the connection",
    "E1020": "The token has expired; make a new one (Settings > API)",
    "E1029": "Give the token this environment, or check the extra environment_id of the connection",
    "E0043": "Your plan does not include this",
    NO_ROUTE: _OTHER_SERVER,
}


def headers(key: str) -> dict[str, str]:
    """Make the headers of every request; the scheme must be spelt `Bearer`."""
    return {"Authorization": f"Bearer {key}"}


# --- how answers are read --------------------------------------------------------------------------------------------


def read_problem(response: Response) -> Problem:
    """Read Usertour's error object, or the framework's (`statusCode`, `message`, `error`), as far as there is one."""
    try:
        body = response.json()
        error = body["error"]
        if isinstance(error, Mapping):
            issues = tuple(issue for issue in error.get("issues") or () if isinstance(issue, Mapping))
            return Problem(error.get("code"), error.get("message"), issues=issues)
        return Problem(None, body.get("message") or error)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Problem()


def not_processed(response: Response) -> bool:
    """Say whether an answer means that the request was not processed.

    Usertour documents 503 with E1014 for a request that waited 15 s in its queue and was given up there, before processing.
    """
    return response.status == 503 and read_problem(response).code == "E1014"


def hint(request: Request, response: Response) -> str | None:
    """Say what to do about an answer."""
    code = read_problem(response).code
    if code is None and response.status == 404:
        return _OTHER_SERVER
    if response.status == 413:
        return "Usertour takes bodies of up to 100 KB; send fewer or shorter attributes"
    return _HINTS.get(code or "")


DIALECT = Dialect("Usertour", read_problem, not_processed, hint)


def _page(read: Callable[[Any], R]) -> Callable[[Any], Page[R]]:
    def read_page(raw: Any) -> Page[R]:
        items = [read(item) for item in raw["results"]]
        following = raw.get("next")
        if following is None:
            return Page(items, None)
        # `next` is a relative URL; it is trusted for its cursor only.
        cursor = parse_qs(urlsplit(following).query).get("cursor")
        if not cursor:
            raise ValueError("next holds no cursor")
        return Page(items, cursor[0])

    return read_page


def _next(page: Page[Any], query: Query) -> Query | None:
    # v2 answers a cursor that is gone with an empty page; the walk decides what that means.
    return None if page.cursor is None else {**query, "cursor": page.cursor}


# --- calls -----------------------------------------------------------------------------------------------------------

_LIST = ("cursor", "limit")
_BY_CURSOR = partial(v1_walk, by_id=False)
"""Users and companies carry the caller's ids, which are no cursors."""


def _list(
    path: str,
    read: Callable[[Any], R],
    name: str,
    doc: str,
    *query: str,
    required: tuple[str, ...] = (),
    walk: Callable[..., Walk[Any]] = v1_walk,
) -> Endpoint[Page[R]]:
    if path.startswith(_PROJECT):
        walk = v2_walk
    return Endpoint("GET", path, _page(read), name, f"{DOCS}/{doc}", (*query, *_LIST), required=required, next_query=_next, walk=walk)


def _get(path: str, read: Callable[[Any], R], name: str, doc: str, *query: str) -> Endpoint[R]:
    return Endpoint("GET", path, read, name, f"{DOCS}/{doc}", query=query)


def _delete(path: str, name: str, doc: str) -> Endpoint[records.Deleted]:
    return Endpoint("DELETE", path, records.Deleted.read, name, f"{DOCS}/{doc}")


def _table(*endpoints: Endpoint[Any]) -> dict[str, Endpoint[Any]]:
    return {endpoint.name: endpoint for endpoint in endpoints}


V1: Final[Mapping[str, Endpoint[Any]]] = _table(
    _list(
        "/v1/content-sessions",
        records.ContentSession.read,
        "list_content_sessions",
        "content-sessions/list",
        *("contentId", "userId", "orderBy", "expand"),
        required=("contentId",),
    ),
    _get("/v1/content-sessions/{session_id}", records.ContentSession.read, "get_content_session", "content-sessions/get", "expand"),
    _delete("/v1/content-sessions/{session_id}", "delete_content_session", "content-sessions/delete"),
    Endpoint(
        "POST",
        "/v1/content-sessions/{session_id}/end",
        records.ContentSession.read,
        "end_content_session",
        f"{DOCS}/content-sessions/end",
    ),
    _list(
        "/v1/users",
        records.User.read,
        "list_users",
        "users/list",
        *("email", "companyId", "segmentId", "orderBy", "expand"),
        walk=_BY_CURSOR,
    ),
    Endpoint(
        "POST",
        "/v1/users",
        records.User.read,
        "upsert_user",
        f"{DOCS}/users/create",
        fields=("id", "attributes", "companies", "memberships"),
        required=("id",),
    ),
    _get("/v1/users/{user_id}", records.User.read, "get_user", "users/get", "expand"),
    _delete("/v1/users/{user_id}", "delete_user", "users/delete"),
    _list("/v1/companies", records.Company.read, "list_companies", "companies/list", "orderBy", "expand", walk=_BY_CURSOR),
    Endpoint(
        "POST",
        "/v1/companies",
        records.Company.read,
        "upsert_company",
        f"{DOCS}/companies/create",
        fields=("id", "attributes"),
        required=("id",),
    ),
    _get("/v1/companies/{company_id}", records.Company.read, "get_company", "companies/get", "expand"),
    _delete("/v1/companies/{company_id}", "delete_company", "companies/delete"),
    Endpoint(
        "DELETE",
        "/v1/company-memberships",
        records.Deleted.read,
        "remove_membership",
        f"{DOCS}/company-memberships/delete",
        query=("userId", "companyId"),
        required=("userId", "companyId"),
    ),
    _list("/v1/content", records.Content.read, "list_content", "content/list", "orderBy", "expand"),
    _get("/v1/content/{content_id}", records.Content.read, "get_content", "content/get", "expand"),
    _list(
        "/v1/content-versions",
        records.ContentVersion.read,
        "list_content_versions",
        "content-versions/list",
        *("contentId", "orderBy", "expand"),
        required=("contentId",),
    ),
    _get("/v1/content-versions/{version_id}", records.ContentVersion.read, "get_content_version", "content-versions/get", "expand"),
    _list(
        "/v1/attribute-definitions",
        records.AttributeDefinition.read,
        "list_attribute_definitions",
        "attribute-definitions/list",
        *("scope", "eventName", "orderBy"),
        walk=partial(v1_walk, order="displayName"),
    ),
    _list(
        "/v1/event-definitions",
        records.EventDefinition.read,
        "list_event_definitions",
        "event-definitions/list",
        *("scope", "eventName", "orderBy"),
    ),
)
"""Every call of v1, by name. Its key belongs to one environment."""

_CREATED = ("createdAfter", "createdBefore")
_RANGE = ("environmentId", "startDate", "endDate", "timezone")
_WEBHOOK = f"{_ENVIRONMENT}/webhooks/{{webhook_subscription_id}}"

V2: Final[Mapping[str, Endpoint[Any]]] = _table(
    _list(
        f"{_ENVIRONMENT}/sessions",
        records.ContentSession.read,
        "list_content_sessions",
        "sessions/list-sessions",
        *("contentId", "userId", "completed", *_CREATED, "orderBy", "expand"),
    ),
    _get(f"{_ENVIRONMENT}/sessions/{{session_id}}", records.ContentSession.read, "get_content_session", "sessions/get-a-session", "expand"),
    _delete(f"{_ENVIRONMENT}/sessions/{{session_id}}", "delete_content_session", "sessions/delete-a-session"),
    Endpoint(
        "POST",
        f"{_ENVIRONMENT}/sessions/{{session_id}}/end",
        records.ContentSession.read,
        "end_content_session",
        f"{DOCS}/sessions/end-a-session",
    ),
    _list(
        f"{_ENVIRONMENT}/users",
        records.User.read,
        "list_users",
        "users/list-users",
        *("email", "companyId", "segmentId", *_CREATED, "orderBy", "expand"),
    ),
    Endpoint(
        "PUT",
        f"{_ENVIRONMENT}/users/{{user_id}}",
        records.User.read,
        "upsert_user",
        f"{DOCS}/users/upsert-a-user",
        fields=("attributes",),
    ),
    _get(f"{_ENVIRONMENT}/users/{{user_id}}", records.User.read, "get_user", "users/get-a-user", "expand"),
    _delete(f"{_ENVIRONMENT}/users/{{user_id}}", "delete_user", "users/delete-a-user"),
    _list(
        f"{_ENVIRONMENT}/companies",
        records.Company.read,
        "list_companies",
        "companies/list-companies",
        *("segmentId", *_CREATED, "orderBy", "expand"),
    ),
    Endpoint(
        "PUT",
        f"{_ENVIRONMENT}/companies/{{company_id}}",
        records.Company.read,
        "upsert_company",
        f"{DOCS}/companies/upsert-a-company",
        fields=("attributes",),
    ),
    _get(f"{_ENVIRONMENT}/companies/{{company_id}}", records.Company.read, "get_company", "companies/get-a-company", "expand"),
    _delete(f"{_ENVIRONMENT}/companies/{{company_id}}", "delete_company", "companies/delete-a-company"),
    Endpoint(
        "PUT",
        f"{_ENVIRONMENT}/companies/{{company_id}}/memberships/{{user_id}}",
        records.CompanyMembership.read,
        "upsert_membership",
        f"{DOCS}/companies/upsert-a-membership",
        fields=("attributes",),
    ),
    _delete(f"{_ENVIRONMENT}/companies/{{company_id}}/memberships/{{user_id}}", "remove_membership", "companies/remove-a-membership"),
    Endpoint(
        "POST",
        f"{_ENVIRONMENT}/events",
        records.Event.read,
        "track_event",
        f"{DOCS}/events/track-an-event",
        fields=("name", "userId", "companyId", "attributes", "occurredAt"),
        required=("name", "userId"),
        repeatable=False,
    ),
    _list(
        f"{_PROJECT}/content",
        records.Content.read,
        "list_content",
        "content/list-content",
        *("name", "type", "published", "deleted", *_CREATED, "orderBy", "expand"),
    ),
    _get(f"{_PROJECT}/content/{{content_id}}", records.Content.read, "get_content", "content/get-content", "expand"),
    _list(
        f"{_PROJECT}/content/{{content_id}}/versions",
        records.ContentVersion.read,
        "list_content_versions",
        "content/list-content-versions",
        *("orderBy", "expand"),
    ),
    _get(
        f"{_PROJECT}/content/{{content_id}}/versions/{{version_id}}",
        records.ContentVersion.read,
        "get_content_version",
        "content/get-a-content-version",
        "expand",
    ),
    Endpoint(
        "GET",
        f"{_PROJECT}/content/{{content_id}}/analytics",
        records.ContentAnalytics.read,
        "get_content_analytics",
        f"{DOCS}/analytics/get-content-analytics",
        query=_RANGE,
        required=("environmentId",),
    ),
    Endpoint(
        "GET",
        f"{_PROJECT}/content/{{content_id}}/analytics/questions",
        lambda raw: [records.QuestionAnalytics.read(item) for item in raw["results"]],
        "list_question_analytics",
        f"{DOCS}/analytics/get-question-analytics",
        query=_RANGE,
        required=("environmentId",),
    ),
    _list(
        f"{_PROJECT}/attribute-definitions",
        records.AttributeDefinition.read,
        "list_attribute_definitions",
        "attribute-definitions/list-attribute-definitions",
        *("scope", "eventName", "orderBy"),
    ),
    _list(
        f"{_PROJECT}/event-definitions",
        records.EventDefinition.read,
        "list_event_definitions",
        "event-definitions/list-event-definitions",
        "orderBy",
    ),
    _list(f"{_PROJECT}/segments", records.Segment.read, "list_segments", "segments/list-segments", "orderBy"),
    _list(f"{_PROJECT}/environments", records.Environment.read, "list_environments", "environments/list-environments", "orderBy"),
    Endpoint(
        "POST",
        f"{_ENVIRONMENT}/webhooks",
        records.WebhookSubscription.read,
        "create_webhook_subscription",
        f"{DOCS}/webhooks/create-a-webhook",
        fields=("url", "topics", "enabled", "description"),
        required=("url", "topics"),
        repeatable=False,
    ),
    _get(_WEBHOOK, records.WebhookSubscription.read, "get_webhook_subscription", "webhooks/get-a-webhook"),
    Endpoint(
        "PATCH",
        _WEBHOOK,
        records.WebhookSubscription.read,
        "update_webhook_subscription",
        f"{DOCS}/webhooks/update-a-webhook",
        fields=("url", "topics", "enabled", "description"),
    ),
    _delete(_WEBHOOK, "delete_webhook_subscription", "webhooks/delete-a-webhook"),
    _list(f"{_ENVIRONMENT}/webhooks", records.WebhookSubscription.read, "list_webhook_subscriptions", "webhooks/list-webhooks", "orderBy"),
    Endpoint(
        "POST",
        f"{_WEBHOOK}/rotate-secret",
        records.WebhookSubscription.read,
        "rotate_webhook_secret",
        f"{DOCS}/webhooks/rotate-a-webhook-secret",  # repeatable: only the last secret counts, and that is the one answered
    ),
)
"""Every call of v2, by name. Its token is bound to projects."""

ENDPOINTS: Final[Mapping[Version, Mapping[str, Endpoint[Any]]]] = {"v1": V1, "v2": V2}
