"""The state as the engine uses it: what counts as known, what is published when, and from which thread."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from airflow_provider.engagement.bulk.lease import LEASE_NAME
from tests.bulk.state_world import WORLDS, Storage, World, each_world, fingerprint, in_memory

OLD, NEW = fingerprint("old"), fingerprint("new")
world = pytest.fixture(params=WORLDS)(each_world)


def test_nothing_is_known_at_first(world: World) -> None:
    with world.open() as state:
        assert (state.first, state.notice, state.known(), list(state.missing())) == (True, None, 0, [])
        assert state.fingerprint("ada") is None


def test_what_was_sent_is_known_to_the_next_run(world: World) -> None:
    world.send("monday", {"ada": OLD, "bob": NEW})
    with world.open("tuesday") as state:
        assert (state.first, state.notice, state.known()) == (False, None, 2)
        assert [state.fingerprint(key) for key in ("ada", "bob", "eve")] == [OLD, NEW, None]


def test_a_later_row_of_a_key_is_compared_with_what_is_planned(world: World) -> None:
    world.send("monday", {"ada": OLD})
    with world.open("tuesday") as state:
        state.plan("ada", NEW)
        state.plan("eve", OLD)
        assert [state.fingerprint(key) for key in ("ada", "eve")] == [NEW, OLD]
        state.plan("ada", None)
        assert state.fingerprint("ada") is None


def test_a_mirror_learns_what_the_source_no_longer_has(world: World) -> None:
    world.send("monday", {"ada": OLD, "bob": OLD, "eve": OLD, "": OLD})
    with world.open("tuesday") as state:
        assert state.fingerprint("ada") == OLD
        state.present("ada")
        state.present("bob")  # a refused row: nobody compared it
        state.present("new")
        state.plan("newer", NEW)
        missing = []
        for key in state.missing():
            missing.append(key)
            state.plan(key, None)
        assert missing == ["", "eve"]
        state.begin()
        for key in missing:
            state.sent(key, None)
    assert world.recorded() == {"ada": OLD, "bob": OLD}


def test_what_is_planned_no_longer_holds_once_sending_begins(world: World) -> None:
    world.send("monday", {"ada": OLD, "bob": OLD, "eve": OLD})
    state = world.open("tuesday")
    state.plan("ada", NEW)
    state.plan("eve", None)
    state.plan("new", NEW)
    assert world.recorded() == {"ada": OLD, "bob": OLD, "eve": OLD}
    state.begin()
    assert world.recorded() == {"ada": b"", "bob": OLD, "eve": b""}
    state.sent("ada", NEW)
    state.publish()
    assert world.recorded() == {"ada": NEW, "bob": OLD, "eve": b""}
    state.close(release=False)
    with world.open("tuesday") as retry:  # the source turned back: it must not be taken for unchanged
        assert retry.fingerprint("eve") == b""
        assert list(retry.missing()) == ["ada", "bob", "eve"]


def test_the_last_of_what_was_sent_for_a_key_counts(world: World) -> None:
    with world.open() as state:
        for value in (OLD, b"", NEW):
            state.sent("ada", value)
        state.sent("bob", NEW)
        state.sent("bob", None)
        state.publish()
        state.sent("eve", NEW)
        state.publish()
        state.sent("eve", b"")
    assert world.recorded() == {"ada": NEW, "eve": b""}


def test_a_plan_that_is_not_sent_leaves_no_trace(world: World) -> None:
    world.send("monday", {"ada": OLD})
    names = world.names()
    with world.open("tuesday", mapping="another", full_refresh=True) as state:
        state.plan("ada", NEW)
        state.publish()
    assert (world.recorded(), world.names()) == ({"ada": OLD}, names)


def test_a_source_without_changes_writes_nothing(world: World) -> None:
    world.send("monday", {"ada": OLD})
    names = world.names()
    with world.open("tuesday") as state:
        state.begin()
        state.publish()
    assert world.names() == names


def test_a_retry_that_has_its_plan_only_sends(world: World) -> None:
    world.send("monday", {"ada": OLD, "bob": OLD})
    state = world.open("tuesday")
    state.plan("ada", NEW)
    state.plan("bob", NEW)
    state.begin()
    state.sent("ada", NEW)
    state.close(release=False)
    with world.open("tuesday") as retry:
        retry.begin()
        retry.sent("bob", NEW)
    assert world.recorded() == {"ada": NEW, "bob": NEW}
    assert LEASE_NAME not in world.names()


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_fingerprint_of_another_size_is_refused(tmp_path: Path, size: int) -> None:
    with World(str(tmp_path)).open() as state:
        if not size:
            state.sent("ada", b"")
            state.plan("ada", b"")
            assert state.fingerprint("ada") == b""
            return
        for call in (state.sent, state.plan):
            with pytest.raises(ValueError, match=f"a fingerprint has 8 bytes, got {size}"):
                call("ada", b"x" * size)


def test_what_is_sent_while_another_thread_publishes_is_recorded(tmp_path: Path) -> None:
    world = World(str(tmp_path))
    done = threading.Event()
    with world.open() as state:

        def publish() -> None:
            while not done.is_set():
                state.publish()

        publisher = threading.Thread(target=publish)
        publisher.start()
        for number in range(20_000):
            state.sent(f"user-{number % 9000}", fingerprint(number))
        done.set()
        publisher.join()
    expected = {f"user-{number}": fingerprint(number if number >= 11_000 else number + 9000) for number in range(9000)}
    expected.update({f"user-{number % 9000}": fingerprint(number) for number in range(18_000, 20_000)})
    assert world.recorded() == expected


class Stuck(Storage):
    """A storage that takes its time for a segment."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.answers = threading.Event()

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if "segment" in path and mode == "wb":
            self.asked.set()
            assert self.answers.wait(60)
        return super().open(path, mode, **kwargs)


def test_sent_does_not_wait_for_a_publication() -> None:
    storage = Stuck()
    world = in_memory(storage)
    with world.open() as state:
        state.sent("first", OLD)
        publisher = threading.Thread(target=state.publish)
        publisher.start()
        assert storage.asked.wait(60)
        for number in range(10_000):  # more than wait in memory
            state.sent(f"user-{number}", NEW)
        assert not storage.answers.is_set()
        storage.answers.set()
        publisher.join()
        assert world.recorded() == {"first": OLD}
    assert len(world.recorded()) == 10_001
