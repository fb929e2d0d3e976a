"""Mirats Quanto's transfers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider.engagement.extract.operator import ToObjectStorageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.engagement.extract.gather import Gathering
    from airflow_provider.engagement.extract.window import Window
    from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook
    from airflow_provider.engagement.wire.clients import AsyncClient


class MiratsQuantoToObjectStorageOperator(ToObjectStorageOperator):
    """Bring the user sessions of a window to JSON Lines on any object storage.

    One line is one session as Mirats Quanto gives it (https://docs.publisher.miratsquanto.com/api-reference/endpoint/user-sessions),
    with `durationSeconds` beside `duration`. The sessions are those that *began* within the window, by default the run's data
    interval. The server knows whole days only: they are read with a day more on each side, and cut by `startTime` here.

    `reconciliationStatus` and outcome change after a session has begun: read a window again later (clear the task, or give an older
    `start` and `end`) to have them as they are then; the same window goes to the same file.

    Args:
        status: `all`, `completed`, `overquota`, `terminated`, `securityDrop` or `prescreen`.
        session_type: `live` or `test`, or 0 or 1.
        ip: what becomes of IP addresses, which are personal data: `hash` (a keyed hash, by the connection's extra `ip_salt_secret`),
            `drop` or `keep`.
        mirats_quanto_conn_id: id of a connection of type `mirats_quanto`.
        **kwargs: `path`, `start`, `end` (here a date is taken too: its first moment in UTC), `storage_conn_id`: see
            `ToObjectStorageOperator`, which also tells result and errors.
    """

    template_fields: Sequence[str] = ("status", "session_type", "mirats_quanto_conn_id", *ToObjectStorageOperator.template_fields)
    resource: ClassVar[str] = "user_sessions"
    counted: ClassVar[tuple[str, ...]] = ("sessions", "completed")

    def __init__(
        self,
        *,
        status: str = "all",
        session_type: str | int = "live",
        ip: str = "hash",
        mirats_quanto_conn_id: str = "mirats_quanto_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.status = status
        self.session_type = session_type
        self.ip = ip
        self.mirats_quanto_conn_id = mirats_quanto_conn_id

    @cached_property
    def hook(self) -> MiratsQuantoHook:
        """The hook."""
        from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook

        return MiratsQuantoHook(self.mirats_quanto_conn_id)

    def choose_window(self, context: Context) -> Window:
        """Take the window from the arguments, dates among them, or else from the run's data interval."""
        from airflow_provider.engagement.extract.window import choose_window
        from airflow_provider.engagement.mirats.bodies import first_moment

        def moment(name: str, value: date | datetime | str | None) -> datetime | None:
            return first_moment(name, value) if value else None

        return choose_window(moment("start", self.start), moment("end", self.end), dict(context))

    def prepare(self) -> None:
        """Check what becomes of IP addresses: without a salt none is hashed, and none leaves by mistake."""
        from airflow_provider.engagement.mirats.privacy import check_handling

        self._handling = check_handling(self.ip)
        self._salt = self.hook.get_ip_salt() if self._handling == "hash" else None

    async def gather(self, client: AsyncClient, window: Window, gathering: Gathering) -> None:
        """Read the window's sessions."""
        from airflow_provider.engagement.mirats.export import export_sessions

        await export_sessions(
            client, window, gathering, status=self.status, session_type=self.session_type, ip=self._handling, salt=self._salt
        )
