"""The files of example_dags/ as Airflow reads them, again and again."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "example_dags"
READ = """
import runpy, sys
from airflow.sdk import Asset

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "sqlite3.connect", "subprocess.Popen"):
        raise RuntimeError(f"{event}{arguments} while a DAG file is read")

Asset("userflow://warm/up")  # Airflow looks for its providers once
sys.addaudithook(refuse)
for path in sys.argv[1:]:
    runpy.run_path(path)
"""


def read(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", READ, *map(str, files)], capture_output=True, text=True, check=False)


def test_reading_a_file_asks_nobody() -> None:
    made = read(*EXAMPLES.glob("*.py"))
    assert made.returncode == 0, made.stderr


def test_a_file_that_asks_somebody_is_found(tmp_path: Path) -> None:
    asking = tmp_path / "asking.py"
    asking.write_text("import socket\nsocket.create_connection(('127.0.0.1', 9))\n")
    assert "while a DAG file is read" in read(asking).stderr
