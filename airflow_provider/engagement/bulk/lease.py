"""One task at a time: who may write a state, and until when.

Most object storages cannot write on a condition, so this is best effort: a lease is read before it is written, read again
after that, and read before every publication. Of two tasks that start in the same moment, the one that lost is stopped when it next
publishes, or is refused at once. A pool with one slot keeps them apart for certain. Clocks of different workers should agree to
within a few seconds.

A thread renews the lease: a query may run for many minutes before its first row comes, and rows may be held back for as long.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import msgspec

from airflow_provider.engagement.bulk.state_folder import Folder, StateError

log = logging.getLogger(__name__)
LEASE_SECONDS = 300.0
LEASE_NAME = "lease.json"


@dataclass(frozen=True, slots=True)
class Owner:
    """A task instance; a retry of it is the same one.

    Args:
        dag_id: its DAG.
        run_id: its DAG run.
        task_id: its task.
        map_index: its place among mapped ones, or -1.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    def __str__(self) -> str:
        mapped = f" (map index {self.map_index})" if self.map_index >= 0 else ""
        return f"task {self.task_id}{mapped} of DAG {self.dag_id}, run {self.run_id}"


class LeaseHeld(StateError):
    """Another task instance uses the state; it is temporary, so a retry may help.

    Attributes:
        owner: who.
        expires: until when, unless it goes on.
    """

    def __init__(self, file: str, owner: Owner, expires: datetime) -> None:
        super().__init__(
            f"the state is in use by {owner}; its lease ends at {expires:%Y-%m-%d %H:%M:%S %Z}, later if that task goes on. "
            "Nothing was sent. A retry after that takes the state over; a pool with one slot keeps such tasks apart. "
            f"If that task is gone for good and this cannot wait, delete {file}"
        )
        self.owner = owner
        self.expires = expires


class StateTaken(StateError):
    """Somebody else took the state over while this task used it; what it sent since it last published is not recorded."""

    def __init__(self, by: str) -> None:
        super().__init__(
            f"the state was taken over by {by} while this task used it. What this task sent since it last published is not recorded, "
            "and will be sent again. Tasks that share a state belong into a pool with one slot"
        )


class _Held(msgspec.Struct, frozen=True):
    owner: Owner
    token: str
    expires: datetime


class Lease:
    """The right to write a state, kept in a file beside it.

    Args:
        folder: the state's folder.
        owner: who asks.
        clock: gives the time, with a time zone.
        seconds: how long it lasts without a sign of life.
    """

    def __init__(self, folder: Folder, owner: Owner, clock: Callable[[], datetime], seconds: float = LEASE_SECONDS) -> None:
        self._folder = folder
        self.owner = owner
        self._clock = clock
        self._lasts = timedelta(seconds=seconds)
        self._token = uuid4().hex
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def take(self) -> bool:
        """Take the lease.

        Returns:
            Whether an earlier try of the same task instance left it behind.

        Raises:
            LeaseHeld: another task instance has it.
            OSError: the storage refused it.
        """
        found = self._read()
        if found is not None and found.owner != self.owner and found.expires > self._clock():
            raise LeaseHeld(self._folder.locate(LEASE_NAME), found.owner, found.expires)
        self._write()
        now = self._read()
        if now is not None and now.token != self._token:  # another one wrote it in the same moment
            raise LeaseHeld(self._folder.locate(LEASE_NAME), now.owner, now.expires)
        return found is not None and found.owner == self.owner

    def hold(self) -> None:
        """Check that the lease is still this task's, and renew it when a third of it is over.

        Raises:
            StateTaken: it is not.
            OSError: the storage refused it.
        """
        with self._lock:
            found = self._read()
            if found is None or found.token != self._token:
                raise StateTaken("somebody who has ended since, or who deleted the lease" if found is None else str(found.owner))
            if found.expires - self._clock() < self._lasts * 2 / 3:
                self._write()

    def keep(self) -> None:
        """Renew the lease from now on, in a thread, until `stop` or `release`."""
        threading.Thread(target=self._keep, name="engagement-lease", daemon=True).start()

    def stop(self) -> None:
        """Renew the lease no more, and leave it behind."""
        self._ended.set()

    def release(self) -> None:
        """Give the lease back, if it is still this task's.

        Raises:
            OSError: the storage refused it.
        """
        self.stop()
        with self._lock:
            found = self._read()
            if found is not None and found.token == self._token:
                self._folder.delete(LEASE_NAME)

    def _keep(self) -> None:
        while not self._ended.wait(self._lasts.total_seconds() / 3):
            try:
                self.hold()
            except StateTaken:
                return  # whoever publishes next is told
            except OSError as error:
                log.warning("The lease %s could not be renewed, which is tried again: %s", self._folder.locate(LEASE_NAME), error)

    def _read(self) -> _Held | None:
        data = self._folder.read(LEASE_NAME)
        try:
            return None if data is None else msgspec.json.decode(data, type=_Held)
        except msgspec.DecodeError:
            return None  # whoever wrote it died while doing so

    def _write(self) -> None:
        held = _Held(self.owner, self._token, self._clock() + self._lasts)
        self._folder.write(LEASE_NAME, io.BytesIO(msgspec.json.format(msgspec.json.encode(held))))
