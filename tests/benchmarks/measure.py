"""Interleaved runs and their medians."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

RUNS = 5


@dataclass(frozen=True)
class Spent:
    """What a piece of work took: seconds of this process's CPU, all threads together, and seconds by the clock."""

    cpu: float
    wall: float


def spend(work: Callable[[], object]) -> Spent:
    """Do a piece of work and say what it took."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Spent(time.process_time() - cpu, time.perf_counter() - wall)


def interleave(works: Mapping[str, Callable[[], Spent]], runs: int = RUNS) -> dict[str, list[Spent]]:
    """Measure several things in turn, one round after the other; a first round warms up and does not count.

    What disturbs the machine then disturbs all of them alike.
    """
    spent: dict[str, list[Spent]] = {name: [] for name in works}
    for number in range(runs + 1):
        for name, work in works.items():
            taken = work()
            if number:
                spent[name].append(taken)
    return spent


def ratio(above: list[float], below: list[float]) -> float:
    """The median of the ratios of the rounds."""
    return median(one / other for one, other in zip(above, below, strict=True))
