"""What a bulk write tells: counts for the XCom, lines for the log, metrics for whoever watches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider.engagement.bulk.plan import Planned
from airflow_provider.engagement.bulk.progress import REASONS, Progress

METRICS = ("read", "unchanged", "planned", "sent", "deleted", "skipped", "rejected", "in_doubt", "retried", "requests", "waited_seconds")
"""Names of the metrics, each with `engagement.` before it; the same as in the report."""


def make_report(progress: Progress) -> dict[str, Any]:
    """Count what became of the rows; earlier tries of the task included.

    `read` is `unchanged` + `sent` + `skipped` + `rejected` + `in_doubt` + `unsent`, where `deleted` ones come on top.

    Args:
        progress: what sending did.
    """
    planned = progress.planned
    counts = progress.counts
    settled = sum(counts[name] for name in ("sent", "deleted", "skipped", "refused", "in_doubt"))
    return {
        "read": planned.read,
        "unchanged": planned.unchanged,
        "planned": planned.planned,
        "sent": counts["sent"],
        "deleted": counts["deleted"],
        "skipped": counts["skipped"],
        "rejected": planned.invalid + counts["refused"],
        "in_doubt": counts["in_doubt"],
        "unsent": planned.planned - settled,
        "retried": counts["retried"],
        "repeated_in_doubt": counts["repeated_in_doubt"],
        "requests": counts["requests"],
        "waited_seconds": round(counts["waited_seconds"], 3),
    }


def plan_lines(planned: Planned, what: str, requests_per_minute: float | None) -> list[str]:
    """Say what is about to happen, before the first request."""
    lines = [
        f"Read {planned.read} {what}: {planned.planned - planned.deletions} to send, {planned.unchanged} unchanged, "
        f"{planned.invalid} unusable, {planned.deletions} to delete"
    ]
    if planned.finds:
        lines.append(f"{planned.finds} of them cost one more request, because the state does not know whether they exist")
    if requests_per_minute and planned.planned:
        seconds = (planned.planned + planned.finds) * 60 / requests_per_minute
        lines.append(f"At {requests_per_minute:g} requests a minute this takes at least {duration(seconds)}")
    return lines + planned.notes


def progress_line(progress: Progress, what: str, *, rate: float, limit: float, stated: bool) -> str:
    """Say how far sending has come.

    Args:
        progress: what sending did.
        what: what the rows are, in the plural.
        rate: requests a minute since the last line.
        limit: requests a minute in force.
        stated: whether the limit was stated in the connection.
    """
    report = make_report(progress)
    done = report["planned"] - report["unsent"]
    line = f"{done} of {report['planned']} {what} done, {report['rejected']} rejected, {report['in_doubt']} in doubt; "
    line += f"{rate:.0f} requests a minute, {100 * rate / limit:.0f} % of the {'stated' if stated else 'found'} limit of {limit:.0f}"
    return line + (f"; about {duration(report['unsent'] * 60 / rate)} left" if rate else "")


def duration(seconds: float) -> str:
    """Write a duration for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def with_reasons(head: str, reasons: Iterable[str], total: int) -> str:
    """Put the first reasons under a headline."""
    shown = list(reasons)[:REASONS]
    more = [f"  … and {total - len(shown)} more"] if total > len(shown) else []
    return "\n".join([head, *(f"  {reason}" for reason in shown), *more])
