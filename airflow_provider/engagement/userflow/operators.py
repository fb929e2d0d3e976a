"""Userflow's operators: one row, many rows, deletes, webhook subscriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider.engagement.base import check_secret_variable, failing_fast, never_twice, rendered_boolean, store_secret
from airflow_provider.engagement.bulk.operator import RowsOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.engagement.bulk.plan import Target
    from airflow_provider.engagement.userflow.api import Event
    from airflow_provider.engagement.userflow.hooks import UserflowHook


class UserflowOperator(BaseOperator):
    """Base of Userflow's operators.

    Args:
        userflow_conn_id: id of a connection of type `userflow`.
        **kwargs: as for every operator.
    """

    template_fields: Sequence[str] = ("userflow_conn_id",)
    ui_color = "#e3f2fd"

    def __init__(self, *, userflow_conn_id: str = "userflow_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.userflow_conn_id = userflow_conn_id

    @cached_property
    def hook(self) -> UserflowHook:
        """The hook."""
        from airflow_provider.engagement.userflow.hooks import UserflowHook

        return UserflowHook(self.userflow_conn_id)

    def send_row(self, kind: str, row: Mapping[str, Any], context: Context) -> Any:
        """Send one user, group or event, and give the answer; None where an earlier try of the task got it."""
        from airflow_provider.engagement.bulk.task import run_row
        from airflow_provider.engagement.userflow.plan import make_target

        with failing_fast():
            return run_row(self.hook, row, make_target(self.hook, kind), context)


# --- one row ---------------------------------------------------------------------------------------------------------


class UserflowUpsertUserOperator(UserflowOperator):
    """Create or update one user (https://userflow.com/docs/api#create-or-update-a-user).

    Args:
        user_id: the user's id in your database.
        attributes: literals or operations (`airflow_provider.engagement.userflow.attributes`); others stay as they are.
        groups: `{"id", "attributes"}` of each group to update and join; not together with `memberships`.
        memberships: `{"attributes", "group": {"id", "attributes"}}` of each membership.
        prune_memberships: leave all groups not named; only with the complete list.
        **kwargs: `userflow_conn_id`, and as for every operator.

    Returns:
        The user's id.

    Raises:
        AirflowFailException: unusable arguments (before anything is sent), or a final no from Userflow.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", "user_id", "attributes", "groups", "memberships", "prune_memberships")
    template_fields_renderers = {"attributes": "json", "groups": "json", "memberships": "json"}  # noqa: RUF012

    def __init__(
        self,
        *,
        user_id: str,
        attributes: Mapping[str, Any] | None = None,
        groups: Sequence[Mapping[str, Any]] | None = None,
        memberships: Sequence[Mapping[str, Any]] | None = None,
        prune_memberships: bool | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id
        self.attributes = attributes
        self.groups = groups
        self.memberships = memberships
        self.prune_memberships = prune_memberships

    def execute(self, context: Context) -> str:
        """Send the user."""
        with failing_fast():
            prune = rendered_boolean("prune_memberships", self.prune_memberships)
        row = {"id": self.user_id, "attributes": self.attributes, "groups": self.groups, "memberships": self.memberships}
        self.send_row("users", {**row, "prune_memberships": prune}, context)
        return str(self.user_id)


class UserflowUpsertGroupOperator(UserflowOperator):
    """Create or update one group (https://userflow.com/docs/api#create-or-update-a-group).

    Args:
        group_id: the group's id in your database.
        attributes: literals or operations; others stay as they are.
        **kwargs: `userflow_conn_id`, and as for every operator.

    Returns:
        The group's id.

    Raises:
        AirflowFailException: unusable arguments (before anything is sent), or a final no from Userflow.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", "group_id", "attributes")
    template_fields_renderers = {"attributes": "json"}  # noqa: RUF012

    def __init__(self, *, group_id: str, attributes: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group_id = group_id
        self.attributes = attributes

    def execute(self, context: Context) -> str:
        """Send the group."""
        self.send_row("groups", {"id": self.group_id, "attributes": self.attributes}, context)
        return str(self.group_id)


class UserflowTrackEventOperator(UserflowOperator):
    """Track one event (https://userflow.com/docs/api#track-an-event).

    Events have no idempotency key: an event whose answer was lost is in doubt, and the task is not retried.

    Args:
        event_name: letters, digits, underscores, dashes and spaces.
        user_id: the user it belongs to.
        group_id: the group it belongs to; one of the two is needed.
        attributes: the event's attributes.
        time: when it happened: a datetime with a time zone or ISO 8601 text; now by default.
        **kwargs: `userflow_conn_id`, and as for every operator.

    Returns:
        The event's id; None where the task was killed after the answer had come, and retried.

    Raises:
        AirflowFailException: unusable arguments (before anything is sent), a final no from Userflow, or an event in doubt.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", "event_name", "user_id", "group_id", "attributes", "time")
    template_fields_renderers = {"attributes": "json"}  # noqa: RUF012

    def __init__(
        self,
        *,
        event_name: str,
        user_id: str | None = None,
        group_id: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        time: datetime | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.event_name = event_name
        self.user_id = user_id
        self.group_id = group_id
        self.attributes = attributes
        self.time = time

    def execute(self, context: Context) -> str | None:
        """Send the event."""
        row = {"name": self.event_name, "user_id": self.user_id, "group_id": self.group_id, "attributes": self.attributes}
        sent: Event | None = self.send_row("events", {**row, "time": self.time or None}, context)
        return None if sent is None else sent.id


class UserflowDeleteUserOperator(UserflowOperator):
    """Delete a user with its attributes, memberships, events and flow history (https://userflow.com/docs/api#delete-a-user).

    It cannot be undone. It is idempotent: a user that is gone already is fine.

    Args:
        user_id: the user's id in your database.
        **kwargs: `userflow_conn_id`, and as for every operator.

    Returns:
        The user's id.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", "user_id")

    def __init__(self, *, user_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id

    def execute(self, context: Context) -> str:
        """Delete the user."""
        with failing_fast():
            self.hook.delete_user(self.user_id)
        return self.user_id


class UserflowDeleteGroupOperator(UserflowOperator):
    """Delete a group with its attributes, memberships and events; users stay (https://userflow.com/docs/api#delete-a-group).

    It cannot be undone. It is idempotent: a group that is gone already is fine.

    Args:
        group_id: the group's id in your database.
        **kwargs: `userflow_conn_id`, and as for every operator.

    Returns:
        The group's id.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", "group_id")

    def __init__(self, *, group_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group_id = group_id

    def execute(self, context: Context) -> str:
        """Delete the group."""
        with failing_fast():
            self.hook.delete_group(self.group_id)
        return self.group_id


class UserflowRemoveMembershipOperator(UserflowOperator):
    """Take a user out of a group; both stay (https://userflow.com/docs/api#remove-a-user-from-a-group).

    It is idempotent: a user that is not in the group is fine. To put a user into a group, upsert the user with `memberships`.

    Args:
        user_id: the user's id in your database.
        group_id: the group's id in your database.
        **kwargs: `userflow_conn_id`, and as for every operator.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", "user_id", "group_id")

    def __init__(self, *, user_id: str, group_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id
        self.group_id = group_id

    def execute(self, context: Context) -> None:
        """Remove the membership."""
        with failing_fast():
            self.hook.remove_membership(self.user_id, self.group_id)


# --- many rows -------------------------------------------------------------------------------------------------------


class UserflowRowsOperator(UserflowOperator, RowsOperator):
    """Base of the operators of many rows to Userflow; arguments, result and errors are those of `RowsOperator`."""

    template_fields: Sequence[str] = ("userflow_conn_id", *RowsOperator.template_fields)
    target = ""

    def make_target(self) -> Target:
        """Say where the rows go."""
        from airflow_provider.engagement.userflow.plan import make_target

        return make_target(self.hook, self.target, timezone=self.timezone or None, preflight=self.preflight)


class UserflowUpsertUsersOperator(UserflowRowsOperator):
    """Create or update many users (https://userflow.com/docs/api#create-or-update-a-user).

    A row is `{"id", "attributes", "groups" or "memberships", "prune_memberships"}`; rows of one user go in their order. All other
    arguments, the result and the errors are those of `UserflowRowsOperator`.
    """

    target = what = "users"


class UserflowUpsertGroupsOperator(UserflowRowsOperator):
    """Create or update many groups (https://userflow.com/docs/api#create-or-update-a-group).

    A row is `{"id", "attributes"}`; rows of one group go in their order. All other arguments, the result and the errors are those
    of `UserflowRowsOperator`.
    """

    target = what = "groups"


class UserflowTrackEventsOperator(UserflowRowsOperator):
    """Track many events (https://userflow.com/docs/api#track-an-event).

    A row is `{"name", "user_id", "group_id", "attributes", "time"}`. Events have no idempotency key: by default one whose answer was
    lost is reported in doubt, not sent again (see `delivery`). All other arguments, the result and the errors are those of
    `UserflowRowsOperator`.
    """

    target = what = "events"
    keyed = False


# --- webhook subscriptions -------------------------------------------------------------------------------------------


class UserflowCreateWebhookSubscriptionOperator(UserflowOperator):
    """Create a webhook subscription (https://userflow.com/docs/api#create-a-webhook-subscription).

    Userflow shows the subscription's secret once, in the answer. It is stored as an Airflow Variable and never returned. A retry
    after a lost answer would create a second subscription, so the task is not retried then.

    Args:
        url: where Userflow posts notifications.
        topics: e.g. `["user", "event.tracked.flow_completed"]`, or `["*"]`.
        secret_variable: key of the Variable; it must hold `secret`, so that Airflow masks its value.
        api_version: the version notifications are made with; Userflow's default if None.
        **kwargs: `userflow_conn_id`, and as for every operator.

    Returns:
        The subscription's id.

    Raises:
        AirflowFailException: unusable arguments (before anything is sent), a final no from Userflow, or a creation in doubt.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", "url", "topics", "secret_variable", "api_version")

    def __init__(self, *, url: str, topics: Sequence[str], secret_variable: str, api_version: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.url = url
        self.topics = topics
        self.secret_variable = secret_variable
        self.api_version = api_version

    def execute(self, context: Context) -> str:
        """Create the subscription and store its secret."""
        with failing_fast(), never_twice("the subscription"):
            variable = check_secret_variable(self.secret_variable)
            subscription = self.hook.create_webhook_subscription(self.url, self.topics, api_version=self.api_version or None)
        if not subscription.secret:
            self.log.warning("Userflow sent no secret for subscription %s; Variable %s is unchanged", subscription.id, variable)
            return subscription.id
        store_secret(
            variable,
            str(subscription.secret),
            f"Userflow webhook subscription {subscription.id}",
            partial(self.hook.delete_webhook_subscription, subscription.id),
            "Delete the subscription before this task runs again, or there will be two",
        )
        return subscription.id


class UserflowUpdateWebhookSubscriptionOperator(UserflowOperator):
    """Change a webhook subscription (https://userflow.com/docs/api#update-a-webhook-subscription); what is None stays.

    Args:
        webhook_subscription_id: which.
        url: where Userflow posts notifications.
        topics: what it is notified of.
        api_version: the version notifications are made with.
        disabled: True stops notifications at once.
        **kwargs: `userflow_conn_id`, and as for every operator.

    Returns:
        The subscription's id.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", "webhook_subscription_id", "url", "topics", "api_version", "disabled")

    def __init__(
        self,
        *,
        webhook_subscription_id: str,
        url: str | None = None,
        topics: Sequence[str] | None = None,
        api_version: str | None = None,
        disabled: bool | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.webhook_subscription_id = webhook_subscription_id
        self.url = url
        self.topics = topics
        self.api_version = api_version
        self.disabled = disabled

    def execute(self, context: Context) -> str:
        """Change the subscription."""
        with failing_fast():
            return self.hook.update_webhook_subscription(
                self.webhook_subscription_id,
                url=self.url or None,
                topics=self.topics,
                api_version=self.api_version or None,
                disabled=rendered_boolean("disabled", self.disabled),
            ).id


class UserflowDeleteWebhookSubscriptionOperator(UserflowOperator):
    """Delete a webhook subscription; fine if it is gone (https://userflow.com/docs/api#delete-a-webhook-subscription).

    Args:
        webhook_subscription_id: which.
        **kwargs: `userflow_conn_id`, and as for every operator.

    Returns:
        The subscription's id.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", "webhook_subscription_id")

    def __init__(self, *, webhook_subscription_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.webhook_subscription_id = webhook_subscription_id

    def execute(self, context: Context) -> str:
        """Delete the subscription."""
        with failing_fast():
            self.hook.delete_webhook_subscription(self.webhook_subscription_id)
        return self.webhook_subscription_id
