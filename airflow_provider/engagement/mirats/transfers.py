"""Mirats Quanto's transfers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider.engagement.extract.operator import ExtractOperator, ToObjectStorageOperator, ToSqlOperator

if TYPE_CHECKING:
    from airflow_provider.engagement.extract.gather import Gathering
    from airflow_provider.engagement.extract.resource import Reading, Resource
    from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook
    from airflow_provider.engagement.wire.clients import AsyncClient


class MiratsQuantoExtractOperator(ExtractOperator):
    """Read a resource of Mirats Quanto; the base of Mirats Quanto's transfers.

    The resources are `user_sessions` (by `created`: those that *began* within the window) and `surveys` (`snapshot`: the live ones).
    The server knows whole days only: sessions are read with a day more on each side, and cut by `startTime` here. Their outcome and
    `reconciliationStatus` change after they began: read windows again by `lookback` to have them as they are then.

    Args:
        resource: `user_sessions` or `surveys`.
        status: of sessions, `all`, `completed`, `overquota`, `terminated`, `securityDrop` or `prescreen`.
        session_type: `live` or `test`, or 0 or 1.
        ip: what becomes of IP addresses, which are personal data: `hash` (a keyed hash, by the connection's extra `ip_salt_secret`),
            `drop` or `keep`.
        mirats_quanto_conn_id: id of a connection of type `mirats_quanto`.
        **kwargs: see `ExtractOperator`; `start` and `end` may be dates too: their first moments in UTC.
    """

    template_fields: Sequence[str] = ("status", "session_type", "mirats_quanto_conn_id", *ExtractOperator.template_fields)
    scheme: ClassVar[str] = "mirats"

    def __init__(
        self,
        *,
        resource: str = "user_sessions",
        status: str = "all",
        session_type: str | int = "live",
        ip: str = "hash",
        mirats_quanto_conn_id: str = "mirats_quanto_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(resource=resource, **kwargs)
        self.status = status
        self.session_type = session_type
        self.ip = ip
        self.mirats_quanto_conn_id = mirats_quanto_conn_id

    @cached_property
    def hook(self) -> MiratsQuantoHook:
        """The hook."""
        from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook

        return MiratsQuantoHook(self.mirats_quanto_conn_id)

    def known_resources(self) -> Mapping[str, Resource]:
        """What can be read."""
        from airflow_provider.engagement.mirats.resources import RESOURCES

        return RESOURCES

    def as_moment(self, name: str, value: date | datetime | str | None) -> datetime | None:
        """Take dates too."""
        from airflow_provider.engagement.mirats.bodies import first_moment

        return first_moment(name, value) if value else None

    def prepare(self, reading: Reading) -> None:
        """Check what becomes of IP addresses: without a salt none is hashed, and none leaves by mistake."""
        from airflow_provider.engagement.mirats.privacy import check_handling

        self._handling = check_handling(self.ip)
        hashing = self._handling == "hash" and reading.resource.name == "user_sessions"
        self._salt = self.hook.get_ip_salt() if hashing else None

    async def gather(self, client: AsyncClient, reading: Reading, gathering: Gathering) -> None:
        """Read."""
        from airflow_provider.engagement.mirats.export import export_sessions, export_surveys

        if (window := reading.window) is None:
            await export_surveys(client, gathering)
        else:
            await export_sessions(
                client, window, gathering, status=self.status, session_type=self.session_type, ip=self._handling, salt=self._salt
            )


class MiratsQuantoToObjectStorageOperator(MiratsQuantoExtractOperator, ToObjectStorageOperator):
    """Bring user sessions, or surveys, from Mirats Quanto to files on any object storage.

    One line is one session as Mirats Quanto gives it (https://docs.publisher.miratsquanto.com/api-reference/endpoint/user-sessions),
    with `durationSeconds` beside `duration`; or the files hold rows of tables, as JSON Lines or Parquet. By default these are the
    sessions that *began* within the run's data interval.

    Args:
        **kwargs: `resource`, `status`, `session_type`, `ip`, `mirats_quanto_conn_id` (see `MiratsQuantoExtractOperator`); `by`, `start`,
            `end`, `lookback`, `watermark` (see `ExtractOperator`, which also tells the errors); `path`, `file_format`, `tables`,
            `storage_conn_id` (see `ToObjectStorageOperator`, which also tells the result).
    """

    template_fields: Sequence[str] = ("status", "session_type", "mirats_quanto_conn_id", *ToObjectStorageOperator.template_fields)


class MiratsQuantoToSqlOperator(MiratsQuantoExtractOperator, ToSqlOperator):
    """Bring user sessions, or surveys, from Mirats Quanto to tables of SQLite or PostgreSQL.

    Args:
        **kwargs: `resource`, `status`, `session_type`, `ip`, `mirats_quanto_conn_id` (see `MiratsQuantoExtractOperator`); `by`, `start`,
            `end`, `lookback`, `watermark` (see `ExtractOperator`, which also tells the errors); `sql_conn_id`, `schema`, `table_prefix`,
            `delete_missing` (see `ToSqlOperator`, which also tells the result).
    """

    template_fields: Sequence[str] = ("status", "session_type", "mirats_quanto_conn_id", *ToSqlOperator.template_fields)
