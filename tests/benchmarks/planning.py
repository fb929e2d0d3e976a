"""What it costs to turn rows into planned calls."""

from __future__ import annotations

from statistics import median

from tests.benchmarks.engine import connect, plan_users
from tests.benchmarks.measure import interleave, spend
from tests.benchmarks.people import users
from tests.benchmarks.table import Figure

ROWS = 10_000
MOST_MILLISECONDS = 60.0


def rows() -> list[Figure]:
    """Measure the plan phase."""
    hook = connect("http://127.0.0.1:9")  # nothing is sent
    source = list(users(ROWS))
    spent = interleave({"plan": lambda: spend(lambda: plan_users(hook, source))})
    milliseconds = median(taken.cpu for taken in spent["plan"]) * 1e6 / ROWS
    return [
        Figure(
            "CPU per 1,000 rows: plan phase, dict row to planned call",
            f"{milliseconds:.1f} ms",
            f"≤ {MOST_MILLISECONDS:.0f} ms",
            milliseconds <= MOST_MILLISECONDS,
            "validated, converted, encoded, fingerprinted, compressed and written to the plan file",
        )
    ]
