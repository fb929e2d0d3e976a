"""A million rows: what memory they take, and what they cost when nearly all of them are known to be there already."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from statistics import median

from tests.benchmarks.measure import RUNS
from tests.benchmarks.one_task import Task, Took, run_alone
from tests.benchmarks.stub_server import StubServer
from tests.benchmarks.table import Figure

ROWS = 1_000_000
FEW_ROWS = 10_000
CHANGE_EVERY = 100
MOST_GROWTH = 40.0
MOST_PLAN_SECONDS = 60.0
MOST_MEGABYTES = 200.0


def rows() -> list[Figure]:
    """Measure tasks of a million rows, without and with a state."""
    with StubServer() as server:
        return [_growth(server), *_known(server)]


def _growth(server: StubServer) -> Figure:
    few = run_alone(Task(server.base_url, FEW_ROWS))
    many = run_alone(Task(server.base_url, ROWS))
    assert (few.report["sent"], many.report["sent"]) == (FEW_ROWS, ROWS)
    growth = many.megabytes - few.megabytes
    return Figure(
        f"peak memory over the bare process, {ROWS:,} rows less {FEW_ROWS:,} rows, no state",
        f"{growth:.1f} MB",
        f"≤ {MOST_GROWTH:.0f} MB",
        growth <= MOST_GROWTH,
        f"{many.megabytes:.1f} MB and {few.megabytes:.1f} MB over {many.bare_megabytes:.0f} MB; one run each, every row sent to the server",
    )


def _known(server: StubServer) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="engagement-bench-") as folder:
        filled = Path(folder) / "filled"
        first = run_alone(Task(server.base_url, ROWS, state_path=str(filled), answer_here=True))
        assert first.report["sent"] == ROWS
        size = sum(file.stat().st_size for file in filled.iterdir()) / 1e6
        runs = [_one_percent(server, filled, Path(folder) / "known") for _ in range(RUNS)]
    requests = sorted({count for _, count in runs})
    plan_seconds = median(took.plan_seconds for took, _ in runs)
    megabytes = median(took.megabytes for took, _ in runs)
    wanted = ROWS // CHANGE_EVERY
    name = f"{ROWS:,} rows, state known, 1 % changed"
    return [
        Figure(
            f"{name}: requests",
            " or ".join(f"{count:,}" for count in requests),
            f"{wanted:,}",
            requests == [wanted],
            f"as the server counted them, in each of {RUNS} runs; the state takes {size:.1f} MB on disk",
        ),
        Figure(
            f"{name}: seconds of CPU in the plan phase",
            f"{plan_seconds:.1f}",
            f"≤ {MOST_PLAN_SECONDS:.0f}",
            plan_seconds <= MOST_PLAN_SECONDS,
            "from the task's begin to its first request, the making of the rows included",
        ),
        Figure(
            f"{name}: peak memory over the bare process",
            f"{megabytes:.1f} MB",
            f"≤ {MOST_MEGABYTES:.0f} MB",
            megabytes <= MOST_MEGABYTES,
        ),
    ]


def _one_percent(server: StubServer, filled: Path, state: Path) -> tuple[Took, int]:
    """Run on a copy of the state; gives what it took, and the requests the server got."""
    shutil.copytree(filled, state)
    server.set()
    took = run_alone(Task(server.base_url, ROWS, CHANGE_EVERY, str(state)))
    shutil.rmtree(state)
    return took, sum(server.requests().values())
