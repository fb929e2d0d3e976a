"""What Airflow is told about a reading: from where to where, and how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.engagement.base import EngagementHook


def tell_events(context: Context, outlets: list[Any], told: Mapping[str, Any]) -> None:
    """Put counts and window into the events of the task's outlets; counts only, for Airflow keeps and shows them.

    Args:
        context: the task's context.
        outlets: the task's outlets.
        told: what to put there.
    """
    from airflow.sdk import Asset

    events = cast("dict[str, Any]", context).get("outlet_events")
    if events is None:
        return
    for asset in outlets:
        if isinstance(asset, Asset):
            events[asset].extra.update(told)


def tell_source(hook: EngagementHook, scheme: str, resource: str) -> None:
    """Tell Airflow's hook lineage what was read."""
    _collector().add_input_asset(context=hook, scheme=scheme, asset_kwargs={"conn_id": hook.conn_id, "resource": resource})


def tell_file(hook: EngagementHook, destination: str) -> None:
    """Tell Airflow's hook lineage which local file was written; object storages tell it by themselves.

    Args:
        hook: the vendor's hook.
        destination: where the file was put.
    """
    scheme, separator, path = destination.partition("://")
    if not separator or scheme == "file":
        _collector().add_output_asset(context=hook, scheme="file", asset_kwargs={"path": path if separator else destination})


def tell_table(hook: Any, connection: Any, schema: str, table: str) -> None:
    """Tell Airflow's hook lineage which table was written; of SQLite, which file.

    Args:
        hook: the database's hook.
        connection: its connection.
        schema: the table's schema; the database's usual one if empty.
        table: the table.
    """
    if hook.dialect_name == "sqlite":
        _collector().add_output_asset(context=hook, scheme="file", asset_kwargs={"path": connection.host})
        return
    host = connection.host or ""
    place = {
        "host": "localhost" if not host or host.startswith("/") else host,  # a path is that of a Unix socket
        "port": connection.port or 5432,
        "database": connection.schema or "postgres",
        "schema": schema or "public",
        "table": table,
    }
    _collector().add_output_asset(context=hook, scheme="postgres", asset_kwargs=place)


def _collector() -> Any:
    from airflow.providers.common.compat.lineage import hook

    make: Any = hook.get_hook_lineage_collector
    return make()
