"""Where the last run ended, for schedules without data intervals.

A run reads from there to the moment it was due (`run_after`), which does not move when the task is retried. From Airflow 3.3 on the
place is kept in the asset state store, together with the windows of the latest runs, so that a run that is cleared reads its own
window again; before, both are derived from the events that the runs left with the asset.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider.engagement.compat import asset_state_store, latest_asset_events
from airflow_provider.engagement.extract.window import Window, read_moment

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

_REMEMBERED = 100
"""Runs whose windows are kept."""


def next_window(context: Context, asset: Asset, start: datetime | str | None) -> Window:
    """Choose a run's window.

    Args:
        context: the task's context.
        asset: the outlet that the place is kept with.
        start: where the very first window begins.

    Raises:
        ValueError: nothing is known of earlier runs, and there is no `start`.
        AirflowSkipException: all up to this run has been read. Runs by schedule and by assets do not always start in order.
    """
    run: Any = context["dag_run"]
    store = asset_state_store(context, asset)
    kept: Mapping[str, Any] = _from_events(context, asset) if store is None else store.get(_key(context), {})
    if found := kept.get("windows", {}).get(run.run_id):
        return Window(*(datetime.fromisoformat(text) for text in found))
    if kept:
        last = datetime.fromisoformat(kept["end"])
    elif start:
        last = read_moment(start, "start")
    else:
        raise ValueError("watermark=True knows of no earlier run: give start=, the moment from which the first run is to read")
    if last >= run.run_after:
        raise AirflowSkipException(
            f"this run was due at {run.run_after.isoformat()}, and all up to {last.isoformat()} has been read by other runs; "
            "to read it again, give start= and end= without watermark"
        )
    return Window(last, run.run_after)


def remember(context: Context, asset: Asset, window: Window) -> None:
    """Keep where a run ended, once all of its window has been written."""
    store = asset_state_store(context, asset)
    if store is None:
        return
    kept: Mapping[str, Any] = store.get(_key(context), {})
    run: Any = context["dag_run"]
    told = {name: value for name, value in kept.get("windows", {}).items() if name != run.run_id}
    windows = [*told.items(), (run.run_id, [window.start.isoformat(), window.end.isoformat()])]
    ends = [window.end, *([datetime.fromisoformat(kept["end"])] if kept else [])]
    store.set(_key(context), {"end": max(ends).isoformat(), "windows": dict(windows[-_REMEMBERED:])})


def _key(context: Context) -> str:
    instance: Any = context["ti"]
    index = instance.map_index
    return f"engagement.windows/{instance.dag_id}/{instance.task_id}" + ("" if index is None or index < 0 else f"/{index}")


def _from_events(context: Context, asset: Asset) -> Mapping[str, Any]:
    """Derive what would be in the store from what `tell_events` put into the asset's events when the task succeeded."""
    instance: Any = context["ti"]
    index = -1 if instance.map_index is None else instance.map_index
    own = (instance.dag_id, instance.task_id, index)
    windows = {
        event.source_run_id: [event.extra["start"], event.extra["end"]]
        for event in reversed(latest_asset_events(context, asset, _REMEMBERED))
        if (event.source_dag_id, event.source_task_id, event.source_map_index) == own and (event.extra or {}).get("watermark")
    }
    if not windows:
        return {}
    return {"end": max((end for _, end in windows.values()), key=datetime.fromisoformat), "windows": windows}
