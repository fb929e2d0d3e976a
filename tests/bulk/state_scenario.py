"""Two runs step by step, and what is recorded after each step: where the tests of the state's death take it apart.

As a program, it dies at every single file operation of the second run, by a process of its own each time:
`python state_scenario.py FOLDER`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from airflow_provider.engagement.bulk.state import State
from airflow_provider.engagement.bulk.state_files import Value
from tests.bulk.state_world import World, fingerprint

BEFORE: dict[str, Value] = {f"user-{number:03}": fingerprint(number) for number in range(40)}
CHANGED: dict[str, Value] = {
    **{f"user-{number:03}": fingerprint(("new", number)) for number in (*range(12), *range(40, 46))},
    "user-020": None,
    "user-021": None,
}
BATCHES = (4, 4, 12)
TASK = "tuesday"


def first_run(world: World) -> None:
    world.send("monday", BEFORE)


def second_run(world: World) -> Iterator[None]:
    """Plan and send; yields after each step that changes what is recorded."""
    state = world.open(TASK)
    for key, value in CHANGED.items():
        state.plan(key, value)
    state.begin()
    yield
    rest = list(CHANGED.items())
    for size in BATCHES:
        for key, value in rest[:size]:
            state.sent(key, value)
        del rest[:size]
        state.publish()
        yield
    state.close(release=True)
    yield


def retry(world: World) -> State:
    """The same task again, which sends everything it had planned."""
    state = world.open(TASK)
    state.begin()
    for key, value in CHANGED.items():
        state.sent(key, value)
    state.close(release=True)
    return state


def recorded_after_each_step() -> list[dict[str, Value]]:
    """What must be recorded before the second run and after each of its steps."""
    after = {key: value for key, value in {**BEFORE, **CHANGED}.items() if value is not None}
    records: list[dict[str, Value]] = [dict(BEFORE), {key: b"" if key in CHANGED else value for key, value in BEFORE.items()}]
    rest = list(CHANGED.items())
    for size in BATCHES:
        record = {**records[-1], **dict(rest[:size])}
        records.append({key: value for key, value in record.items() if value is not None})
        del rest[:size]
    return [*records, after]


def die_everywhere(folder: Path) -> None:
    """Run the second run again and again, each time one file operation longer, until it comes to its end."""
    first = folder / "first"
    first_run(World(str(first)))
    for operation in range(1000):
        place = folder / f"{operation:03}"
        shutil.copytree(first, place / "state")
        child = os.fork()
        if not child:
            world = World(str(place / "state"))
            sys.addaudithook(_dying_at(operation, str(place / "state")))
            for step, _ in enumerate(second_run(world), 1):
                (place / "steps").write_text(str(step))
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            break
    shutil.rmtree(first)


def _dying_at(operation: int, folder: str) -> Callable[[str, tuple[object, ...]], None]:
    rest = operation

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal rest
        if event in ("open", "os.rename", "os.remove", "os.listdir", "os.scandir", "os.mkdir") and str(arguments[0]).startswith(folder):
            if not rest:
                os._exit(9)
            rest -= 1

    return hook


if __name__ == "__main__":
    die_everywhere(Path(sys.argv[1]))
