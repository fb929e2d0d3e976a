"""The files of a state: entries survive any key, files fold into few and small ones, memory does not grow with the keys."""

from __future__ import annotations

import io
import os
import random
import stat
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider.engagement.bulk import state_copy
from airflow_provider.engagement.bulk.state_copy import Outbox, WorkingCopy
from airflow_provider.engagement.bulk.state_files import Value, merge, read_entries, write_entries
from airflow_provider.engagement.bulk.state_folder import Folder
from airflow_provider.engagement.bulk.state_store import find_manifest
from tests.bulk.state_world import Storage, World, fingerprint, in_memory

keys = st.text(max_size=20)
values = st.one_of(st.none(), st.just(b""), st.binary(min_size=8, max_size=8))


@given(st.dictionaries(keys, values))
def test_any_entries_are_read_as_they_were_written(entries: dict[str, Value]) -> None:
    file = io.BytesIO()
    assert write_entries(sorted(entries.items()), file) == len(entries)
    file.seek(0)
    assert list(read_entries(file)) == sorted(entries.items())


def test_entries_of_many_blocks_are_read_as_they_were_written() -> None:
    kinds: list[Value] = [fingerprint(1), b"", None]
    entries = [(f"user-{number:05}", kinds[number * number % 7 % 3]) for number in range(5000)]
    file = io.BytesIO()
    write_entries(entries, file)
    file.seek(0)
    assert list(read_entries(file)) == entries


@given(st.lists(st.dictionaries(keys, values), min_size=1, max_size=6))
def test_of_merged_files_the_newest_entry_of_a_key_wins(files: list[dict[str, Value]]) -> None:
    expected: dict[str, Value] = {}
    for file in files:
        expected.update(file)
    assert list(merge([sorted(file.items()) for file in files])) == sorted(expected.items())


@given(st.dictionaries(keys, values.filter(lambda value: value is not None)), st.dictionaries(keys, values), st.sets(keys))
def test_the_working_copy_is_a_dictionary_that_knows_what_changed(
    recorded: dict[str, Value], planned: dict[str, Value], present: set[str]
) -> None:
    copy = WorkingCopy(sorted(recorded.items()))
    for key in present:
        copy.present(key)
    for key, value in planned.items():
        copy.plan(key, value)
    assert copy.known == len(recorded)
    assert list(copy.missing()) == sorted(recorded.keys() - present)
    assert list(copy.outdated()) == sorted(key for key in planned if recorded.get(key))
    for key in recorded.keys() | planned.keys() | present:
        assert copy.get(key) == {**recorded, **planned}.get(key)
    copy.close()


def test_a_key_that_is_no_text_is_refused_where_its_row_can_still_be_rejected(tmp_path: Path) -> None:
    with World(str(tmp_path)).open() as state, pytest.raises(ValueError, match="surrogates not allowed"):
        state.fingerprint("half a pair \ud83d")


runs = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 40), st.one_of(st.none(), st.integers(0, 3)), max_size=30),  # planned
        st.integers(0, 30),  # of them sent
        st.integers(1, 10),  # how many between publications
        st.booleans(),  # closed, or died
    ),
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(runs)
def test_any_runs_record_what_a_dictionary_would(runs: list[tuple[dict[int, int | None], int, int, bool]]) -> None:
    world = in_memory(Storage())
    expected: dict[str, Value] = {}
    for number, (rows, sent, every, closed) in enumerate(runs):
        planned: dict[str, Value] = {f"user-{key}": None if value is None else fingerprint(value) for key, value in rows.items()}
        state = world.open(str(number))
        assert {key: state.fingerprint(key) for key in expected} == expected
        for key, value in planned.items():
            state.plan(key, value)
        state.begin()
        expected.update(dict.fromkeys(planned.keys() & expected.keys(), b""))
        done = list(planned.items())[:sent]
        for start in range(0, len(done), every):
            for key, value in done[start : start + every]:
                state.sent(key, value)
            if closed or start + every < len(done):  # whoever dies has not published the last ones
                state.publish()
                expected.update(done[start : start + every])
        if closed:
            state.close(release=True)
            if done:
                assert len(world.names()) == len(_files(world)) + 1, "the newest generation, and nothing that others left"
        expected = {key: value for key, value in expected.items() if value is not None}
        assert world.recorded() == expected
        world.clock.move(hours=1)


# --- few and small files ---------------------------------------------------------------------------------------------


def _files(world: World) -> list[int]:
    manifest = find_manifest(Folder(world.path, world.storage_conn_id))
    return [file.entries for file in manifest.files] if manifest is not None else []


@pytest.mark.parametrize("every", [1, 3, 50])
def test_the_number_of_segments_grows_with_the_logarithm_of_their_entries(every: int) -> None:
    world = in_memory(Storage())
    with world.open() as state:
        most = 0
        for number in range(300):
            for position in range(every):
                state.sent(f"user-{number * every + position}", fingerprint(number))
            state.publish()
            most = max(most, len(_files(world)))
        assert most <= 9  # 2 ** 9 > 300
        assert len(world.names()) <= 2 * most + 3  # two generations and the lease
    assert _files(world) == [300 * every]


def test_segments_of_falling_sizes_stay_few() -> None:
    world = in_memory(Storage())
    with world.open() as state:
        for size in range(100, 0, -1):
            for position in range(size):
                state.sent(f"user-{size}-{position}", fingerprint(size))
            state.publish()
            assert len(_files(world)) <= 13


def test_a_base_is_written_again_when_a_quarter_of_it_changed_and_not_before() -> None:
    world = in_memory(Storage())
    world.send("first", {f"user-{number}": fingerprint(number) for number in range(100)})
    assert _files(world) == [100]
    world.send("few", {f"user-{number}": fingerprint("few") for number in range(24)})
    assert _files(world) == [100, 24]
    world.send("more", {"user-24": fingerprint("more")})
    assert _files(world) == [100]


def test_a_state_whose_keys_are_all_deleted_has_no_files() -> None:
    world = in_memory(Storage())
    world.send("first", {"ada": fingerprint(1)})
    world.send("second", {"ada": None})
    assert (_files(world), world.recorded(), len(world.names())) == ([], {}, 1)
    with world.open("third") as state:
        assert state.first


def _uuids(number: int) -> list[str]:
    numbers = random.Random(4)
    return [str(UUID(int=numbers.getrandbits(128), version=4)) for _ in range(number)]


@pytest.mark.parametrize(("names", "most"), [(_uuids(100_000), 27.5), ([f"user-{number:07}" for number in range(100_000)], 10.5)])
def test_a_key_takes_few_bytes(tmp_path: Path, names: list[str], most: float) -> None:
    world = World(str(tmp_path / "state"))
    everything: Mapping[str, Value] = {name: fingerprint(name) for name in names}
    world.send("first", everything)
    assert _size(tmp_path) <= most * len(names)  # 40 is what a million keys may take in 40 MB
    world.send("a quarter", dict(list(everything.items())[: len(names) // 4 - 1]))
    assert _size(tmp_path) <= 1.25 * most * len(names)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


# --- memory and secrecy ----------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_keys(tmp_path: Path) -> None:
    world = World(str(tmp_path))
    count = 30_000

    def run(name: str, value: bytes) -> None:
        with world.open(name) as state:
            for number in range(count):
                key = f"{number * 7919 % count:09}-of-a-company-with-long-ids"
                assert state.fingerprint(key) != value
                state.present(key)
                state.plan(key, value)
            assert not any(state.missing())
            state.begin()
            for number in range(count):
                state.sent(f"{number * 7919 % count:09}-of-a-company-with-long-ids", value)

    run("first", fingerprint(1))
    tracemalloc.start()
    run("second", fingerprint(2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_500_000  # in Python objects 30,000 entries are 7 MB; SQLite's own memory is bounded by its cache
    assert len(world.recorded()) == count


def test_sent_entries_wait_on_disk() -> None:
    outbox = Outbox()
    tracemalloc.start()
    for number in range(60_000):
        outbox.add(f"user-{number % 50_000:07}", fingerprint(number))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000
    expected = {f"user-{number % 50_000:07}": fingerprint(number) for number in range(60_000)}
    assert list(outbox.take()) == sorted(expected.items())
    outbox.close()


def test_local_copies_are_readable_by_their_owner_only_and_have_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_copy, "_CACHE_KILOBYTES", 64)
    before = _open_files()
    copy = WorkingCopy((f"user-{number:07}", fingerprint(number)) for number in range(20_000))
    outbox = Outbox()
    for number in range(5000):
        outbox.add(f"user-{number}", fingerprint(number))
    opened = {name: mode for name, mode in _open_files().items() if name not in before}
    assert len(opened) == 2
    for name, (target, mode, links) in opened.items():
        assert (stat.S_IMODE(mode), links) == (0o600, 0), f"{name}: {target}"
    outbox.close()
    copy.close()
    assert _open_files().keys() <= before.keys()


def _open_files() -> dict[str, tuple[str, int, int]]:
    """Regular files that this process has open: where, with which rights, under how many names."""
    found = {}
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            state = descriptor.stat()
        except FileNotFoundError:  # the one that listed the folder
            continue
        if stat.S_ISREG(state.st_mode):
            found[descriptor.name] = (os.readlink(descriptor), state.st_mode, state.st_nlink)  # noqa: PTH115
    return found
