"""Mirats Quanto's trigger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider.engagement.mirats.condition import SessionCondition, ask
from airflow_provider.engagement.watch.poll import Asking
from airflow_provider.engagement.watch.trigger import WatchTrigger

if TYPE_CHECKING:
    from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook


class MiratsQuantoUserSessionTrigger(WatchTrigger):
    """Poll Mirats Quanto's user sessions until a `SessionCondition` holds.

    Source: https://docs.publisher.miratsquanto.com/api-reference/endpoint/user-sessions

    Arguments as in `WatchTrigger`, with `mirats_quanto_conn_id` for the connection.
    """

    conn_id_name: ClassVar[str] = "mirats_quanto_conn_id"

    @classmethod
    def ask(cls, condition: Mapping[str, Any]) -> Asking:
        """Make one poll for the fields of a `SessionCondition`."""
        return ask(SessionCondition.from_dict(condition))

    def hook(self) -> MiratsQuantoHook:
        """Make the hook."""
        from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook

        return MiratsQuantoHook(self.conn_id)
