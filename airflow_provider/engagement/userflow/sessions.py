"""How Userflow's content sessions are read when they are waited for; pure."""

from __future__ import annotations

from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.watch.source import PAGE, Movements, SessionSource, plain_answers
from airflow_provider.engagement.watch.standing import WatchedSession
from airflow_provider.engagement.wire.message import Query


def view(session: api.ContentSession) -> WatchedSession:
    """Take from a session what conditions look at; a launcher is completed when it was activated, which has no moment of its own."""
    completed = bool(session.completed) or bool(session.launcher_activated)
    return WatchedSession(
        id=session.id,
        user_id=session.user_id,
        group_id=session.group_id,
        completed=completed,
        created_at=session.created_at,
        preview=bool(session.is_preview),
        completed_at=(session.completed_at or session.last_activity_at) if completed else None,
        last_activity_at=session.last_activity_at,
    )


def newest(content_id: str, user_id: str | None, answers: bool) -> Query:
    """Make the list's query: newest first by creation, which never moves and is never null."""
    return {
        "content_id": content_id,
        "user_id": user_id,
        "order_by": "-created_at",
        "expand": "answers" if answers else None,
        "limit": PAGE,
    }


def last_first(content_id: str) -> Query:
    """Make the list's query: the session first that moved last."""
    return {"content_id": content_id, "order_by": "-last_activity_at", "limit": PAGE}


def forwards(content_id: str, after: str | None) -> Query:
    """Make the list's query: the session last that moved last."""
    return {"content_id": content_id, "order_by": "last_activity_at", "limit": PAGE, "starting_after": after}


def unpublished(content: api.Content) -> str | None:
    """Say whether nobody can see a content any more."""
    return "is not published" if content.published_version_id is None else None


SESSIONS = SessionSource(
    get=lambda session_id, answers: api.GET_CONTENT_SESSION.call({"expand": "answers" if answers else None}, session_id=session_id),
    listing=api.LIST_CONTENT_SESSIONS,
    newest=newest,
    view=view,
    answers=lambda session: plain_answers(session.answers),
    get_content=lambda content_id: api.GET_CONTENT.call(content_id=content_id),
    unpublished=unpublished,
    get_user=lambda user_id: api.GET_USER.call(user_id=user_id),
    movements=Movements(last_first, forwards),
)
