"""How Usertour's content sessions are read when they are waited for; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider.engagement.usertour import records
from airflow_provider.engagement.usertour.account import Account
from airflow_provider.engagement.usertour.api import MAX_PAGE, Version
from airflow_provider.engagement.usertour.walk import incomplete, tolerant
from airflow_provider.engagement.watch.condition import Condition, Done, Failed, Verdict, Waiting
from airflow_provider.engagement.watch.content import ContentSessions, Wanted
from airflow_provider.engagement.watch.source import SessionSource, plain_answers
from airflow_provider.engagement.watch.standing import WatchedSession
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


class UsertourContentSessions(ContentSessions):
    """The sessions of one content, as far as v1 tells (see `usertour.walk`).

    Where v1 may have kept a session back, what was reached is reached all the same, and what was not may still be: only a rate is
    nothing that can be known then.

    Args:
        account: where they are.
        content_id: which content.
    """

    def __init__(self, account: Account, content_id: str) -> None:
        self._ties: dict[str, None] = {}
        source = sessions_of(account, self._ties)
        super().__init__(source, content_id)
        self._listing, self._query = source.listing, newest(content_id, None, False)

    def decide(self, condition: Wanted) -> Verdict:
        """Say whether a condition holds among the sessions read."""
        verdict = super().decide(condition)
        if not self._ties or not isinstance(condition, Condition):
            return verdict
        if isinstance(verdict, Done) and condition.min_completion_rate is not None and not condition.user_ids:
            remedy = "Use API v2, or min_completed in place of min_completion_rate"
            return Failed(f"Incomplete: {incomplete(self._listing, self._query, self._ties, verdict.detail['sessions'], remedy=remedy)}")
        return Waiting({**verdict.detail, "unproved": list(self._ties)[:3]}) if isinstance(verdict, Waiting) else verdict


def view(session: records.ContentSession) -> WatchedSession:
    """Take from a session what conditions look at. Completed is who reached the end, in both versions: not who dismissed it."""
    finished = session.finished
    return WatchedSession(
        id=session.id,
        user_id=session.user_id,
        group_id=session.company_id,
        completed=finished,
        created_at=session.created_at,
        preview=bool(session.is_preview),
        ended=session.ended,
        completed_at=(session.completed_at or session.last_activity_at) if finished else None,
        last_activity_at=session.last_activity_at,
    )


def newest(content_id: str, user_id: str | None, answers: bool) -> Query:
    """Make the list's query: newest first by creation, which never moves and is never null."""
    return {
        "contentId": content_id,
        "userId": user_id,
        "orderBy": "-createdAt",
        "expand": "answers" if answers else None,
        "limit": MAX_PAGE,
    }


def sessions_of(account: Account, ties: dict[str, None] | None = None) -> SessionSource:
    """Say how the account's sessions are read.

    Args:
        account: which.
        ties: given the moments of v1 of which not every session may have come (see `usertour.walk.v1_walk`).
    """

    def unpublished(content: records.Content) -> str | None:
        if content.deleted:
            return "was deleted"
        return None if _published(account, content) else "is not published"

    return SessionSource(
        get=lambda session_id, answers: account.call("get_content_session", _expand(answers), session_id=session_id),
        listing=tolerant(account.endpoint("list_content_sessions"), ties),
        newest=newest,
        view=view,
        answers=lambda session: plain_answers(session.answers),
        get_content=lambda content_id: account.call("get_content", content_id=content_id),
        unpublished=unpublished,
        get_user=lambda user_id: account.call("get_user", user_id=user_id),
        unproved=ties,
    )


def _expand(answers: bool) -> Mapping[str, Any]:
    return {"expand": "answers" if answers else None}


def _published(account: Account, content: records.Content) -> bool:
    """v1 tells the version published in the key's environment, v2 lists the environments it is published in."""
    if account.version == "v1":
        return content.published_version_id is not None
    return any(item.get("environmentId") == account.environment_id and item.get("published", True) for item in content.environments or ())
