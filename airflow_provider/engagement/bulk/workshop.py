"""What one task instance keeps on disk and on object storage: its plan, its rejects, its hold on the state."""

from __future__ import annotations

import getpass
import logging
import os
import re
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.bulk.options import Options
from airflow_provider.engagement.bulk.plan import KnownKeys, Target, make_plan
from airflow_provider.engagement.bulk.plan_file import PlanFile, PlanWriter
from airflow_provider.engagement.bulk.progress import REASONS
from airflow_provider.engagement.bulk.rejects import Reject, RejectParts
from airflow_provider.engagement.storage import at, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

    from airflow_provider.engagement.bulk.state import State

log = logging.getLogger(__name__)
_STALE_DAYS = 14
_REJECTS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Identity:
    """Which task instance this is, and which try of it.

    Attributes:
        dag_id: its DAG.
        run_id: its run.
        task_id: its task.
        map_index: its place among mapped ones, or -1.
        try_number: from 1.
        max_tries: Airflow's own number, which changes when a person clears the task.
    """

    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0

    @classmethod
    def of(cls, context: Context) -> Identity:
        """Read it from the task's context; one of its own where there is no task instance (a call outside of Airflow)."""
        ti: Any = context.get("ti")
        if ti is None:
            return cls(run_id=str(uuid4()))
        return cls(
            ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index, ti.try_number, getattr(ti, "max_tries", 0)
        )

    @property
    def name(self) -> str:
        """A file name that no other task instance has."""
        whole = astuple(self)[:4]
        readable = re.sub(r"[^A-Za-z0-9._-]+", "_", ".".join(map(str, whole)))[:120].strip("._-")
        return f"{readable or 'task'}.{blake2b(repr(whole).encode(), digest_size=6).hexdigest()}"


class Workshop:
    """Makes and finds what belongs to one task instance.

    Args:
        identity: the task instance.
        options: how the write is to go.
        target: where it goes.
    """

    def __init__(self, identity: Identity, options: Options, target: Target) -> None:
        self._identity, self._options, self._target = identity, options, target
        user = re.sub(r"\W", "_", _user())
        self._folder = Path(tempfile.gettempdir()) / f"airflow-engagement-{user}"
        suffix = ".dry-run" if options.plan_only else ""
        self._plan_path = self._folder / f"{identity.name}{suffix}.plan"

    # --- the plan ----------------------------------------------------------------------------------------------------

    def make_plan(self, rows: Iterable[Any], state: KnownKeys | None) -> PlanFile:
        """Read the source and plan every row; with `work_path`, the plan is copied there.

        Args:
            rows: the source.
            state: what the server has already; None to send everything.

        Raises:
            TooManyDeletions: a mirror would delete more than is allowed.
            OSError: the plan or the rejects could not be written.
        """
        self._make_folder()
        self._sweep()
        options, parts, reasons = self._options, self.parts("invalid"), list[str]()
        waiting: list[Reject] = []
        parts.begin()
        with PlanWriter(self._plan_path) as writer, _first_positions(refuse=options.duplicates == "refuse") as first_of:

            def refuse(reject: Reject) -> None:
                writer.note(reject)
                if len(reasons) < REASONS:
                    reasons.append(str(reject))
                waiting.append(reject)
                if len(waiting) >= _REJECTS_AT_ONCE:
                    parts.add(waiting)
                    waiting.clear()

            planned = make_plan(
                rows,
                self._target,
                writer,
                refuse,
                mode=options.mode,
                state=state,
                first_of=first_of,
                max_delete_fraction=options.max_delete_fraction,
            )
            if waiting:
                parts.add(waiting)
            plan = writer.finish(planned, reasons)
        if options.work_path is not None and not options.plan_only:
            put(plan.path, self._remote(options.work_path), options.storage_conn_id)
        return plan

    def find_plan(self, digest: str | None = None) -> PlanFile | None:
        """Find the plan an earlier try made, here or at `work_path`; None where it is lost, damaged, or another one.

        Args:
            digest: the plan's digest; None for whatever an earlier try left behind.
        """
        for fetch in (False, True):
            if fetch and not self._fetch():
                break
            with suppress(FileNotFoundError):
                try:
                    plan = PlanFile(self._plan_path)
                    if digest is None or plan.digest == digest:
                        plan.check()
                        return plan
                except ValueError as error:
                    log.warning("The plan of an earlier try cannot be used: %s", error)
        return None

    def delete_plan(self) -> None:
        """Remove the plan, here and at `work_path`."""
        self._plan_path.unlink(missing_ok=True)
        if self._options.work_path is not None and not self._options.plan_only:
            remote = self._remote(self._options.work_path)
            try:
                at(remote, self._options.storage_conn_id).unlink(missing_ok=True)
            except OSError as error:  # no reason to fail after all was sent
                log.warning("The plan %s is not needed any more, but could not be removed; it holds rows: %s", remote, error)

    def _remote(self, work_path: str) -> str:
        return f"{work_path.rstrip('/')}/{self._plan_path.name}"

    def _fetch(self) -> bool:
        if self._options.work_path is None:
            return False
        found = at(self._remote(self._options.work_path), self._options.storage_conn_id)
        if not found.exists():
            return False
        self._make_folder()
        self._plan_path.touch(mode=0o600)
        with found.open("rb") as remote, self._plan_path.open("wb") as local:
            while chunk := remote.read(1024 * 1024):
                local.write(chunk)
        return True

    def _make_folder(self) -> None:
        """Make the folder, or see that it is one of this user only: anybody can make a folder where temporary files are."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"plans hold rows, but {self._folder} is open to others than this user; remove it, or set TMPDIR")

    def _sweep(self) -> None:
        """Remove plans that nobody came back for; they hold rows."""
        oldest = time.time() - _STALE_DAYS * 86400
        for path in self._folder.glob("*.plan*"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    # --- rejects and state -------------------------------------------------------------------------------------------

    def parts(self, kind: str, parts: int = 0, lines: int = 0) -> RejectParts:
        """Give the parts of rejects of one kind: `invalid` while planning, `refused` while sending.

        Args:
            kind: which.
            parts: how many are safe, as the checkpoint knows.
            lines: lines of the last of them.
        """
        folder = None if self._options.plan_only else self._options.rejects_path
        return RejectParts(folder, self._options.storage_conn_id, f"{self._identity.name}.{kind}", parts, lines)

    @contextmanager
    def open_state(self, path: str, binding: Mapping[str, str], *, anew: bool) -> Iterator[State]:
        """Open the fingerprint state, and give it back when done.

        Args:
            path: `state_path`.
            binding: what the fingerprints are good for.
            anew: the source is read; what is still to be sent of an earlier plan is no reason for another full refresh.

        Raises:
            LeaseHeld: another task uses it.
        """
        from airflow_provider.engagement.bulk.lease import Owner
        from airflow_provider.engagement.bulk.state import State

        me, options = self._identity, self._options
        owner = Owner(me.dag_id, me.run_id, me.task_id, me.map_index)
        with State.open(
            path,
            options.storage_conn_id,
            binding=binding,
            owner=owner,
            full_refresh=options.full_refresh and anew,
            max_age=options.max_state_age if anew else None,
        ) as state:
            if state.notice:
                log.info("Everything is sent again: %s", state.notice)
            try:
                yield state
            except (AirflowFailException, ValueError, TypeError):  # no retry comes to take the lease over
                state.close(release=True)
                raise


@contextmanager
def _first_positions(*, refuse: bool) -> Iterator[Callable[[str, int], int] | None]:
    """Give what says at which position a key stood first; on disk, because there may be millions."""
    if not refuse:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="engagement-") as folder, closing(sqlite3.connect(f"{folder}/keys")) as keys:
        keys.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; CREATE TABLE k (key TEXT PRIMARY KEY, at INT) WITHOUT ROWID")

        def first_of(key: str, position: int) -> int:
            if keys.execute("INSERT OR IGNORE INTO k VALUES (?, ?)", (key, position)).rowcount:
                return position
            return int(keys.execute("SELECT at FROM k WHERE key = ?", (key,)).fetchone()[0])

        yield first_of


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a number without a name
        return "user"
