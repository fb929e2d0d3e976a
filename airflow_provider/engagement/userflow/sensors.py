"""Userflow's sensor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider.engagement.userflow.links import UserflowLink
from airflow_provider.engagement.userflow.triggers import UserflowContentSessionTrigger
from airflow_provider.engagement.watch.sensor import ContentSessionSensor
from airflow_provider.engagement.watch.trigger import ContentSessionTrigger

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
    trigger_class: ClassVar[type[ContentSessionTrigger]] = UserflowContentSessionTrigger

    def __init__(self, *, userflow_conn_id: str = "userflow_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.userflow_conn_id = userflow_conn_id

    @cached_property
    def hook(self) -> UserflowHook:
        """The hook."""
        from airflow_provider.engagement.userflow.hooks import UserflowHook

        return UserflowHook(self.userflow_conn_id)
