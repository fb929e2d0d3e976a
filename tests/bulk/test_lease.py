"""One task at a time: the same task instance goes on, any other waits, and whoever lost the lease notices before it publishes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from airflow_provider.engagement.bulk.lease import LEASE_NAME, LEASE_SECONDS, Lease, LeaseHeld, Owner, StateTaken
from airflow_provider.engagement.bulk.state_folder import Folder
from tests.bulk.state_world import Clock, owner


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "state"), None)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_task_takes_it_and_gives_it_back(folder: Folder, clock: Clock) -> None:
    lease = Lease(folder, owner("monday"), clock)
    assert lease.take() is False
    assert folder.names() == [LEASE_NAME]
    lease.release()
    assert folder.names() == []
    assert Lease(folder, owner("tuesday"), clock).take() is False


def test_another_run_is_refused_until_it_expires(folder: Folder, clock: Clock) -> None:
    Lease(folder, owner("monday", 3), clock).take()
    clock.move(seconds=LEASE_SECONDS - 1)
    other = Lease(folder, owner("tuesday"), clock)
    with pytest.raises(LeaseHeld) as refused:
        other.take()
    assert refused.value.owner == owner("monday", 3)
    message = str(refused.value)
    assert "task users (map index 3) of DAG sync, run monday" in message
    assert "2026-03-01 12:05:00 UTC" in message
    assert f"{folder.url}/lease.json" in message
    clock.move(seconds=1)
    assert other.take() is False


@pytest.mark.parametrize("other", [Owner("sync", "run", "users", 1), Owner("sync", "run", "groups"), Owner("other", "run", "users")])
def test_another_mapped_instance_task_or_dag_is_somebody_else(folder: Folder, clock: Clock, other: Owner) -> None:
    Lease(folder, owner("run"), clock).take()
    with pytest.raises(LeaseHeld):
        Lease(folder, other, clock).take()


def test_a_retry_goes_on_at_once_and_the_try_before_it_is_stopped(folder: Folder, clock: Clock) -> None:
    before = Lease(folder, owner(), clock)
    before.take()
    retry = Lease(folder, owner(), clock)
    assert retry.take() is True
    with pytest.raises(StateTaken, match="task users of DAG sync, run run"):
        before.hold()
    before.release()
    retry.hold()
    assert folder.names() == [LEASE_NAME]


def test_it_is_renewed_when_a_third_is_over_and_not_before(folder: Folder, clock: Clock) -> None:
    lease = Lease(folder, owner(), clock, 300)
    lease.take()
    written = folder.read(LEASE_NAME)
    clock.move(seconds=100)
    lease.hold()
    assert folder.read(LEASE_NAME) == written
    clock.move(seconds=1)
    lease.hold()
    assert msgspec.json.decode(folder.read(LEASE_NAME) or b"")["expires"] == "2026-03-01T12:06:41Z"


def test_one_that_expired_and_that_nobody_took_is_still_held(folder: Folder, clock: Clock) -> None:
    lease = Lease(folder, owner(), clock, 300)
    lease.take()
    clock.move(hours=2)
    lease.hold()
    with pytest.raises(LeaseHeld):
        Lease(folder, owner("other"), clock).take()


def test_one_that_was_deleted_is_lost(folder: Folder, clock: Clock) -> None:
    lease = Lease(folder, owner(), clock)
    lease.take()
    folder.delete(LEASE_NAME)
    with pytest.raises(StateTaken, match="who deleted the lease"):
        lease.hold()


def test_one_that_was_being_written_when_its_writer_died_is_nobodys(folder: Folder, clock: Clock) -> None:
    Lease(folder, owner("monday"), clock).take()
    path = Path(folder.url) / LEASE_NAME
    path.write_bytes(path.read_bytes()[:40])
    assert Lease(folder, owner("tuesday"), clock).take() is False


def test_it_is_renewed_while_the_task_does_something_else(folder: Folder, clock: Clock) -> None:
    lease = Lease(folder, owner("monday"), clock, 0.01)
    lease.take()
    lease.keep()
    clock.move(hours=1)
    wait_until(lambda: expires(folder) > clock())
    with pytest.raises(LeaseHeld):
        Lease(folder, owner("tuesday"), clock).take()
    lease.stop()


class Unsteady(Folder):
    """A folder that cannot be read for a while."""

    failures = 0

    def read(self, name: str) -> bytes | None:
        if self.failures:
            self.failures -= 1
            raise OSError("503 slow down")
        return super().read(name)


def test_a_renewal_that_fails_is_tried_again(tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    folder = Unsteady(str(tmp_path), None)
    lease = Lease(folder, owner(), clock, 0.01)
    lease.take()
    lease.keep()
    folder.failures = 3
    wait_until(lambda: not folder.failures)
    clock.move(hours=1)
    wait_until(lambda: expires(folder) > clock())
    lease.release()
    assert "lease.json could not be renewed, which is tried again: 503 slow down" in caplog.text


def test_what_was_given_back_is_not_taken_again(folder: Folder, clock: Clock) -> None:
    for _ in range(200):
        lease = Lease(folder, owner(), clock, 0.000_3)
        lease.take()
        lease.keep()
        clock.move(hours=1)
        lease.release()
        assert folder.names() == []


def expires(folder: Folder) -> datetime:
    return msgspec.convert(msgspec.json.decode(folder.read(LEASE_NAME) or b"")["expires"], datetime)


def wait_until(true: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(6000):
        if true():
            return
        waiting.wait(0.01)
    raise AssertionError("it never came true")


class Overtaken(Folder):
    """A folder where another task writes the lease right after this one."""

    other: Lease | None = None

    def write(self, name: str, data: object) -> None:
        super().write(name, data)  # type: ignore[arg-type]
        if self.other is not None:
            other, self.other = self.other, None
            other._write()


def test_of_two_that_start_in_the_same_moment_the_one_overtaken_is_refused(tmp_path: Path, clock: Clock) -> None:
    folder = Overtaken(str(tmp_path), None)
    folder.other = winner = Lease(folder, owner("winner"), clock)
    with pytest.raises(LeaseHeld) as refused:
        Lease(folder, owner("loser"), clock).take()
    assert refused.value.owner == owner("winner")
    winner.hold()
    assert folder.names() == [LEASE_NAME]
