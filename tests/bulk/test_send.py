"""Sending a plan to a served emulator: order, doubt, and where it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from airflow_provider.engagement.bulk import send as engine
from airflow_provider.engagement.bulk.plan import RowCalls, Target
from airflow_provider.engagement.bulk.progress import Progress
from airflow_provider.engagement.bulk.send import FAILURES_IN_A_ROW
from airflow_provider.engagement.emulator.faults import Drop, Latency, Status
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.userflow.plan import make_target
from airflow_provider.engagement.wire.errors import NotFound, ServerFailed, Unauthorized, Unreachable
from airflow_provider.engagement.wire.message import Request
from tests.bulk.sending import Run, make_events, make_run, unsent
from tests.bulk.tasks import At, clicks, lines, make_task, people

task = pytest.fixture(make_task)
run = pytest.fixture(make_run)
events = pytest.fixture(make_events)


# --- all is well -----------------------------------------------------------------------------------------------------


def test_every_row_is_sent_once(run: Run) -> None:
    sender = run.send(people(300))
    assert sender.stopped is None
    assert run.counts == {"sent": 300, "requests": 300}
    assert run.task.sent("/users") == 300
    assert run.saved[-1].items() >= {"low": 300, "above": [], "reserved": 0, "finished": True}.items()
    assert run.rejects() == []


def test_an_empty_plan_is_finished_at_once(run: Run) -> None:
    run.send([])
    assert run.saved[-1]["finished"]
    assert run.task.server.requests() == []


def test_requests_run_side_by_side_as_many_as_are_allowed(run: Run) -> None:
    run.task.connect(concurrency=5)
    run.task.server.faults.add(Latency(seconds=0.3))
    run.send(people(10))
    received = sorted(request.at for request in run.task.server.requests())
    assert received[4] < received[0] + 0.3 <= received[5] + 0.01  # the sixth waits for the answer to the first


def test_rows_of_one_key_arrive_in_order(run: Run, engagement_emulator: EmulatorServer) -> None:
    rows = [{"id": f"u{number % 3}", "attributes": {"n": number, "seen": {"append": str(number)}}} for number in range(90)]
    engagement_emulator.faults.add(Latency(seconds=0.003, probability=0.5))
    run.send(rows)
    for key, attributes in run.task.users().items():
        first = int(key[1:])
        assert attributes == {"n": 87 + first, "seen": [str(number) for number in range(first, 90, 3)]}


def test_rows_of_one_key_stay_in_order_where_they_wait_for_a_reservation(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "RESERVED_SECONDS", 0.0)
    run.task.connect(concurrency=8)
    run.task.server.faults.add(Latency(seconds=0.003, probability=0.5))
    rows = [{"id": f"u{number % 2}", "attributes": {"sum": {"add": number}, "seen": {"append": str(number)}}} for number in range(120)]
    run.send(rows)
    assert {key: attributes["seen"] for key, attributes in run.task.users().items()} == {
        f"u{first}": [str(number) for number in range(first, 120, 2)] for first in (0, 1)
    }
    assert run.counts == {"sent": 120, "requests": 120}


def test_a_refused_row_lets_the_next_one_of_its_key_go(run: Run) -> None:
    run.send([{"id": "first", "attributes": {"age": 7}}])
    run.send([{"id": "u", "attributes": {"age": "old"}}, {"id": "u", "attributes": {"age": 8}}])
    assert run.task.users()["u"] == {"age": 8}
    assert run.rejects() == [(0, "refused")]


def test_a_row_of_several_calls_goes_in_order(run: Run) -> None:
    def make_call(row: dict[str, str]) -> RowCalls:
        group = api.UPSERT_GROUP.call(json={"id": row["group"]})
        return RowCalls(row["id"], (group, api.UPSERT_USER.call(json={"id": row["id"], "groups": [{"id": row["group"]}]})))

    def reader(request: Request) -> Callable[[Any], Any]:
        return api.UPSERT_GROUP.read if request.path == "/groups" else api.UPSERT_USER.read

    run.target = Target("users", {}, make_call, reader)
    run.send([{"id": f"u{number}", "group": f"g{number}"} for number in range(10)])
    assert run.counts == {"sent": 10, "requests": 20}
    for number in range(10):
        assert UserflowHook().get_user(f"u{number}", expand="groups").groups is not None


def test_a_row_is_refused_with_the_first_call_that_is(run: Run) -> None:
    def make_call(row: dict[str, str]) -> RowCalls:
        wrong = msgspec.structs.replace(api.UPSERT_GROUP.call(json={"id": "g"}).request, path="/groups/none/none")
        calls = (api.UPSERT_USER.call(json=row), msgspec.structs.replace(api.UPSERT_GROUP.call(json={"id": "g"}), request=wrong))
        return RowCalls(row["id"], (*calls, api.UPSERT_GROUP.call(json={"id": "never"})), b'{"all":"of it"}')

    run.target = Target("users", {}, make_call, lambda _request: lambda raw: raw)
    run.send([{"id": "u"}])
    assert run.rejects() == [(0, "refused")]
    assert lines(run.folder)[0]["row"] == {"all": "of it"}
    assert [request.path for request in run.task.server.requests()] == ["/users", "/groups/none/none"]


def test_an_answer_that_does_not_pass_its_check_is_a_reject(run: Run) -> None:
    def check(request: Request, user: Any) -> str | None:
        assert request.body is not None
        return None if user.id != "u3" else f"{user.id} lost something"

    run.target = replace(make_target(UserflowHook(), "users"), check=check)
    run.send(people(5))
    assert run.counts == {"sent": 4, "refused": 1, "requests": 5}
    assert run.progress.reasons == ["row 3 (u3): u3 lost something"]


# --- rows that do not make it ----------------------------------------------------------------------------------------


def test_a_refused_row_does_not_stop_the_others(run: Run) -> None:
    run.send([{"id": "first", "attributes": {"age": 7}}])
    sender = run.send([{"id": f"u{number}", "attributes": {"age": "old" if number % 2 else number}} for number in range(40)])
    assert (sender.stopped, run.counts) == (None, {"sent": 20, "refused": 20, "requests": 40})
    assert sorted(run.rejects()) == [(number, "refused") for number in range(1, 40, 2)]
    line = lines(run.folder)[0]
    assert line["key"] == f"u{line['position']}"
    assert line["row"] == {"id": line["key"], "attributes": {"age": "old"}}
    assert line["code"]
    assert line["request_id"].startswith("req_")
    assert "age" in line["reason"]
    assert len(run.progress.reasons) == 10


@pytest.mark.parametrize("after", [False, True], ids=["before processing", "after processing"])
def test_at_most_once_a_lost_event_is_in_doubt_and_never_sent_again(events: Run, after: bool) -> None:
    events.task.connect(concurrency=1)
    events.task.server.faults.add(Drop(path="/events", times=3, after=after))
    sender = events.send(clicks(50))
    assert (sender.stopped, events.counts) == (None, {"sent": 47, "in_doubt": 3, "requests": 50})
    assert events.rejects() == [(0, "in_doubt"), (1, "in_doubt"), (2, "in_doubt")]
    assert all("in doubt" in reason for reason in events.progress.reasons)
    assert len(events.task.events()) == (50 if after else 47)


@pytest.mark.parametrize("after", [False, True], ids=["before processing", "after processing"])
def test_at_least_once_a_lost_event_is_sent_again_and_counted(events: Run, after: bool) -> None:
    events.at_most_once = False
    events.task.server.faults.add(Drop(path="/events", times=3, after=after))
    sender = events.send(clicks(50))
    assert sender.stopped is None
    assert events.counts == {"sent": 50, "repeated_in_doubt": 3, "requests": 53}
    assert len(events.task.events()) == (53 if after else 50)


def test_a_lost_upsert_is_sent_again(run: Run) -> None:
    run.task.server.faults.add(Drop(path="/users", times=2, after=True))
    run.send(people(50))
    assert run.counts == {"sent": 50, "retried": 2, "requests": 52}


# --- where it stops --------------------------------------------------------------------------------------------------


def test_a_refused_key_stops_at_once(run: Run) -> None:
    run.task.connect(password="ak_wrong", concurrency=4)
    sender = run.send(people(500))
    assert isinstance(sender.stopped, Unauthorized)
    assert run.counts["requests"] <= 8
    assert unsent(run, 500) == 500
    assert run.saved[-1].items() >= {"finished": False, "reserved": 0, "low": 0}.items()


def test_a_server_that_stays_down_stops_it_and_no_upsert_is_in_doubt(run: Run) -> None:
    run.task.connect(concurrency=2)
    run.task.server.faults.add(Status(status=500))
    sender = run.send(people(100))
    assert isinstance(sender.stopped, ServerFailed)
    assert (run.counts.get("sent", 0), run.rejects()) == (0, [])
    assert unsent(run, 100) == 100


def test_one_row_that_always_fails_does_not_hold_up_the_others(run: Run) -> None:
    run.task.connect(concurrency=1)
    run.task.server.faults.add(Status(status=500, times=5))  # as often as a call is tried
    twice = {"id": people(1)[0]["id"], "attributes": {"name": "the second row of the same key"}}
    sender = run.send([*people(50), twice])
    assert isinstance(sender.stopped, ServerFailed)
    assert (run.counts["sent"], run.rejects()) == (49, [])
    assert run.saved[-1].items() >= {"finished": False, "low": 0, "above": [[1, 49]]}.items()  # the second waits for the first
    sender = run.send([*people(50), twice], Progress.restore(run.saved[-1]))
    assert sender.stopped is None
    assert run.counts["sent"] == 51
    assert run.task.users()[twice["id"]]["name"] == "the second row of the same key"


def test_doubt_about_the_last_rows_of_all_is_no_reason_to_try_again(events: Run) -> None:
    events.task.connect(concurrency=1)
    events.task.server.faults.add(At(path="/events", number=30, do=lambda: events.task.server.faults.add(Drop(path="/events"))))
    sender = events.send(clicks(30 + FAILURES_IN_A_ROW))
    assert sender.stopped is None
    assert events.saved[-1]["finished"] is True
    assert (events.counts["sent"], events.counts["in_doubt"]) == (30, FAILURES_IN_A_ROW)


def test_a_server_in_maintenance_stops_it_and_no_event_is_in_doubt(events: Run) -> None:
    events.task.server.faults.add(At(path="/events", number=20, do=lambda: events.task.server.faults.add(Status(status=503))))
    sender = events.send(clicks(100))
    assert isinstance(sender.stopped, ServerFailed)
    assert events.counts["sent"] >= 12
    assert events.rejects() == []
    assert events.saved[-1].items() >= {"finished": False, "reserved": 0}.items()
    assert unsent(events, 100) == 100 - len(events.task.events())


def test_nobody_there_stops_it_and_no_event_is_in_doubt(events: Run) -> None:
    events.task.connect(host="http://127.0.0.1:1")
    sender = events.send(clicks(10))
    assert isinstance(sender.stopped, Unreachable)
    assert (unsent(events, 10), events.rejects()) == (10, [])


def test_many_events_in_doubt_in_a_row_stop_it(events: Run) -> None:
    events.task.connect(concurrency=1)
    events.task.server.faults.add(Drop(path="/events"))
    sender = events.send(clicks(200))
    assert isinstance(sender.stopped, Unreachable)
    assert events.counts == {"in_doubt": FAILURES_IN_A_ROW, "requests": FAILURES_IN_A_ROW}
    assert events.saved[-1].items() >= {"low": FAILURES_IN_A_ROW, "reserved": 0, "finished": False}.items()


def test_events_in_doubt_with_successes_between_them_do_not(events: Run) -> None:
    events.task.connect(concurrency=1)
    events.task.server.faults.add(Drop(path="/events", probability=0.4, seed=3))
    sender = events.send(clicks(60))
    assert sender.stopped is None
    assert events.counts["in_doubt"] > FAILURES_IN_A_ROW
    assert events.counts["in_doubt"] + events.counts["sent"] == 60


def test_a_wrong_base_url_stops_it(run: Run) -> None:
    run.task.connect(host=f"{run.task.server.base_url}/wrong", concurrency=1)
    sender = run.send(people(50))
    assert isinstance(sender.stopped, NotFound)
    assert run.counts == {"refused": FAILURES_IN_A_ROW, "requests": FAILURES_IN_A_ROW}
    assert "Unrecognized URL" in str(sender.stopped)


def test_nothing_is_sent_after_it_stopped(run: Run) -> None:
    """Rows that wait for one of their key, or for a reservation, see it too."""
    run.task.connect(concurrency=8, password="ak_wrong")
    run.send([{"id": "u", "attributes": {"n": {"add": 1}}} for _ in range(50)])
    assert run.counts == {"requests": 1}
    assert unsent(run, 50) == 50
