"""Usertour's operators: one row, many rows, deletes, sessions, webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider.engagement.base import failing_fast
from airflow_provider.engagement.bulk.operator import RowsOperator
from airflow_provider.engagement.usertour.operator import UsertourOperator
from airflow_provider.engagement.usertour.webhook_operators import (
    UsertourCreateWebhookSubscriptionOperator,
    UsertourDeleteWebhookSubscriptionOperator,
    UsertourRotateWebhookSecretOperator,
    UsertourUpdateWebhookSubscriptionOperator,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.engagement.bulk.plan import Target
    from airflow_provider.engagement.usertour.records import Event

__all__ = [
    "UsertourCreateWebhookSubscriptionOperator",
    "UsertourDeleteCompanyOperator",
    "UsertourDeleteContentSessionOperator",
    "UsertourDeleteUserOperator",
    "UsertourDeleteWebhookSubscriptionOperator",
    "UsertourEndContentSessionOperator",
    "UsertourOperator",
    "UsertourRemoveMembershipOperator",
    "UsertourRotateWebhookSecretOperator",
    "UsertourRowsOperator",
    "UsertourTrackEventOperator",
    "UsertourTrackEventsOperator",
    "UsertourUpdateWebhookSubscriptionOperator",
    "UsertourUpsertCompaniesOperator",
    "UsertourUpsertCompanyOperator",
    "UsertourUpsertMembershipOperator",
    "UsertourUpsertUserOperator",
    "UsertourUpsertUsersOperator",
]


# --- one row ---------------------------------------------------------------------------------------------------------


class UsertourUpsertUserOperator(UsertourOperator):
    """Create or update one user (https://docs.usertour.io/api-reference/users/create).

    Args:
        user_id: the user's id in your database.
        attributes: values by name, None removes one; others stay as they are.
        companies: `{"id", "attributes"}` of each company to update and join; not together with `memberships`.
        memberships: `{"attributes", "company": {"id", "attributes"}}` of each membership.
        **kwargs: `usertour_conn_id`, and as for every operator.

    Returns:
        The user's id.

    Raises:
        AirflowFailException: unusable arguments (before anything is sent), or a final no from Usertour.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "user_id", "attributes", "companies", "memberships")
    template_fields_renderers = {"attributes": "json", "companies": "json", "memberships": "json"}  # noqa: RUF012

    def __init__(
        self,
        *,
        user_id: str,
        attributes: Mapping[str, Any] | None = None,
        companies: Sequence[Mapping[str, Any]] | None = None,
        memberships: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id
        self.attributes = attributes
        self.companies = companies
        self.memberships = memberships

    def execute(self, context: Context) -> str:
        """Send the user."""
        row = {"id": self.user_id, "attributes": self.attributes, "companies": self.companies, "memberships": self.memberships}
        self.send_row("users", row, context)
        return str(self.user_id)


class UsertourUpsertCompanyOperator(UsertourOperator):
    """Create or update one company (https://docs.usertour.io/api-reference/companies/create).

    Args:
        company_id: the company's id in your database.
        attributes: values by name, None removes one; others stay as they are.
        **kwargs: `usertour_conn_id`, and as for every operator.

    Returns:
        The company's id.

    Raises:
        AirflowFailException: unusable arguments (before anything is sent), or a final no from Usertour.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "company_id", "attributes")
    template_fields_renderers = {"attributes": "json"}  # noqa: RUF012

    def __init__(self, *, company_id: str, attributes: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.company_id = company_id
        self.attributes = attributes

    def execute(self, context: Context) -> str:
        """Send the company."""
        self.send_row("companies", {"id": self.company_id, "attributes": self.attributes}, context)
        return str(self.company_id)


class UsertourUpsertMembershipOperator(UsertourOperator):
    """Put a user into a company, or change the membership's attributes.

    With API v1 user and company are created where they are unknown; with v2 that fails.

    Args:
        user_id: the user's id in your database.
        company_id: the company's id in your database.
        attributes: the membership's attributes, e.g. a role.
        **kwargs: `usertour_conn_id`, and as for every operator.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "user_id", "company_id", "attributes")
    template_fields_renderers = {"attributes": "json"}  # noqa: RUF012

    def __init__(self, *, user_id: str, company_id: str, attributes: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id
        self.company_id = company_id
        self.attributes = attributes

    def execute(self, context: Context) -> None:
        """Send the membership."""
        with failing_fast():
            self.hook.upsert_membership(self.user_id, self.company_id, self.attributes)


class UsertourRemoveMembershipOperator(UsertourOperator):
    """Take a user out of a company; both stay. It is idempotent: a user that is not in the company is fine.

    Args:
        user_id: the user's id in your database.
        company_id: the company's id in your database.
        **kwargs: `usertour_conn_id`, and as for every operator.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "user_id", "company_id")

    def __init__(self, *, user_id: str, company_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id
        self.company_id = company_id

    def execute(self, context: Context) -> None:
        """Remove the membership."""
        with failing_fast():
            self.hook.remove_membership(self.user_id, self.company_id)


class UsertourTrackEventOperator(UsertourOperator):
    """Track one event; API v2 only (https://docs.usertour.io/api-reference/events/track-an-event).

    Events have no idempotency key: an event whose answer was lost is in doubt, and the task is not retried. A self-hosted server that
    is older than this call says so.

    Args:
        event_name: begins with a letter; letters, digits and underscores, 2 to 100 characters.
        user_id: the user it belongs to, created if unknown.
        company_id: the company it belongs to; Usertour leaves out one it does not know.
        attributes: the event's attributes.
        time: when it happened: a datetime with a time zone or ISO 8601 text; now by default.
        **kwargs: `usertour_conn_id`, and as for every operator.

    Returns:
        The event's id; None where the task was killed after the answer had come, and retried.

    Raises:
        AirflowFailException: unusable arguments or a connection for v1 (before anything is sent), a final no, or an event in doubt.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "event_name", "user_id", "company_id", "attributes", "time")
    template_fields_renderers = {"attributes": "json"}  # noqa: RUF012

    def __init__(
        self,
        *,
        event_name: str,
        user_id: str,
        company_id: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        time: datetime | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.event_name = event_name
        self.user_id = user_id
        self.company_id = company_id
        self.attributes = attributes
        self.time = time

    def execute(self, context: Context) -> str | None:
        """Send the event."""
        row = {"name": self.event_name, "userId": self.user_id, "companyId": self.company_id or None, "attributes": self.attributes}
        sent: Event | None = self.send_row("events", {**row, "occurredAt": self.time or None}, context)
        return None if sent is None else sent.id


class UsertourDeleteUserOperator(UsertourOperator):
    """Delete a user with its attributes, memberships and sessions. It cannot be undone; a user that is gone already is fine.

    Args:
        user_id: the user's id in your database.
        **kwargs: `usertour_conn_id`, and as for every operator.

    Returns:
        The user's id.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "user_id")

    def __init__(self, *, user_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id

    def execute(self, context: Context) -> str:
        """Delete the user."""
        with failing_fast():
            self.hook.delete_user(self.user_id)
        return self.user_id


class UsertourDeleteCompanyOperator(UsertourOperator):
    """Delete a company with its memberships; users stay. It cannot be undone; a company that is gone already is fine.

    Args:
        company_id: the company's id in your database.
        **kwargs: `usertour_conn_id`, and as for every operator.

    Returns:
        The company's id.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "company_id")

    def __init__(self, *, company_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.company_id = company_id

    def execute(self, context: Context) -> str:
        """Delete the company."""
        with failing_fast():
            self.hook.delete_company(self.company_id)
        return self.company_id


# --- content sessions ------------------------------------------------------------------------------------------------


class UsertourEndContentSessionOperator(UsertourOperator):
    """End a content session (https://docs.usertour.io/api-reference/content-sessions/end); fine if it has ended already.

    Args:
        session_id: which.
        **kwargs: `usertour_conn_id`, and as for every operator.

    Returns:
        The session's id.

    Raises:
        AirflowFailException: there is no such session, or another final no from Usertour.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "session_id")

    def __init__(self, *, session_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.session_id = session_id

    def execute(self, context: Context) -> str:
        """End the session."""
        with failing_fast():
            return self.hook.end_content_session(self.session_id).id


class UsertourDeleteContentSessionOperator(UsertourOperator):
    """Delete a content session with its answers. It cannot be undone; a session that is gone already is fine.

    Args:
        session_id: which.
        **kwargs: `usertour_conn_id`, and as for every operator.

    Returns:
        The session's id.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", "session_id")

    def __init__(self, *, session_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.session_id = session_id

    def execute(self, context: Context) -> str:
        """Delete the session."""
        with failing_fast():
            self.hook.delete_content_session(self.session_id)
        return self.session_id


# --- many rows -------------------------------------------------------------------------------------------------------


class UsertourRowsOperator(UsertourOperator, RowsOperator):
    """Base of the operators of many rows to Usertour.

    API v1 drops values of another type than an attribute's without a word. So what comes back is compared with what was sent, and a row
    of which something was dropped is reported as refused (the rest of it was accepted). v2 refuses such a row itself.

    Args:
        check_dropped: compare what v1 answers with what was sent.
        **kwargs: `rows`, and what else `RowsOperator` takes, which also tells result and errors.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", *RowsOperator.template_fields)
    target = ""

    def __init__(self, *, check_dropped: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check_dropped = check_dropped

    def make_target(self) -> Target:
        """Say where the rows go."""
        from airflow_provider.engagement.usertour.plan import make_target

        return make_target(
            self.hook, self.target, timezone=self.timezone or None, check_dropped=self.check_dropped, preflight=self.preflight
        )


class UsertourUpsertUsersOperator(UsertourRowsOperator):
    """Create or update many users (https://docs.usertour.io/api-reference/users/create).

    A row is `{"id", "attributes", "companies" or "memberships"}`; rows of one user go in their order. With v2 companies and memberships
    take calls of their own. Dropped values are looked for among the user's own attributes. All other arguments, the result and the
    errors are those of `UsertourRowsOperator`.
    """

    target = what = "users"


class UsertourUpsertCompaniesOperator(UsertourRowsOperator):
    """Create or update many companies (https://docs.usertour.io/api-reference/companies/create).

    A row is `{"id", "attributes"}`; rows of one company go in their order. All other arguments, the result and the errors are those
    of `UsertourRowsOperator`.
    """

    target = what = "companies"


class UsertourTrackEventsOperator(UsertourRowsOperator):
    """Track many events; API v2 only (https://docs.usertour.io/api-reference/events/track-an-event).

    A row is `{"name", "userId", "companyId", "attributes", "occurredAt"}`. Events have no idempotency key: by default one whose answer
    was lost is reported in doubt, not sent again (see `delivery`). All other arguments, the result and the errors are those of
    `UsertourRowsOperator`.
    """

    target = what = "events"
    keyed = False
