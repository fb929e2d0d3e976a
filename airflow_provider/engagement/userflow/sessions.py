"""How Userflow's content sessions are read when they are waited for; pure."""

from __future__ import annotations

from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.watch.condition import Condition, WatchedSession
from airflow_provider.engagement.watch.source import SessionSource
from airflow_provider.engagement.wire.message import Query


def view(session: api.ContentSession) -> WatchedSession:
    """Take from a session what conditions look at; a launcher is completed when it was activated."""
    return WatchedSession(
        id=session.id,
        user_id=session.user_id,
        group_id=session.group_id,
        completed=bool(session.completed) or bool(session.launcher_activated),
        created_at=session.created_at,
        preview=bool(session.is_preview),
    )


def query(condition: Condition) -> Query:
    """Make the list's query: newest first by creation, which never moves and is never null; by user where there is one."""
    return {
        "content_id": condition.content_id,
        "user_id": condition.user_ids[0] if len(condition.user_ids) == 1 else None,
        "order_by": "-created_at",
        "limit": 100,
    }


SESSIONS = SessionSource(
    get=lambda session_id: api.GET_CONTENT_SESSION.call(session_id=session_id),
    listing=api.LIST_CONTENT_SESSIONS,
    query=query,
    view=view,
)
