"""`python -m tests.benchmarks [module …]`: measure, print the table, and end with status 1 if a target is missed."""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
from importlib import import_module

from tests.benchmarks.table import Figure, table_of

MODULES = ("sending", "planning", "limits", "millions", "reading", "waiting")


def main(chosen: list[str]) -> int:
    """Measure.

    Args:
        chosen: names among `MODULES`; all of them if there are none.

    Returns:
        The exit status.
    """
    unknown = [name for name in chosen if name not in MODULES]
    if unknown:
        print(f"there is no {', '.join(unknown)}; there are {', '.join(MODULES)}", file=sys.stderr)
        return 2
    logging.getLogger("airflow_provider").setLevel(logging.WARNING)
    figures: list[Figure] = []
    busy = os.getloadavg()[0]  # others at work on the machine distort rates by the clock, and to a lesser degree CPU seconds
    for name in chosen or MODULES:
        began = time.monotonic()
        print(f"== {name} ", end="", file=sys.stderr, flush=True)
        figures += import_module(f"{__package__}.{name}").rows()
        print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load average from {busy:.1f} to {os.getloadavg()[0]:.1f}")
    print(table_of(figures))
    missed = [figure for figure in figures if not figure.met]
    for figure in missed:
        print(f"missed: {figure.name}: {figure.measured}, target {figure.target}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
