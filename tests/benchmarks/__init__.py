"""Figures with targets: `make bench` prints them in one table. No part of the tests.

Every module that measures something has a function `rows()`, which gives its figures; see `tests.benchmarks.table.Figure`.
"""

from __future__ import annotations

import os
from pathlib import Path

# Airflow writes its settings to its home where it is first imported; that must not be the home folder of whoever measures.
os.environ.setdefault("AIRFLOW_HOME", str(Path(__file__).resolve().parents[2] / ".airflow"))
