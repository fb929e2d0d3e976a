"""Who may publish, and what becomes of a state on a storage that fails, or that somebody damaged."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider.engagement.bulk.lease import LEASE_NAME, LeaseHeld, StateTaken
from airflow_provider.engagement.bulk.state_folder import Folder, StateCorrupt
from tests.bulk.state_world import WORLDS, Storage, World, each_world, fingerprint, in_memory, owner

OLD, NEW = fingerprint("old"), fingerprint("new")
world = pytest.fixture(params=WORLDS)(each_world)


def test_another_run_is_refused_and_a_retry_is_not(world: World) -> None:
    world.send("monday", {"ada": OLD})
    world.open("tuesday")
    with pytest.raises(LeaseHeld, match="task users of DAG sync, run tuesday"):
        world.open("wednesday")
    with world.open("tuesday") as retry:
        assert retry.fingerprint("ada") == OLD
    with world.open("wednesday") as state:
        assert state.fingerprint("ada") == OLD


def test_a_task_keeps_the_lease_while_it_publishes(world: World) -> None:
    state = world.open("monday", lease_seconds=60)
    for beat in (state.publish, state.begin, lambda: (state.sent("ada", OLD), state.publish())) * 2:
        world.clock.move(seconds=59)
        beat()
        with pytest.raises(LeaseHeld):
            world.open("tuesday")
    state.close(release=True)


def test_a_task_that_slept_through_its_lease_cannot_publish(world: World) -> None:
    world.send("sunday", {"ada": OLD})
    sleeper = world.open("monday")
    sleeper.sent("ada", fingerprint("sleeper"))
    world.clock.move(hours=1)
    running = world.open("tuesday")
    running.sent("ada", NEW)
    running.publish()
    for call in (sleeper.publish, sleeper.begin, lambda: sleeper.close(release=True)):
        with pytest.raises(StateTaken, match="task users of DAG sync, run tuesday"):
            call()
    running.sent("bob", NEW)
    running.close(release=True)
    assert world.recorded() == {"ada": NEW, "bob": NEW}
    assert len(world.names()) == 2


def test_a_task_whose_successor_is_done_cannot_publish_either(world: World) -> None:
    sleeper = world.open("monday")
    sleeper.sent("ada", OLD)
    world.clock.move(hours=1)
    world.send("tuesday", {"ada": NEW})
    with pytest.raises(StateTaken, match="somebody who has ended since"):
        sleeper.publish()
    assert world.recorded() == {"ada": NEW}


def test_a_generation_that_somebody_else_published_is_not_overwritten(world: World) -> None:
    state = world.open("monday")
    folder = Folder(world.path, world.storage_conn_id)
    mine = folder.read(LEASE_NAME)
    folder.delete(LEASE_NAME)
    world.send("tuesday", {"ada": NEW})
    folder.write(LEASE_NAME, io.BytesIO(mine or b""))  # a storage that answers late
    state.sent("ada", OLD)
    with pytest.raises(StateTaken, match="run tuesday"):
        state.publish()
    assert world.recorded() == {"ada": NEW}


class Refusing(Storage):
    """A storage that refuses writes for a while."""

    refuses = False

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if self.refuses and mode == "wb":
            raise OSError("503 slow down")
        return super().open(path, mode, **kwargs)


def test_what_could_not_be_published_goes_with_the_next_publication() -> None:
    storage = Refusing()
    world = in_memory(storage)
    with world.open() as state:
        state.sent("ada", OLD)
        state.sent("bob", OLD)
        storage.refuses = True
        with pytest.raises(OSError, match="503 slow down"):
            state.publish()
        state.sent("ada", NEW)
        storage.refuses = False
        state.publish()
        assert world.recorded() == {"ada": NEW, "bob": OLD}


class Forgetful(Storage):
    """A storage that stores a manifest and then fails to say so."""

    fails = False

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        file = super().open(path, mode, **kwargs)
        if self.fails and mode == "wb" and "manifest" in path:
            self.fails = False
            file.write(next(bytes(held.getbuffer()) for name, held in self.store.items() if "manifest" in name))
            raise TimeoutError("no answer")
        return file


def test_a_publication_whose_answer_is_lost_is_made_again() -> None:
    storage = Forgetful()
    world = in_memory(storage)
    world.send("monday", {"ada": OLD})
    with world.open("tuesday") as state:
        state.sent("ada", NEW)
        storage.fails = True
        with pytest.raises(TimeoutError):
            state.publish()
        state.sent("bob", NEW)
        state.publish()
        assert world.recorded() == {"ada": NEW, "bob": NEW}
    assert len(world.names()) == 2


def test_no_bucket_and_no_folder_is_made_where_none_is_needed() -> None:
    class Bucket(MemoryFileSystem):  # type: ignore[misc]
        protocol = "gs"
        cachable = False

        def mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
            raise PermissionError("storage.buckets.create is denied")

    from airflow.sdk.io import attach

    attach("gs", conn_id="analytics", fs=Bucket())
    world = World("gs://analytics/states/users/", "analytics")
    world.send("monday", {"ada": OLD})
    assert world.recorded() == {"ada": OLD}
    assert len(world.names()) == 2


def test_files_of_others_in_the_folder_are_left_alone(world: World) -> None:
    folder = Folder(world.path, world.storage_conn_id)
    others = ["manifest.json", "base-1.entries", "segment-0000000001-abcdef01.entries.bak", "users.csv", "manifest-0000000001.json.part"]
    for name in others:
        folder.write(name, io.BytesIO(b"theirs"))
    for run in range(3):
        world.send(str(run), {"ada": fingerprint(run)})
    assert len(world.names()) == len(others) + 2
    assert [folder.read(name) for name in others] == [b"theirs"] * len(others)


def test_the_newest_complete_manifest_counts(world: World) -> None:
    state = world.open("monday")
    for value in (OLD, NEW):
        state.sent("ada", value)
        state.publish()
    folder = Folder(world.path, world.storage_conn_id)
    newest = max(name for name in folder.names() if name.startswith("manifest"))
    folder.write(newest, io.BytesIO((folder.read(newest) or b"")[:-9]))
    assert world.recorded() == {"ada": OLD}
    retry = world.open("monday")
    assert retry.fingerprint("ada") == OLD
    retry.sent("bob", NEW)
    retry.publish()
    assert world.recorded() == {"ada": OLD, "bob": NEW}
    retry.close(release=True)
    assert world.recorded() == {"ada": OLD, "bob": NEW}
    assert len(world.names()) == 2


def damage_data(data: bytes) -> bytes:
    return data[:20] + bytes([data[20] ^ 1]) + data[21:]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_data, "a block is not what was written"),
        (lambda data: data[:-1], "a block is not what was written"),
        (lambda data: data + b"\0", "it ends within a block"),
        (lambda data: b"", "it holds 0 entries of 2"),
        (None, "it is missing"),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(world: World, damage: Callable[[bytes], bytes] | None, reason: str) -> None:
    world.send("monday", {"ada": OLD, "bob": OLD})
    folder = Folder(world.path, world.storage_conn_id)
    name = next(name for name in folder.names() if name.startswith("base"))
    data = folder.read(name) or b""
    folder.delete(name)
    if damage is not None:
        folder.write(name, io.BytesIO(damage(data)))
    with pytest.raises(StateCorrupt) as failed, world.open("tuesday") as state:
        state.fingerprint("ada")
    message = str(failed.value)
    assert f"{folder.url}/{name} cannot be used: {reason}. Run the task once with full_refresh=True" in message
    assert "a mirror deletes nothing" in message
    with world.open("tuesday", full_refresh=True) as state:
        assert state.fingerprint("ada") is None
        assert (state.notice, state.first) == ("the state could not be read, and is built anew", True)
        state.begin()
        state.sent("eve", NEW)
    assert world.recorded() == {"eve": NEW}
    assert len(world.names()) == 2


def test_a_state_without_a_complete_manifest_is_named_and_built_anew(world: World) -> None:
    world.send("monday", {"ada": OLD})
    folder = Folder(world.path, world.storage_conn_id)
    name = next(name for name in folder.names() if name.startswith("manifest"))
    folder.write(name, io.BytesIO(b"{"))
    with pytest.raises(StateCorrupt, match="there is no other manifest"):
        world.open("tuesday")
    with world.open("wednesday", full_refresh=True) as state:  # the lease was given back
        assert (state.notice, state.first) == ("the state could not be read, and is built anew", True)
        state.begin()
        state.sent("eve", NEW)
    assert world.recorded() == {"eve": NEW}


def test_a_state_of_a_newer_version_is_not_taken_for_an_old_one(world: World) -> None:
    world.send("monday", {"ada": OLD})
    folder = Folder(world.path, world.storage_conn_id)
    name = next(name for name in folder.names() if name.startswith("manifest"))
    newer = {**msgspec.json.decode(folder.read(name) or b""), "format": 2}
    folder.write(name, io.BytesIO(msgspec.json.encode(newer)))
    with pytest.raises(StateCorrupt, match="its format 2 is not the format 1 of this version"):
        world.open("tuesday")


def test_the_manifest_says_what_a_person_needs(tmp_path: Path) -> None:
    world = World(str(tmp_path))
    world.send("monday", {"ada": OLD, "bob": OLD})
    name = next(name for name in world.names() if name.startswith("manifest"))
    manifest = msgspec.json.decode(Path(world.path, name).read_bytes())
    assert manifest["binding"]["what"] == "users"
    assert manifest["written_by"] == {"dag_id": "sync", "run_id": "monday", "task_id": "users", "map_index": -1}
    assert manifest["base"]["entries"] == 2
    assert owner("monday") == msgspec.convert(manifest["refreshed_by"], type(owner()))
