"""Usertour's triggers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider.engagement.usertour.sessions import UsertourCondition, UsertourContentSessions, sessions_of
from airflow_provider.engagement.watch.content import OneSession
from airflow_provider.engagement.watch.event import CompletionEventTrigger
from airflow_provider.engagement.watch.reading import Reading
from airflow_provider.engagement.watch.shared import Question
from airflow_provider.engagement.watch.standing import Scope
from airflow_provider.engagement.watch.trigger import WatchTrigger, ask_through

if TYPE_CHECKING:
    from airflow_provider.engagement.usertour.hooks import UsertourHook


class UsertourContentSessionTrigger(WatchTrigger):
    """Wait for Usertour's content sessions (https://docs.usertour.io/api-reference/content-sessions/list) until a condition holds.

    Arguments as in `WatchTrigger`, with `usertour_conn_id` for the connection; the condition is that of a `UsertourCondition`.
    """

    conn_id_name: ClassVar[str] = "usertour_conn_id"

    @classmethod
    def read_condition(cls, values: Mapping[str, Any]) -> UsertourCondition:
        """Make a `UsertourCondition`."""
        return UsertourCondition.from_dict(values)

    @classmethod
    def subject(cls, condition: UsertourCondition) -> Hashable:
        """Name the account, and the session or the content."""
        return condition.account, condition.session_id, condition.content_id

    @classmethod
    def reading(cls, condition: UsertourCondition) -> Reading[Any]:
        """Make a reading of the session or the content."""
        if condition.session_id is not None:
            return OneSession(sessions_of(condition.account), condition.session_id)
        return UsertourContentSessions(condition.account, str(condition.content_id))

    def hook(self) -> UsertourHook:
        """Make the hook."""
        from airflow_provider.engagement.usertour.hooks import UsertourHook

        return UsertourHook(self.conn_id)


class UsertourContentSessionEventTrigger(CompletionEventTrigger):
    """Fire when sessions of a Usertour content were completed, for an `AssetWatcher`; dismissed ones do not count.

    Source: https://docs.usertour.io/api-reference/content-sessions/list. What an event tells and what is kept: see
    `CompletionEventTrigger`. The API cannot list what has changed, so each poll reads the sessions that are still open again, one by one or
    by a walk over the list, whichever takes fewer requests.

    Args:
        content_id: the flow or checklist.
        company_id: only sessions started under this company count.
        usertour_conn_id: id of a connection of type `usertour`.
        poke_interval: seconds between two polls, at the most.
    """

    conn_id_name: ClassVar[str] = "usertour_conn_id"

    def __init__(
        self,
        *,
        content_id: str,
        company_id: str | None = None,
        usertour_conn_id: str = "usertour_default",
        poke_interval: float = 60.0,
    ) -> None:
        super().__init__(conn_id=usertour_conn_id, poke_interval=poke_interval)
        self.content_id = content_id
        self.company_id = company_id

    @property
    def subject(self) -> Mapping[str, Any]:
        """What is watched."""
        return {"content_id": self.content_id, "company_id": self.company_id}

    @property
    def scope(self) -> Scope:
        """Which sessions count."""
        return Scope(self.company_id)

    async def question(self) -> Question[Any]:
        """Make the question; which version of the API, project and environment, the connection says."""
        from airflow_provider.engagement.usertour.hooks import UsertourHook

        hook = UsertourHook(self.conn_id)
        await (await hook.aget_async_client()).close()  # with it the hook has read the connection, without blocking the loop
        trigger, condition = UsertourContentSessionTrigger, UsertourCondition(content_id=self.content_id, **asdict(hook.account))
        return ask_through(hook, trigger.subject(condition), lambda: trigger.reading(condition))
