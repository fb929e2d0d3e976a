"""`python -m airflow_provider.engagement.emulator --port 8787`: serve until interrupted."""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from airflow_provider.engagement.emulator.emulation import CONTROLS
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.wire.message import decode_json


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        arguments: the command line, without the program's name.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m airflow_provider.engagement.emulator", description="The vendors' APIs on loopback.")
    parser.add_argument("--port", type=int, default=8787, help="TCP port, 0 for a free one (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default: %(default)s); the controls answer loopback only")
    parser.add_argument("--db", type=Path, help="SQLite file that keeps everything (default: memory only)")
    parser.add_argument("--key", action="append", help="API key to accept, several times for several (default: the test keys)")
    parser.add_argument(
        "--seed", type=Path, help="JSON file of objects to begin with, by collection name; or a list of such, each with its vendor"
    )
    parser.add_argument("--deliver", action="store_true", help="post webhook notifications to loopback URLs")
    given = parser.parse_args(arguments)

    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    if not 0 <= given.port <= 65535:
        parser.error(f"--port must be from 0 to 65535, got {given.port}")
    try:
        server = EmulatorServer(given.port, given.db, host=given.host, keys=given.key, deliver=given.deliver)
    except sqlite3.Error as error:
        sys.stderr.write(f"cannot start: {given.db} cannot be used: {error}\n")
        return 1
    try:
        if given.seed is not None:
            seeds = decode_json(given.seed.read_bytes())
            for seed in seeds if isinstance(seeds, list) else [seeds]:
                server.emulation.seed(seed)
        server.start()
    except (OSError, ValueError, TypeError, KeyError) as error:
        server.stop()
        sys.stderr.write(f"cannot start: {error}\n")
        return 1
    sys.stdout.write(f"listening on {server.base_url} (page: {server.base_url}{CONTROLS})\n")
    sys.stdout.flush()
    stopped.wait()
    server.stop()
    sys.stdout.write("stopped\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
