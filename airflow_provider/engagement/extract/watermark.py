"""Where the last run ended, for schedules without data intervals.

A run reads from there to the moment it was due (`run_after`), which does not move when the task is retried. From Airflow 3.3 on the
place is kept in the asset state store, together with the windows of the latest runs, so that a run that is cleared reads its own
window again; before, it is derived from the last successful run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from airflow_provider.engagement.compat import asset_state_store
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
        ValueError: nothing is known of earlier runs and there is no `start`, or all up to this run has been read by later ones.
    """
    run: Any = context["dag_run"]
    store = asset_state_store(context, asset)
    if store is None:
        last = _last_success(context)
    else:
        kept: Mapping[str, Any] = store.get(_key(context), {})
        if found := kept.get("windows", {}).get(run.run_id):
            return Window(*(datetime.fromisoformat(text) for text in found))
        last = datetime.fromisoformat(kept["end"]) if kept else None
    if last is None:
        if not start:
            raise ValueError("watermark=True knows of no earlier run: give start=, the moment from which the first run is to read")
        last = read_moment(start, "start")
    if last >= run.run_after:
        raise ValueError(
            f"this run was due at {run.run_after.isoformat()}, and all up to {last.isoformat()} has been read by later runs; "
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


def _last_success(context: Context) -> datetime | None:
    instance: Any = context["ti"]
    previous = instance.get_previous_dagrun(state="success")
    return None if previous is None else cast("datetime", previous.run_after)
