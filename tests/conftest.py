"""What every test needs before Airflow is imported."""

from __future__ import annotations

import os
from pathlib import Path

# Airflow writes its settings to its home where it is first imported; that must not be the home folder of whoever runs the tests.
os.environ.setdefault("AIRFLOW_HOME", str(Path(__file__).resolve().parents[1] / ".airflow"))
