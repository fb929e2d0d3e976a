"""The Usertour hook's calls for content, definitions and webhooks: what belongs to the project rather than to its people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from airflow_provider.engagement.usertour import api, records
from airflow_provider.engagement.usertour.hook import Moment, Names, UsertourBaseHook, created, names
from airflow_provider.engagement.usertour.webhook import check_topics
from airflow_provider.engagement.wire.message import Query
from airflow_provider.engagement.wire.values import check_url, given


class ProjectCalls(UsertourBaseHook):
    """The part of `UsertourHook` for content, analytics, definitions and webhooks."""

    # --- content -----------------------------------------------------------------------------------------------------

    def get_content(self, content_id: str, *, expand: Names = None) -> records.Content:
        """Get a content object; `NotFound` if there is none. `expand`: `editedVersion`, `publishedVersion`."""
        return cast("records.Content", self._send("get_content", {"expand": names("expand", expand)}, content_id=content_id))

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
        query = {**filters, **created(created_after, created_before)}
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
        return cast("records.ContentVersion", self._send("get_content_version", {"expand": names("expand", expand)}, **ids))

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
