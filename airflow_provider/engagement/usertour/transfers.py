"""Usertour's transfers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider.engagement.base import rendered_texts
from airflow_provider.engagement.extract.operator import ToObjectStorageOperator

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider.engagement.extract.gather import Gathering
    from airflow_provider.engagement.extract.window import Window
    from airflow_provider.engagement.usertour.hooks import UsertourHook
    from airflow_provider.engagement.wire.clients import AsyncClient


class UsertourToObjectStorageOperator(ToObjectStorageOperator):
    """Bring the content sessions of a window, with their answers, to JSON Lines on any object storage.

    One line is one session as Usertour gives it (https://docs.usertour.io/api-reference/content-sessions/model), and `ended` and
    `finished`, which mean the same with both versions of the API; answers are decoded. The sessions are those *created* within the
    window, by default the run's data interval. Sessions that are answered later are caught by reading an earlier window again.

    Args:
        content_ids: whose sessions: a list, one id, or an upstream task's output; all by default, none if the list is empty.
        allow_incomplete: v1: do not fail where more than 100 sessions share a moment of creation within the window, which v1 cannot
            list for certain (likewise for content, where `content_ids` is None).
        usertour_conn_id: id of a connection of type `usertour`.
        **kwargs: `path`, `start`, `end`, `storage_conn_id`: see `ToObjectStorageOperator`, which also tells result and errors.
    """

    template_fields: Sequence[str] = ("content_ids", "usertour_conn_id", *ToObjectStorageOperator.template_fields)
    resource: ClassVar[str] = "content_sessions"

    def __init__(
        self,
        *,
        content_ids: Sequence[str] | XComArg | str | None = None,
        allow_incomplete: bool = False,
        usertour_conn_id: str = "usertour_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.content_ids = content_ids
        self.allow_incomplete = allow_incomplete
        self.usertour_conn_id = usertour_conn_id

    @cached_property
    def hook(self) -> UsertourHook:
        """The hook."""
        from airflow_provider.engagement.usertour.hooks import UsertourHook

        return UsertourHook(self.usertour_conn_id)

    def prepare(self) -> None:
        """Check the content ids."""
        rendered_texts("content_ids", cast("Sequence[str] | str | None", self.content_ids))

    async def gather(self, client: AsyncClient, window: Window, gathering: Gathering) -> None:
        """Read the window's sessions."""
        from airflow_provider.engagement.usertour.export import export_sessions

        content_ids = rendered_texts("content_ids", cast("Sequence[str] | str | None", self.content_ids))
        account = self.hook.account
        await export_sessions(client, account, content_ids, window, gathering, allow_incomplete=self.allow_incomplete)
