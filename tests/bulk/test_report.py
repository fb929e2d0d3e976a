"""What a bulk write tells: counts that add up, and lines for people."""

from __future__ import annotations

import json

import pytest

from airflow_provider.engagement.bulk.plan import Planned
from airflow_provider.engagement.bulk.progress import Progress
from airflow_provider.engagement.bulk.report import METRICS, duration, make_report, plan_lines, progress_line, with_reasons


def progress() -> Progress:
    planned = Planned(read=100, unchanged=20, invalid=5, planned=80, deletions=5, finds=7)
    counts = {"sent": 40, "deleted": 3, "skipped": 4, "refused": 6, "in_doubt": 2, "retried": 9, "requests": 70, "waited_seconds": 1.23456}
    made = Progress("digest", planned)
    made.counts |= counts
    return made


def test_counts_add_up() -> None:
    report = make_report(progress())
    assert report == {
        "read": 100,
        "unchanged": 20,
        "planned": 80,
        "sent": 40,
        "deleted": 3,
        "skipped": 4,
        "rejected": 11,
        "in_doubt": 2,
        "unsent": 25,
        "retried": 9,
        "repeated_in_doubt": 0,
        "requests": 70,
        "waited_seconds": 1.235,
    }
    assert report["planned"] == sum(report[name] for name in ("sent", "deleted", "skipped", "in_doubt", "unsent")) + 6
    assert json.loads(json.dumps(report)) == report
    assert set(METRICS) < set(report)


def test_what_is_about_to_happen() -> None:
    planned = Planned(read=100, unchanged=20, invalid=5, planned=80, deletions=5, finds=7, notes=["Nothing is deleted, because …"])
    assert plan_lines(planned, "users", 600) == [
        "Read 100 users: 75 to send, 20 unchanged, 5 unusable, 5 to delete",
        "7 of them cost one more request, because the state does not know whether they exist",
        "At 600 requests a minute this takes at least 9 s",
        "Nothing is deleted, because …",
    ]
    assert plan_lines(Planned(read=1, planned=1), "events", None) == ["Read 1 events: 1 to send, 0 unchanged, 0 unusable, 0 to delete"]
    assert len(plan_lines(Planned(read=1, unchanged=1), "users", 600)) == 1


def test_how_far_sending_has_come() -> None:
    assert progress_line(progress(), "users", rate=300, limit=600, stated=True) == (
        "55 of 80 users done, 11 rejected, 2 in doubt; 300 requests a minute, 50 % of the stated limit of 600; about 5 s left"
    )
    waiting = progress_line(progress(), "users", rate=0, limit=450.4, stated=False)
    assert waiting.endswith("0 requests a minute, 0 % of the found limit of 450")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "1.5 h"), (100_000, "27.8 h")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_the_first_reasons_stand_under_the_headline() -> None:
    reasons = [f"row {number}: no" for number in range(12)]
    assert with_reasons("2 were refused", reasons[:2], 2) == "2 were refused\n  row 0: no\n  row 1: no"
    shown = with_reasons("15 were refused", reasons, 15).splitlines()
    assert (len(shown), shown[10], shown[11]) == (12, "  row 9: no", "  … and 5 more")
    assert with_reasons("0 were refused", [], 0) == "0 were refused"
