"""How far sending has come: any order of completion, any moment of a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider.engagement.bulk.plan import Planned
from airflow_provider.engagement.bulk.progress import COUNTS, Progress


def begun(**changes: Any) -> Progress:
    return Progress("digest", Planned(read=9, planned=7, invalid=2, notes=["a note"]), **changes)


def stored(progress: Progress, **changes: Any) -> Any:
    """What the task state store gives back."""
    return json.loads(json.dumps(progress.snapshot(**changes)))


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[int], int]:
    """Rows in the order in which they are done, at most `ahead` of them overtaking the first, and a moment of a crash."""
    count, ahead = draw(st.integers(0, 60)), draw(st.integers(1, 8))
    taken = list(range(min(ahead, count)))
    order: list[int] = []
    while taken:
        order.append(taken.pop(draw(st.integers(0, len(taken) - 1))))
        if len(order) + len(taken) < count:
            taken.append(len(order) + len(taken))
    return order, draw(st.integers(0, len(order)))


@settings(max_examples=200, deadline=None)
@given(orders())
def test_any_order_and_any_crash(case: tuple[list[int], int]) -> None:
    order, crash = case
    progress = begun()
    for index in order[:crash]:
        progress.done(index)
    restored = Progress.restore(stored(progress))
    assert restored == progress
    done = set(order[:crash])
    assert [index for index in range(len(order)) if restored.is_done(index)] == sorted(done)
    assert restored.low == next(index for index in range(len(order) + 1) if index not in done)
    for index in order[crash:]:
        restored.done(index)
    assert (restored.low, restored.above) == (len(order), set())


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 200)))
def test_a_checkpoint_is_as_short_as_there_are_gaps(done: set[int]) -> None:
    progress = begun()
    for index in sorted(done, reverse=True):
        progress.done(index)
    gaps = sum(index - 1 not in done for index in done if index > progress.low)
    assert len(stored(progress)["above"]) == gaps
    assert Progress.restore(stored(progress)) == progress


def test_everything_a_checkpoint_holds_comes_back() -> None:
    progress = begun(reserved=5, reasons=["row 1: no"], parts=2, lines=7, finished=True, max_tries=3, given_up=True)
    progress.counts |= {"sent": 4, "waited_seconds": 1.25}
    assert Progress.restore(stored(progress)) == progress
    changed = Progress.restore(stored(progress, reserved=0, finished=False))
    assert changed is not None
    assert (changed.reserved, changed.finished, changed.lines) == (0, False, 7)


def test_a_restored_checkpoint_is_a_thing_of_its_own() -> None:
    progress = begun()
    restored = Progress.restore(progress.snapshot())
    assert restored is not None
    restored.counts["sent"] += 1
    restored.reasons.append("row 1: no")
    assert (progress.counts["sent"], progress.reasons) == (0, [])


@pytest.mark.parametrize("found", [None, "text", [], {}, {"version": 2}, {"engagement": 1}])
def test_what_is_no_checkpoint_of_this_version_is_none(found: Any) -> None:
    assert Progress.restore(found) is None


def test_a_count_that_an_older_checkpoint_lacks_is_zero() -> None:
    found = stored(begun())
    del found["counts"]["skipped"]
    restored = Progress.restore(found)
    assert restored is not None
    assert restored.counts == dict.fromkeys(COUNTS, 0)
