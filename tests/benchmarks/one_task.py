"""One bulk write in a fresh process, so that its peak memory is its own; tells what it took as a line of JSON."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from airflow_provider.engagement.bulk.options import Options
from airflow_provider.engagement.userflow.api import User
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.wire.clients import AsyncClient
from airflow_provider.engagement.wire.config import ClientConfig
from airflow_provider.engagement.wire.message import Call
from tests.benchmarks.engine import connect, write_users
from tests.benchmarks.people import ANSWERED_USER, user
from tests.benchmarks.stub_server import ROOT


@dataclass(frozen=True)
class Task:
    """What is to be written.

    Attributes:
        base_url: the server.
        rows: how many users.
        change_every: so many users apart, one has changed; 0 for none.
        state_path: where the state is; None for none.
        answer_here: every request is answered within the process, for a first run that only fills a state.
    """

    base_url: str
    rows: int
    change_every: int = 0
    state_path: str | None = None
    answer_here: bool = False


@dataclass(frozen=True)
class Took:
    """What a task took.

    Attributes:
        plan_seconds: CPU from the task's begin to its first request: the state is loaded, every row made and planned.
        seconds: CPU in all.
        bare_megabytes: peak memory with everything imported, before anything is done.
        peak_megabytes: peak memory in the end.
        report: the task's report.
    """

    plan_seconds: float
    seconds: float
    bare_megabytes: float
    peak_megabytes: float
    report: dict[str, Any]

    @property
    def megabytes(self) -> float:
        """Peak memory over the bare process."""
        return self.peak_megabytes - self.bare_megabytes


def run_alone(task: Task) -> Took:
    """Run a task in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.one_task", json.dumps(asdict(task))]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return Took(**json.loads(done.stdout.splitlines()[-1]))


class _Answering(AsyncClient):
    """A client that knows the answer."""

    async def send(self, call: Call[Any]) -> Any:
        self.requests_sent += 1
        return User.read(ANSWERED_USER)


class _Watched(UserflowHook):
    """A hook that notes when planning is over."""

    def __init__(self, *, answer_here: bool) -> None:
        super().__init__()
        self._answer_here = answer_here
        self.planned_at = 0.0

    def get_async_client(self) -> AsyncClient:
        self.planned_at = time.process_time()
        config: ClientConfig = self.get_config()
        return _Answering(config) if self._answer_here else AsyncClient(config)


def _run(task: Task) -> Took:
    def users() -> Iterator[Any]:
        every = task.change_every
        return (user(number, changed=bool(every) and number % every == 0) for number in range(task.rows))

    connect(task.base_url)
    hook = _Watched(answer_here=task.answer_here)
    bare, began = _peak_megabytes(), time.process_time()
    report = write_users(hook, users, Options(state_path=task.state_path))
    ended = time.process_time()
    return Took(hook.planned_at - began, ended - began, bare, _peak_megabytes(), report)


def _peak_megabytes() -> float:
    """The most memory this process ever had; Linux' own number, because `ru_maxrss` begins with that of the parent."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        unit = 1024 * 1024 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    print(json.dumps(asdict(_run(Task(**json.loads(sys.argv[1]))))), flush=True)
