"""Userflow's transfers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider.engagement.base import rendered_texts
from airflow_provider.engagement.bulk.mapping import Kind, Shape
from airflow_provider.engagement.bulk.transfer import ObjectStorageToRowsOperator, SqlToRowsOperator, TransferOperator
from airflow_provider.engagement.extract.operator import ExtractOperator, ToObjectStorageOperator, ToSqlOperator
from airflow_provider.engagement.userflow.links import UserflowLink
from airflow_provider.engagement.userflow.operators import UserflowOperator
from airflow_provider.engagement.userflow.shape import SHAPE

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider.engagement.bulk.plan import Target
    from airflow_provider.engagement.extract.gather import Gathering
    from airflow_provider.engagement.extract.resource import Reading, Resource
    from airflow_provider.engagement.userflow.hooks import UserflowHook
    from airflow_provider.engagement.wire.clients import AsyncClient


class UserflowExtractOperator(ExtractOperator):
    """Read a resource of Userflow; the base of Userflow's transfers.

    The resources are `content_sessions` (by `created` or `last_activity`), `users` and `groups` (`snapshot` or `created`), and
    `group_memberships`, `content`, `content_versions`, `attribute_definitions` and `event_definitions` (`snapshot`). Sessions and
    versions are read content by content, several contents at a time.

    Args:
        content_ids: flows, checklists and launchers whose sessions or versions are read: a list, one id, or an upstream task's output;
            all of the account's by default, none if the list is empty.
        include_previews: take team members' previews of drafts too.
        userflow_conn_id: id of a connection of type `userflow`.
        **kwargs: see `ExtractOperator`.
    """

    template_fields: Sequence[str] = ("content_ids", "userflow_conn_id", *ExtractOperator.template_fields)
    operator_extra_links = (UserflowLink(),)
    scheme: ClassVar[str] = "userflow"

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

    def known_resources(self) -> Mapping[str, Resource]:
        """What can be read."""
        from airflow_provider.engagement.userflow.resources import RESOURCES

        return RESOURCES

    def restriction(self) -> tuple[str, ...] | None:
        """The contents that reading is restricted to."""
        return rendered_texts("content_ids", cast("Sequence[str] | str | None", self.content_ids))

    async def gather(self, client: AsyncClient, reading: Reading, gathering: Gathering) -> None:
        """Read."""
        from airflow_provider.engagement.userflow.export import export

        await export(client, reading, gathering, content_ids=self.restriction(), include_previews=self.include_previews)


class UserflowToObjectStorageOperator(UserflowExtractOperator, ToObjectStorageOperator):
    """Bring content sessions with their answers, or another resource, from Userflow to files on any object storage.

    One line is one object as Userflow gives it (https://userflow.com/docs/api#the-content-session-object), `answers` filled; or the
    files hold rows of tables, as JSON Lines or Parquet. By default these are the sessions *created* within the run's data interval.

    Args:
        **kwargs: `resource`, `content_ids`, `include_previews`, `userflow_conn_id` (see `UserflowExtractOperator`); `by`, `start`, `end`,
            `lookback`, `watermark`, `attributes` (see `ExtractOperator`, which also tells the errors); `path`, `file_format`, `tables`,
            `storage_conn_id` (see `ToObjectStorageOperator`, which also tells the result).
    """

    template_fields: Sequence[str] = ("content_ids", "userflow_conn_id", *ToObjectStorageOperator.template_fields)


class UserflowToSqlOperator(UserflowExtractOperator, ToSqlOperator):
    """Bring content sessions and their answers, or another resource, from Userflow to tables of SQLite or PostgreSQL.

    Args:
        **kwargs: `resource`, `content_ids`, `include_previews`, `userflow_conn_id` (see `UserflowExtractOperator`); `by`, `start`, `end`,
            `lookback`, `watermark`, `attributes` (see `ExtractOperator`, which also tells the errors); `sql_conn_id`, `schema`,
            `table_prefix`, `delete_missing` (see `ToSqlOperator`, which also tells the result).
    """

    template_fields: Sequence[str] = ("content_ids", "userflow_conn_id", *ToSqlOperator.template_fields)


class UserflowTransferOperator(UserflowOperator, TransferOperator):
    """Base of the transfers to Userflow.

    Args:
        **kwargs: `userflow_conn_id`, and what `TransferOperator` takes.
    """

    kinds: ClassVar[Mapping[str, Kind]] = {"users": "users", "groups": "groups", "events": "events"}
    shape: ClassVar[Shape] = SHAPE

    def make_target(self) -> Target:
        """Say where the rows go."""
        from airflow_provider.engagement.userflow.plan import make_target

        return make_target(self.hook, self.target, timezone=self.timezone or None, preflight=self.preflight)


class SqlToUserflowOperator(UserflowTransferOperator, SqlToRowsOperator):
    """Bring the rows of a query to Userflow as users, groups or events (https://userflow.com/docs/api#create-or-update-a-user).

    Args:
        **kwargs: `sql`, `parameters`, `sql_conn_id`, `fetch_size` (see `SqlToRowsOperator`); `target`, `mapping` (see `TransferOperator`);
            `mode`, `state_path`, `delivery`, `rejects_path` and more (see `BulkOperator`, which also tells result and errors);
            `userflow_conn_id`.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", *SqlToRowsOperator.template_fields)


class ObjectStorageToUserflowOperator(UserflowTransferOperator, ObjectStorageToRowsOperator):
    """Bring the rows of files on any object storage to Userflow as users, groups or events.

    Args:
        **kwargs: `path`, `file_format`, `source_conn_id` and more (see `ObjectStorageToRowsOperator`); `target`, `mapping` (see
            `TransferOperator`); `mode`, `state_path`, `delivery`, `rejects_path` and more (see `BulkOperator`, which also tells result
            and errors); `userflow_conn_id`.
    """

    template_fields: Sequence[str] = ("userflow_conn_id", *ObjectStorageToRowsOperator.template_fields)
