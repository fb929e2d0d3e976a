"""Killed at any moment, a state is the one before the step or the one after it, and the retry of the task goes on with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider.engagement.bulk.lease import LEASE_NAME, LeaseHeld
from airflow_provider.engagement.bulk.state_folder import Folder
from tests.bulk.state_scenario import TASK, die_everywhere, first_run, recorded_after_each_step, retry, second_run
from tests.bulk.state_world import Killed, Storage, World, in_memory

RECORDS = recorded_after_each_step()


def check_left_behind(world: World, steps: int) -> None:
    """What a run left behind that died after so many steps."""
    assert world.recorded() in RECORDS[steps : steps + 2]
    world.clock.move(minutes=1)
    lease = Folder(world.path, world.storage_conn_id).read(LEASE_NAME)
    if lease is not None and lease.endswith(b"}"):  # half a lease is nobody's
        with pytest.raises(LeaseHeld, match=TASK):
            world.open("wednesday")
    retry(world)
    assert world.recorded() == RECORDS[-1]
    with world.open("wednesday") as state:
        assert {key: state.fingerprint(key) for key in RECORDS[-1]} == RECORDS[-1]
        assert state.known() == len(RECORDS[-1])
    assert len(world.names()) == 2, "a manifest and a base"


def test_the_steps_record_what_they_should(tmp_path: Path) -> None:
    world = World(str(tmp_path))
    first_run(world)
    records = [world.recorded()]
    for _ in second_run(world):
        records.append(world.recorded())
    assert records == RECORDS


def test_at_every_operation_of_an_object_storage() -> None:
    steps = -1
    deaths = 0
    while steps < len(RECORDS) - 1:
        storage = Storage()
        world = in_memory(storage)
        first_run(world)
        storage.dies_at = storage.operations + deaths
        steps = 0
        try:
            for _ in second_run(world):
                steps += 1
        except Killed:
            deaths += 1
        storage.dies_at = None
        check_left_behind(world, steps)
    assert deaths > 40


def test_at_every_operation_of_a_file_system(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    script = Path(sys.modules[die_everywhere.__module__].__file__ or "")
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, env=environment, timeout=300)
    places = sorted(tmp_path.iterdir())
    assert len(places) > 60
    for place in places:
        steps = place / "steps"
        check_left_behind(World(str(place / "state")), int(steps.read_text()) if steps.exists() else 0)
    assert (places[-1] / "steps").read_text() == str(len(RECORDS) - 1)
