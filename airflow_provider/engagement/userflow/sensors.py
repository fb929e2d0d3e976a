"""Userflow's sensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider.engagement.userflow.links import UserflowLink
from airflow_provider.engagement.userflow.sessions import SESSIONS
from airflow_provider.engagement.userflow.triggers import UserflowContentSessionTrigger
from airflow_provider.engagement.watch.condition import Condition, Verdict
from airflow_provider.engagement.watch.poll import poll
from airflow_provider.engagement.watch.sensor import ContentSessionSensor

if TYPE_CHECKING:
    from airflow_provider.engagement.userflow.hooks import UserflowHook


class UserflowContentSessionSensor(ContentSessionSensor):
    """Wait until people have completed a Userflow flow or checklist, or activated a launcher.

    Source: https://userflow.com/docs/api#the-content-session-object

    Args:
        userflow_conn_id: id of a connection of type `userflow`.
        **kwargs: what to wait for and how: see `ContentSessionSensor`.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", *ContentSessionSensor.template_fields)
    operator_extra_links = (UserflowLink(),)

    def __init__(self, *, userflow_conn_id: str = "userflow_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.userflow_conn_id = userflow_conn_id

    @cached_property
    def hook(self) -> UserflowHook:
        """The hook."""
        from airflow_provider.engagement.userflow.hooks import UserflowHook

        return UserflowHook(self.userflow_conn_id)

    def make_trigger(self, condition: Mapping[str, Any], deadline: float) -> UserflowContentSessionTrigger:
        """Make the trigger."""
        return UserflowContentSessionTrigger(
            userflow_conn_id=self.userflow_conn_id,
            condition=condition,
            poke_interval=self.poke_interval,
            deadline=deadline,
            max_consecutive_failures=self.max_consecutive_failures,
        )

    def poll(self, condition: Condition) -> Verdict:
        """Read the condition's sessions once and judge them."""
        return poll(self.hook.get_conn(), condition, SESSIONS)
