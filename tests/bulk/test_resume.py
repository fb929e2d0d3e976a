"""A task that died goes on where it was; what it may have sent is never guessed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.emulator.faults import Latency
from tests.bulk.tasks import KEY, At, Died, Store, Task, clicks, counted, lines, make_memory, make_task, people

task = pytest.fixture(make_task)
in_memory = pytest.fixture(make_memory)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def slow(task: Task) -> Task:
    """A task with some checkpoints before it dies."""
    task.server.faults.add(Latency(seconds=0.005))
    return task


def untouched() -> Iterator[Any]:
    pytest.fail("the source was read again")
    yield


# --- going on --------------------------------------------------------------------------------------------------------


def test_upserts_go_on_from_the_checkpoint_without_reading_the_source(slow: Task) -> None:
    slow.run_and_die(100, "users", people(300))
    done = slow.confirmed
    assert 0 < done < 150
    before = slow.sent("/users")
    report = slow.run("users", untouched())
    assert slow.sent("/users") - before == 300 - done
    counted(report, read=300, planned=300, sent=300, rejected=0, unsent=0)
    assert slow.users() == {f"u{number}": {"n": number} for number in range(300)}
    assert slow.plans == []


def test_it_goes_on_as_often_as_it_dies(slow: Task) -> None:
    for _ in range(3):
        slow.run_and_die(60, "users", people(300))
        slow.server.faults.add(Latency(seconds=0.005))
    counted(slow.run("users", untouched()), sent=300)
    assert len(slow.users()) == 300


def test_what_was_rejected_stays_rejected_and_no_line_is_there_twice(slow: Task) -> None:
    slow.run("users", [{"id": "first", "attributes": {"age": 7}}])
    slow.clear()
    slow.server.faults.add(Latency(seconds=0.005))
    rejects = slow.folder / "rejects"
    rows = [{"id": f"u{number}", "attributes": {"age": "old" if number % 3 == 0 else number}} for number in range(150)]
    rows += [{"id": "x", "attributes": {"é!": 1}}]
    for _ in range(2):  # the end of the first try writes rejects that no checkpoint knows of
        slow.run_and_die(50, "users", rows, rejects_path=str(rejects))
        slow.server.faults.add(Latency(seconds=0.005))
    assert slow.store is not None
    assert 0 < slow.store.checkpoint["counts"]["refused"] < 50
    with pytest.raises(AirflowFailException, match="51 of 151 users were unusable or refused, 0 are in doubt, 100 were accepted"):
        slow.run("users", untouched(), rejects_path=str(rejects))
    assert sorted((line["position"], line["kind"]) for line in lines(rejects)) == [
        *((number, "refused") for number in range(0, 150, 3)),
        (150, "invalid"),
    ]
    slow.retry()
    with pytest.raises(AirflowFailException, match="51 of 151 users"):  # killed before it could say so
        slow.run("users", untouched(), rejects_path=str(rejects))


def test_the_reject_of_a_row_can_be_sent_as_it_stands(slow: Task) -> None:
    slow.run("users", [{"id": "first", "attributes": {"age": 7}}])
    slow.clear()
    rejects = slow.folder / "rejects"
    slow.run("users", [{"id": "u", "attributes": {"age": "old", "name": "Zoë"}}], rejects_path=str(rejects), max_rejects=1)
    (line,) = lines(rejects)
    slow.clear()
    line["row"]["attributes"]["age"] = 8
    counted(slow.run("users", [line["row"]], rejects_path=str(rejects)), sent=1)
    assert slow.users()["u"] == {"age": 8, "name": "Zoë"}


@pytest.mark.usefixtures("in_memory")
@pytest.mark.parametrize("storage", ["file", "memory"])
def test_a_retry_on_another_worker_goes_on_with_the_plan_at_work_path(slow: Task, storage: str) -> None:
    work_path = "memory://bucket/plans" if storage == "memory" else f"file://{slow.folder}/work"
    slow.run_and_die(60, "users", people(200), work_path=work_path)
    for path in slow.folder.glob("airflow-engagement-*/*"):
        path.unlink()
    counted(slow.run("users", untouched(), work_path=work_path), sent=200)
    assert slow.plans == []


@pytest.mark.parametrize("kind", ["users", "events"])
def test_a_lost_plan_is_made_anew_and_the_same_one_goes_on(slow: Task, kind: str) -> None:
    rows = [*(people(200) if kind == "users" else clicks(200)), {"id": "x", "é!": 1}]
    slow.run_and_die(60, kind, rows, max_rejects=100)
    done, doubtful = slow.confirmed, slow.doubtful
    slow.lose_plan()
    before = len(slow.server.requests("POST"))
    report = slow.run(kind, list(rows), max_rejects=100)
    again = len(slow.server.requests("POST")) - before
    if kind == "users":
        counted(report, sent=200, rejected=1, in_doubt=0)
        assert again == 200 - done
    else:
        counted(report, rejected=1, in_doubt=doubtful, sent=200 - doubtful)
        assert again == 200 - done - doubtful
        assert len(set(slow.events())) == len(slow.events())


def test_a_damaged_plan_is_a_lost_one(slow: Task) -> None:
    slow.run_and_die(60, "users", people(200))
    (plan,) = slow.plans
    plan.write_bytes(b"\0" + plan.read_bytes()[1:])
    counted(slow.run("users", people(200)), sent=200)


def test_a_lost_plan_and_another_source_start_upserts_over(slow: Task, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    slow.run_and_die(60, "users", people(200))
    slow.lose_plan()
    before = slow.sent("/users")
    counted(slow.run("users", people(201)), read=201, sent=201)
    assert slow.sent("/users") - before == 201
    assert "the source has changed since: it starts over" in caplog.text


def test_a_lost_plan_and_another_source_fail_events_until_a_person_decides(slow: Task) -> None:
    slow.run_and_die(60, "events", clicks(200))
    slow.lose_plan()
    before = slow.events()
    for step in (slow.retry, slow.clear):  # whoever clears without having read why is told first
        with pytest.raises(AirflowFailException) as caught:
            slow.run("events", clicks(201))
        assert "the plan of the earlier try is lost with its worker, and the source gives other rows now" in str(caught.value)
        assert "Set work_path to an object storage" in str(caught.value)
        step()
    assert slow.events() == before
    counted(slow.run("events", clicks(201)), sent=201)


def test_a_source_that_gives_the_same_rows_again_goes_on_after_all(slow: Task) -> None:
    slow.run_and_die(60, "events", clicks(200))
    slow.lose_plan()
    with pytest.raises(AirflowFailException, match="the source gives other rows now"):
        slow.run("events", clicks(201))
    slow.retry()
    report = slow.run("events", clicks(200), max_rejects=200)
    assert report["sent"] + report["in_doubt"] == 200
    assert len(set(slow.events())) == len(slow.events())
    assert slow.store is not None
    assert not slow.store.checkpoint["given_up"]


def test_a_try_that_died_while_planning_leaves_nothing_to_go_on_from(task: Task) -> None:
    def dies() -> Iterator[Any]:
        yield from people(10)
        raise Died("the process is gone")

    with pytest.raises(Died):
        task.run("users", dies(), rejects_path=str(task.folder / "rejects"))
    task.retry()
    counted(task.run("users", people(10)), sent=10)


# --- after the end ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["users", "events"])
def test_a_try_that_was_killed_after_its_end_tells_the_same_and_sends_nothing(task: Task, kind: str) -> None:
    rows = [*(people(20) if kind == "users" else clicks(20)), "text"]
    first = task.run(kind, rows, max_rejects=1)
    before = len(task.server.requests())
    task.retry()
    assert task.run(kind, untouched(), max_rejects=1) == first
    assert len(task.server.requests()) == before


@pytest.mark.parametrize("kind", ["users", "events"])
def test_a_finished_task_that_is_cleared_starts_anew(task: Task, kind: str) -> None:
    rows = people(20) if kind == "users" else clicks(20)
    rejects = str(task.folder / "rejects")
    task.run(kind, [*rows, "text"], max_rejects=1, rejects_path=rejects)
    task.clear()
    counted(task.run(kind, rows, rejects_path=rejects), read=20, sent=20, rejected=0, requests=20)
    assert len(task.server.requests()) == 40
    assert lines(Path(rejects)) == []


def test_a_task_that_failed_for_its_rejects_starts_anew_when_it_is_cleared(task: Task) -> None:
    with pytest.raises(AirflowFailException, match="1 of 21 events"):
        task.run("events", [*clicks(20), "text"])
    task.clear()
    counted(task.run("events", clicks(5)), sent=5)


def test_unfinished_upserts_that_are_cleared_start_anew(slow: Task) -> None:
    slow.die_at(60)
    with pytest.raises(Died):
        slow.run("users", people(200))
    slow.settle()
    slow.clear()
    before = slow.sent("/users")
    counted(slow.run("users", people(150)), read=150, sent=150, requests=150)
    assert slow.sent("/users") - before == 150


def test_unfinished_events_that_are_cleared_go_on(slow: Task) -> None:
    slow.die_at(60)
    with pytest.raises(Died):
        slow.run("events", clicks(200))
    slow.settle()
    doubtful = slow.doubtful
    slow.clear()
    counted(slow.run("events", untouched(), max_rejects=200), sent=200 - doubtful, in_doubt=doubtful)
    assert len(set(slow.events())) == len(slow.events())


def test_a_mapped_task_has_a_checkpoint_and_a_plan_of_its_own(slow: Task) -> None:
    slow.run_and_die(60, "users", people(200))
    slow.instance.map_index, store, slow.store = 1, slow.store, Store()
    counted(slow.run("users", people(10)), sent=10)
    slow.instance.map_index, slow.store = -1, store
    counted(slow.run("users", untouched()), sent=200)


def test_a_checkpoint_of_another_version_is_none(task: Task) -> None:
    assert task.store is not None
    task.store.set(KEY, {"version": 99})
    counted(task.run("users", people(3)), sent=3)


# --- at most once, at least once -------------------------------------------------------------------------------------


def test_at_most_once_what_was_reserved_and_not_confirmed_is_in_doubt(slow: Task) -> None:
    rejects = slow.folder / "rejects"
    slow.run_and_die(100, "events", clicks(300), rejects_path=str(rejects))
    doubtful = slow.doubtful
    assert 0 < doubtful <= 50 + 2 * 8
    assert set(slow.events()) <= set(range(slow.confirmed + doubtful))
    report = slow.run("events", untouched(), rejects_path=str(rejects), max_rejects=300)
    counted(report, sent=300 - doubtful, in_doubt=doubtful)
    assert len(set(slow.events())) == len(slow.events())
    assert set(range(300)) - set(slow.events()) <= {line["position"] for line in lines(rejects)}
    assert {line["kind"] for line in lines(rejects)} == {"in_doubt"}


def test_at_least_once_every_event_arrives_and_doubles_are_what_was_under_way(slow: Task) -> None:
    slow.run_and_die(100, "events", clicks(300), delivery="at_least_once")
    done, received = slow.confirmed, len(slow.events())
    counted(slow.run("events", untouched(), delivery="at_least_once"), sent=300, in_doubt=0)
    assert set(slow.events()) == set(range(300))
    assert len(slow.events()) - 300 == received - done


def test_rows_that_count_anew_are_guarded_among_rows_that_do_not(slow: Task) -> None:
    rows = [{"id": f"u{number}", "attributes": {"n": {"add": 1} if number % 2 else 1}} for number in range(200)]
    slow.run_and_die(80, "users", rows)
    report = slow.run("users", untouched(), max_rejects=200)
    counted(report, sent=200 - report["in_doubt"], unsent=0)
    assert report["in_doubt"] > 0
    users = slow.users()
    assert all(users[f"u{number}"] == {"n": 1} for number in range(0, 200, 2))
    assert all(attributes == {"n": 1} for attributes in users.values())


# --- a process that is killed ----------------------------------------------------------------------------------------


class Killed:
    """A task whose tries are processes of their own, killed when so many requests have come in."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.store = task.folder / "store.json"

    def run(self, kind: str, rows: list[Any], *, kill_at: int | None = None, **arguments: Any) -> dict[str, Any] | None:
        settings = {
            "connection": os.environ["AIRFLOW_CONN_USERFLOW_DEFAULT"],
            "folder": str(self.task.folder),
            "store": str(self.store),
            "instance": asdict(self.task.instance),
            "kind": kind,
            "rows": rows,
            "arguments": arguments,
        }
        command = [sys.executable, "-m", "tests.bulk.child", json.dumps(settings)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if kill_at is not None:
            self.task.server.faults.add(Latency(seconds=0.004), At(number=kill_at, do=lambda: process.send_signal(signal.SIGKILL)))
        try:
            told, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == (0 if kill_at is None else -signal.SIGKILL)
        self.task.settle()
        self.task.retry()
        assert self.task.store is not None
        self.task.store.set(KEY, json.loads(self.store.read_text())[KEY])
        return dict(json.loads(told.splitlines()[-1])) if kill_at is None else None


def test_events_of_a_killed_process_are_sent_once_or_in_doubt(task: Task) -> None:
    rejects = task.folder / "rejects"
    Killed(task).run("events", [*clicks(400), "text"], kill_at=150, rejects_path=str(rejects))
    doubtful = task.doubtful
    assert 0 < task.confirmed < 400
    assert 0 < doubtful <= 50 + 2 * 8
    report = task.run("events", untouched(), rejects_path=str(rejects), max_rejects=400)
    counted(report, read=401, sent=400 - doubtful, in_doubt=doubtful, rejected=1)
    assert len(set(task.events())) == len(task.events())
    assert [line["position"] for line in lines(rejects) if line["kind"] == "invalid"] == [400]
    found = {line["position"] for line in lines(rejects) if line["kind"] == "in_doubt"}
    assert len(found) == len(lines(rejects)) - 1 == doubtful
    assert set(range(400)) - set(task.events()) <= found


def test_users_of_a_killed_process_end_as_they_should_and_the_state_knows(task: Task) -> None:
    state, rows = str(task.folder / "state"), people(400)
    Killed(task).run("users", rows, kill_at=150, state_path=state)
    assert 0 < task.confirmed < 400
    counted(task.run("users", untouched(), state_path=state), sent=400, unsent=0)
    assert task.users() == {f"u{number}": {"n": number} for number in range(400)}
    task.instance.run_id, task.store = "next", Store()
    counted(task.run("users", rows, state_path=state), read=400, unchanged=400, sent=0, requests=0)
