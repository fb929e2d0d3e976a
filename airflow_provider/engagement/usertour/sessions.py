"""How Usertour's content sessions are read when they are waited for; pure."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider.engagement.usertour import records
from airflow_provider.engagement.usertour.account import Account
from airflow_provider.engagement.usertour.api import MAX_PAGE, Version
from airflow_provider.engagement.usertour.walk import incomplete, tolerant
from airflow_provider.engagement.watch.condition import Condition, Done, Waiting, WatchedSession
from airflow_provider.engagement.watch.poll import Asking
from airflow_provider.engagement.watch.source import SessionSource, ask
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


def source(account: Account, ties: dict[str, None] | None = None) -> SessionSource:
    """Say how the account's sessions are read.

    Args:
        account: which.
        ties: given the moments of v1 of which not every session may have come (see `usertour.walk.v1_walk`).
    """
    return SessionSource(
        get=lambda session_id: account.call("get_content_session", session_id=session_id),
        listing=tolerant(account.endpoint("list_content_sessions"), ties),
        query=query,
        view=view,
    )


def watch(condition: UsertourCondition) -> Asking:
    """Read a condition's sessions, as far as it takes to judge them.

    Where v1 may have kept a session back (see `usertour.walk`), what was reached is reached all the same, and what was not may still be:
    only a rate is nothing that can be known then.

    Raises:
        Incomplete: the rate is reached among the sessions that came, but v1 cannot prove that all did.
    """
    ties: dict[str, None] = {}
    read = source(condition.account, ties)
    verdict = yield from ask(condition, read)
    if not ties:
        return verdict
    if isinstance(verdict, Done) and condition.min_completion_rate is not None:
        count = int(verdict.detail["sessions"])
        raise incomplete(read.listing, query(condition), ties, count, remedy="Use API v2, or min_completed in place of min_completion_rate")
    return Waiting({**verdict.detail, "unproved": list(ties)[:3]}) if isinstance(verdict, Waiting) else verdict
