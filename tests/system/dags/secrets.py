"""Everything that handles a secret, and that fails while it has one at hand; the secrets test then looks for them everywhere."""

from __future__ import annotations

from airflow.sdk import dag, task

from airflow_provider.engagement.userflow.operators import (
    UserflowCreateWebhookSubscriptionOperator,
    UserflowTrackEventOperator,
    UserflowUpsertUserOperator,
    UserflowUpsertUsersOperator,
)
from airflow_provider.engagement.userflow.sensors import UserflowContentSessionSensor

SECRET_VARIABLE = "userflow_webhook_secret"


@dag(schedule=None)
def handles_secrets() -> None:
    """Create a webhook subscription, fail in every way, and print what people print when they look for a mistake."""
    subscribe = UserflowCreateWebhookSubscriptionOperator(
        task_id="subscribe", url="https://example.com/hook", topics=["*"], secret_variable=SECRET_VARIABLE
    )
    UserflowUpsertUserOperator(task_id="refused_key", userflow_conn_id="userflow_wrong_key", user_id="someone")
    UserflowUpsertUsersOperator(task_id="refused_key_rows", userflow_conn_id="userflow_wrong_key", rows=[{"id": "someone"}])
    UserflowContentSessionSensor(
        task_id="refused_key_deferred", userflow_conn_id="userflow_wrong_key", content_id="flow", deferrable=True, poke_interval=1
    )
    UserflowTrackEventOperator(task_id="refused_port", userflow_conn_id="userflow_refused_port", event_name="seen", user_id="someone")
    UserflowUpsertUserOperator(task_id="plain_http", userflow_conn_id="userflow_plain_http", user_id="someone")

    @task
    def shows_objects() -> None:
        """Print what the provider's own objects show of themselves."""
        from airflow_provider.engagement.connection import ConnectionFields
        from airflow_provider.engagement.userflow.hooks import UserflowHook

        hook = UserflowHook("userflow_default")
        fields = ConnectionFields.of(hook.get_connection("userflow_default"))
        print(hook, vars(hook), fields, hook.get_config(), hook.get_conn(), hook.get_async_client())

    @task
    def prints_secrets() -> None:
        """Print secrets on purpose; Airflow masks in a task's log what it knows, from the connection, to be secret."""
        from airflow_provider.engagement.userflow.hooks import UserflowHook

        hook = UserflowHook("userflow_printed")
        hook.get_config()
        connection = hook.get_connection("userflow_printed")
        print("password", connection.password)
        print("extra", connection.extra)

    prints_secrets()
    subscribe >> shows_objects()


handles_secrets()
