"""Only what changed, only what exists, and what is gone: the modes with a state, run after run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.bulk.lease import LeaseHeld
from airflow_provider.engagement.bulk.task import SendingStopped
from airflow_provider.engagement.emulator.faults import Latency, Status
from airflow_provider.engagement.userflow.operators import UserflowUpsertUsersOperator
from tests.bulk.tasks import At, Died, Store, Task, counted, lines, make_task, people

task = pytest.fixture(make_task)


class Runs:
    """Runs of one DAG, whose task keeps a state."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.state_path = str(task.folder / "state")
        self._number = 0

    def __call__(self, rows: list[Any], kind: str = "users", **arguments: Any) -> dict[str, Any]:
        """Run the task in a new run of the DAG."""
        self.begin()
        return self.go(rows, kind, **arguments)

    def begin(self) -> None:
        self._number += 1
        self.task.instance.run_id, self.task.instance.try_number, self.task.store = f"run{self._number}", 1, Store()

    def go(self, rows: Any, kind: str = "users", **arguments: Any) -> dict[str, Any]:
        """Run one try of the current run."""
        return self.task.run(kind, rows, **{"state_path": self.state_path, **arguments})

    def die(self, number: int, rows: list[Any], **arguments: Any) -> None:
        """Run a new run whose first try dies at a request."""
        self.begin()
        self.task.run_and_die(number, "users", rows, **{"state_path": self.state_path, **arguments})


@pytest.fixture
def runs(task: Task) -> Runs:
    return Runs(task)


@pytest.fixture
def mirror(runs: Runs) -> Callable[..., dict[str, Any]]:
    return lambda rows, **arguments: runs(rows, **{"mode": "mirror", "max_delete_fraction": 1, **arguments})


# --- only what changed -----------------------------------------------------------------------------------------------


def test_only_what_changed_is_sent(runs: Runs) -> None:
    counted(runs(people(20)), read=20, unchanged=0, sent=20, requests=20)
    counted(runs(people(20)), read=20, unchanged=20, planned=0, sent=0, requests=0)
    changed = [*people(19), {"id": "u19", "attributes": {"n": 99}}, {"id": "new"}]
    counted(runs(changed), read=21, unchanged=19, sent=2, requests=2)
    counted(runs(changed), unchanged=21, requests=0)
    assert runs.task.users()["u19"] == {"n": 99}


def test_the_order_of_columns_and_rows_changes_nothing(runs: Runs) -> None:
    runs([{"id": f"u{number}", "attributes": {"a": 1, "b": {"set": 2, "data_type": "number"}}} for number in range(5)])
    turned = [{"attributes": {"b": {"data_type": "number", "set": 2}, "a": 1}, "id": f"u{number}"} for number in reversed(range(5))]
    counted(runs(turned), unchanged=5, requests=0)


def test_a_value_that_turned_back_after_a_refusal_is_sent_again(runs: Runs) -> None:
    runs([{"id": "u", "attributes": {"age": 7}}])
    with pytest.raises(AirflowFailException, match="1 of 1 users were unusable or refused"):
        runs([{"id": "u", "attributes": {"age": "old"}}])
    counted(runs([{"id": "u", "attributes": {"age": 7}}]), sent=1, unchanged=0)
    counted(runs([{"id": "u", "attributes": {"age": 7}}]), sent=0, unchanged=1)


def test_a_refused_row_is_tried_again_in_each_run(runs: Runs) -> None:
    runs([{"id": "first", "attributes": {"age": 7}}])
    for _ in range(2):
        counted(runs([{"id": "u", "attributes": {"age": "old"}}], max_rejects=1), rejected=1, unchanged=0, requests=1)


def test_what_counts_anew_cannot_be_compared(runs: Runs) -> None:
    with pytest.raises(AirflowFailException, match="add and subtract count anew each time and cannot be compared") as caught:
        runs([{"id": "u", "attributes": {"n": {"add": 1}}}])
    assert "leave out state_path" in str(caught.value)
    assert runs.task.server.requests() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"timezone": "Europe/Berlin"}, "mapping changed"),
        ({"mode": "update_only"}, "mode changed"),
        ({"full_refresh": True}, "full_refresh is set"),
        ({"full_refresh": "true"}, "full_refresh is set"),
    ],
)
def test_another_mapping_or_mode_sends_everything_again_and_says_so(
    runs: Runs, caplog: pytest.LogCaptureFixture, changes: dict[str, Any], said: str
) -> None:
    caplog.set_level(logging.INFO)
    runs(people(5))
    assert "sent again" not in caplog.text
    counted(runs(people(5), **changes), sent=5, unchanged=0, requests=5)
    assert f"Everything is sent again: {said}" in caplog.text


def test_another_connection_or_base_url_sends_everything_again_and_says_so(
    runs: Runs, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    runs(people(5))
    host = runs.task.server.base_url.replace("127.0.0.1", "localhost")
    runs.task.connect(host=host)
    counted(runs(people(5)), sent=5, unchanged=0)
    assert f"destination changed from connection userflow_default, base_url {runs.task.server.base_url} to " in caplog.text
    import os

    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_USERFLOW_DEFAULT"])
    counted(runs(people(5), userflow_conn_id="other"), sent=5, unchanged=0)
    assert f"to connection other, base_url {host}" in caplog.text
    counted(runs(people(5), userflow_conn_id="other"), sent=0, unchanged=5)


def test_users_and_groups_do_not_share_what_is_known(runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    runs([{"id": "x"}])
    counted(runs([{"id": "x"}], "groups"), sent=1, unchanged=0)
    assert "what changed from users to groups" in caplog.text


# --- killed ----------------------------------------------------------------------------------------------------------


def test_a_value_that_turned_back_after_a_crash_is_sent_again(runs: Runs) -> None:
    """A killed run that is never retried must not leave the old fingerprint standing for what it may have changed."""
    runs(people(30))
    runs.die(20, people(30, x=1))
    runs.task.instance.run_id = "killed"
    lease = Path(runs.state_path) / "lease.json"
    lease.unlink()
    report = runs(people(30, x=None))
    assert report["unchanged"] + report["sent"] == 30
    counted(runs(people(30)), read=30, unchanged=0, sent=30)
    assert all("x" not in attributes or attributes["x"] is None for attributes in runs.task.users().values())


def test_a_retry_goes_on_with_the_state_and_another_run_is_refused_meanwhile(runs: Runs) -> None:
    runs.task.server.faults.add(Latency(seconds=0.005))
    runs.die(40, people(100))
    mine = runs.task.instance.run_id, runs.task.store
    with pytest.raises(LeaseHeld, match="the state is in use by task task of DAG dag, run run1"):
        runs(people(100))
    runs.task.instance.run_id, runs.task.store = mine
    counted(runs.go(None), sent=100)
    counted(runs(people(100)), unchanged=100, sent=0)


def test_a_run_that_failed_for_good_gives_the_state_back(runs: Runs) -> None:
    with pytest.raises(AirflowFailException, match="1 of 2 users"):
        runs([{"id": "u"}, "text"])
    counted(runs([{"id": "u"}]), unchanged=1)
    runs.task.connect(password="ak_wrong")
    with pytest.raises(AirflowFailException, match="sending stopped"):
        runs([{"id": "v"}])
    runs.task.connect()
    counted(runs([{"id": "v"}]), sent=1)


def test_a_run_that_stopped_keeps_the_state_for_its_retry(runs: Runs) -> None:
    runs.task.server.faults.add(At(number=20, do=lambda: runs.task.server.faults.add(Status(status=503))))
    runs.begin()
    with pytest.raises(SendingStopped):
        runs.go(people(60))
    mine = runs.task.instance.run_id, runs.task.store
    runs.task.server.faults.clear()
    with pytest.raises(LeaseHeld):
        runs(people(60))
    runs.task.instance.run_id, runs.task.store = mine
    runs.task.retry()
    counted(runs.go(None), sent=60)


def test_a_lost_plan_does_not_send_again_what_the_state_knows(runs: Runs) -> None:
    runs.task.server.faults.add(Latency(seconds=0.04))
    runs.die(60, people(100))
    runs.task.lose_plan()
    before = runs.task.sent("/users")
    report = runs.go(people(100))
    counted(report, read=100, unsent=0)
    assert 0 < report["unchanged"] == 100 - report["sent"]
    assert runs.task.sent("/users") - before == report["sent"]


def test_a_full_refresh_goes_on_where_it_died(runs: Runs) -> None:
    runs(people(100))
    runs.task.server.faults.add(Latency(seconds=0.04))
    runs.die(60, people(100), full_refresh=True)
    before, done = runs.task.sent("/users"), runs.task.confirmed
    counted(runs.go(None, full_refresh=True), sent=100)
    assert runs.task.sent("/users") - before == 100 - done
    counted(runs(people(100)), unchanged=100)


# --- rows of one key -------------------------------------------------------------------------------------------------


def test_rows_of_one_key_are_compared_with_the_row_before(runs: Runs) -> None:
    one, two = {"id": "u", "attributes": {"n": 1}}, {"id": "u", "attributes": {"n": 2}}
    counted(runs([one, two]), sent=2)
    assert runs.task.users()["u"] == {"n": 2}
    counted(runs([two]), unchanged=1)
    counted(runs([two, one, one, two]), unchanged=2, sent=2)
    assert runs.task.users()["u"] == {"n": 2}


def test_an_earlier_row_of_a_key_is_no_proof_of_what_the_server_has(runs: Runs) -> None:
    """A later row of the key may have been processed although its answer was lost."""
    runs([{"id": "first", "attributes": {"age": 7}}])
    one, two = {"id": "u", "attributes": {"age": 1}}, {"id": "u", "attributes": {"age": "old"}}
    counted(runs([one, two], max_rejects=1), sent=1, rejected=1)
    counted(runs([one]), sent=1, unchanged=0)
    counted(runs([one]), sent=0, unchanged=1)


def test_all_rows_of_a_key_but_the_first_are_refused(runs: Runs) -> None:
    one, two = {"id": "u", "attributes": {"n": 1}}, {"id": "u", "attributes": {"n": 2}}
    rejects = runs.task.folder / "rejects"
    counted(runs([one, two, one], duplicates="refuse", rejects_path=str(rejects), max_rejects=2), sent=1, rejected=2)
    assert [line["position"] for line in lines(rejects)] == [1, 2]
    assert runs.task.users()["u"] == {"n": 1}


# --- update only -----------------------------------------------------------------------------------------------------


def finds(task: Task) -> int:
    return len(task.server.requests("GET", "/users"))


def test_what_does_not_exist_is_skipped(runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    runs.task.run("users", people(5))
    runs.task.clear()
    report = runs.task.run("users", people(20, x=1), mode="update_only")
    counted(report, read=20, sent=5, skipped=15, rejected=0, requests=25)
    assert runs.task.users() == {f"u{number}": {"n": number, "x": 1} for number in range(5)}
    assert "20 of them cost one more request" in caplog.text


def test_what_the_state_knows_costs_no_question(runs: Runs) -> None:
    runs.task.run("users", people(5))
    counted(runs(people(10), mode="update_only"), sent=5, skipped=5, requests=15)
    assert finds(runs.task) == 10
    counted(runs(people(10, x=1), mode="update_only"), sent=5, skipped=5, requests=10)
    assert finds(runs.task) == 15
    counted(runs(people(10, x=1), mode="update_only"), unchanged=5, skipped=5, requests=5)


def test_a_second_row_of_what_does_not_exist_is_skipped_too(runs: Runs) -> None:
    rows = [{"id": "u", "attributes": {"n": 1}}, {"id": "u", "attributes": {"n": 2}}]
    for _ in range(2):
        counted(runs(rows, mode="update_only"), sent=0, skipped=2)
    assert runs.task.users() == {}


def test_a_wrong_base_url_is_no_reason_to_skip_everything(runs: Runs) -> None:
    runs.task.connect(host=f"{runs.task.server.base_url}/wrong", concurrency=1)
    with pytest.raises(
        AirflowFailException, match=r"sending stopped after 0 of 50 users, 40 were not sent: GET /users/u9: .*Unrecognized URL"
    ):
        runs.task.run("users", people(50), mode="update_only")


def test_a_question_that_fails_stops_it(runs: Runs) -> None:
    runs.task.server.faults.add(Status(status=500, method="GET"))
    with pytest.raises(SendingStopped, match="GET /users/u"):
        runs.task.run("users", people(50), mode="update_only")


# --- mirror ----------------------------------------------------------------------------------------------------------


Mirror = Callable[..., dict[str, Any]]


def test_what_the_source_has_no_longer_is_deleted(runs: Runs, mirror: Mirror) -> None:
    runs.task.run("users", [{"id": "foreign"}])
    mirror(people(10))
    report = mirror(people(8))
    counted(report, read=8, unchanged=8, planned=2, deleted=2, sent=0, requests=2)
    assert runs.task.users().keys() == {"foreign", *(f"u{number}" for number in range(8))}
    counted(mirror(people(8)), unchanged=8, deleted=0, requests=0)
    counted(mirror(people(10)), unchanged=8, sent=2)


def test_what_is_gone_already_counts_as_deleted(runs: Runs, mirror: Mirror) -> None:
    mirror(people(3))
    runs.task.server.userflow.objects.users.clear()
    counted(mirror(people(1)), deleted=2, unchanged=1)


def test_groups_can_be_mirrored_too(runs: Runs, mirror: Mirror) -> None:
    mirror([{"id": "a"}, {"id": "b"}], kind="groups")
    counted(mirror([{"id": "a"}], kind="groups"), deleted=1)
    assert [request.path for request in runs.task.server.requests("DELETE")] == ["/groups/b"]


def test_the_first_run_deletes_nothing(runs: Runs, mirror: Mirror, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    runs.task.run("users", people(10))
    counted(mirror(people(1)), deleted=0, sent=1)
    assert "Nothing is deleted, because the state is new" in caplog.text
    assert len(runs.task.users()) == 10


def test_an_empty_source_deletes_nothing(runs: Runs, mirror: Mirror, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    mirror(people(10))
    counted(mirror([]), deleted=0, requests=0)
    assert "Nothing is deleted, because the source is empty" in caplog.text
    assert len(runs.task.users()) == 10


@pytest.mark.parametrize("nameless", ["text", {"attributes": {}}, {"id": 7.5}])
def test_unusable_rows_without_a_key_delete_nothing(runs: Runs, mirror: Mirror, caplog: pytest.LogCaptureFixture, nameless: Any) -> None:
    caplog.set_level(logging.INFO)
    mirror(people(10))
    counted(mirror([*people(3), nameless], max_rejects=1), deleted=0, rejected=1)
    assert "Nothing is deleted, because some unusable rows have no key" in caplog.text
    assert len(runs.task.users()) == 10


def test_refused_and_unusable_rows_count_as_present(runs: Runs, mirror: Mirror) -> None:
    mirror([{"id": f"u{number}", "attributes": {"age": number}} for number in range(5)])
    rows = [
        {"id": "u0", "attributes": {"age": "old"}},  # the server refuses it
        {"id": "u1", "attributes": {"é!": 1}},  # unusable
        {"id": "u2", "attributes": {"age": {"add": 1}}},  # cannot be compared
        {"id": "u3", "attributes": {"age": 3}},
        {"id": "u3", "attributes": {"age": 4}},  # a second row of its key
    ]
    counted(mirror(rows, duplicates="refuse", max_rejects=9), deleted=1, rejected=4, unchanged=1)
    assert runs.task.users().keys() == {"u0", "u1", "u2", "u3"}


def test_more_deletions_than_allowed_are_refused_and_nothing_is_sent(runs: Runs, mirror: Mirror) -> None:
    mirror(people(100))
    before = len(runs.task.server.requests())
    with pytest.raises(AirflowFailException) as caught:
        mirror([*people(89), {"id": "new"}], max_delete_fraction=0.1)
    assert (
        "11 of 100 users are no longer in the source, more than max_delete_fraction=0.1 allows to delete; nothing was sent. "
        "If they are to go, raise it for this run"
    ) in str(caught.value)
    assert len(runs.task.server.requests()) == before
    assert runs.task.plans == []
    counted(mirror(people(90), max_delete_fraction=0.1), deleted=10, unchanged=90)
    with pytest.raises(AirflowFailException, match="1 of 90 users"):
        mirror(people(89), max_delete_fraction=0)


def test_another_account_keeps_what_this_one_recorded(runs: Runs, mirror: Mirror, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    mirror(people(10))
    runs.task.connect(host=runs.task.server.base_url.replace("127.0.0.1", "localhost"))
    counted(mirror(people(3)), deleted=0, sent=3)
    assert "Nothing is deleted, because the state is new" in caplog.text
    assert len(runs.task.users()) == 10


def test_another_mapping_still_knows_what_was_sent(runs: Runs, mirror: Mirror) -> None:
    mirror(people(10))
    counted(mirror(people(8), timezone="Europe/Berlin"), deleted=2, sent=8)


def test_a_deletion_that_the_server_refuses_is_a_reject(runs: Runs, mirror: Mirror) -> None:
    mirror(people(3))
    rejects = runs.task.folder / "rejects"
    runs.task.server.faults.add(Status(status=400, method="DELETE", times=1, text="not this one"))
    report = mirror(people(1), rejects_path=str(rejects), max_rejects=1)
    assert (report["deleted"], report["rejected"]) == (1, 1)
    (line,) = lines(rejects)
    assert (line["kind"], line["row"]) == ("refused", None)  # there is nothing to replay
    counted(mirror(people(1)), deleted=1)


def test_deletions_go_on_after_a_crash(runs: Runs, mirror: Mirror) -> None:
    mirror(people(100))
    runs.task.server.faults.add(Latency(seconds=0.005))
    runs.die(40, people(20), mode="mirror", max_delete_fraction=1)
    report = runs.go(None, mode="mirror", max_delete_fraction=1)
    assert (report["deleted"], report["unchanged"], report["unsent"]) == (80, 20, 0)
    assert runs.task.users().keys() == {f"u{number}" for number in range(20)}


def test_what_may_have_been_deleted_is_sent_again_when_it_comes_back(runs: Runs, mirror: Mirror) -> None:
    """A killed run that is never retried: the recorded fingerprint must not stand for a user that is gone."""
    mirror(people(20))
    runs.begin()
    runs.task.die_at(1)
    with pytest.raises(Died):
        runs.go(people(10), mode="mirror", max_delete_fraction=1)
    runs.task.settle()
    assert len(runs.task.users()) < 20
    (Path(runs.state_path) / "lease.json").unlink()
    runs.task.lose_plan()
    report = mirror(people(20))
    assert (report["unchanged"], report["sent"]) == (10, 10)
    assert len(runs.task.users()) == 20


def test_modes_are_checked_by_the_operator_too() -> None:
    operator = UserflowUpsertUsersOperator(task_id="task", rows=[], mode="mirror", state_path="x", max_delete_fraction=2)
    with pytest.raises(AirflowFailException, match="max_delete_fraction must be a part from 0 to 1"):
        operator.execute({})


def test_a_damaged_state_fails_for_good_and_says_the_remedy(runs: Runs, tmp_path: Path) -> None:
    state = tmp_path / "damaged"
    runs(people(3), state_path=str(state))
    for file in state.iterdir():
        if file.name.startswith("manifest"):
            file.write_bytes(b"not a manifest")
    with pytest.raises(AirflowFailException, match="full_refresh"):
        runs(people(3), state_path=str(state))
    assert runs(people(3), state_path=str(state), full_refresh=True)["sent"] == 3
