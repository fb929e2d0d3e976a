"""The table of `make faults`."""

from __future__ import annotations

from tests.faults.rounds import Outcome

_COLUMNS = (
    ("round", 23),
    ("seed", 10),
    ("rows", 6),
    ("delivery", 13),
    ("killed after rows received", 34),
    ("tries", 5),
    ("faults", 6),
    ("received", 8),
    ("sent", 5),
    ("in doubt", 8),
    ("rejected", 8),
    ("doubles", 7),
    ("verdict", 7),
)


def head() -> str:
    """Draw the head of the table."""
    line = _line([name for name, _ in _COLUMNS])
    return f"{line}\n{'-' * len(line)}"


def lines(outcome: Outcome) -> list[str]:
    """Draw a task's line, and below it what is wrong."""
    planned, report, verdict = outcome.round, outcome.report, outcome.verdict
    killed = ", ".join(f"{kill.received} ({kill.kind})" for kill in outcome.kills) or "-"
    delivery = planned.delivery if outcome.kind == "events" else "-"
    counts = [str(report.get(name, "")) for name in ("sent", "in_doubt", "rejected")]
    values = [planned.name, planned.seed, outcome.kind, delivery, killed]
    values += [str(outcome.tries), str(verdict.faults), str(outcome.received), *counts, str(verdict.doubles)]
    values.append("WRONG" if verdict.complaints else "right")
    return [_line(values), *(f"    WRONG: {complaint}" for complaint in verdict.complaints)]


def _line(values: list[str]) -> str:
    cells = (f"{value:<{width}}" for value, (_, width) in zip(values, _COLUMNS, strict=True))
    return "  ".join(cells).rstrip()
