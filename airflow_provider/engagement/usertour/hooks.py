"""The Airflow hook for Usertour: a connection becomes a client for either version of the API, and every call has a method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from airflow_provider.engagement.usertour import api, records
from airflow_provider.engagement.usertour.bodies import check_attributes
from airflow_provider.engagement.usertour.hook import Attributes, Moment, Names, created, names
from airflow_provider.engagement.usertour.hook_project import ProjectCalls
from airflow_provider.engagement.usertour.rows import company_calls, event_call, user_calls
from airflow_provider.engagement.wire.errors import NotFound
from airflow_provider.engagement.wire.values import check_id, given


class UsertourHook(ProjectCalls):
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
        return cast("records.User", self._send("get_user", {"expand": names("expand", expand)}, user_id=check_id(user_id, "user_id")))

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
        query = {"email": email, "companyId": company_id, "segmentId": segment_id, **created(created_after, created_before)}
        return self._list("list_users", query, order_by, expand, cursor, page_size, allow_incomplete)

    # --- companies ---------------------------------------------------------------------------------------------------

    def upsert_company(self, company_id: str, attributes: Attributes | None = None) -> records.Company:
        """Create or update a company; arguments as in `upsert_user`."""
        _, (call,), _ = company_calls(self.account, given(id=company_id, attributes=attributes))
        return cast("records.Company", self.get_conn().send(call))

    def get_company(self, company_id: str, *, expand: Names = None) -> records.Company:
        """Get a company; `NotFound` if there is none. `expand`: `users`, `memberships`, `memberships.user`."""
        query = {"expand": names("expand", expand)}
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
        query = {"segmentId": segment_id, **created(created_after, created_before)}
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

    # --- content sessions --------------------------------------------------------------------------------------------

    def get_content_session(self, session_id: str, *, expand: Names = None) -> records.ContentSession:
        """Get a content session; `expand` as in `list_content_sessions`."""
        query = {"expand": names("expand", expand)}
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
        query = {"contentId": content_id, "userId": user_id, "completed": completed, **created(created_after, created_before)}
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
