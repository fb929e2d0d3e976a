"""What is kept while rows are sent, in which order, and what it means to the next try."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider.engagement.bulk import send as engine
from airflow_provider.engagement.bulk.progress import Progress
from airflow_provider.engagement.bulk.rejects import Reject, RejectParts
from airflow_provider.engagement.emulator.faults import Latency
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.userflow.plan import make_target
from airflow_provider.engagement.wire.errors import ApiError
from airflow_provider.engagement.wire.message import Request
from tests.bulk.sending import Run, make_events, make_run
from tests.bulk.tasks import At, clicks, done, lines, make_task, people

task = pytest.fixture(make_task)
run = pytest.fixture(make_run)
events = pytest.fixture(make_events)


def test_at_most_once_nothing_is_sent_that_was_not_reserved_before(events: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "RESERVED_SECONDS", 0.0)
    events.task.connect(concurrency=2)
    received: list[int] = []
    events.on_save = lambda _snapshot: received.append(events.task.sent("/events"))
    events.send(clicks(40))
    reserved = [snapshot["reserved"] for snapshot in events.saved]
    assert len(events.saved) > 4
    assert received[0] == 0
    assert all(sent <= before for sent, before in zip(received[1:], reserved, strict=False))
    assert all(snapshot["reserved"] - snapshot["low"] <= 2 * 2 + 2 + 2 for snapshot in events.saved)
    assert reserved[-1] == 0


def test_repeatable_rows_wait_for_no_reservation(run: Run) -> None:
    gate = threading.Event()
    run.on_save = lambda snapshot: None if snapshot["finished"] else (gate.wait(5), None)[1]
    run.task.server.faults.add(At(path="/users", number=30, do=gate.set))
    run.send(people(30))
    assert run.counts["sent"] == 30
    assert gate.is_set()


def test_without_a_store_nothing_is_reserved(events: Run) -> None:
    events.stores = False
    events.send(clicks(20))
    assert (events.counts, events.saved) == ({"sent": 20, "requests": 20}, [])


def test_what_an_earlier_try_reserved_and_did_not_confirm_is_in_doubt(events: Run) -> None:
    plan = events.plan(clicks(30))
    earlier = Progress(plan.digest, plan.planned, low=5, above={7, 8}, reserved=12)
    earlier.counts |= {"sent": 7, "requests": 7}
    events.send(clicks(30), earlier)
    assert sorted(events.rejects()) == [(number, "in_doubt") for number in (5, 6, 9, 10, 11)]
    assert events.counts == {"sent": 25, "in_doubt": 5, "requests": 25}
    assert sorted(events.task.events()) == list(range(12, 30))
    assert all("an earlier try of the task ended" in line["reason"] for line in lines(events.folder))


def test_what_can_be_repeated_is_sent_again_whatever_was_reserved(run: Run) -> None:
    rows = [{"id": f"u{number}", "attributes": {"n": {"add": 1} if number == 3 else 1}} for number in range(10)]
    plan = run.plan(rows)
    run.send(rows, Progress(plan.digest, plan.planned, reserved=10))
    assert run.rejects() == [(3, "in_doubt")]
    assert run.counts == {"sent": 9, "in_doubt": 1, "requests": 9}


def test_rejects_are_written_before_a_checkpoint_passes_them(run: Run) -> None:
    run.send([{"id": "first", "attributes": {"age": 7}}])
    run.saved.clear()
    kept: list[tuple[int, int, int, int]] = []

    def look(snapshot: dict[str, Any]) -> None:
        written = (snapshot["parts"] - 1) * 10_000 + snapshot["lines"]
        kept.append((done(snapshot), snapshot["counts"]["refused"], len(run.rejects()), written))

    run.on_save = look
    run.task.server.faults.add(Latency(seconds=0.01))
    run.task.connect(concurrency=2)
    run.send([{"id": f"u{number}", "attributes": {"age": "old"}} for number in range(40)])
    assert len([entry for entry in kept if 0 < entry[0] < 40]) > 3
    for passed, refused, written, counted in kept:
        assert passed == refused
        assert written == refused
        assert counted == refused or refused == 0


def test_checkpoints_are_kept_while_rows_are_sent_and_not_more_often_than_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CHECKPOINT_SECONDS", 0.1)
    run.task.server.faults.add(Latency(seconds=0.5))
    began = time.monotonic()
    run.send(people(8))
    assert 2 < len(run.saved) <= 3 + (time.monotonic() - began) / 0.1


def test_rejects_that_cannot_be_written_end_it_and_no_checkpoint_passes_them(run: Run) -> None:
    run.send([{"id": "first", "attributes": {"age": 7}}])
    run.saved.clear()
    blocked = run.folder / "rejects"
    rows = [{"id": f"u{number}", "attributes": {"age": "old"}} for number in range(4)]
    blocked.write_text("in the way")
    with pytest.raises(OSError, match="rejects"):
        run.send(rows)
    assert {(snapshot["low"], snapshot["counts"]["refused"]) for snapshot in run.saved} == {(0, 0)}
    blocked.unlink()
    run.send(rows, Progress.restore(run.saved[-1]))
    assert sorted(run.rejects()) == [(number, "refused") for number in range(4)]


def test_what_the_storage_refused_once_is_in_the_next_checkpoint(run: Run) -> None:
    run.send([{"id": "first", "attributes": {"age": 7}}])
    run.saved.clear()
    blocked = run.folder / "rejects"
    run.task.connect(concurrency=1)
    run.task.server.faults.add(Latency(seconds=0.01))
    plan = run.plan([{"id": f"u{number}", "attributes": {"age": "old"}} for number in range(20)])
    run.progress = Progress(plan.digest, plan.planned)
    run.parts = RefusingOnce(str(blocked), None, "run", way=blocked)
    blocked.write_text("in the way")
    with pytest.raises(OSError, match="rejects"):
        asyncio.run(run.go(plan))
    last = run.saved[-1]
    assert 0 < last["counts"]["refused"] < 20
    assert sorted(run.rejects()) == [(number, "refused") for number in range(last["counts"]["refused"])]
    assert (last["low"], last["parts"], last["lines"]) == (last["counts"]["refused"], 1, last["counts"]["refused"])


@dataclass(slots=True)
class RefusingOnce(RejectParts):
    """Rejects on a storage that works again after it has refused once."""

    way: Path = Path()

    def add(self, rejects: Sequence[Reject]) -> None:
        try:
            RejectParts.add(self, rejects)
        except OSError:
            self.way.unlink()
            raise


def test_a_newer_checkpoint_never_comes_in_before_an_older_one(events: Run) -> None:
    """When sending is cut off while a checkpoint is being stored, its thread goes on."""
    stored: list[int] = []
    slow = threading.Event()

    def save(snapshot: dict[str, Any]) -> None:
        if snapshot["low"] and not slow.is_set():
            slow.set()
            events.cut_off()
            time.sleep(0.3)
        stored.append(snapshot["low"])

    events.on_save = save
    events.task.server.faults.add(Latency(seconds=0.01))
    with pytest.raises(asyncio.CancelledError):
        events.send(clicks(500))
    last = events.saved[-1]
    assert len(stored) > 1
    assert stored == sorted(stored)
    assert last["reserved"] == 0
    assert done(last) == last["counts"]["sent"] + last["counts"]["in_doubt"] < 500


def test_what_is_under_way_when_it_is_cut_off_is_in_doubt(events: Run) -> None:
    events.task.connect(concurrency=4)
    events.cut_off_at(4)
    events.task.server.faults.add(Latency(seconds=30))
    with pytest.raises(asyncio.CancelledError):
        events.send(clicks(50))
    assert sorted(events.rejects()) == [(number, "in_doubt") for number in range(4)]
    assert events.saved[-1].items() >= {"low": 4, "reserved": 0, "finished": False}.items()
    assert "interrupted before the answer came" in events.progress.reasons[0]


def test_upserts_under_way_when_it_is_cut_off_are_just_not_done(run: Run) -> None:
    run.task.connect(concurrency=4)
    run.cut_off_at(2)
    run.task.server.faults.add(Latency(seconds=30))
    with pytest.raises(asyncio.CancelledError):
        run.send([{"id": f"u{number % 2}", "attributes": {"n": number}} for number in range(50)])
    assert run.rejects() == []
    assert run.saved[-1].items() >= {"low": 0, "above": [], "finished": False}.items()


def test_an_error_of_our_own_leaves_what_was_under_way_in_doubt(events: Run) -> None:
    def check(_request: Request, event: Any) -> str | None:
        raise KeyError("a bug")

    events.task.connect(concurrency=1)
    events.target = replace(make_target(UserflowHook(), "events"), check=check)
    with pytest.raises(KeyError):
        events.send(clicks(5))
    assert events.rejects() == [(0, "in_doubt")]
    assert events.saved[-1].items() >= {"low": 1, "reserved": 0}.items()


def test_counts_of_earlier_tries_carry_over(run: Run) -> None:
    plan = run.plan(people(10))
    earlier = Progress(plan.digest, plan.planned, low=4)
    earlier.counts |= {"sent": 3, "refused": 1, "requests": 9, "retried": 5, "waited_seconds": 2.0}
    run.send(people(10), earlier)
    assert run.counts == {"sent": 9, "refused": 1, "requests": 15, "retried": 5}
    assert run.progress.counts["waited_seconds"] >= 2.0


def test_it_tells_how_far_it_came_while_it_sends(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PROGRESS_SECONDS", 0.05)
    run.task.server.faults.add(Latency(seconds=0.4))
    run.send(people(8))
    assert 3 <= run.told <= 8
    assert isinstance(run.progress.counts["requests"], int)


def test_a_row_that_waits_for_another_of_its_key_is_no_hindrance_to_the_end(run: Run) -> None:
    error: ApiError | None = run.send([{"id": "u", "attributes": {"n": number}} for number in range(100)]).stopped
    assert error is None
    assert run.task.users() == {"u": {"n": 99}}
