"""The Airflow hook for Usertour: a connection becomes a client for either version of the API, and every call has a method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, ClassVar, cast

from airflow_provider.engagement.base import EngagementHook
from airflow_provider.engagement.connection import ConnectionFields
from airflow_provider.engagement.usertour import api, records
from airflow_provider.engagement.usertour.account import Account
from airflow_provider.engagement.usertour.bodies import check_attributes
from airflow_provider.engagement.usertour.rows import company_calls, event_call, user_calls
from airflow_provider.engagement.usertour.walk import tolerant
from airflow_provider.engagement.usertour.webhook import check_topics
from airflow_provider.engagement.wire.config import ClientConfig
from airflow_provider.engagement.wire.errors import NotFound
from airflow_provider.engagement.wire.message import Call, Query
from airflow_provider.engagement.wire.values import check_id, check_time, check_url, given

Names = str | Sequence[str] | None
"""One name or several, for `expand` and `order_by`."""
Attributes = Mapping[str, Any]
"""Attribute names with values; None removes the attribute."""
Moment = datetime | date | str | None
"""A date with time and zone, a date, or ISO 8601 text."""

_GONE = ("E1001", "E1002", "E1003", "E1004", api.NO_SESSION, "E0061")


class UsertourHook(EngagementHook):
    """Call Usertour's API, v1 or v2 (https://docs.usertour.io/api-reference), with the credentials of an Airflow connection.

    The connection decides the version: its password is v1's API key (`ak_…`, belongs to one environment) or v2's personal token
    (`utp_…`, with the extras `project_id` and `environment_id`); the extra `api_version` says it for keys that begin otherwise. Host: the
    base URL (default `https://api.usertour.io`). Further extras: `requests_per_minute`, `timeout` (seconds), `concurrency`, `verify`,
    `proxies`, `allow_http`, `webhook_secret`.

    The methods are the same for both versions. One that the version lacks, or a parameter of it, raises `NotInVersion` and says what to
    do. All raise `ValueError` or `TypeError` for unusable arguments before anything is sent, and a subclass of
    `airflow_provider.engagement.wire.errors.ApiError` when a call failed for good. Lists are lazy, ask for `page_size` records (1 to
    100) at a time, and give every record once (see `airflow_provider.engagement.usertour.walk`).

    Args:
        usertour_conn_id: id of a connection of type `usertour`.
    """

    conn_name_attr: ClassVar[str] = "usertour_conn_id"
    default_conn_name: ClassVar[str] = "usertour_default"
    conn_type: ClassVar[str] = "usertour"
    hook_name: ClassVar[str] = "Usertour"

    def __init__(self, usertour_conn_id: str = default_conn_name) -> None:
        super().__init__(usertour_conn_id)
        self.usertour_conn_id = usertour_conn_id
        self._account: Account | None = None

    def make_config(self, fields: ConnectionFields) -> ClientConfig:
        """Turn the connection's fields into the client's settings.

        Raises:
            ValueError: a field is unusable; the message names it.
        """
        self._account = Account.of(fields)
        key = fields.secret("API key or token")
        return ClientConfig(
            base_url=fields.base_url(api.BASE_URL),
            dialect=api.DIALECT,
            headers=api.headers(key),
            secrets=(key, *fields.proxy_secrets()),
            **fields.traffic(),
        )

    @property
    def account(self) -> Account:
        """Which version, project and environment the connection names.

        Raises:
            ValueError: a field of the connection is unusable; the message names it.
        """
        if self._account is None:
            self._account = Account.of(ConnectionFields.of(self.get_connection(self.conn_id)))
        return self._account

    def probe(self) -> Call[Any]:
        """List one attribute definition (v1) or one session (v2, which proves project and environment too): real and harmless."""
        return self.account.call("list_attribute_definitions" if self.account.version == "v1" else "list_content_sessions", {"limit": 1})

    # --- users -------------------------------------------------------------------------------------------------------

    def upsert_user(
        self,
        user_id: str,
        attributes: Attributes | None = None,
        *,
        companies: Sequence[Mapping[str, Any]] | None = None,
        memberships: Sequence[Mapping[str, Any]] | None = None,
    ) -> records.User:
        """Create or update a user.

        v1 takes it in one call. v2 takes the user, each company and each membership in calls of their own; all are repeatable.

        Args:
            user_id: the user's id in your database.
            attributes: values by name; attributes not named stay as they are.
            companies: `{"id": …, "attributes": …}` for each company to update and join; not together with `memberships`.
            memberships: `{"attributes": …, "company": {"id": …, "attributes": …}}` for each membership.
        """
        body = given(id=user_id, attributes=attributes, companies=companies, memberships=memberships)
        _, calls, _ = user_calls(self.account, body)
        answers = [self.get_conn().send(call) for call in calls]
        return cast("records.User", answers[0])

    def get_user(self, user_id: str, *, expand: Names = None) -> records.User:
        """Get a user; `NotFound` if there is none. `expand`: `companies`, `memberships`, `memberships.company`."""
        return cast("records.User", self._send("get_user", {"expand": _names("expand", expand)}, user_id=check_id(user_id, "user_id")))

    def delete_user(self, user_id: str) -> records.Deleted:
        """Delete a user with its sessions; fine if it is gone."""
        return self._delete("delete_user", user_id=check_id(user_id, "user_id"))

    def list_users(
        self,
        *,
        email: str | None = None,
        company_id: str | None = None,
        segment_id: str | None = None,
        created_after: Moment = None,
        created_before: Moment = None,
        order_by: Names = None,
        expand: Names = None,
        cursor: str | None = None,
        page_size: int = 100,
        allow_incomplete: bool = False,
    ) -> Iterator[records.User]:
        """List users.

        Args:
            email: only users whose `email` attribute equals this, case included.
            company_id: only members of this company.
            segment_id: only users in this segment.
            created_after: only users created at or after this moment (v2).
            created_before: only users created at or before this moment (v2).
            order_by: `createdAt` or `-createdAt`.
            expand: `companies`, `memberships`, `memberships.company`.
            cursor: begin behind this cursor, which is not the user's id.
            page_size: users a request, 1 to 100.
            allow_incomplete: v1: do not raise `Incomplete` at the end where more than 100 users share a moment of creation.
        """
        query = {"email": email, "companyId": company_id, "segmentId": segment_id, **_created(created_after, created_before)}
        return self._list("list_users", query, order_by, expand, cursor, page_size, allow_incomplete)

    # --- companies ---------------------------------------------------------------------------------------------------

    def upsert_company(self, company_id: str, attributes: Attributes | None = None) -> records.Company:
        """Create or update a company; arguments as in `upsert_user`."""
        _, (call,), _ = company_calls(self.account, given(id=company_id, attributes=attributes))
        return cast("records.Company", self.get_conn().send(call))

    def get_company(self, company_id: str, *, expand: Names = None) -> records.Company:
        """Get a company; `NotFound` if there is none. `expand`: `users`, `memberships`, `memberships.user`."""
        query = {"expand": _names("expand", expand)}
        return cast("records.Company", self._send("get_company", query, company_id=check_id(company_id, "company_id")))

    def delete_company(self, company_id: str) -> records.Deleted:
        """Delete a company with its memberships; its users stay. Fine if it is gone."""
        return self._delete("delete_company", company_id=check_id(company_id, "company_id"))

    def list_companies(
        self,
        *,
        segment_id: str | None = None,
        created_after: Moment = None,
        created_before: Moment = None,
        order_by: Names = None,
        expand: Names = None,
        cursor: str | None = None,
        page_size: int = 100,
        allow_incomplete: bool = False,
    ) -> Iterator[records.Company]:
        """List companies.

        Args:
            segment_id: only companies in this segment (v2).
            created_after: only companies created at or after this moment (v2).
            created_before: only companies created at or before this moment (v2).
            order_by: `createdAt` or `-createdAt`.
            expand: `users`, `memberships`, `memberships.user`.
            cursor: begin behind this cursor, which is not the company's id.
            page_size: companies a request, 1 to 100.
            allow_incomplete: as in `list_users`.
        """
        query = {"segmentId": segment_id, **_created(created_after, created_before)}
        return self._list("list_companies", query, order_by, expand, cursor, page_size, allow_incomplete)

    def upsert_membership(self, user_id: str, company_id: str, attributes: Attributes | None = None) -> None:
        """Put a user into a company, or change the membership's attributes. v1 creates user and company where they are unknown.

        Raises:
            NotFound: v2 knows no such user or company.
        """
        account = self.account
        user, company = check_id(user_id, "user_id"), check_id(company_id, "company_id")
        if account.version == "v1":
            self.upsert_user(user, memberships=[given(company={"id": company}, attributes=attributes)])
            return
        body = {} if attributes is None else {"attributes": check_attributes(attributes, account.version)}
        self.get_conn().send(account.call("upsert_membership", None, body, user_id=user, company_id=company))

    def remove_membership(self, user_id: str, company_id: str) -> records.Deleted:
        """Take a user out of a company; fine if it is not in it."""
        user, company = check_id(user_id, "user_id"), check_id(company_id, "company_id")
        if self.account.version == "v1":
            return self._delete("remove_membership", {"userId": user, "companyId": company})
        return self._delete("remove_membership", user_id=user, company_id=company)

    # --- events ------------------------------------------------------------------------------------------------------

    def track_event(
        self,
        name: str,
        *,
        user_id: str,
        company_id: str | None = None,
        attributes: Attributes | None = None,
        time: Moment = None,
    ) -> records.Event:
        """Track an event of a user (v2; https://docs.usertour.io/api-reference/events/track-an-event).

        Events have no idempotency key: when the answer is lost the error's `in_doubt` is true and nothing is sent again. Usertour
        creates unknown users, and leaves out an unknown company without a word.

        Args:
            name: begins with a letter; letters, digits and underscores, 2 to 100 characters; not one of Usertour's own events.
            user_id: the user it belongs to.
            company_id: the company it belongs to, which must exist.
            attributes: the event's attributes.
            time: when it happened; now by default.
        """
        body = given(name=name, userId=user_id, companyId=company_id, attributes=attributes, occurredAt=time)
        return cast("records.Event", self.get_conn().send(event_call(self.account, body)))

    # --- content -----------------------------------------------------------------------------------------------------

    def get_content(self, content_id: str, *, expand: Names = None) -> records.Content:
        """Get a content object; `NotFound` if there is none. `expand`: `editedVersion`, `publishedVersion`."""
        return cast("records.Content", self._send("get_content", {"expand": _names("expand", expand)}, content_id=content_id))

    def list_content(
        self,
        *,
        name: str | None = None,
        type: str | None = None,
        published: bool | None = None,
        deleted: bool | None = None,
        created_after: Moment = None,
        created_before: Moment = None,
        order_by: Names = None,
        expand: Names = None,
        cursor: str | None = None,
        page_size: int = 100,
        allow_incomplete: bool = False,
    ) -> Iterator[records.Content]:
        """List content.

        Args:
            name: only content whose name holds this (v2).
            type: `flow`, `checklist`, `launcher`, `banner`, `tracker`, `resource-center`, `announcement` (v2).
            published: only content that is published in some environment, or in none (v2).
            deleted: list what was deleted instead (v2).
            created_after: only content created at or after this moment (v2).
            created_before: only content created at or before this moment (v2).
            order_by: `createdAt` or `-createdAt`.
            expand: `editedVersion`, `publishedVersion`.
            cursor: begin behind the content with this id.
            page_size: objects a request, 1 to 100.
            allow_incomplete: as in `list_users`.
        """
        filters = {"name": name, "type": type, "published": published, "deleted": deleted}
        query = {**filters, **_created(created_after, created_before)}
        return self._list("list_content", query, order_by, expand, cursor, page_size, allow_incomplete)

    def get_content_version(self, version_id: str, *, content_id: str | None = None, expand: Names = None) -> records.ContentVersion:
        """Get a version of a content object.

        Args:
            version_id: which version.
            content_id: of which content; v2 needs it.
            expand: `questions`, and `steps` (v2).
        """
        if content_id is None and self.account.version == "v2":
            raise ValueError("get_content_version needs content_id in Usertour's API v2; a content's versions are its own there")
        ids = given(version_id=version_id, content_id=content_id)
        return cast("records.ContentVersion", self._send("get_content_version", {"expand": _names("expand", expand)}, **ids))

    def list_content_versions(
        self,
        content_id: str,
        *,
        order_by: Names = None,
        expand: Names = None,
        cursor: str | None = None,
        page_size: int = 100,
        allow_incomplete: bool = False,
    ) -> Iterator[records.ContentVersion]:
        """List the versions of a content object; `expand`: `questions`, and `steps` (v2). Other arguments as in `list_content`."""
        query = {"contentId": content_id} if self.account.version == "v1" else {}
        return self._list("list_content_versions", query, order_by, expand, cursor, page_size, allow_incomplete, content_id=content_id)

    def get_content_analytics(
        self, content_id: str, *, start_date: str | None = None, end_date: str | None = None, timezone: str | None = None
    ) -> records.ContentAnalytics:
        """Get a content's counts in the connection's environment (v2).

        Args:
            content_id: which content.
            start_date: first day, `YYYY-MM-DD`; 30 days ago by default.
            end_date: last day, which counts; today by default.
            timezone: IANA name of the zone of the days; UTC by default.
        """
        query = self._range(start_date, end_date, timezone)
        return cast("records.ContentAnalytics", self._send("get_content_analytics", query, content_id=content_id))

    def list_question_analytics(
        self, content_id: str, *, start_date: str | None = None, end_date: str | None = None, timezone: str | None = None
    ) -> list[records.QuestionAnalytics]:
        """Get the counts of the answers to each question of a content (v2); arguments as in `get_content_analytics`."""
        query = self._range(start_date, end_date, timezone)
        return cast("list[records.QuestionAnalytics]", self._send("list_question_analytics", query, content_id=content_id))

    # --- content sessions --------------------------------------------------------------------------------------------

    def get_content_session(self, session_id: str, *, expand: Names = None) -> records.ContentSession:
        """Get a content session; `expand` as in `list_content_sessions`."""
        query = {"expand": _names("expand", expand)}
        return cast("records.ContentSession", self._send("get_content_session", query, session_id=session_id))

    def list_content_sessions(
        self,
        *,
        content_id: str | None = None,
        user_id: str | None = None,
        completed: bool | None = None,
        created_after: Moment = None,
        created_before: Moment = None,
        order_by: Names = None,
        expand: Names = None,
        cursor: str | None = None,
        page_size: int = 100,
        allow_incomplete: bool = False,
    ) -> Iterator[records.ContentSession]:
        """List content sessions (https://docs.usertour.io/api-reference/content-sessions/list).

        Args:
            content_id: only sessions of this content; v1 needs it.
            user_id: only sessions of this user.
            completed: only sessions that were completed, or were not (v2).
            created_after: only sessions created at or after this moment (v2).
            created_before: only sessions created at or before this moment (v2).
            order_by: `createdAt` (default) or `-createdAt`.
            expand: `answers`, `company`, `content`, `user`, `version`.
            cursor: begin behind the session with this id.
            page_size: sessions a request, 1 to 100.
            allow_incomplete: as in `list_users`.
        """
        if content_id is None and self.account.version == "v1":
            raise ValueError("list_content_sessions needs content_id in Usertour's API v1; walk over list_content() for all")
        query = {"contentId": content_id, "userId": user_id, "completed": completed, **_created(created_after, created_before)}
        return self._list("list_content_sessions", query, order_by, expand, cursor, page_size, allow_incomplete)

    def end_content_session(self, session_id: str) -> records.ContentSession:
        """End a content session; fine if it has ended already, in both versions.

        Raises:
            NotFound: there is no such session.
        """
        try:
            return cast("records.ContentSession", self._send("end_content_session", session_id=session_id))
        except NotFound as error:
            # v1 says of a session that has ended what it says of one that does not exist.
            if self.account.version == "v2" or error.problem.code != api.NO_SESSION:
                raise
            session = self.get_content_session(session_id)
            if not session.ended:
                raise
            return session

    def delete_content_session(self, session_id: str) -> records.Deleted:
        """Delete a content session with its answers; fine if it is gone."""
        return self._delete("delete_content_session", session_id=session_id)

    # --- definitions -------------------------------------------------------------------------------------------------

    def list_attribute_definitions(
        self,
        *,
        scope: str | None = None,
        event_name: Names = None,
        order_by: Names = None,
        cursor: str | None = None,
        page_size: int = 100,
        allow_incomplete: bool = False,
    ) -> Iterator[records.AttributeDefinition]:
        """List attribute definitions.

        Args:
            scope: `user`, `company`, `companyMembership` or `eventDefinition`; all by default.
            event_name: only attributes used in this event, or these events.
            order_by: `createdAt` or `displayName` (default); `-` before it for descending.
            cursor: begin behind the definition with this id.
            page_size: definitions a request, 1 to 100.
            allow_incomplete: as in `list_users`.
        """
        if scope is not None and scope not in api.SCOPES:
            raise ValueError(f"scope must be one of {', '.join(api.SCOPES)}, got {scope!r}")
        query = {"scope": scope, "eventName": event_name}
        return self._list("list_attribute_definitions", query, order_by, None, cursor, page_size, allow_incomplete)

    def list_event_definitions(
        self, *, order_by: Names = None, cursor: str | None = None, page_size: int = 100, allow_incomplete: bool = False
    ) -> Iterator[records.EventDefinition]:
        """List event definitions; arguments as in `list_attribute_definitions`."""
        return self._list("list_event_definitions", {}, order_by, None, cursor, page_size, allow_incomplete)

    def list_segments(self, *, cursor: str | None = None, page_size: int = 100) -> Iterator[records.Segment]:
        """List the project's segments (v2)."""
        return self._list("list_segments", {}, None, None, cursor, page_size)

    def list_environments(self, *, cursor: str | None = None, page_size: int = 100) -> Iterator[records.Environment]:
        """List the project's environments (v2)."""
        return self._list("list_environments", {}, None, None, cursor, page_size)

    # --- webhooks ----------------------------------------------------------------------------------------------------

    def create_webhook_subscription(
        self, url: str, topics: Sequence[str], *, enabled: bool | None = None, description: str | None = None
    ) -> records.WebhookSubscription:
        """Create a webhook (v2). The answer's `secret` is registered with Airflow's masker; keep it out of XCom.

        Args:
            url: where Usertour posts messages.
            topics: e.g. `["user", "event.tracked.flow_completed"]`.
            enabled: False to begin without deliveries.
            description: a note for the app.
        """
        body = given(url=check_url(url), topics=check_topics(topics), enabled=enabled, description=description)
        return self._webhook("create_webhook_subscription", body)

    def get_webhook_subscription(self, webhook_subscription_id: str) -> records.WebhookSubscription:
        """Get a webhook (v2); with its secret for tokens with `webhook:manage`."""
        return self._webhook("get_webhook_subscription", None, webhook_subscription_id)

    def update_webhook_subscription(
        self,
        webhook_subscription_id: str,
        *,
        url: str | None = None,
        topics: Sequence[str] | None = None,
        enabled: bool | None = None,
        description: str | None = None,
    ) -> records.WebhookSubscription:
        """Change a webhook (v2); what is None stays."""
        checked = None if topics is None else check_topics(topics)
        body = given(url=None if url is None else check_url(url), topics=checked, enabled=enabled, description=description)
        if not body:
            raise ValueError("update_webhook_subscription needs at least one of url, topics, enabled, description")
        return self._webhook("update_webhook_subscription", body, webhook_subscription_id)

    def rotate_webhook_secret(self, webhook_subscription_id: str) -> records.WebhookSubscription:
        """Give a webhook a new secret (v2), which the answer holds; it is registered with Airflow's masker."""
        return self._webhook("rotate_webhook_secret", None, webhook_subscription_id)

    def delete_webhook_subscription(self, webhook_subscription_id: str) -> records.Deleted:
        """Delete a webhook (v2); fine if it is gone."""
        return self._delete("delete_webhook_subscription", webhook_subscription_id=webhook_subscription_id)

    def list_webhook_subscriptions(self, *, cursor: str | None = None, page_size: int = 100) -> Iterator[records.WebhookSubscription]:
        """List webhooks, without secrets (v2)."""
        return self._list("list_webhook_subscriptions", {}, None, None, cursor, page_size)

    # -----------------------------------------------------------------------------------------------------------------

    def _send(self, name: str, query: Query | None = None, /, **ids: str) -> Any:
        return self.get_conn().send(self.account.call(name, query, None, **ids))

    def _delete(self, name: str, query: Query | None = None, /, **ids: str) -> records.Deleted:
        try:
            return cast("records.Deleted", self._send(name, query, **ids))
        except NotFound as error:
            if error.problem.code not in _GONE:
                raise
            return records.Deleted(raw={}, deleted=False)

    def _webhook(
        self, name: str, body: Mapping[str, Any] | None, webhook_subscription_id: str | None = None
    ) -> records.WebhookSubscription:
        from airflow.sdk.log import mask_secret

        ids = given(webhook_subscription_id=webhook_subscription_id)
        webhook = cast("records.WebhookSubscription", self.get_conn().send(self.account.call(name, None, body, **ids)))
        if webhook.secret:
            mask_secret(str(webhook.secret))
        return webhook

    def _range(self, start_date: str | None, end_date: str | None, timezone: str | None) -> Query:
        return {"environmentId": self.account.environment_id or None, "startDate": start_date, "endDate": end_date, "timezone": timezone}

    def _list(
        self,
        name: str,
        filters: Query,
        order_by: Names,
        expand: Names,
        cursor: str | None,
        page_size: int,
        allow_incomplete: bool = False,
        **ids: str,
    ) -> Iterator[Any]:
        empty = [key for key, value in {**filters, "cursor": cursor}.items() if value == ""]
        if empty:  # a server may take an empty filter for none, and answer with everything
            raise ValueError(f"{name}: {', '.join(empty)} is empty; give a value, or None to leave it out")
        if not isinstance(page_size, int) or not 1 <= page_size <= api.MAX_PAGE:
            raise ValueError(f"page_size must be a whole number from 1 to {api.MAX_PAGE}, got {page_size!r}")
        more = {"orderBy": _names("order_by", order_by), "expand": _names("expand", expand), "cursor": cursor, "limit": page_size}
        endpoint, query = self.account.listing(name, {**filters, **more}, **ids)
        if allow_incomplete:
            endpoint = replace(endpoint, **tolerant(endpoint))
        return (item for page in self.get_conn().pages(endpoint, query) for item in page.items)


def _names(what: str, names: Names) -> Names:
    for name in (names,) if isinstance(names, str) else names or ():
        if "," in name:
            raise ValueError(f"{what} takes several names as a list, not as one text with commas, got {name!r}")
    return names


def _created(after: Moment, before: Moment) -> dict[str, str | None]:
    return {
        "createdAfter": None if after is None else check_time(after, "created_after"),
        "createdBefore": None if before is None else check_time(before, "created_before"),
    }
