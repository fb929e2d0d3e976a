"""A bulk write as a task: what its arguments do, and how it ends."""

from __future__ import annotations

import json
import logging
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowTaskTimeout

from airflow_provider.engagement import compat
from airflow_provider.engagement.bulk import send as engine
from airflow_provider.engagement.bulk.options import Options
from airflow_provider.engagement.bulk.task import SendingStopped, run_row, run_rows
from airflow_provider.engagement.bulk.workshop import Identity, Workshop
from airflow_provider.engagement.emulator.faults import Drop, Latency, Status
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.userflow.operators import UserflowUpsertUsersOperator
from airflow_provider.engagement.userflow.plan import make_target
from tests.bulk.tasks import At, Task, clicks, counted, lines, make_task, people

task = pytest.fixture(make_task)


def bad(number: int) -> dict[str, Any]:
    return {"id": f"bad{number}", "attributes": {"é!": 1}}


@contextmanager
def execution_timeout(task: Task, number: int) -> Iterator[None]:
    """What Airflow does: a signal raises in the main thread, wherever it stands; here when so many requests have come in."""

    def strike(_number: int, _frame: Any) -> None:
        raise AirflowTaskTimeout("execution_timeout")

    before = signal.signal(signal.SIGALRM, strike)
    task.server.faults.add(At(number=number, do=lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)))
    task.server.faults.add(Latency(seconds=0.02))
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


# --- how it ends -----------------------------------------------------------------------------------------------------


def test_counts_are_returned_and_nothing_is_left_on_the_worker(task: Task) -> None:
    report = task.run("users", people(50), rejects_path=str(task.folder / "rejects"), work_path=str(task.folder / "work"))
    counted(report, read=50, planned=50, sent=50, rejected=0, in_doubt=0, unsent=0, retried=0, requests=50)
    assert task.plans == []
    assert lines(task.folder) == []
    assert task.store is not None
    assert task.store.checkpoint["finished"]
    assert json.loads(json.dumps(report)) == report


def test_nothing_to_send_is_fine(task: Task) -> None:
    counted(task.run("users", []), read=0, planned=0, sent=0, requests=0)
    assert task.server.requests() == []


def test_an_unusable_row_does_not_stop_the_others_and_fails_the_task_in_the_end(task: Task) -> None:
    rows = [{"id": "ok"}, *map(bad, range(12)), {"id": "fine"}]
    with pytest.raises(AirflowFailException) as caught:
        task.run("users", rows)
    shown = str(caught.value).splitlines()
    assert shown[0] == "12 of 14 users were unusable or refused, 0 are in doubt, 2 were accepted"
    assert shown[1].startswith("  row 1 (bad0): ")
    assert (len(shown), shown[-1]) == (12, "  … and 2 more")
    assert task.users().keys() == {"ok", "fine"}
    assert task.plans == []


def test_refused_and_unusable_rows_are_counted_together(task: Task) -> None:
    task.run("users", [{"id": "first", "attributes": {"age": 7}}])
    task.clear()
    rejects = task.folder / "rejects"
    rows = [{"id": f"u{number}", "attributes": {"age": "old" if number in (3, 4) else number}} for number in range(10)] + [bad(0)]
    with pytest.raises(AirflowFailException) as caught:
        task.run("users", rows, rejects_path=str(rejects))
    head = f"3 of 11 users were unusable or refused, 0 are in doubt, 8 were accepted; they are in {rejects}"
    assert str(caught.value).splitlines()[0] == head
    assert sorted((line["position"], line["kind"]) for line in lines(rejects)) == [(3, "refused"), (4, "refused"), (10, "invalid")]


@pytest.mark.parametrize(("allowed", "fails"), [(2, True), (3, False), (0.29, True), (0.3, False)])
def test_max_rejects_is_a_number_or_a_part_and_the_task_fails_after_all_were_tried(
    task: Task, caplog: pytest.LogCaptureFixture, allowed: float, fails: bool
) -> None:
    rows = [*people(7), *map(bad, range(3))]
    if fails:
        with pytest.raises(AirflowFailException, match="3 of 10 users were unusable or refused"):
            task.run("users", rows, max_rejects=allowed)
    else:
        counted(task.run("users", rows, max_rejects=allowed), read=10, sent=7, rejected=3)
        assert "3 of 10 users were unusable or refused" in caplog.text
    assert len(task.users()) == 7


def test_rows_in_doubt_count_as_rejects(task: Task) -> None:
    task.server.faults.add(Drop(path="/events", times=2, after=True))
    report = task.run("events", clicks(20), max_rejects=2)
    counted(report, sent=18, in_doubt=2, rejected=0)
    task.clear()
    task.server.faults.add(Drop(path="/events", times=2, after=True))
    with pytest.raises(AirflowFailException, match="0 of 20 events were unusable or refused, 2 are in doubt, 18 were accepted"):
        task.run("events", clicks(20), max_rejects=1)


def test_a_refused_key_fails_at_once_and_is_not_shown(task: Task) -> None:
    task.connect(password="ak_wrong")
    with pytest.raises(AirflowFailException) as caught:
        task.run("users", people(100))
    assert re.match(
        r"sending stopped after 0 of 100 users, 100 were not sent: POST /users: Userflow answered 401: invalid_api_key", str(caught.value)
    )
    assert "ak_wrong" not in str(caught.value)


def test_a_wrong_base_url_fails_at_once(task: Task) -> None:
    task.connect(host=f"{task.server.base_url}/wrong", concurrency=1)
    with pytest.raises(AirflowFailException, match=r"sending stopped after 0 of 100 users, 90 were not sent: .*Unrecognized URL"):
        task.run("users", people(100))


@pytest.mark.parametrize("kind", ["users", "events"])
def test_a_failure_that_outlasts_its_retries_is_retried_by_airflow_and_says_how_far_it_came(task: Task, kind: str) -> None:
    task.server.faults.add(At(number=20, do=lambda: task.server.faults.add(Status(status=503))))
    rows = people(100) if kind == "users" else clicks(100)
    with pytest.raises(SendingStopped) as caught:
        task.run(kind, rows)
    done = len(task.users()) if kind == "users" else len(task.events())
    assert str(caught.value).startswith(f"sending stopped after {done} of 100 {kind}, {100 - done} were not sent: POST /{kind}: ")
    assert "503" in str(caught.value)
    assert len(task.plans) == 1
    task.retry()
    counted(task.run(kind, rows), sent=100, unsent=0, in_doubt=0)
    assert (task.events() == [] and len(task.users()) == 100) or sorted(task.events()) == list(range(100))


def test_a_limit_that_opens_too_late_says_when_to_come_back(task: Task) -> None:
    task.server.faults.add(Status(status=429, retry_after="seconds", seconds=3600))
    with pytest.raises(SendingStopped, match="429") as caught:
        task.run("users", people(3))
    assert caught.value.retry_after == 3600


def test_reasons_of_rejects_stand_below_the_reason_it_stopped(task: Task) -> None:
    task.connect(password="ak_wrong")
    with pytest.raises(AirflowFailException) as caught:
        task.run("users", [bad(0), {"id": "u"}])
    assert "\n  row 0 (bad0): " in str(caught.value)


def test_ten_lost_events_in_a_row_stop_it_and_a_retry_goes_on(task: Task) -> None:
    task.connect(concurrency=1)
    task.server.faults.add(Drop(path="/events", after=True))
    with pytest.raises(SendingStopped, match="sending stopped after 0 of 30 events, 20 were not sent"):
        task.run("events", clicks(30))
    task.retry()
    with pytest.raises(AirflowFailException, match="0 of 30 events were unusable or refused, 10 are in doubt, 20 were accepted"):
        task.run("events", clicks(30))
    assert task.events() == list(range(30))


# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        ("users", {"mode": "insert"}, "ValueError: mode must be one of"),
        ("users", {"mode": "mirror"}, "needs state_path"),
        ("users", {"max_rejects": "5"}, "TypeError: max_rejects must be a number"),
        ("users", {"full_refresh": "maybe"}, "full_refresh must be true or false"),
        ("users", {"plan_only": "perhaps"}, "plan_only must be true or false"),
        ("users", {"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ("events", {"mode": "update_only"}, "events have no key, so there is no mode"),
        ("events", {"state_path": "memory://x"}, "events have no key"),
        ("events", {"duplicates": "refuse"}, "events have no key"),
    ],
)
def test_a_bad_argument_fails_before_the_source_is_read(task: Task, kind: str, arguments: dict[str, Any], said: str) -> None:
    def untouched() -> Iterator[Any]:
        pytest.fail("the source was read")
        yield

    with pytest.raises(AirflowFailException) as caught:
        task.run(kind, untouched(), **arguments)
    assert said in str(caught.value)
    assert task.server.requests() == []


def test_what_a_template_leaves_empty_counts_as_left_out(task: Task) -> None:
    empty = dict.fromkeys(("timezone", "delivery", "state_path", "rejects_path", "work_path", "full_refresh"), "") | {"plan_only": "false"}
    counted(task.run("users", people(2), **empty), sent=2)


def test_a_broken_source_fails_and_nothing_is_sent(task: Task) -> None:
    def broken() -> Iterator[Any]:
        yield from people(3)
        raise OSError("the warehouse is gone")

    with pytest.raises(OSError, match="the warehouse is gone"):
        task.run("users", broken())
    with pytest.raises(AirflowFailException, match="the upstream task returned nothing"):
        task.run("users", None)
    assert (task.server.requests(), task.plans) == ([], [])


# --- a dry run -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan_only", [True, "True"])
def test_a_dry_run_sends_and_writes_nothing_at_all(task: Task, caplog: pytest.LogCaptureFixture, plan_only: bool | str) -> None:
    paths = {name: str(task.folder / name) for name in ("state_path", "rejects_path", "work_path")}
    caplog.set_level(logging.INFO)
    report = task.run("users", [*people(20), bad(0)], plan_only=plan_only, **paths)
    counted(report, read=21, planned=20, sent=0, rejected=1, unsent=20, requests=0)
    assert task.server.requests() == []
    assert task.store is not None
    assert task.store.kept == []
    assert [path for path in task.folder.rglob("*") if path.is_file()] == []
    assert "Read 21 users: 20 to send, 0 unchanged, 1 unusable, 0 to delete" in caplog.text
    assert "dry run: nothing was sent, and nothing was kept" in caplog.text


def test_a_dry_run_says_what_a_known_state_leaves_to_send(task: Task) -> None:
    state = str(task.folder / "state")
    task.run("users", people(20), state_path=state)
    files = {path: path.read_bytes() for path in Path(state).iterdir()}
    task.clear()
    report = task.run("users", [*people(18), {"id": "new"}], state_path=state, mode="upsert", plan_only=True)
    counted(report, read=19, planned=1, unchanged=18, unsent=1)
    assert {path: path.read_bytes() for path in Path(state).iterdir()} == files


# --- one row ---------------------------------------------------------------------------------------------------------


def test_one_row_goes_through_the_same_engine_and_gives_the_answer(task: Task) -> None:
    event = run_row(UserflowHook(), clicks(1)[0], make_target(UserflowHook(), "events"), task.context)
    assert event.name == "clicked"
    assert task.store is not None
    assert task.store.checkpoint["finished"]
    task.retry()
    assert run_row(UserflowHook(), clicks(1)[0], make_target(UserflowHook(), "events"), task.context) is None
    assert task.events() == [0]


def test_one_row_that_cannot_be_sent_fails_at_once(task: Task) -> None:
    target = make_target(UserflowHook(), "users")
    with pytest.raises(AirflowFailException, match=r"1 of 1 users were unusable or refused, .*\n  row 0 \(bad0\): "):
        run_row(UserflowHook(), bad(0), target, task.context)
    assert task.server.requests() == []


# --- what it tells ---------------------------------------------------------------------------------------------------


def test_the_log_tells_the_plan_the_progress_and_the_outcome(
    task: Task, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PROGRESS_SECONDS", 0.1)
    caplog.set_level(logging.INFO)
    task.server.faults.add(Latency(seconds=0.1))
    task.run("users", people(30))
    assert "Read 30 users: 30 to send, 0 unchanged, 0 unusable, 0 to delete" in caplog.text
    assert "At 600000 requests a minute this takes at least 0 s" in caplog.text
    progress = r"\d+ of 30 users done, 0 rejected, 0 in doubt; \d+ requests a minute, \d+ % of the stated limit of \d+; about \d+ s left"
    assert re.search(progress, caplog.text)
    assert "Outcome: {'read': 30," in caplog.text


def test_the_log_and_the_result_hold_no_row(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    report = task.run("users", people(3, email="ann@example.com"))
    assert "ann@example.com" not in caplog.text + json.dumps(report)


def test_rendered_rows_are_sent_but_not_shown(task: Task) -> None:
    operator = UserflowUpsertUsersOperator(task_id="task", rows=people(2, email="ann@example.com"))
    operator.render_template_fields({})
    assert "ann@example.com" not in repr(operator.rows)
    counted(operator.execute(task.context), sent=2)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What was added to each of Airflow's metrics."""
    told: dict[str, float] = {}

    def count(name: str, amount: float, tags: dict[str, str]) -> None:
        assert tags == {"connection": "userflow_default", "dag_id": "dag", "task_id": "task"}
        told[name] = told.get(name, 0) + amount

    monkeypatch.setattr(compat, "count", count)
    return told


def test_metrics_are_the_report(task: Task, told: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PROGRESS_SECONDS", 0.02)
    task.connect(requests_per_minute=6000)
    report = task.run("users", [*people(60), bad(0)], max_rejects=1)
    assert told == {f"engagement.{name}": int(report[name]) for name in report if name not in ("unsent", "repeated_in_doubt")}


def test_metrics_count_nothing_twice_over_retries(task: Task, told: dict[str, float]) -> None:
    task.server.faults.add(At(number=20, do=lambda: task.server.faults.add(Status(status=503))))
    with pytest.raises(SendingStopped):
        task.run("users", people(60))
    task.retry()
    report = task.run("users", people(60))
    assert {name: told[f"engagement.{name}"] for name in ("read", "planned", "sent", "requests")} == {
        name: report[name] for name in ("read", "planned", "sent", "requests")
    }


def test_airflows_own_metrics_take_the_counts(task: Task) -> None:
    compat.count("engagement.sent", 3.7, {"task_id": "task"})
    compat.count("engagement.sent", 0, {})
    assert task.run("users", people(1))["sent"] == 1


# --- before Airflow 3.3 ----------------------------------------------------------------------------------------------


def warnings(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.levelno >= logging.WARNING and "keeps no task state" in record.getMessage() for record in caplog.records)


def test_without_a_store_a_retry_starts_over_with_one_warning(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    task.store = None
    task.server.faults.add(At(number=20, do=lambda: task.server.faults.add(Status(status=503))))
    with pytest.raises(SendingStopped):
        task.run("users", people(60))
    assert warnings(caplog) == 0
    assert task.plans == []
    task.retry()
    counted(task.run("users", people(60)), sent=60, requests=60)
    assert warnings(caplog) == 1


def test_without_a_store_events_that_stopped_half_way_are_not_retried(task: Task) -> None:
    task.store = None
    task.server.faults.add(At(number=20, do=lambda: task.server.faults.add(Status(status=503))))
    with pytest.raises(AirflowFailException, match="A retry would send the others again, so the task is not retried"):
        task.run("events", clicks(60))


def test_without_a_store_events_of_which_none_was_sent_are_retried(task: Task) -> None:
    task.store = None
    task.server.faults.add(Status(status=503))
    with pytest.raises(SendingStopped, match="sending stopped after 0 of 60 events, 60 were not sent"):
        task.run("events", clicks(60))


@pytest.mark.parametrize("kind", ["users", "events"])
def test_without_a_store_a_killed_try_is_told_by_its_plan(task: Task, kind: str) -> None:
    """Killed events are in doubt and fail; killed upserts start over."""
    task.store = None
    killed = run_and_leave_plan(task, kind)
    assert task.plans == [killed]
    task.retry()
    rows = people(5) if kind == "users" else clicks(5)
    if kind == "users":
        counted(task.run(kind, rows), sent=5)
        return
    with pytest.raises(AirflowFailException, match="was killed while it sent events that must not be sent twice"):
        task.run(kind, rows)
    assert task.plans == []
    task.clear()
    counted(task.run(kind, rows), sent=5)


def test_without_a_store_killed_events_go_again_where_that_is_wanted(task: Task) -> None:
    task.store = None
    run_and_leave_plan(task, "events")
    task.retry()
    counted(task.run("events", clicks(5), delivery="at_least_once"), sent=5)


def run_and_leave_plan(task: Task, kind: str) -> Path:
    """What a process that is killed while it sends leaves behind."""
    shop = Workshop(Identity.of(task.context), Options(), make_target(UserflowHook(), kind))
    return shop.make_plan(people(5) if kind == "users" else clicks(5), None).path


def test_without_a_task_instance_nothing_is_remembered(task: Task) -> None:
    for _ in range(2):
        report = run_rows(UserflowHook(), lambda: clicks(3), make_target(UserflowHook(), "events"), Options(), {})
        assert report["sent"] == 3
    assert len(task.events()) == 6
    assert task.plans == []


# --- execution_timeout -----------------------------------------------------------------------------------------------


def test_a_timeout_leaves_upserts_to_the_retry(task: Task) -> None:
    with pytest.raises(AirflowTaskTimeout), execution_timeout(task, 60):
        task.run("users", people(200))
    assert task.store is not None
    done = task.store.checkpoint["counts"]["sent"]
    assert 0 < done < 200
    assert task.store.checkpoint["reserved"] == 0
    task.retry()
    counted(task.run("users", people(200)), sent=200, in_doubt=0)
    assert task.sent("/users") <= 200 + 8


def test_a_timeout_leaves_the_events_under_way_in_doubt_and_none_goes_twice(task: Task) -> None:
    with pytest.raises(AirflowTaskTimeout), execution_timeout(task, 60):
        task.run("events", clicks(200))
    assert task.store is not None
    doubtful = task.store.checkpoint["counts"]["in_doubt"]
    assert 0 < doubtful <= 8
    assert task.store.checkpoint["reserved"] == 0
    task.retry()
    report = task.run("events", clicks(200), max_rejects=8)
    counted(report, sent=200 - doubtful, in_doubt=doubtful)
    assert len(set(task.events())) == len(task.events()) >= 200 - doubtful


def test_without_a_store_a_timeout_among_events_is_final(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    task.store = None
    caplog.set_level(logging.INFO)
    with (
        pytest.raises(AirflowFailException, match="execution_timeout passed while a part of the events was sent"),
        execution_timeout(task, 60),
    ):
        task.run("events", clicks(200))
    assert "Outcome: {'read': 200," in caplog.text
    assert task.plans == []
