"""Userflow's triggers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider.engagement.userflow.sessions import SESSIONS
from airflow_provider.engagement.watch.condition import Condition
from airflow_provider.engagement.watch.event import CompletionEventTrigger
from airflow_provider.engagement.watch.shared import Question
from airflow_provider.engagement.watch.source import SessionSource
from airflow_provider.engagement.watch.standing import Scope
from airflow_provider.engagement.watch.trigger import ContentSessionTrigger, ask_through

if TYPE_CHECKING:
    from airflow_provider.engagement.userflow.hooks import UserflowHook


class UserflowContentSessionTrigger(ContentSessionTrigger):
    """Wait for Userflow's content sessions (https://userflow.com/docs/api#list-content-sessions) until a condition holds.

    Arguments as in `WatchTrigger`, with `userflow_conn_id` for the connection; the condition is that of a `Condition`.
    """

    conn_id_name: ClassVar[str] = "userflow_conn_id"
    source: ClassVar[SessionSource] = SESSIONS

    def hook(self) -> UserflowHook:
        """Make the hook."""
        from airflow_provider.engagement.userflow.hooks import UserflowHook

        return UserflowHook(self.conn_id)


class UserflowContentSessionEventTrigger(CompletionEventTrigger):
    """Fire when sessions of a Userflow content were completed (launchers: activated), for an `AssetWatcher`.

    Source: https://userflow.com/docs/api#list-content-sessions. What an event tells and what is kept: see `CompletionEventTrigger`.

    Args:
        content_id: the flow, checklist or launcher.
        group_id: only sessions started under this group count.
        include_previews: count team members' previews of drafts too.
        userflow_conn_id: id of a connection of type `userflow`.
        poke_interval: seconds between two polls, at the most.
    """

    conn_id_name: ClassVar[str] = "userflow_conn_id"

    def __init__(
        self,
        *,
        content_id: str,
        group_id: str | None = None,
        include_previews: bool = False,
        userflow_conn_id: str = "userflow_default",
        poke_interval: float = 60.0,
    ) -> None:
        super().__init__(conn_id=userflow_conn_id, poke_interval=poke_interval)
        self.content_id = content_id
        self.group_id = group_id
        self.include_previews = include_previews

    @property
    def subject(self) -> Mapping[str, Any]:
        """What is watched."""
        return {"content_id": self.content_id, "group_id": self.group_id, "include_previews": self.include_previews}

    @property
    def scope(self) -> Scope:
        """Which sessions count."""
        return Scope(self.group_id, None, self.include_previews)

    async def question(self) -> Question[Any]:
        """Make the question."""
        from airflow_provider.engagement.userflow.hooks import UserflowHook

        trigger, condition = UserflowContentSessionTrigger, Condition(content_id=self.content_id)
        return ask_through(UserflowHook(self.conn_id), trigger.subject(condition), lambda: trigger.reading(condition))
