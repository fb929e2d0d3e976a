"""The embedded database: where it runs, as whom, and what it leaves behind."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.system.postgres import EmbeddedPostgres
from tests.system.processes import CHECKOUT, Guard
from tests.system.sessions import members

START_AND_WAIT = """
import signal, sys, time
from pathlib import Path
from tests.system.postgres import EmbeddedPostgres
from tests.system.processes import Guard

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
with Guard() as guard, EmbeddedPostgres(logs=Path(sys.argv[1]), guard=guard) as postgres:
    print(postgres.folder, postgres.child.session, flush=True)
    time.sleep(600)
"""


class CopiedBinaries(EmbeddedPostgres):
    """A server whose user cannot enter the folder of the wheel, as in a checkout below /root."""

    def _can_run(self, binaries: Path) -> bool:
        return self.folder in binaries.parents


def test_runs_and_is_gone_afterwards(tmp_path: Path) -> None:
    with Guard() as guard, EmbeddedPostgres(logs=tmp_path, guard=guard) as postgres:
        postgres.create_database("some where")
        connection = postgres.connect("some where")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'Łódź 🚀', current_database()")
            assert cursor.fetchone() == ("Łódź 🚀", "some where")
        connection.close()
        assert postgres.child is not None
        session = postgres.child.session
        owner = psutil.Process(session).username()
        assert owner == ("nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
        assert psutil.Process(session).net_connections(kind="inet") == []
    assert members(session) == []
    assert not postgres.folder.exists()


@pytest.mark.parametrize("server", [EmbeddedPostgres, CopiedBinaries])
def test_opens_no_folder_to_others(tmp_path: Path, server: type[EmbeddedPostgres]) -> None:
    parents = [*tmp_path.parents, Path(sys.executable).parent]
    before = {path: path.stat().st_mode for path in parents}
    users = Path("/etc/passwd").read_text()
    with Guard() as guard, server(logs=tmp_path, guard=guard) as postgres:
        assert postgres.folder.stat().st_mode & 0o777 == 0o700
        postgres.connect().close()
    assert {path: path.stat().st_mode for path in parents} == before
    assert Path("/etc/passwd").read_text() == users


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_its_process_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", START_AND_WAIT, str(tmp_path)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    folder, session = process.stdout.readline().split()
    assert members(int(session))
    process.send_signal(number)
    process.wait(timeout=60)
    process.stdout.close()
    deadline = time.monotonic() + 20
    while (Path(folder).exists() or members(int(session))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(folder).exists()
    assert members(int(session)) == []
