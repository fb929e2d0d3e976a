"""Usertour's transfers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider.engagement.base import rendered_texts
from airflow_provider.engagement.bulk.mapping import Kind, Shape
from airflow_provider.engagement.bulk.transfer import ObjectStorageToRowsOperator, SqlToRowsOperator, TransferOperator
from airflow_provider.engagement.extract.operator import ExtractOperator, ToObjectStorageOperator, ToSqlOperator
from airflow_provider.engagement.usertour.operator import UsertourOperator
from airflow_provider.engagement.usertour.shape import shape_of

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider.engagement.bulk.plan import Target
    from airflow_provider.engagement.extract.gather import Gathering
    from airflow_provider.engagement.extract.resource import Reading, Resource
    from airflow_provider.engagement.usertour.hooks import UsertourHook
    from airflow_provider.engagement.wire.clients import AsyncClient


class UsertourExtractOperator(ExtractOperator):
    """Read a resource of Usertour, by either version of the API; the base of Usertour's transfers.

    The resources are `content_sessions` (by `created`, or by `last_activity` with `full_walk=True`), `users` and `companies`
    (`snapshot` or `created`), and `company_memberships`, `content`, `content_versions`, `attribute_definitions` and
    `event_definitions` (`snapshot`). Sessions that are answered later are caught by `lookback`.

    Args:
        content_ids: whose sessions or versions: a list, one id, or an upstream task's output; all by default, none if the list is empty.
        full_walk: allow reading by last activity. Usertour cannot order by it, so every run reads all sessions there are.
        allow_incomplete: v1: do not fail where more than 100 objects share a moment of creation (within the window), which v1 cannot
            list for certain.
        usertour_conn_id: id of a connection of type `usertour`.
        **kwargs: see `ExtractOperator`.
    """

    template_fields: Sequence[str] = ("content_ids", "usertour_conn_id", *ExtractOperator.template_fields)
    scheme: ClassVar[str] = "usertour"

    def __init__(
        self,
        *,
        content_ids: Sequence[str] | XComArg | str | None = None,
        full_walk: bool = False,
        allow_incomplete: bool = False,
        usertour_conn_id: str = "usertour_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.content_ids = content_ids
        self.full_walk = full_walk
        self.allow_incomplete = allow_incomplete
        self.usertour_conn_id = usertour_conn_id

    @cached_property
    def hook(self) -> UsertourHook:
        """The hook."""
        from airflow_provider.engagement.usertour.hooks import UsertourHook

        return UsertourHook(self.usertour_conn_id)

    def known_resources(self) -> Mapping[str, Resource]:
        """What can be read."""
        from airflow_provider.engagement.usertour.resources import RESOURCES

        return RESOURCES

    def restriction(self) -> tuple[str, ...] | None:
        """The contents that reading is restricted to."""
        return rendered_texts("content_ids", cast("Sequence[str] | str | None", self.content_ids))

    def prepare(self, reading: Reading) -> None:
        """Refuse to read everything where nobody said that it may be."""
        if reading.by == "last_activity" and not self.full_walk:
            raise ValueError(
                "Usertour cannot order sessions by last activity: every run would read all there are. Say full_walk=True if it may, "
                "or read by='created' with lookback="
            )

    async def gather(self, client: AsyncClient, reading: Reading, gathering: Gathering) -> None:
        """Read."""
        from airflow_provider.engagement.usertour.export import Export

        await Export(client, self.hook.account, gathering, self.restriction(), self.allow_incomplete).read(reading)


class UsertourToObjectStorageOperator(UsertourExtractOperator, ToObjectStorageOperator):
    """Bring content sessions with their answers, or another resource, from Usertour to files on any object storage.

    One line is one object as Usertour gives it (https://docs.usertour.io/api-reference/content-sessions/model); a session has `ended`
    and `finished` beside that, which mean the same with both versions of the API, and its answers are decoded. Or the files hold rows of
    tables, as JSON Lines or Parquet. By default these are the sessions *created* within the run's data interval.

    Args:
        **kwargs: `resource`, `content_ids`, `full_walk`, `allow_incomplete`, `usertour_conn_id` (see `UsertourExtractOperator`); `by`,
            `start`, `end`, `lookback`, `watermark`, `attributes` (see `ExtractOperator`, which also tells the errors); `path`,
            `file_format`, `tables`, `storage_conn_id` (see `ToObjectStorageOperator`, which also tells the result).
    """

    template_fields: Sequence[str] = ("content_ids", "usertour_conn_id", *ToObjectStorageOperator.template_fields)


class UsertourToSqlOperator(UsertourExtractOperator, ToSqlOperator):
    """Bring content sessions and their answers, or another resource, from Usertour to tables of SQLite or PostgreSQL.

    Args:
        **kwargs: `resource`, `content_ids`, `full_walk`, `allow_incomplete`, `usertour_conn_id` (see `UsertourExtractOperator`); `by`,
            `start`, `end`, `lookback`, `watermark`, `attributes` (see `ExtractOperator`, which also tells the errors); `sql_conn_id`,
            `schema`, `table_prefix`, `delete_missing` (see `ToSqlOperator`, which also tells the result).
    """

    template_fields: Sequence[str] = ("content_ids", "usertour_conn_id", *ToSqlOperator.template_fields)


class UsertourTransferOperator(UsertourOperator, TransferOperator):
    """Base of the transfers to Usertour; `groups` of a mapping are companies here.

    Args:
        check_dropped: compare what v1 answers with what was sent: a row of which something was dropped is reported as refused.
        **kwargs: `usertour_conn_id`, and what `TransferOperator` takes.
    """

    kinds: ClassVar[Mapping[str, Kind]] = {"users": "users", "companies": "groups", "events": "events"}
    shape: ClassVar[Shape] = shape_of("v1")

    def __init__(self, *, check_dropped: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check_dropped = check_dropped

    def make_target(self) -> Target:
        """Say where the rows go."""
        from airflow_provider.engagement.usertour.plan import make_target

        return make_target(
            self.hook, self.target, timezone=self.timezone or None, check_dropped=self.check_dropped, preflight=self.preflight
        )

    def get_shape(self) -> Shape:
        """Give the words of the connection's version of the API."""
        return shape_of(self.hook.account.version)


class SqlToUsertourOperator(UsertourTransferOperator, SqlToRowsOperator):
    """Bring the rows of a query to Usertour as users, companies or events (https://docs.usertour.io/api-reference/users/create).

    Args:
        **kwargs: `sql`, `parameters`, `sql_conn_id`, `fetch_size` (see `SqlToRowsOperator`); `target`, `mapping` (see `TransferOperator`);
            `mode`, `state_path`, `delivery`, `rejects_path` and more (see `BulkOperator`, which also tells result and errors);
            `check_dropped`, `usertour_conn_id`.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", *SqlToRowsOperator.template_fields)


class ObjectStorageToUsertourOperator(UsertourTransferOperator, ObjectStorageToRowsOperator):
    """Bring the rows of files on any object storage to Usertour as users, companies or events.

    Args:
        **kwargs: `path`, `file_format`, `source_conn_id` and more (see `ObjectStorageToRowsOperator`); `target`, `mapping` (see
            `TransferOperator`); `mode`, `state_path`, `delivery`, `rejects_path` and more (see `BulkOperator`, which also tells result
            and errors); `check_dropped`, `usertour_conn_id`.
    """

    template_fields: Sequence[str] = ("usertour_conn_id", *ObjectStorageToRowsOperator.template_fields)
