"""Usertour's trigger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider.engagement.usertour.sessions import UsertourCondition, watch
from airflow_provider.engagement.watch.poll import Asking
from airflow_provider.engagement.watch.trigger import WatchTrigger

if TYPE_CHECKING:
    from airflow_provider.engagement.usertour.hooks import UsertourHook


class UsertourContentSessionTrigger(WatchTrigger):
    """Poll Usertour's content sessions (https://docs.usertour.io/api-reference/content-sessions/list) until a condition holds.

    Arguments as in `WatchTrigger`, with `usertour_conn_id` for the connection; the condition is that of a `UsertourCondition`.
    """

    conn_id_name: ClassVar[str] = "usertour_conn_id"

    @classmethod
    def ask(cls, condition: Mapping[str, Any]) -> Asking:
        """Make one poll for the fields of a `UsertourCondition`."""
        return watch(UsertourCondition.from_dict(condition))

    def hook(self) -> UsertourHook:
        """Make the hook."""
        from airflow_provider.engagement.usertour.hooks import UsertourHook

        return UsertourHook(self.conn_id)
