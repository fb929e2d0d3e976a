"""Says whether a task did what it promised, by what the server received and processed, row by row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow_provider.engagement.bulk.rejects import as_json
from airflow_provider.engagement.bulk.send import CHECKPOINT_SECONDS
from tests.faults.kills import Kill
from tests.faults.ledger import Entry
from tests.faults.rows import Row, SourceRow, final_users

SAVING_SECONDS = 5.0
"""Writing a checkpoint takes this long at the most on a busy machine; what is sent meanwhile is under way, too."""
_DYING_SECONDS = 0.5
"""What was on its way when the process died is answered until then."""
_SHOWN = 5


@dataclass(frozen=True)
class Evidence:
    """What is known of a task after its end.

    Attributes:
        kind: `users` or `events`.
        at_most_once: no row may be sent twice.
        rows: the source.
        report: the task's XCom.
        rejects: the lines of its rejects files.
        entries: requests with its rows that came in.
        tracked: events: how often each row was processed.
        users: users: attributes by id, as the server holds them.
        kills: when it was killed.
        window: rows that may be reserved or under way at once.
    """

    kind: str
    at_most_once: bool
    rows: Sequence[SourceRow]
    report: Mapping[str, Any]
    rejects: Sequence[Mapping[str, Any]]
    entries: Sequence[Entry]
    tracked: Counter[int]
    users: Mapping[str, Row]
    kills: Sequence[Kill]
    window: int

    def fated(self, fate: str) -> set[int]:
        """Positions of the rows of a fate."""
        return {position for position, source in enumerate(self.rows) if source.fate == fate}

    def rejected(self, kind: str) -> set[int]:
        """Positions of the rejects of a kind."""
        return {reject["position"] for reject in self.rejects if reject["kind"] == kind}

    @cached_property
    def by_row(self) -> Mapping[int, list[Entry]]:
        """The requests of each row."""
        found: dict[int, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.row, []).append(entry)
        return found

    @cached_property
    def index(self) -> Mapping[int, int]:
        """Index in the plan by position in the source: unusable rows are not in the plan."""
        planned = (position for position, source in enumerate(self.rows) if source.fate != "invalid")
        return {position: index for index, position in enumerate(planned)}

    def unsettled(self, kill: Kill) -> set[int]:
        """Positions of the rows that the checkpoint did not know to be done when the task was killed."""
        progress = kill.progress
        return {position for position, index in self.index.items() if progress is None or not progress.is_done(index)}

    def doubtful(self, kill: Kill) -> set[int]:
        """Positions of the rows of which the next try could not know whether they had been sent."""
        reserved = 0 if kill.progress is None else kill.progress.reserved
        return {position for position in self.unsettled(kill) if self.index[position] < reserved}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement.

    Attributes:
        doubles: events processed, or users received, once more than needed.
        faults: requests that met an injected fault.
        complaints: what is wrong; empty where everything is right.
    """

    doubles: int
    faults: int
    complaints: list[str] = field(default_factory=list)


def judge(evidence: Evidence) -> Verdict:
    """Judge a task."""
    counted = evidence.tracked if evidence.kind == "events" else Counter(entry.row for entry in evidence.entries)
    complaints = [
        *_counts(evidence),
        *_rejects(evidence),
        *_repeats(evidence),
        *(_final_state(evidence) if evidence.kind == "users" else _events(evidence)),
        *_in_doubt(evidence),
    ]
    return Verdict(sum(count - 1 for count in counted.values()), sum(entry.met != "nothing" for entry in evidence.entries), complaints)


def read_rejects(folder: Path) -> list[dict[str, Any]]:
    """Read all lines of a task's rejects; a file that is no finished part is an error of its own."""
    lines = []
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.suffix != ".jsonl":
            raise ValueError(f"{path.name} was left among the rejects")
        lines += [json.loads(line) for line in path.read_bytes().splitlines()]
    return lines


# --- judgements ------------------------------------------------------------------------------------------------------


def _counts(evidence: Evidence) -> Iterator[str]:
    """The report's counts add up to the rows, and to what the rejects say."""
    report, rejects = evidence.report, Counter(reject["kind"] for reject in evidence.rejects)
    expected = {
        "read": len(evidence.rows),
        "planned": len(evidence.index),
        "sent": len(evidence.fated("good") - evidence.rejected("in_doubt")),
        "rejected": rejects["invalid"] + rejects["refused"],
        "in_doubt": rejects["in_doubt"],
        **dict.fromkeys(("unchanged", "deleted", "skipped", "unsent"), 0),
    }
    yield from (f"{name} is {report[name]}, not {count}" for name, count in expected.items() if report[name] != count)
    total = sum(report[name] for name in ("sent", "rejected", "in_doubt", "unsent"))
    if total != report["read"]:
        yield f"the counts add up to {total} of {report['read']} rows"
    unknown = sum(any(_under_way(entry, kill) for kill in evidence.kills) for entry in evidence.entries)
    if not len(evidence.entries) - unknown <= report["requests"] <= len(evidence.entries):
        yield f"{report['requests']} requests were reported, {len(evidence.entries)} came in"


def _rejects(evidence: Evidence) -> Iterator[str]:
    """Every unusable and every refused row is a reject once, shows its row and says why; no other row is."""
    twice = [position for position, count in Counter(reject["position"] for reject in evidence.rejects).items() if count > 1]
    if twice:
        yield f"rows {_some(twice)} stand in the rejects twice"
    invalid, refused, doubt = (evidence.rejected(kind) for kind in ("invalid", "refused", "in_doubt"))
    if invalid != evidence.fated("invalid"):
        yield f"unusable rows: {_difference(invalid, evidence.fated('invalid'))}"
    if refused != evidence.fated("refused") - doubt:
        yield f"refused rows: {_difference(refused, evidence.fated('refused') - doubt)}"
    for reject in evidence.rejects:
        position, row = reject["position"], evidence.rows[reject["position"]].row
        if reject["row"] != json.loads(as_json(row)):
            yield f"the reject of row {position} shows another row: {reject['row']}"
        if not reject["reason"] or (reject["kind"] == "refused" and not (reject["code"] and reject["request_id"])):
            yield f"the reject of row {position} does not say why: {reject}"


def _repeats(evidence: Evidence) -> Iterator[str]:
    """A row comes in again only where its answer was lost, or was on its way to the checkpoint when the task was killed."""
    unsettled = [(kill, evidence.unsettled(kill)) for kill in evidence.kills]
    unexplained = []
    for row, entries in evidence.by_row.items():
        excuses = sum(entry.met == "a refusal" or (entry.met == "doubt" and not evidence.at_most_once) for entry in entries)
        if not evidence.at_most_once:
            excuses += sum(row in rows and any(_under_way(entry, kill) for entry in entries) for kill, rows in unsettled)
        if len(entries) > 1 + excuses:
            unexplained.append(row)
    if unexplained:
        yield f"{len(unexplained)} rows came in again without need: {_some(unexplained)}"


def _under_way(entry: Entry, kill: Kill) -> bool:
    return -_DYING_SECONDS <= kill.at - entry.at <= CHECKPOINT_SECONDS + SAVING_SECONDS


def _final_state(evidence: Evidence) -> Iterator[str]:
    """The server holds exactly the users that the good rows make."""
    expected = final_users(evidence.rows)
    if evidence.users.keys() != expected.keys():
        yield f"users: {_difference(evidence.users.keys(), expected.keys())}"
    wrong = [key for key in expected.keys() & evidence.users.keys() if evidence.users[key] != expected[key]]
    if wrong:
        key = min(wrong)
        yield f"{len(wrong)} users differ; {key} is {evidence.users[key]}, not {expected[key]}"


def _events(evidence: Evidence) -> Iterator[str]:
    """What was reported sent was processed, once where that was promised; rejected rows never were."""
    tracked, doubt = evidence.tracked, evidence.rejected("in_doubt")
    sent = evidence.fated("good") - doubt
    if lost := [position for position in sent if not tracked[position]]:
        yield f"{len(lost)} events were reported sent and never processed: {_some(lost)}"
    if processed := [position for position in tracked if evidence.rows[position].fate != "good"]:
        yield f"rejected events were processed: {_some(processed)}"
    if evidence.at_most_once and (twice := [position for position, count in tracked.items() if count > 1]):
        yield f"{len(twice)} events were processed twice: {_some(twice)}"


def _in_doubt(evidence: Evidence) -> Iterator[str]:
    """In doubt is only what was reserved at a kill, or lost its answer; never more than the window for each kill."""
    doubt = evidence.rejected("in_doubt")
    if doubt and not evidence.at_most_once:
        yield f"{len(doubt)} rows are in doubt, though all may be sent again"
        return
    unexplained = {row for row in doubt if not any(entry.met == "doubt" for entry in evidence.by_row.get(row, ()))}
    for kill in evidence.kills:
        at_kill = doubt & evidence.doubtful(kill)
        unexplained -= at_kill
        if len(at_kill) > evidence.window:
            yield f"{len(at_kill)} rows are in doubt after the kill at {kill.received}, more than the window of {evidence.window}"
    if unexplained:
        yield f"{len(unexplained)} rows are in doubt without need: {_some(unexplained)}"


def _some(rows: Iterable[int]) -> str:
    ordered = sorted(rows)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(map(str, ordered[:_SHOWN])) + more


def _difference(found: Iterable[Any], expected: Iterable[Any]) -> str:
    missing, more = set(expected) - set(found), set(found) - set(expected)
    named = (("missing", missing), ("too many", more))
    return "; ".join(f"{len(items)} {name} ({', '.join(map(str, sorted(items)[:_SHOWN]))})" for name, items in named if items)
