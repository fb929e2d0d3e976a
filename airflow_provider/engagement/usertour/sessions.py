"""How Usertour's content sessions are read when they are waited for; pure."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider.engagement.usertour import records
from airflow_provider.engagement.usertour.account import Account
from airflow_provider.engagement.usertour.api import MAX_PAGE, Version
from airflow_provider.engagement.watch.condition import Condition, WatchedSession
from airflow_provider.engagement.watch.source import SessionSource
from airflow_provider.engagement.wire.message import Query


@dataclass(frozen=True, slots=True)
class UsertourCondition(Condition):
    """What is waited for, and where: the paths of v2 name project and environment.

    Attributes:
        version: `v1` or `v2`.
        project_id: v2's project.
        environment_id: v2's environment.
    """

    version: Version = "v1"
    project_id: str = ""
    environment_id: str = ""

    @property
    def account(self) -> Account:
        """Where the sessions are."""
        return Account(self.version, self.project_id, self.environment_id)


def view(session: records.ContentSession) -> WatchedSession:
    """Take from a session what conditions look at. Completed is who reached the end, in both versions: not who dismissed it."""
    return WatchedSession(
        id=session.id,
        user_id=session.user_id,
        group_id=session.company_id,
        completed=session.finished,
        created_at=session.created_at,
        preview=bool(session.is_preview),
    )


def query(condition: Condition) -> Query:
    """Make the list's query: newest first by creation, which never moves and is never null; by user where there is one."""
    return {
        "contentId": condition.content_id,
        "userId": condition.user_ids[0] if len(condition.user_ids) == 1 else None,
        "orderBy": "-createdAt",
        "limit": MAX_PAGE,
    }


def source(account: Account) -> SessionSource:
    """Say how the account's sessions are read."""
    return SessionSource(
        get=lambda session_id: account.call("get_content_session", session_id=session_id),
        listing=account.endpoint("list_content_sessions"),
        query=query,
        view=view,
    )
