"""The base of Usertour's operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider.engagement.base import failing_fast

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.engagement.usertour.hooks import UsertourHook


class UsertourOperator(BaseOperator):
    """Base of Usertour's operators. They work with both versions of the API; the connection decides which.

    Args:
        usertour_conn_id: id of a connection of type `usertour`.
        **kwargs: as for every operator.
    """

    template_fields: Sequence[str] = ("usertour_conn_id",)
    ui_color = "#f3e5f5"

    def __init__(self, *, usertour_conn_id: str = "usertour_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.usertour_conn_id = usertour_conn_id

    @cached_property
    def hook(self) -> UsertourHook:
        """The hook."""
        from airflow_provider.engagement.usertour.hooks import UsertourHook

        return UsertourHook(self.usertour_conn_id)

    def send_row(self, kind: str, row: Mapping[str, Any], context: Context) -> Any:
        """Send one user, company or event, and give the answer; None where an earlier try of the task got it."""
        from airflow_provider.engagement.bulk.task import run_row
        from airflow_provider.engagement.usertour.plan import make_target

        with failing_fast():
            return run_row(self.hook, row, make_target(self.hook, kind, check_dropped=False), context)
