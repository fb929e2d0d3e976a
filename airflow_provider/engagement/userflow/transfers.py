"""Userflow's transfers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider.engagement.base import rendered_texts
from airflow_provider.engagement.extract.operator import ToObjectStorageOperator
from airflow_provider.engagement.userflow.links import UserflowLink

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider.engagement.extract.gather import Gathering
    from airflow_provider.engagement.extract.window import Window
    from airflow_provider.engagement.userflow.hooks import UserflowHook
    from airflow_provider.engagement.wire.clients import AsyncClient


class UserflowToObjectStorageOperator(ToObjectStorageOperator):
    """Bring the content sessions of a window, with their answers, to JSON Lines on any object storage.

    One line is one session as Userflow gives it (https://userflow.com/docs/api#the-content-session-object), `answers` filled. The
    sessions are those *created* within the window, by default the run's data interval; they are read content by content, several
    contents at a time.

    Args:
        content_ids: flows, checklists and launchers to read: a list, one id, or an upstream task's output; all of the account's by
            default, none if the list is empty.
        include_previews: write team members' previews of drafts too.
        userflow_conn_id: id of a connection of type `userflow`.
        **kwargs: `path`, `start`, `end`, `storage_conn_id`: see `ToObjectStorageOperator`, which also tells result and errors.
    """

    template_fields: Sequence[str] = ("content_ids", "userflow_conn_id", *ToObjectStorageOperator.template_fields)
    operator_extra_links = (UserflowLink(),)
    resource: ClassVar[str] = "content_sessions"

    def __init__(
        self,
        *,
        content_ids: Sequence[str] | XComArg | str | None = None,
        include_previews: bool = False,
        userflow_conn_id: str = "userflow_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.content_ids = content_ids
        self.include_previews = include_previews
        self.userflow_conn_id = userflow_conn_id

    @cached_property
    def hook(self) -> UserflowHook:
        """The hook."""
        from airflow_provider.engagement.userflow.hooks import UserflowHook

        return UserflowHook(self.userflow_conn_id)

    async def gather(self, client: AsyncClient, window: Window, gathering: Gathering) -> None:
        """Read the window's sessions."""
        from airflow_provider.engagement.userflow.export import export_sessions, list_content_ids

        given = rendered_texts("content_ids", cast("Sequence[str] | str | None", self.content_ids))
        content_ids = await list_content_ids(client) if given is None else given
        await export_sessions(client, content_ids, window, gathering, include_previews=self.include_previews)
