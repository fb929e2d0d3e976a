"""Userflow's trigger."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow_provider.engagement.userflow.sessions import SESSIONS
from airflow_provider.engagement.watch.source import SessionSource
from airflow_provider.engagement.watch.trigger import ContentSessionTrigger

if TYPE_CHECKING:
    from airflow_provider.engagement.userflow.hooks import UserflowHook


class UserflowContentSessionTrigger(ContentSessionTrigger):
    """Poll Userflow's content sessions (https://userflow.com/docs/api#list-content-sessions) until a condition holds.

    Arguments as in `ContentSessionTrigger`, with `userflow_conn_id` for the connection.
    """

    conn_id_name: ClassVar[str] = "userflow_conn_id"
    source: ClassVar[SessionSource] = SESSIONS

    def hook(self) -> UserflowHook:
        """Make the hook."""
        from airflow_provider.engagement.userflow.hooks import UserflowHook

        return UserflowHook(self.conn_id)
