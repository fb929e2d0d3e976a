"""Usertour's operators for webhooks, which API v2 has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider.engagement.base import check_secret_variable, failing_fast, never_twice, rendered_boolean, store_secret
from airflow_provider.engagement.usertour.operator import UsertourOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class UsertourCreateWebhookSubscriptionOperator(UsertourOperator):
    """Create a webhook (https://docs.usertour.io/api-reference/webhooks/create-a-webhook).

    Its secret is stored as an Airflow Variable and never returned. A retry after a lost answer would create a second webhook, so
    the task is not retried then.

    Args:
        url: where Usertour posts messages.
        topics: e.g. `["user", "event.tracked.flow_completed"]`, or `["*"]`.
        secret_variable: key of the Variable; it must hold `secret`, so that Airflow masks its value.
        enabled: False to begin without deliveries; Usertour's default if None.
        description: a note for the app.
        **kwargs: `usertour_conn_id`, and as for every operator.

    Returns:
        The webhook's id.

    Raises:
        AirflowFailException: unusable arguments or a connection for v1 (before anything is sent), a final no, or a creation in doubt.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "url", "topics", "secret_variable", "enabled", "description")

    def __init__(
        self,
        *,
        url: str,
        topics: Sequence[str],
        secret_variable: str,
        enabled: bool | str | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.url = url
        self.topics = topics
        self.secret_variable = secret_variable
        self.enabled = enabled
        self.description = description

    def execute(self, context: Context) -> str:
        """Create the webhook and store its secret."""
        with failing_fast(), never_twice("the webhook"):
            variable = check_secret_variable(self.secret_variable)
            enabled = rendered_boolean("enabled", self.enabled)
            webhook = self.hook.create_webhook_subscription(self.url, self.topics, enabled=enabled, description=self.description or None)
        if not webhook.secret:
            self.log.warning("Usertour sent no secret for webhook %s; Variable %s is unchanged", webhook.id, variable)
            return webhook.id
        store_secret(
            variable,
            str(webhook.secret),
            f"Usertour webhook {webhook.id}",
            partial(self.hook.delete_webhook_subscription, webhook.id),
            "Delete the webhook before this task runs again, or there will be two",
        )
        return webhook.id


class UsertourRotateWebhookSecretOperator(UsertourOperator):
    """Give a webhook a new secret (https://docs.usertour.io/api-reference/webhooks/rotate-a-webhook-secret).

    The new secret is stored as an Airflow Variable and never returned. The old one ends at once: let the receiver take both for a
    while. A retry rotates once more, which is harmless.

    Args:
        webhook_subscription_id: which.
        secret_variable: key of the Variable; it must hold `secret`, so that Airflow masks its value.
        **kwargs: `usertour_conn_id`, and as for every operator.

    Returns:
        The webhook's id.

    Raises:
        AirflowFailException: unusable arguments or a connection for v1 (before anything is sent), a final no, or no secret came.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "webhook_subscription_id", "secret_variable")

    def __init__(self, *, webhook_subscription_id: str, secret_variable: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.webhook_subscription_id = webhook_subscription_id
        self.secret_variable = secret_variable

    def execute(self, context: Context) -> str:
        """Rotate the secret and store the new one."""
        with failing_fast():
            variable = check_secret_variable(self.secret_variable)
            webhook = self.hook.rotate_webhook_secret(self.webhook_subscription_id)
            if not webhook.secret:
                raise ValueError(f"Usertour sent no new secret for webhook {webhook.id}; Variable {variable} is unchanged")
        store_secret(variable, str(webhook.secret), f"Usertour webhook {webhook.id}", None, "Run the task again")
        return webhook.id


class UsertourUpdateWebhookSubscriptionOperator(UsertourOperator):
    """Change a webhook (https://docs.usertour.io/api-reference/webhooks/update-a-webhook); what is None stays.

    Args:
        webhook_subscription_id: which.
        url: where Usertour posts messages.
        topics: what it is told of.
        enabled: False stops deliveries, True lets them go on.
        description: a note for the app.
        **kwargs: `usertour_conn_id`, and as for every operator.

    Returns:
        The webhook's id.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "webhook_subscription_id", "url", "topics", "enabled", "description")

    def __init__(
        self,
        *,
        webhook_subscription_id: str,
        url: str | None = None,
        topics: Sequence[str] | None = None,
        enabled: bool | str | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.webhook_subscription_id = webhook_subscription_id
        self.url = url
        self.topics = topics
        self.enabled = enabled
        self.description = description

    def execute(self, context: Context) -> str:
        """Change the webhook."""
        with failing_fast():
            return self.hook.update_webhook_subscription(
                self.webhook_subscription_id,
                url=self.url or None,
                topics=self.topics,
                enabled=rendered_boolean("enabled", self.enabled),
                description=self.description,
            ).id


class UsertourDeleteWebhookSubscriptionOperator(UsertourOperator):
    """Delete a webhook; fine if it is gone (https://docs.usertour.io/api-reference/webhooks/delete-a-webhook).

    Args:
        webhook_subscription_id: which.
        **kwargs: `usertour_conn_id`, and as for every operator.

    Returns:
        The webhook's id.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "webhook_subscription_id")

    def __init__(self, *, webhook_subscription_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.webhook_subscription_id = webhook_subscription_id

    def execute(self, context: Context) -> str:
        """Delete the webhook."""
        with failing_fast():
            self.hook.delete_webhook_subscription(self.webhook_subscription_id)
        return self.webhook_subscription_id
