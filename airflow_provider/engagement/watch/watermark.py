"""Where an event trigger left off, in the state store of the assets it watches for (Airflow 3.3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_provider.engagement.watch.standing import Mark


class Watermark:
    """A mark that outlives the triggerer.

    Args:
        store: what Airflow gave the trigger: the stores of the assets it watches for; None before Airflow 3.3.
        key: the mark's key in it.

    Attributes:
        kept: whether there is a store.
        last: the mark saved last, by this process.
    """

    def __init__(self, store: Any, key: str) -> None:
        self._stores = _single_stores(store)
        self._key = key
        self.last: Mark | None = None

    @property
    def kept(self) -> bool:
        """Whether it outlives this process."""
        return bool(self._stores)

    async def load(self) -> Mark | None:
        """Read the mark; of several assets the earliest, so that none of them misses anything.

        Raises:
            AirflowRuntimeError: the store could not be read.
        """
        found = [_read(await store.aget(self._key)) for store in self._stores]
        marks = [mark for mark in found if mark is not None]
        return min(marks, key=lambda mark: (mark.at is not None, mark.at and mark.at.timestamp(), mark.count), default=None)

    async def save(self, mark: Mark) -> None:
        """Store the mark.

        Raises:
            AirflowRuntimeError: the store could not be written.
        """
        self.last = mark
        value = {"at": None if mark.at is None else mark.at.isoformat(), "count": mark.count}
        for store in self._stores:
            await store.aset(self._key, value)


def _read(value: Any) -> Mark | None:
    if not isinstance(value, dict):
        return None
    at = value.get("at")
    return Mark(None if at is None else datetime.fromisoformat(at), int(value.get("count", 0)))


def _single_stores(store: Any) -> list[Any]:
    """Give one store for each asset: what Airflow gives a trigger speaks for itself only where there is one asset."""
    if store is None:
        return []
    by_name = getattr(store, "_by_name", None)
    return list(by_name.values()) if by_name else [store]
