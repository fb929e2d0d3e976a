"""Process sessions: everything that a child forked and that did not leave it, found by the session's id."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil


def _all_members(session: int) -> Iterator[int]:
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                yield pid
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue


def members(session: int) -> list[int]:
    """List the living processes of a session; one that died and was not yet reaped does not count."""
    return list(_all_members(session))


def send(session: int, number: signal.Signals) -> None:
    """Send a signal to every process of a session."""
    for pid in members(session):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
