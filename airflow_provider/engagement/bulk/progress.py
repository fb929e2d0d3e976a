"""How far sending has come: in memory while it goes on, and as the checkpoint that outlives the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider.engagement.bulk.plan import Planned

COUNTS = ("sent", "deleted", "skipped", "refused", "in_doubt", "repeated_in_doubt", "retried", "requests", "waited_seconds")
REASONS = 10
"""How many reasons are kept and shown."""
_PLAIN = ("plan", "low", "reserved", "reasons", "parts", "lines", "finished", "max_tries", "given_up")


@dataclass(slots=True)
class Progress:
    """How far a plan has been sent.

    Rows are taken in order and finish out of order: everything below `low` is done, and what is done above it stands in
    `above`. No more rows than may be under way at once can be missing between the two, so both stay small.

    Attributes:
        plan: the plan's digest.
        planned: what planning found.
        low: index of the first row that is not done.
        above: indexes behind it that are done.
        reserved: rows below this index may have been sent; of the others it is certain that they were not.
        counts: see `COUNTS`; earlier tries included.
        reasons: why rows were refused or are in doubt, the first few.
        parts: parts of rejects that are safe.
        lines: lines of the last of them.
        finished: every row was tried.
        max_tries: Airflow's own number, which changes when a person clears the task and never else.
        given_up: nobody can go on from here; a task that is cleared starts anew.
    """

    plan: str
    planned: Planned
    low: int = 0
    above: set[int] = field(default_factory=set)
    reserved: int = 0
    counts: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    reasons: list[str] = field(default_factory=list)
    parts: int = 0
    lines: int = 0
    finished: bool = False
    max_tries: int = 0
    given_up: bool = False

    def done(self, index: int) -> None:
        """Note that a row is done, whatever became of it."""
        if index != self.low:
            self.above.add(index)
            return
        index += 1
        while index in self.above:
            self.above.remove(index)
            index += 1
        self.low = index

    def is_done(self, index: int) -> bool:
        """Say whether a row is done."""
        return index < self.low or index in self.above

    def snapshot(self, **changes: Any) -> dict[str, Any]:
        """Write it as JSON for the task state store.

        Args:
            **changes: attributes that are to differ.
        """
        return {
            "version": 1,
            "plan": self.plan,
            "planned": asdict(self.planned),
            "low": self.low,
            "above": _ranges(self.above),
            "reserved": self.reserved,
            "counts": dict(self.counts),
            "reasons": list(self.reasons),
            "parts": self.parts,
            "lines": self.lines,
            "finished": self.finished,
            "max_tries": self.max_tries,
            "given_up": self.given_up,
            **changes,
        }

    @classmethod
    def restore(cls, stored: Any) -> Progress | None:
        """Read a checkpoint; None where there is none, or one of another version."""
        if not isinstance(stored, Mapping) or stored.get("version") != 1:
            return None
        fields = {name: stored[name] for name in _PLAIN}
        above = {index for first, last in stored["above"] for index in range(first, last + 1)}
        planned = Planned(**stored["planned"])
        return cls(**fields, planned=planned, above=above, counts={**dict.fromkeys(COUNTS, 0), **stored["counts"]})


def _ranges(indexes: set[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for index in sorted(indexes):
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ranges
