"""The judge of the fault test finds what it is there to find."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider.engagement.bulk.plan import Planned
from airflow_provider.engagement.bulk.progress import Progress
from airflow_provider.engagement.bulk.rejects import as_json
from airflow_provider.engagement.userflow.bodies import check_event_body, check_user_body
from tests.faults.judge import Evidence, judge
from tests.faults.kills import Kill
from tests.faults.ledger import Entry, Met
from tests.faults.rows import SourceRow, final_users, make_rows

COUNT = 60
ROWS = make_rows("events", "a seed", COUNT)
GOOD = [position for position, source in enumerate(ROWS) if source.fate == "good"]


def reject(rows: list[SourceRow], position: int, kind: str) -> dict[str, Any]:
    told = {"code": "invalid_attributes", "request_id": "req_1"} if kind == "refused" else {"code": None, "request_id": None}
    return {"position": position, "kind": kind, "reason": "because", **told, "row": json.loads(as_json(rows[position].row))}


def right(kind: str = "events", *, at_most_once: bool = False, doubt: tuple[int, ...] = ()) -> Evidence:
    """Make the evidence of a task that went right; rows in doubt were received once, and lost their answer."""
    rows = make_rows(kind, "a seed", COUNT)
    kinds = {position: "in_doubt" if position in doubt else source.fate for position, source in enumerate(rows)}
    rejects = [reject(rows, position, kind) for position, kind in kinds.items() if kind != "good"]
    counted = {"read": COUNT, "planned": COUNT - 6, "sent": COUNT - 12 - len(doubt), "rejected": 12, "in_doubt": len(doubt)}
    report = {**dict.fromkeys(("unchanged", "deleted", "skipped", "unsent"), 0), **counted, "requests": COUNT - 6}
    return Evidence(
        kind=kind,
        at_most_once=at_most_once,
        rows=rows,
        report=report,
        rejects=rejects,
        entries=[entry(position, "doubt" if position in doubt else "nothing") for position, kind in kinds.items() if kind != "invalid"],
        tracked=Counter(position for position, source in enumerate(rows) if source.fate == "good"),
        users=final_users(rows) if kind == "users" else {},
        kills=(),
        window=10,
    )


def entry(position: int, met: Met = "nothing", at: float = 100.0) -> Entry:
    return Entry(position, at, met)


def kill(at: float, *, low: int, reserved: int = 0) -> Kill:
    return Kill(at, low, "sending", Progress("digest", Planned(), low=low, reserved=reserved))


def received_again(evidence: Evidence, position: int, **changes: Any) -> Evidence:
    tracked = evidence.tracked + Counter([position])
    report = {**evidence.report, "requests": evidence.report["requests"] + 1}
    return replace(evidence, entries=[*evidence.entries, entry(position, at=109.0)], tracked=tracked, report=report, **changes)


def complaints(evidence: Evidence) -> str:
    return "\n".join(judge(evidence).complaints)


@pytest.mark.parametrize(
    "evidence",
    [
        right(),
        right("users"),
        right(at_most_once=True),
        right(at_most_once=True, doubt=(GOOD[3],)),
        received_again(right(), GOOD[-1], kills=[kill(100.5, low=GOOD[-1] - 10)]),
    ],
    ids=["events", "users", "at most once", "an answer lost", "under way at a kill"],
)
def test_what_is_right_passes(evidence: Evidence) -> None:
    assert complaints(evidence) == ""


def test_rows_are_spoiled_as_they_claim() -> None:
    for kind, check in (("users", check_user_body), ("events", check_event_body)):
        for source in make_rows(kind, "another seed", 500):
            if source.fate == "invalid":
                with pytest.raises((ValueError, TypeError)):
                    check(source.row)
            else:
                assert check(source.row)["attributes"] == source.row["attributes"]


@pytest.mark.parametrize(
    ("evidence", "complaint"),
    [
        (replace(right(), tracked=right().tracked - Counter([GOOD[5]])), "reported sent and never processed"),
        (received_again(right(), GOOD[5]), "came in again without need"),
        (received_again(right(), GOOD[5], kills=[kill(100.5, low=COUNT)]), "came in again without need"),
        (received_again(right(), GOOD[5], kills=[kill(108.0, low=0)]), "came in again without need"),
        (received_again(right(at_most_once=True), GOOD[5], kills=[kill(100.5, low=0)]), "processed twice"),
        (replace(right(), tracked=right().tracked + Counter(right().fated("refused"))), "rejected events were processed"),
        (right(doubt=(GOOD[5],)), "though all may be sent again"),
        (replace(right(at_most_once=True, doubt=(GOOD[5],)), entries=right().entries), "in doubt without need"),
        (replace(right(), rejects=right().rejects[1:]), "missing"),
        (replace(right(), rejects=[*right().rejects, right().rejects[0]]), "stand in the rejects twice"),
        (replace(right(), rejects=[{**item, "row": {}} for item in right().rejects]), "shows another row"),
        (replace(right(), report={**right().report, "sent": COUNT}), "the counts add up to"),
        (replace(right(), report={**right().report, "requests": 1}), "1 requests were reported"),
        (replace(right("users"), users={}), "missing"),
        (replace(right("users"), users={**right("users").users, "user-00000": {"n": -1}}), "users differ"),
    ],
)
def test_what_is_wrong_is_found(evidence: Evidence, complaint: str) -> None:
    assert complaint in complaints(evidence)


def test_more_in_doubt_than_the_window_is_found() -> None:
    doubt = tuple(GOOD[10:25])
    evidence = replace(right(at_most_once=True, doubt=doubt), entries=right().entries, kills=[kill(100.5, low=5, reserved=COUNT)])
    assert "more than the window of 10" in complaints(evidence)
    assert complaints(replace(evidence, window=20)) == ""
