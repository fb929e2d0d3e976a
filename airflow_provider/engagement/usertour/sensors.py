"""Usertour's sensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider.engagement.usertour.sessions import UsertourCondition
from airflow_provider.engagement.usertour.triggers import UsertourContentSessionTrigger
from airflow_provider.engagement.watch.sensor import ContentSessionSensor
from airflow_provider.engagement.watch.trigger import WatchTrigger

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider.engagement.usertour.hooks import UsertourHook


class UsertourContentSessionSensor(ContentSessionSensor):
    """Wait until people have completed a Usertour flow or checklist.

    Completed means the same with both versions of the API: the user reached the end. A session that was dismissed, or ended by an
    admin, does not count, although v1 calls it completed.

    Where more than 100 sessions share a moment of creation, v1 cannot list them all for certain: the sensor goes on waiting and names the
    moment as `unproved`. A `min_completion_rate` that seems to be reached fails then.

    Source: https://docs.usertour.io/api-reference/content-sessions/model

    Args:
        company_id: only sessions started under this company count.
        fail_if_ended: fail without a retry when the session ended without being completed, or when so many of `user_ids` have ended all
            of theirs that it can never hold. Somebody may still begin anew: use it where you do not show the content twice.
        usertour_conn_id: id of a connection of type `usertour`.
        **kwargs: what to wait for and how: see `ContentSessionSensor`, whose `group_id` is called `company_id` here.
    """

    template_fields: Sequence[str] = (
        "usertour_conn_id",
        "company_id",
        *(name for name in ContentSessionSensor.template_fields if name != "group_id"),
    )
    trigger_class: ClassVar[type[WatchTrigger]] = UsertourContentSessionTrigger

    def __init__(
        self,
        *,
        company_id: str | XComArg | None = None,
        fail_if_ended: bool = False,
        usertour_conn_id: str = "usertour_default",
        **kwargs: Any,
    ) -> None:
        if "group_id" in kwargs:
            raise TypeError(f"{type(self).__name__} takes company_id, not group_id: Usertour's groups are companies")
        super().__init__(**kwargs)
        self.company_id = company_id
        self.fail_if_ended = fail_if_ended
        self.usertour_conn_id = usertour_conn_id

    @cached_property
    def hook(self) -> UsertourHook:
        """The hook."""
        from airflow_provider.engagement.usertour.hooks import UsertourHook

        return UsertourHook(self.usertour_conn_id)

    def make_condition(self) -> UsertourCondition:
        """Make the condition of the rendered arguments, for the account of the connection."""
        told = asdict(super().make_condition())
        account = self.hook.account
        own = {"group_id": self.company_id or None, "fail_if_ended": self.fail_if_ended}
        return UsertourCondition(**{**told, **own}, **asdict(account))
