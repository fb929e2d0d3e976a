"""The last resort of a run that is killed: ends the run's processes and removes its folders when its parent is gone.

It runs as a process of its own, `python -m tests.system.guard` in the checkout, and reads one instruction a line from standard input:
`session <id>` and `folder <path>` are remembered, `forget` ends it without doing anything. If the input ends without `forget`, its
parent died without cleaning up.
"""

from __future__ import annotations

import shutil
import signal
import sys
import time
from pathlib import Path

from tests.system.sessions import members, send


def main() -> None:
    """Remember what to clean up until the parent says that it did so itself, or is gone."""
    sessions: list[int] = []
    folders: list[Path] = []
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "forget":
            return
        if word == "session":
            sessions.append(int(rest))
        if word == "folder":
            folders.append(Path(rest))
    for session in sessions:
        send(session, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(members(session) for session in sessions):
        time.sleep(0.2)
    for session in sessions:
        send(session, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
