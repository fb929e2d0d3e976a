"""Child processes of a test run or the demo: each in a session of its own, its output in a file, always ended with all that it forked."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.system.sessions import members, send

CHECKOUT = Path(__file__).resolve().parents[2]


class Child:
    """A process with its output in a file.

    Args:
        name: What it is called in messages; its log is `<name>.log`.
        command: Program and arguments.
        logs: The folder of the log file.
        environment: All of its environment.
        folder: Its working directory.
        user: Name or id of the user it runs as; by default the same as this process.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        logs: Path,
        environment: Mapping[str, str],
        folder: Path,
        user: int | None = None,
        group: int | None = None,
    ) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
                user=user,
                group=group,
                extra_groups=[] if user is not None else None,
            )

    @property
    def session(self) -> int:
        """The id of its session."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def tail(self, lines: int = 30) -> str:
        """Return the last lines it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def ask_to_stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask the process, not what it forked, to end."""
        if self.running:
            self.process.send_signal(number)

    def make_sure(self, seconds: float) -> None:
        """Wait until it has ended, and kill what is left of its session when the time is over."""
        deadline = time.monotonic() + seconds
        while (self.running or members(self.session)) and time.monotonic() < deadline:
            time.sleep(0.1)
        while members(self.session):
            send(self.session, signal.SIGKILL)
            time.sleep(0.1)
        self.process.wait()


class Guard:
    """Cleans up after this process if it is killed before it could do so itself (see `guard.py`).

    What it watches is cleaned up inside its `with` block.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.guard"], cwd=CHECKOUT, stdin=subprocess.PIPE, start_new_session=True, text=True
        )

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.dismiss()

    def watch_session(self, session: int) -> None:
        """End this session's processes too."""
        self._say(f"session {session}")

    def watch_folder(self, folder: Path) -> None:
        """Remove this folder too."""
        self._say(f"folder {folder}")

    def dismiss(self) -> None:
        """Say that everything was cleaned up."""
        self._say("forget")
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
