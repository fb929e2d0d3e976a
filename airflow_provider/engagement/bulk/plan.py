"""Rows become calls before the first one is sent: everything that can be known to be wrong is known then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider.engagement.wire.message import Call

Check = Callable[[Any], str | None]
"""Looks at an answer and says what is wrong with it, or None."""


@dataclass(frozen=True, slots=True)
class RowCalls:
    """What a row becomes where one plain call is not enough.

    Attributes:
        key: rows of one key are sent in order; None for none.
        calls: the calls, made one after the other.
        check: looks at the answer to the first call: some servers accept a row and drop a part of it.
    """

    key: str | None
    calls: tuple[Call[Any], ...]
    check: Check | None = None


MakeCall = Callable[[Any], tuple[str | None, Call[Any]] | RowCalls]
"""Checks a row and gives its key (rows of one key are sent in order; None for none) and its call, or more (see `RowCalls`).

Raises `ValueError` or `TypeError`, whose text is the reason the row is refused.
"""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A row that is ready to be sent.

    Attributes:
        position: its place in the source, from 0.
        key: its key, or None.
        calls: the calls to make, one after the other.
        check: looks at the answer to the first of them.
    """

    position: int
    key: str | None
    calls: tuple[Call[Any], ...]
    check: Check | None = None

    @property
    def repeatable(self) -> bool:
        """Whether sending the row twice does the same as sending it once."""
        return all(call.request.repeatable for call in self.calls)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not accepted, or whose fate is unknown.

    Attributes:
        position: its place in the source, from 0.
        key: its key, or None.
        reason: why, in a sentence.
        code: the vendor's error code, or None.
        request_id: the vendor's request id, or None.
        in_doubt: it may or may not have been processed.
    """

    position: int
    key: str | None
    reason: str
    code: str | None = None
    request_id: str | None = None
    in_doubt: bool = False

    def __str__(self) -> str:
        named = f" ({self.key})" if self.key else ""
        return f"row {self.position}{named}: {self.reason}"


@dataclass(slots=True)
class Plan:
    """What is to be sent, and what cannot be.

    Attributes:
        read: rows in the source.
        lanes: rows to send; those of one key stand in one lane, in source order, because concurrent requests overtake each other.
        refused: rows that are unusable.
    """

    read: int = 0
    lanes: list[list[PlannedRow]] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    @property
    def planned(self) -> int:
        """How many rows are to be sent."""
        return self.read - len(self.refused)


def make_plan(rows: Iterable[Any], make_call: MakeCall) -> Plan:
    """Read a source to its end and plan every row.

    Args:
        rows: the source.
        make_call: what a row becomes.
    """
    plan = Plan()
    lane_of: dict[str, list[PlannedRow]] = {}
    for position, row in enumerate(rows):
        plan.read += 1
        try:
            made = make_call(row)
        except (ValueError, TypeError) as error:
            plan.refused.append(Refusal(position, _key_of(row), str(error)))
            continue
        row_calls = made if isinstance(made, RowCalls) else RowCalls(made[0], (made[1],))
        key = row_calls.key
        planned = PlannedRow(position, key, row_calls.calls, row_calls.check)
        lane = lane_of.get(key) if key is not None else None
        if lane is not None:
            lane.append(planned)
            continue
        plan.lanes.append([planned])
        if key is not None:
            lane_of[key] = plan.lanes[-1]
    return plan


def _key_of(row: Any) -> str | None:
    key = row.get("id") if isinstance(row, dict) else None
    return key if isinstance(key, str) else None
