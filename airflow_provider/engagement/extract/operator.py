"""The base of all transfers to object storage: window, records, one file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_provider.engagement.base import failing_fast, run_beside

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.engagement.base import EngagementHook
    from airflow_provider.engagement.extract.gather import Gathering
    from airflow_provider.engagement.extract.window import Window
    from airflow_provider.engagement.wire.clients import AsyncClient


class ToObjectStorageOperator(BaseOperator):
    """Bring the records of a half-open window to JSON Lines on any object storage; each vendor's operator derives from it.

    The records are written in order of id, so that the same records give the same bytes.

    Args:
        path: a file ending in `.jsonl` or `.jsonl.gz`, or a folder, where the window gets a file of its own.
        start: first moment of the window, a datetime or ISO 8601 text with a time zone.
        end: first moment behind it; both, or neither for the run's data interval.
        storage_conn_id: the connection for the storage; the environment's credentials if None.
        **kwargs: as for every operator.

    Attributes:
        resource: what the records are, in the plural; part of the file's name.
        counted: the counts that mean something for this vendor.

    Returns:
        `path`, `start`, `end`, and the counts `sessions`, `completed`, `answers` (where there are any), `requests`.

    Raises:
        AirflowFailException: unusable arguments, a run without a data interval, or a final no from the server.
        ApiError: a temporary failure; nothing was written.
    """

    template_fields: Sequence[str] = ("path", "start", "end", "storage_conn_id")
    ui_color = "#fff8e1"
    resource: ClassVar[str]
    counted: ClassVar[tuple[str, ...]] = ("sessions", "completed", "answers")

    def __init__(
        self,
        *,
        path: str,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.start = start
        self.end = end
        self.storage_conn_id = storage_conn_id

    @property
    @abstractmethod
    def hook(self) -> EngagementHook:
        """The vendor's hook."""

    def prepare(self) -> None:
        """Check what can be checked before anything is read; nothing by default.

        Raises:
            ValueError: an argument is unusable.
        """

    @abstractmethod
    async def gather(self, client: AsyncClient, window: Window, gathering: Gathering) -> None:
        """Read the window's records."""

    def choose_window(self, context: Context) -> Window:
        """Take the window from the arguments, or else from the run's data interval.

        Raises:
            ValueError: it is empty, or there is none.
        """
        from airflow_provider.engagement.extract.window import choose_window

        return choose_window(self.start, self.end, dict(context))

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the window and write the file."""
        from airflow_provider.engagement.extract.files import build, file_name, put
        from airflow_provider.engagement.extract.gather import Gathering

        with failing_fast(), Gathering() as gathering:
            window = self.choose_window(context)
            self.prepare()
            destination = file_name(self.path, self.resource, window)
            client = self.hook.get_async_client()
            run_beside(self._read(client, window, gathering))
            local = gathering.folder / "out"
            build(gathering.bodies(), local, compress=destination.endswith(".gz"))
            put(local, destination, self.storage_conn_id or None)
            counts = {name: count for name, count in gathering.counts().items() if name in self.counted}
        self.log.info("Wrote %d %s to %s", counts["sessions"], self.resource, destination)
        ends = {"start": window.start.isoformat(), "end": window.end.isoformat()}
        return {"path": destination, **ends, **counts, "requests": client.requests_sent}

    async def _read(self, client: AsyncClient, window: Window, gathering: Gathering) -> None:
        async with client:
            await self.gather(client, window, gathering)
