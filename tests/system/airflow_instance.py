"""A real Airflow on this machine for the system tests and the demo: database, API server, scheduler, DAG processor and triggerer.

Everything it writes is in one home folder under the checkout, but the database, which is in a temporary folder (see `postgres.py`).
Nothing is left when the `with` block ends, and, but for `kill -9` of the guard too, when its process is killed.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import requests

from tests.system.airflow_client import AirflowClient, ApiFailed
from tests.system.postgres import EmbeddedPostgres
from tests.system.processes import CHECKOUT, Child, Guard

METADATA = "airflow"
COMPONENTS: dict[str, list[str]] = {
    "api-server": ["api-server"],
    # The two log servers are for workers on other machines.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
HEALTH_COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


class AirflowFailed(Exception):
    """Airflow did not start; the message has the end of the logs."""


class RunningAirflow:
    """An Airflow that lives as long as the `with` block.

    Args:
        name: What it is for; its home is `.airflow/<name>-<process id>` in the checkout, so that two can live side by side.
        dag_folders: Name and path of each folder of DAG files; each becomes a DAG bundle.
        log_level: Airflow's log level.
        parallelism: How many tasks run at the same time, in as many worker processes.
        environment: More environment variables for all of Airflow's processes.
        say: Called with a line for each step of starting and stopping.
    """

    def __init__(
        self,
        name: str,
        *,
        dag_folders: Mapping[str, Path],
        log_level: str = "INFO",
        parallelism: int = 4,
        environment: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.home = CHECKOUT / ".airflow" / f"{name}-{os.getpid()}"
        self.logs = self.home / "processes"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = AirflowClient(self.url)
        self._dag_folders = dict(dag_folders)
        self._log_level = log_level
        self._parallelism = parallelism
        self._more = dict(environment or {})
        self._say = say
        self._stack = ExitStack()
        self._children: dict[str, Child] = {}
        self.postgres: EmbeddedPostgres
        self.environment: dict[str, str] = {}

    def __enter__(self) -> RunningAirflow:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self._stop()

    def tails(self, lines: int = 30) -> str:
        """Return the last lines of each process's log."""
        running = [child for child in self._children.values() if child.name in COMPONENTS]
        parts = [f"--- {child.log.relative_to(self.home)} ---\n{child.tail(lines)}" for child in running]
        return "\n".join(parts)

    # --- starting ---

    def _start(self) -> None:
        guard = self._stack.enter_context(Guard())
        guard.watch_folder(self.home)
        self._make_home()
        self.postgres = self._stack.enter_context(EmbeddedPostgres(logs=self.logs, guard=guard))
        self.postgres.create_database(METADATA)
        self._say("database is up")
        self.environment = self._make_environment()
        self._stack.callback(self._stop_components)
        self._migrate(guard)
        self._say("database is migrated")
        for name, arguments in COMPONENTS.items():
            self._spawn(name, arguments, guard)
        self._wait_until_healthy(180)
        self._say(f"scheduler, DAG processor, triggerer and API server are up at {self.url}")

    def command(self, *arguments: str) -> list[str]:
        """Make a command line of Airflow."""
        return [sys.executable, "-m", "airflow", *arguments]

    def _make_home(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)  # of a process long gone that had the same id
        self.logs.mkdir(parents=True)
        (self.home / "tmp").mkdir()
        self._stack.callback(self._remove_home)

    def _make_environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        bundles = [
            {"name": name, "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {"path": str(path)}}
            for name, path in self._dag_folders.items()
        ]
        settings: dict[str, dict[str, object]] = {
            "api": {"host": "127.0.0.1", "port": self.port, "workers": 1, "base_url": self.url, "secret_key": secrets.token_hex(16)},
            "api_auth": {"jwt_secret": secrets.token_hex(32)},
            "core": {
                "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
                "dags_folder": self.home / "dags",
                "execution_api_server_url": f"{self.url}/execution/",
                "executor": "LocalExecutor",
                "fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "load_examples": False,
                "parallelism": self._parallelism,
                "simple_auth_manager_all_admins": True,
                "test_connection": "Enabled",
            },
            "dag_processor": {"dag_bundle_config_list": json.dumps(bundles), "min_file_process_interval": 3600, "refresh_interval": 3600},
            "database": {
                "sql_alchemy_conn": self.postgres.uri(METADATA, "postgresql+psycopg2"),
                "sql_alchemy_conn_async": self.postgres.uri(METADATA, "postgresql+asyncpg"),
            },
            "logging": {"logging_level": self._log_level},
            "scheduler": {"scheduler_idle_sleep_time": 0.3, "trigger_timeout_check_interval": 1},
            "usage_data_collection": {"enabled": False},
            "workers": {"execution_api_timeout": 60},  # on a busy machine the API server's first answer takes half a minute
        }
        variables = {f"AIRFLOW__{s.upper()}__{o.upper()}": str(v) for s, options in settings.items() for o, v in options.items()}
        own = {"AIRFLOW_HOME": str(self.home), "TMPDIR": str(self.home / "tmp"), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        return inherited | variables | own | self._more

    def _spawn(self, name: str, arguments: list[str], guard: Guard) -> Child:
        child = Child(name, self.command(*arguments), logs=self.logs, environment=self.environment, folder=self.home)
        guard.watch_session(child.session)
        self._children[name] = child
        return child

    def _migrate(self, guard: Guard) -> None:
        child = self._spawn("db-migrate", ["db", "migrate"], guard)
        if child.process.wait():
            raise AirflowFailed(f"`airflow db migrate` failed:\n{child.tail(60)}")

    def _wait_until_healthy(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        health: dict[str, str | None] = {}
        while any(health.get(name) != "healthy" for name in HEALTH_COMPONENTS):
            ended = [name for name in COMPONENTS if not self._children[name].running]
            if ended or time.monotonic() > deadline:
                problem = f"{', '.join(ended)} ended" if ended else f"not healthy after {seconds:.0f} s: {health}"
                raise AirflowFailed(f"Airflow did not start: {problem}\n{self.tails()}")
            time.sleep(0.3)
            try:
                health = self.client.health()
            except (requests.ConnectionError, ApiFailed):
                continue
        self.client.log_in()

    # --- stopping ---

    def _stop(self) -> None:
        # Ctrl-C is often pressed twice; the second must not interrupt the cleaning up that the first began.
        numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        previous = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
        try:
            self._stack.close()
        finally:
            for number, handler in previous:
                signal.signal(number, handler)

    def _stop_components(self) -> None:
        self.client.close()
        for child in self._children.values():
            child.ask_to_stop()
        # The triggerer takes ten seconds to say good-bye to no triggers; nothing of it is kept, so it is not waited for.
        deadline = time.monotonic() + 5
        for child in self._children.values():
            child.make_sure(max(0.0, deadline - time.monotonic()))

    def _remove_home(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        parent = self.home.parent
        if parent.exists() and not any(parent.iterdir()):
            parent.rmdir()


def free_port() -> int:
    """Find a free port of the loopback interface.

    Below the range from which systems take ports for outgoing connections, so that none of these grabs it before the server does.
    """
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AirflowFailed("There is no free port between 20000 and 32000.")
