"""Userflow's transfers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator

from airflow_provider.engagement.base import failing_fast
from airflow_provider.engagement.userflow.links import UserflowLink

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider.engagement.extract.gather import Gathering
    from airflow_provider.engagement.extract.window import Window
    from airflow_provider.engagement.userflow.hooks import UserflowHook
    from airflow_provider.engagement.wire.clients import AsyncClient

RESOURCE = "content_sessions"


class UserflowToObjectStorageOperator(BaseOperator):
    """Bring the content sessions of a window, with their answers, to JSON Lines on any object storage.

    One line is one session as Userflow gives it (https://userflow.com/docs/api#the-content-session-object), `answers` filled. The
    sessions are those *created* within the half-open window, by default the run's data interval; they are read content by
    content, several contents at a time, and written in order of id, so that the same sessions give the same bytes.

    Args:
        path: a file ending in `.jsonl` or `.jsonl.gz`, or a folder, where the window gets a file of its own.
        content_ids: flows, checklists and launchers to read; all of the account's by default.
        start: first moment of the window, a datetime or ISO 8601 text with a time zone.
        end: first moment behind it; both, or neither for the run's data interval.
        include_previews: write team members' previews of drafts too.
        storage_conn_id: the connection for the storage; the environment's credentials if None.
        userflow_conn_id: id of a connection of type `userflow`.
        **kwargs: as for every operator.

    Returns:
        `path`, `start`, `end`, and the counts `sessions`, `completed`, `answers`, `requests`.

    Raises:
        AirflowFailException: unusable arguments, a run without a data interval, or a final no from Userflow.
        ApiError: a temporary failure; nothing was written.
    """

    template_fields: Sequence[str] = ("path", "content_ids", "start", "end", "storage_conn_id", "userflow_conn_id")
    operator_extra_links = (UserflowLink(),)
    ui_color = "#fff8e1"

    def __init__(
        self,
        *,
        path: str,
        content_ids: Sequence[str] | XComArg | str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        include_previews: bool = False,
        storage_conn_id: str | None = None,
        userflow_conn_id: str = "userflow_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.content_ids = content_ids
        self.start = start
        self.end = end
        self.include_previews = include_previews
        self.storage_conn_id = storage_conn_id
        self.userflow_conn_id = userflow_conn_id

    @cached_property
    def hook(self) -> UserflowHook:
        """The hook."""
        from airflow_provider.engagement.userflow.hooks import UserflowHook

        return UserflowHook(self.userflow_conn_id)

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the window and write the file."""
        from airflow_provider.engagement.extract.files import build, file_name, put
        from airflow_provider.engagement.extract.gather import Gathering
        from airflow_provider.engagement.extract.window import choose_window

        with failing_fast(), Gathering() as gathering:
            window = choose_window(self.start, self.end, dict(context))
            destination = file_name(self.path, RESOURCE, window)
            client = self.hook.get_async_client()
            counts = asyncio.run(self._read(client, window, gathering))
            local = gathering.folder / "out"
            build(gathering.bodies(), local, compress=destination.endswith(".gz"))
            put(local, destination, self.storage_conn_id or None)
        self.log.info("Wrote %d sessions to %s", counts["sessions"], destination)
        return {"path": destination, "start": window.start.isoformat(), "end": window.end.isoformat(), **counts}

    async def _read(self, client: AsyncClient, window: Window, gathering: Gathering) -> dict[str, int]:
        from airflow_provider.engagement.userflow.export import export_sessions, list_content_ids

        async with client:
            given = (self.content_ids,) if isinstance(self.content_ids, str) else tuple(cast("Sequence[str]", self.content_ids) or ())
            content_ids = given or await list_content_ids(client)
            counts = await export_sessions(client, content_ids, window, gathering, include_previews=self.include_previews)
            return {**counts, "requests": client.requests_sent}
