"""How a bulk write is to go: what an operator's arguments say, checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

MODES: Final = ("upsert", "update_only", "mirror")
DELIVERIES: Final = ("at_least_once", "at_most_once")
DUPLICATES: Final = ("in_order", "refuse")


@dataclass(frozen=True, slots=True)
class Options:
    """How a bulk write is to go; the arguments of `airflow_provider.engagement.bulk.operator.BulkOperator`.

    Raises:
        ValueError: a value is not one of those allowed, or two contradict each other.
        TypeError: a value is of the wrong type.
    """

    mode: str = "upsert"
    delivery: str | None = None
    duplicates: str = "in_order"
    state_path: str | None = None
    full_refresh: bool = False
    max_state_age: timedelta | None = None
    max_delete_fraction: float = 0.1
    rejects_path: str | None = None
    max_rejects: int | float = 0
    work_path: str | None = None
    storage_conn_id: str | None = None
    plan_only: bool = False

    def __post_init__(self) -> None:
        _one_of("mode", self.mode, MODES)
        _one_of("duplicates", self.duplicates, DUPLICATES)
        if self.delivery is not None:
            _one_of("delivery", self.delivery, DELIVERIES)
        if self.mode == "mirror" and self.state_path is None:
            raise ValueError("mode='mirror' deletes only what the state recorded as sent, so it needs state_path")
        if (self.full_refresh or self.max_state_age is not None) and self.state_path is None:
            raise ValueError("full_refresh and max_state_age are about the state, so they need state_path")
        if self.max_state_age is not None and not isinstance(self.max_state_age, timedelta):
            raise TypeError(f"max_state_age must be a timedelta, got {type(self.max_state_age).__name__}")
        if not 0 <= _number("max_delete_fraction", self.max_delete_fraction) <= 1:
            raise ValueError(f"max_delete_fraction must be a part from 0 to 1, got {self.max_delete_fraction!r}")
        most = _number("max_rejects", self.max_rejects)
        if not (most >= 0 and (isinstance(most, int) or most < 1)):
            raise ValueError(f"max_rejects must be a whole number of rows or a part below 1, got {self.max_rejects!r}")

    def check_keyless(self, what: str) -> None:
        """Check that nothing is asked that needs keys, for rows that have none.

        Raises:
            ValueError: something is.
        """
        if self.mode != "upsert" or self.state_path is not None or self.duplicates != "in_order":
            raise ValueError(f"{what} have no key, so there is no mode, state_path or duplicates for them: each one is sent")

    def too_many(self, rejects: int, read: int) -> bool:
        """Say whether there are more rejects than allowed among the rows read."""
        allowed = self.max_rejects * read if isinstance(self.max_rejects, float) else self.max_rejects
        return rejects > allowed


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r:.60}")


def _number(name: str, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    return value
