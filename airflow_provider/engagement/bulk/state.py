"""What the server is known to have, kept between runs, so that a run sends only what changed.

For each key (a user's id, say) the state keeps the fingerprint of what was last accepted, in a folder on any object storage:

1. `State.open` takes the lease and decides whether the fingerprints still count. They do not when the binding changed (mapping,
   mode, …), on `full_refresh`, or when they are too old. The keys are kept then, for a mirror to know what it once sent, unless the
   destination or the kind of object changed: a mirror must not delete what another account's state recorded.
2. While planning, `fingerprint` says what is known, `plan` what will be sent or deleted, `present` what the source has.
3. `begin` publishes, before the first request, that what is planned no longer holds. So whatever happens from here on, an old
   fingerprint never stands for a new value.
4. While sending, `sent` collects and `publish` makes durable; `close` folds files together and gives the lease back.

A task that dies at any moment leaves a complete state (see `state_store`); its retry takes the lease over at once and goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from threading import Lock
from types import TracebackType
from typing import Self

import msgspec

from airflow_provider.engagement.bulk.lease import LEASE_SECONDS, Lease, Owner
from airflow_provider.engagement.bulk.state_copy import Outbox, WorkingCopy
from airflow_provider.engagement.bulk.state_files import FINGERPRINT_BYTES, Manifest, changed
from airflow_provider.engagement.bulk.state_folder import Folder, StateCorrupt
from airflow_provider.engagement.bulk.state_store import Store, find_manifest, highest_generation

log = logging.getLogger(__name__)
UNREADABLE = "the state could not be read, and is built anew"
IDENTITY = ("destination", "what")
"""The parts of a binding without which a recorded key means another object."""


def _now() -> datetime:
    return datetime.now(UTC)


class State:
    """The fingerprints of one destination, while one task uses them; made by `State.open`.

    `sent` may be called while another thread publishes, and does not wait for it. All others block, one at a time.

    Args:
        store: the state on object storage.
        lease: the right to write it.
        notice: why everything is sent again.
        rebuild: a state that cannot be read is built anew.

    Attributes:
        notice: why everything is sent again, in a sentence; None if it is not, or if nothing was known.
    """

    def __init__(self, store: Store, lease: Lease, notice: str | None, *, rebuild: bool) -> None:
        self.notice = notice
        self._store = store
        self._lease = lease
        self._rebuild = rebuild
        self._copy: WorkingCopy | None = None
        self._outbox = Outbox()
        self._publishing = Lock()
        self._closed = False

    @classmethod
    def open(
        cls,
        path: str,
        storage_conn_id: str | None,
        *,
        binding: Mapping[str, str],
        owner: Owner,
        full_refresh: bool = False,
        max_age: timedelta | None = None,
        clock: Callable[[], datetime] = _now,
        lease_seconds: float = LEASE_SECONDS,
    ) -> Self:
        """Take the lease and read the manifest; the entries are read when the first of them is asked for.

        Args:
            path: the state's folder: an object storage URL or a local path. It may hold other files.
            storage_conn_id: the connection for the storage, or None for the environment's credentials.
            binding: what fingerprints depend on besides the row; `destination` and `what` say of which objects the keys are.
            owner: who uses it. A retry of a task instance that left its lease behind goes on where that stopped: a full refresh
                that had begun does not begin again.
            full_refresh: discard all fingerprints; also, start from nothing where the state cannot be read.
            max_age: discard all fingerprints when they were last discarded longer ago than this.
            clock: gives the time, with a time zone.
            lease_seconds: how long the lease outlives a process that dies.

        Raises:
            LeaseHeld: another task uses it; a retry may help.
            StateCorrupt: it cannot be read; `full_refresh=True` helps.
            OSError: the storage refused it.
        """
        folder = Folder(path, storage_conn_id)
        lease = Lease(folder, owner, clock, lease_seconds)
        resumed = lease.take()
        notice = None
        try:
            published = find_manifest(folder)
        except StateCorrupt as error:
            if not full_refresh:
                lease.release()
                raise
            log.warning("%s", error)
            published, notice = None, UNREADABLE
        now = clock()
        manifest = Manifest(highest_generation(folder), dict(binding), now, owner, owner, now)
        if published is not None:
            refresh = full_refresh and not (resumed and published.refreshed_by == owner)
            manifest, notice = _go_on(published, manifest, max_age, full_refresh=refresh)
        lease.keep()
        return cls(Store(folder, lease, published, manifest, clock), lease, notice, rebuild=full_refresh)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close(release=True)
        else:
            self._forget_locally()

    @property
    def first(self) -> bool:
        """Whether nothing was recorded before, or all of it was discarded: a mirror deletes nothing then."""
        return self.known() == 0

    def known(self) -> int:
        """Count the keys recorded before.

        Raises:
            StateCorrupt: the state cannot be read.
            OSError: the storage refused it.
        """
        return 0 if self._store.empty else self._working_copy().known

    def fingerprint(self, key: str) -> bytes | None:
        """Say what the server is known to have of a key, or will have once what is planned is sent.

        Returns:
            The fingerprint; `b""` where something was sent and its fate is not known; None where nothing is known or left.

        Raises:
            StateCorrupt: the state cannot be read.
            OSError: the storage refused it.
        """
        return self._working_copy().get(key)

    def plan(self, key: str, fingerprint: bytes | None) -> bool:
        """Note what will be sent for a key; a later row of the same key is compared with it.

        Args:
            key: the key.
            fingerprint: of what will be sent; None if the key will be deleted.

        Returns:
            Whether something was planned for the key before.

        Raises:
            ValueError: the fingerprint has not 8 bytes.
        """
        return self._working_copy().plan(key, _checked(fingerprint))

    def present(self, key: str) -> None:
        """Note that the source has a key, be its row sent, unchanged or refused."""
        if not self._store.empty:
            self._working_copy().present(key)

    def missing(self) -> Iterator[str]:
        """Give the keys recorded before that the source does not have, in order; they may be planned while this goes on."""
        return iter(()) if self._store.empty else self._working_copy().missing()

    def begin(self) -> None:
        """Publish that what is planned no longer holds, and what was discarded.

        Call it before the first request, and before anything says that planning is complete: a retry that goes on with a plan
        has planned nothing here and could not know.

        Raises:
            StateTaken: somebody else has taken the state over.
            OSError: the storage refused it.
        """
        with self._publishing:
            self._store.publish(((key, b"") for key in self._copy.outdated()) if self._copy is not None else ())

    def sent(self, key: str, fingerprint: bytes | None) -> None:
        """Note that the server accepted what was sent for a key. It is durable after the next `publish`.

        Where a plan has several rows of a key, only the last one's fingerprint holds: give `b""` for those before it, else a task
        that dies in between leaves a fingerprint behind that the row in flight may have made wrong.

        Args:
            key: the key.
            fingerprint: of what was sent; `b""` where that is not certain; None if the key was deleted.

        Raises:
            ValueError: the fingerprint has not 8 bytes.
        """
        self._outbox.add(key, _checked(fingerprint))

    def publish(self) -> None:
        """Make durable what was noted as sent.

        Raises:
            StateTaken: somebody else has taken the state over; nothing was published.
            OSError: the storage refused it; the next publication tries again.
        """
        with self._publishing:
            self._publish()

    def close(self, release: bool) -> None:
        """Publish the rest, fold and clean up files, and forget the local copy. A second call does nothing.

        A state that nothing was published of stays as it was: a dry run leaves no trace.

        Args:
            release: give the lease back. Keep it where the task may be retried, so that nobody comes in between.

        Raises:
            StateTaken: somebody else has taken the state over; the rest is not recorded.
            OSError: the storage refused it.
        """
        with self._publishing:
            if self._closed:
                return
            try:
                if not self._outbox.empty:
                    self._publish()
                if self._store.wrote:
                    self._store.fold()
                    self._store.clean_up()
                if release:
                    self._lease.release()
            finally:
                self._forget_locally()

    def _publish(self) -> None:
        if self._outbox.empty:
            self._lease.hold()
            return
        self._store.publish(self._outbox.take())
        self._outbox.drop()

    def _working_copy(self) -> WorkingCopy:
        if self._copy is None:
            try:
                self._copy = WorkingCopy(self._store.entries())
            except StateCorrupt as error:
                if not self._rebuild:
                    raise
                log.warning("%s", error)
                self.notice = UNREADABLE
                self._store.forget()
                self._copy = WorkingCopy(())
        return self._copy

    def _forget_locally(self) -> None:
        self._closed = True
        self._lease.stop()
        self._outbox.close()
        if self._copy is not None:
            self._copy.close()


def _go_on(published: Manifest, new: Manifest, max_age: timedelta | None, *, full_refresh: bool) -> tuple[Manifest, str | None]:
    """Decide what of a published state still counts, and say why if not all of it does."""
    differing = changed(published.binding, new.binding)
    for part in IDENTITY:
        if part in differing:
            return new, f"{part} changed from {published.binding.get(part)} to {new.binding.get(part)}"
    reasons = [f"{part} changed" for part in differing]
    if full_refresh:
        reasons.append("full_refresh is set")
    if max_age is not None and new.refreshed_at - published.refreshed_at > max_age:
        reasons.append(f"everything was last sent on {published.refreshed_at:%Y-%m-%d %H:%M %Z}, longer ago than max_state_age {max_age}")
    if not reasons:
        return msgspec.structs.replace(published, generation=new.generation), None
    kept = published.untrusted()
    return msgspec.structs.replace(new, base=kept.base, segments=kept.segments), "; ".join(reasons)


def _checked(fingerprint: bytes | None) -> bytes | None:
    if fingerprint and len(fingerprint) != FINGERPRINT_BYTES:
        raise ValueError(f"a fingerprint has {FINGERPRINT_BYTES} bytes, got {len(fingerprint)}")
    return fingerprint
