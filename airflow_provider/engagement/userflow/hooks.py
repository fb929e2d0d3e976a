"""The Airflow hook for Userflow: a connection becomes a client, and every call has a method."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from airflow_provider.engagement.base import EngagementHook
from airflow_provider.engagement.connection import ConnectionFields
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.bodies import check_event_body, check_group_body, check_user_body
from airflow_provider.engagement.userflow.conditions import Condition, parse
from airflow_provider.engagement.userflow.webhook import check_topics
from airflow_provider.engagement.wire.config import ClientConfig
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.message import Call, Query
from airflow_provider.engagement.wire.page import Page
from airflow_provider.engagement.wire.values import check_id, check_url, given

_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
T = TypeVar("T")
Names = str | Sequence[str] | None
"""One name or several, for `expand` and `order_by`."""
Attributes = Mapping[str, Any]
"""Attribute names with literals or operations (see `airflow_provider.engagement.userflow.attributes`)."""


class UserflowHook(EngagementHook):
    """Call Userflow's API (https://userflow.com/docs/api) with the credentials of an Airflow connection.

    The connection's password is the API key; its host the base URL (default `https://api.userflow.com`, EU accounts
    `https://api.eu.userflow.com`); extras: `api_version`, `requests_per_minute`, `timeout` (seconds), `concurrency`, `verify`,
    `proxies`, `allow_http`, `webhook_secret`.

    All methods raise `ValueError` or `TypeError` for unusable arguments before anything is sent, and a subclass of
    `airflow_provider.engagement.wire.errors.ApiError` when a call failed for good. Lists are lazy: they ask for the next page
    when it is wanted, `page_size` records (1 to 100) at a time.

    Args:
        userflow_conn_id: id of a connection of type `userflow`.
    """

    conn_name_attr: ClassVar[str] = "userflow_conn_id"
    default_conn_name: ClassVar[str] = "userflow_default"
    conn_type: ClassVar[str] = "userflow"
    hook_name: ClassVar[str] = "Userflow"

    def __init__(self, userflow_conn_id: str = default_conn_name) -> None:
        super().__init__(userflow_conn_id)
        self.userflow_conn_id = userflow_conn_id

    def make_config(self, fields: ConnectionFields) -> ClientConfig:
        """Turn the connection's fields into the client's settings.

        Raises:
            ValueError: a field is unusable; the message names it.
        """
        key = fields.secret("API key")
        return ClientConfig(
            base_url=fields.base_url(api.BASE_URL),
            dialect=api.DIALECT,
            headers=api.headers(key, _version(fields)),
            secrets=(key, *fields.proxy_secrets()),
            **fields.traffic(),
        )

    def probe(self) -> Call[Any]:
        """List one attribute definition: real, harmless, and in every plan."""
        return api.LIST_ATTRIBUTE_DEFINITIONS.call({"limit": 1})

    # --- users -------------------------------------------------------------------------------------------------------

    def upsert_user(
        self,
        user_id: str,
        attributes: Attributes | None = None,
        *,
        groups: Sequence[Mapping[str, Any]] | None = None,
        memberships: Sequence[Mapping[str, Any]] | None = None,
        prune_memberships: bool | None = None,
        expand: Names = None,
    ) -> api.User:
        """Create or update a user (https://userflow.com/docs/api#create-or-update-a-user).

        Args:
            user_id: the user's id in your database.
            attributes: literals or operations; attributes not named stay as they are.
            groups: `{"id": …, "attributes": …}` for each group to update and join; not together with `memberships`.
            memberships: `{"attributes": …, "group": {"id": …, "attributes": …}}` for each membership.
            prune_memberships: leave all groups not named; only with the complete list.
            expand: what to fill in the answer, e.g. `memberships.group`.
        """
        body = given(id=user_id, attributes=attributes, groups=groups, memberships=memberships, prune_memberships=prune_memberships)
        return self._send(api.UPSERT_USER, {"expand": expand}, check_user_body(body))

    def get_user(self, user_id: str, *, expand: Names = None) -> api.User:
        """Get a user (https://userflow.com/docs/api#get-a-user); `NotFound` if there is none."""
        return self._send(api.GET_USER, {"expand": expand}, user_id=check_id(user_id, "user_id"))

    def delete_user(self, user_id: str) -> api.Deleted:
        """Delete a user with its events, memberships and flow history; fine if it is gone (https://userflow.com/docs/api#delete-a-user)."""
        return self._send(api.DELETE_USER, user_id=check_id(user_id, "user_id"))

    def list_users(
        self,
        *,
        condition: Condition | Mapping[str, Any] | str | None = None,
        email: str | None = None,
        group_id: str | None = None,
        segment_id: str | None = None,
        order_by: Names = None,
        expand: Names = None,
        starting_after: str | None = None,
        page_size: int = 100,
    ) -> Iterator[api.User]:
        """List users (https://userflow.com/docs/api#list-users).

        Args:
            condition: see `airflow_provider.engagement.userflow.conditions`; at most 10,000 users may match.
            email: only users whose `email` attribute equals this.
            group_id: only members of this group.
            segment_id: only users in this segment.
            order_by: `created_at`, `attributes.signed_up_at`, `attributes.last_seen_at`, `attributes.name`; `-` before it for descending.
            expand: what to fill, e.g. `groups` or `memberships.group`.
            starting_after: begin after the user with this id.
            page_size: users a request, 1 to 100.
        """
        query = {"condition": _condition(condition), "email": email, "group_id": group_id, "segment_id": segment_id}
        return self._list(api.LIST_USERS, query, order_by, expand, starting_after, page_size)

    # --- groups ------------------------------------------------------------------------------------------------------

    def upsert_group(self, group_id: str, attributes: Attributes | None = None, *, expand: Names = None) -> api.Group:
        """Create or update a group (https://userflow.com/docs/api#create-or-update-a-group); arguments as in `upsert_user`."""
        return self._send(api.UPSERT_GROUP, {"expand": expand}, check_group_body(given(id=group_id, attributes=attributes)))

    def get_group(self, group_id: str, *, expand: Names = None) -> api.Group:
        """Get a group (https://userflow.com/docs/api#get-a-group); `NotFound` if there is none."""
        return self._send(api.GET_GROUP, {"expand": expand}, group_id=check_id(group_id, "group_id"))

    def delete_group(self, group_id: str) -> api.Deleted:
        """Delete a group with its memberships and events; its users stay (https://userflow.com/docs/api#delete-a-group)."""
        return self._send(api.DELETE_GROUP, group_id=check_id(group_id, "group_id"))

    def list_groups(
        self,
        *,
        condition: Condition | Mapping[str, Any] | str | None = None,
        email: str | None = None,
        segment_id: str | None = None,
        user_id: str | None = None,
        order_by: Names = None,
        expand: Names = None,
        starting_after: str | None = None,
        page_size: int = 100,
    ) -> Iterator[api.Group]:
        """List groups (https://userflow.com/docs/api#list-groups).

        Args:
            condition: see `airflow_provider.engagement.userflow.conditions`; a bare name is a group's attribute here.
            email: only groups whose `email` attribute equals this.
            segment_id: only groups in this segment.
            user_id: only groups of this user.
            order_by: `created_at` or `attributes.name`; `-` before it for descending.
            expand: what to fill, e.g. `users` or `memberships.user`.
            starting_after: begin after the group with this id.
            page_size: groups a request, 1 to 100.
        """
        query = {"condition": _condition(condition), "email": email, "segment_id": segment_id, "user_id": user_id}
        return self._list(api.LIST_GROUPS, query, order_by, expand, starting_after, page_size)

    def remove_membership(self, user_id: str, group_id: str) -> api.Deleted:
        """Take a user out of a group; fine if it is not in it (https://userflow.com/docs/api#remove-a-user-from-a-group)."""
        return self._send(api.REMOVE_MEMBERSHIP, {"user_id": check_id(user_id, "user_id"), "group_id": check_id(group_id, "group_id")})

    # --- events ------------------------------------------------------------------------------------------------------

    def track_event(
        self,
        name: str,
        *,
        user_id: str | None = None,
        group_id: str | None = None,
        attributes: Attributes | None = None,
        time: datetime | str | None = None,
        expand: Names = None,
    ) -> api.Event:
        """Track an event of a user, a group, or both (https://userflow.com/docs/api#track-an-event).

        Events have no idempotency key: when the answer is lost the error's `in_doubt` is true and nothing is sent again.

        Args:
            name: letters, digits, underscores, dashes and spaces.
            user_id: the user it belongs to.
            group_id: the group it belongs to; one of the two is needed.
            attributes: the event's attributes.
            time: when it happened, with a time zone; now by default.
            expand: `user`, `group`.
        """
        body = given(name=name, user_id=user_id, group_id=group_id, attributes=attributes, time=time)
        return self._send(api.TRACK_EVENT, {"expand": expand}, check_event_body(body))

    # --- content -----------------------------------------------------------------------------------------------------

    def get_content(self, content_id: str, *, expand: Names = None) -> api.Content:
        """Get a flow, checklist or launcher (https://userflow.com/docs/api#get-a-content-object)."""
        return self._send(api.GET_CONTENT, {"expand": expand}, content_id=content_id)

    def list_content(
        self,
        *,
        type: str | None = None,
        order_by: Names = None,
        expand: Names = None,
        starting_after: str | None = None,
        page_size: int = 100,
    ) -> Iterator[api.Content]:
        """List content (https://userflow.com/docs/api#list-content).

        Args:
            type: `checklist`, `flow` or `launcher`; all by default.
            order_by: `created_at` or `name`; `-` before it for descending.
            expand: `draft_version`, `published_version`.
            starting_after: begin after the content with this id.
            page_size: objects a request, 1 to 100.
        """
        if type is not None and type not in api.CONTENT_TYPES:
            raise ValueError(f"type must be one of {', '.join(api.CONTENT_TYPES)}, got {type!r}")
        return self._list(api.LIST_CONTENT, {"type": type}, order_by, expand, starting_after, page_size)

    def get_content_version(self, version_id: str, *, expand: Names = None) -> api.ContentVersion:
        """Get a version of a content object (https://userflow.com/docs/api#get-a-content-version)."""
        return self._send(api.GET_CONTENT_VERSION, {"expand": expand}, version_id=version_id)

    def list_content_versions(
        self,
        content_id: str,
        *,
        number: int | None = None,
        order_by: Names = None,
        expand: Names = None,
        starting_after: str | None = None,
        page_size: int = 100,
    ) -> Iterator[api.ContentVersion]:
        """List the versions of a content object (https://userflow.com/docs/api#list-content-versions).

        Args:
            content_id: the flow, checklist or launcher.
            number: only the version of this number.
            order_by: `number`; `-` before it for descending.
            expand: `questions` (flows), `tasks` (checklists).
            starting_after: begin after the version with this id.
            page_size: versions a request, 1 to 100.
        """
        query = {"content_id": content_id, "number": number}
        return self._list(api.LIST_CONTENT_VERSIONS, query, order_by, expand, starting_after, page_size)

    def get_content_session(self, session_id: str, *, expand: Names = None) -> api.ContentSession:
        """Get a content session (https://userflow.com/docs/api#get-a-content-session)."""
        return self._send(api.GET_CONTENT_SESSION, {"expand": expand}, session_id=session_id)

    def list_content_sessions(
        self,
        *,
        content_id: str | None = None,
        user_id: str | None = None,
        order_by: Names = None,
        expand: Names = None,
        starting_after: str | None = None,
        page_size: int = 100,
    ) -> Iterator[api.ContentSession]:
        """List content sessions (https://userflow.com/docs/api#list-content-sessions).

        Args:
            content_id: only sessions of this content; without it, large accounts may see the server time out.
            user_id: only sessions of this user.
            order_by: `created_at` or `last_activity_at` (which moves, and may be null); `-` before it for descending.
            expand: `answers`, `content`, `group`, `user`, `version`.
            starting_after: begin after the session with this id.
            page_size: sessions a request, 1 to 100.
        """
        query = {"content_id": content_id, "user_id": user_id}
        return self._list(api.LIST_CONTENT_SESSIONS, query, order_by, expand, starting_after, page_size)

    # --- definitions -------------------------------------------------------------------------------------------------

    def list_attribute_definitions(
        self,
        *,
        event_name: Names = None,
        scope: str | None = None,
        order_by: Names = None,
        starting_after: str | None = None,
        page_size: int = 100,
    ) -> Iterator[api.AttributeDefinition]:
        """List attribute definitions (https://userflow.com/docs/api#list-attribute-definitions).

        Args:
            event_name: only attributes used in this event, or these events.
            scope: `event`, `group`, `group_membership` or `user`; all by default.
            order_by: `created_at`, `display_name` or `name`; `-` before it for descending.
            starting_after: begin after the definition with this id.
            page_size: definitions a request, 1 to 100.
        """
        if scope is not None and scope not in api.SCOPES:
            raise ValueError(f"scope must be one of {', '.join(api.SCOPES)}, got {scope!r}")
        query = {"event_name": event_name, "scope": scope}
        return self._list(api.LIST_ATTRIBUTE_DEFINITIONS, query, order_by, None, starting_after, page_size)

    def list_event_definitions(
        self, *, order_by: Names = None, starting_after: str | None = None, page_size: int = 100
    ) -> Iterator[api.EventDefinition]:
        """List event definitions (https://userflow.com/docs/api#list-event-definitions); arguments as in the other lists."""
        return self._list(api.LIST_EVENT_DEFINITIONS, {}, order_by, None, starting_after, page_size)

    # --- webhook subscriptions ---------------------------------------------------------------------------------------

    def create_webhook_subscription(self, url: str, topics: Sequence[str], *, api_version: str | None = None) -> api.WebhookSubscription:
        """Create a webhook subscription (https://userflow.com/docs/api#create-a-webhook-subscription).

        The answer's `secret` is there this once. It is registered with Airflow's masker; keep it out of XCom.

        Args:
            url: where Userflow posts notifications.
            topics: e.g. `["user", "event.tracked.flow_completed"]`.
            api_version: the version notifications are made with.
        """
        body = given(url=check_url(url), topics=check_topics(topics), api_version=api_version)
        return _masked(self._send(api.CREATE_WEBHOOK_SUBSCRIPTION, None, body))

    def get_webhook_subscription(self, webhook_subscription_id: str) -> api.WebhookSubscription:
        """Get a webhook subscription, without its secret (https://userflow.com/docs/api#get-a-webhook-subscription)."""
        return _masked(self._send(api.GET_WEBHOOK_SUBSCRIPTION, webhook_subscription_id=webhook_subscription_id))

    def update_webhook_subscription(
        self,
        webhook_subscription_id: str,
        *,
        url: str | None = None,
        topics: Sequence[str] | None = None,
        api_version: str | None = None,
        disabled: bool | None = None,
    ) -> api.WebhookSubscription:
        """Change a webhook subscription (https://userflow.com/docs/api#update-a-webhook-subscription); what is None stays."""
        if not isinstance(disabled, bool | None):
            raise TypeError(f"disabled must be True, False or None, got {type(disabled).__name__}")
        checked = None if topics is None else check_topics(topics)
        body = given(url=None if url is None else check_url(url), topics=checked, api_version=api_version, disabled=disabled)
        if not body:
            raise ValueError("update_webhook_subscription needs at least one of url, topics, api_version, disabled")
        return _masked(self._send(api.UPDATE_WEBHOOK_SUBSCRIPTION, None, body, webhook_subscription_id=webhook_subscription_id))

    def delete_webhook_subscription(self, webhook_subscription_id: str) -> api.Deleted:
        """Delete a webhook subscription; fine if it is gone (https://userflow.com/docs/api#delete-a-webhook-subscription)."""
        return self._send(api.DELETE_WEBHOOK_SUBSCRIPTION, webhook_subscription_id=webhook_subscription_id)

    def list_webhook_subscriptions(
        self, *, order_by: Names = None, starting_after: str | None = None, page_size: int = 100
    ) -> Iterator[api.WebhookSubscription]:
        """List webhook subscriptions, without secrets (https://userflow.com/docs/api#list-webhook-subscriptions)."""
        return self._list(api.LIST_WEBHOOK_SUBSCRIPTIONS, {}, order_by, None, starting_after, page_size)

    # -----------------------------------------------------------------------------------------------------------------

    def _send(self, endpoint: Endpoint[T], query: Query | None = None, body: Mapping[str, Any] | None = None, **ids: str) -> T:
        call = endpoint.call(query, body, **ids)
        return self.get_conn().send(call)

    def _list(
        self,
        endpoint: Endpoint[Page[T]],
        filters: Mapping[str, Any],
        order_by: Names,
        expand: Names,
        starting_after: str | None,
        page_size: int,
    ) -> Iterator[T]:
        query = {**filters, "order_by": order_by, "expand": expand, "starting_after": starting_after, "limit": page_size}
        empty = [name for name, value in query.items() if value == ""]
        if empty:  # a server may take an empty filter for none, and answer with everything
            raise ValueError(f"{endpoint.name}: {', '.join(empty)} is empty; give a value, or None to leave it out")
        if not isinstance(page_size, int) or not 1 <= page_size <= 100:
            raise ValueError(f"page_size must be a whole number from 1 to 100, got {page_size!r}")
        endpoint.call(query)  # unusable arguments fail here, not at the first record
        return (item for page in self.get_conn().pages(endpoint, query) for item in page.items)


def _condition(condition: Condition | Mapping[str, Any] | str | None) -> str | None:
    if condition is None:
        return None
    return (condition if isinstance(condition, Condition) else parse(condition)).to_json()


def _masked(subscription: api.WebhookSubscription) -> api.WebhookSubscription:
    # The reference shows the secret in the answer to an update too, though it says that it comes once.
    if subscription.secret:
        from airflow.sdk.log import mask_secret

        mask_secret(str(subscription.secret))
    return subscription


def _version(fields: ConnectionFields) -> str:
    version = fields.text("api_version") or api.API_VERSION
    if not _VERSION.fullmatch(version):
        raise fields.wrong("api_version", f"must be a date such as {api.API_VERSION}")
    return version
