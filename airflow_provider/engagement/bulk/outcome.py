"""What became of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider.engagement.bulk.plan import Refusal
from airflow_provider.engagement.wire.errors import ApiError


@dataclass(slots=True)
class Outcome:
    """What became of a plan, so far.

    Attributes:
        sent: rows the server accepted.
        refusals: rows the server refused for good, and rows in doubt.
        stopped: why sending stopped before the end, or None; the rows behind it were not sent.
        requests: requests sent, repeated ones included.
        retried: requests that were repeats.
        waited: seconds held back for the rate limit.
        failures_in_a_row: rows in doubt since the last success.
    """

    sent: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    stopped: ApiError | None = None
    requests: int = 0
    retried: int = 0
    waited: float = 0.0
    failures_in_a_row: int = 0

    @property
    def in_doubt(self) -> int:
        """How many rows may or may not have been processed."""
        return sum(refusal.in_doubt for refusal in self.refusals)
