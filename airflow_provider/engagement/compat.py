"""What Airflow 3.3 has and 3.2 has not, behind one module: state stores, retry policies, metrics."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

log = logging.getLogger(__name__)


class StateStore(Protocol):
    """A key-value store kept by Airflow; values are JSON."""

    def get(self, key: str, default: Any = None) -> Any:
        """Give the value of a key."""

    def set(self, key: str, value: Any) -> None:
        """Store the value of a key."""

    def delete(self, key: str) -> None:
        """Remove a key."""


def task_state_store(context: Context) -> StateStore | None:
    """Give the store that lives as long as the task instance and survives its retries; None before Airflow 3.3.

    Args:
        context: the task's context.
    """
    return cast("StateStore | None", cast("dict[str, Any]", context).get("task_state_store"))


def asset_state_store(context: Context, asset: Asset) -> StateStore | None:
    """Give the store of an asset, which runs share; None before Airflow 3.3.

    Args:
        context: the task's context.
        asset: an inlet or outlet of the task.
    """
    stores = cast("dict[str, Any]", context).get("asset_state_store")
    return None if stores is None else cast("StateStore", stores[asset])


def latest_asset_events(context: Context, asset: Asset, count: int) -> list[Any]:
    """Give the latest events of an asset, which need be no inlet of the task.

    Args:
        context: the task's context.
        asset: the asset.
        count: how many at the most.

    Returns:
        Events as inlets have them, the latest first; none where nobody runs the task but a test.
    """
    inlets: Any = cast("dict[str, Any]", context).get("inlet_events")
    return [] if inlets is None else list(type(inlets)([asset])[asset].ascending(False).limit(count))


def count(name: str, amount: float, tags: dict[str, str]) -> None:
    """Add to one of Airflow's metrics; nothing happens unless statsd or OpenTelemetry is set up.

    Args:
        name: the metric's name.
        amount: how much to add; 0 adds nothing.
        tags: what tells this series from others.
    """
    from airflow.providers.common.compat.sdk import Stats

    if amount:
        Stats.incr(name, int(amount), tags=tags)
