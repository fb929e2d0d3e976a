"""The generations of a state: immutable files, a manifest for each generation, and what is folded and cleaned up when.

A publication writes one file of entries, then the manifest of the next generation, which names it; nothing is ever changed in place.
Whoever dies in between leaves the generation before, complete. One generation is kept behind the newest, whose manifest may be
incomplete where the storage shows unfinished files.

Files are folded so that there are few and little is written twice: a new segment takes in those before it that are less than twice
its size, so their number grows with the logarithm of their entries, and an entry is written as often. At the end of a run they are
folded into a new base once they hold a quarter of its entries: between runs the state is at most 1.25 times as large as need be, and a
changed entry costs about five more to be written.
"""

from __future__ import annotations

import io
import logging
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import IO
from uuid import uuid4

import msgspec

from airflow_provider.engagement.bulk.lease import Lease, StateTaken
from airflow_provider.engagement.bulk.state_files import (
    Entry,
    Manifest,
    StateFile,
    decode_manifest,
    merge,
    read_entries,
    read_file,
    write_entries,
)
from airflow_provider.engagement.bulk.state_folder import Folder, StateCorrupt

log = logging.getLogger(__name__)
_MANIFEST = re.compile(r"manifest-(\d{10})\.json")
_OURS = re.compile(
    r"((manifest-\d{10}\.json|(base|segment)-\d{10}-[0-9a-f]{8}\.entries)(\.[0-9a-f]{8}\.part)?|lease\.json\.[0-9a-f]{8}\.part)"
)
_FOLD_AT = 4
"""The segments go into a new base when they hold this part of its entries: a quarter."""


def manifest_name(generation: int) -> str:
    """Name the manifest of a generation."""
    return f"manifest-{generation:010}.json"


def highest_generation(folder: Folder) -> int:
    """Give the highest generation that anybody began to write; 0 for none.

    Raises:
        OSError: the storage refused it.
    """
    return max(_generations(folder), default=0)


def find_manifest(folder: Folder) -> Manifest | None:
    """Find the newest complete generation; None where no state is.

    Raises:
        StateCorrupt: there are manifests, and none is complete; or a newer version of this package wrote it.
        OSError: the storage refused it.
    """
    generations = sorted(_generations(folder), reverse=True)
    for generation in generations:
        file = folder.locate(manifest_name(generation))
        manifest = decode_manifest(folder.read(manifest_name(generation)) or b"", file)
        if manifest is not None:
            return manifest
        log.warning("%s is not complete: whoever wrote it was interrupted; the generation before it counts", file)
    if generations:
        raise StateCorrupt(folder.locate(manifest_name(generations[0])), "it is not complete, and there is no other manifest")
    return None


class Store:
    """A state on object storage, as this task knows it. Every call blocks; one at a time.

    Args:
        folder: where it is.
        lease: the right to write it.
        published: the newest complete generation, or None.
        manifest: what the state consists of from now on; its generation is the highest that anybody began to write.
        clock: gives the time, with a time zone.

    Attributes:
        wrote: something was published.
    """

    def __init__(self, folder: Folder, lease: Lease, published: Manifest | None, manifest: Manifest, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._lease = lease
        self._previous: Manifest | None = None
        self._published = published
        self._manifest = manifest
        self._clock = clock
        self.wrote = False

    @property
    def empty(self) -> bool:
        """Whether nothing is recorded."""
        return not self._manifest.files

    def entries(self) -> Iterator[Entry]:
        """Read what is recorded, in order of the keys; deletions are left out.

        Raises:
            StateCorrupt: a file is damaged or missing.
            OSError: the storage refused it.
        """
        files = [read_file(self._folder, file) for file in self._manifest.files]
        return (entry for entry in merge(files) if entry[1] is not None) if files else iter(())

    def forget(self) -> None:
        """Start from nothing, with the next publication."""
        self._manifest = msgspec.structs.replace(self._manifest, base=None, segments=())

    def publish(self, entries: Iterable[Entry]) -> None:
        """Record entries, in a new generation.

        Args:
            entries: in order of their keys, each key once.

        Raises:
            StateTaken: somebody else published, or has the lease.
            StateCorrupt: a segment is damaged.
            OSError: the storage refused it; nothing was published then.
        """
        with tempfile.TemporaryFile() as built:
            count = write_entries(entries, built)
            if not count and self._manifest == self._published:
                self._lease.hold()
                return
            kept = list(self._manifest.segments)
            total = count
            while count and kept and kept[-1].entries < 2 * total:
                total += kept.pop().entries
            taken_in = self._manifest.segments[len(kept) :]
            if count:
                kept.append(self._upload_merged(taken_in, built) if taken_in else self._upload("segment", built, count))
        self._commit(msgspec.structs.replace(self._manifest, segments=tuple(kept)))

    def fold(self) -> None:
        """Fold the segments into a new base, where that is worth it.

        Raises:
            StateTaken: somebody else published, or has the lease.
            StateCorrupt: a file is damaged.
            OSError: the storage refused it.
        """
        later = sum(segment.entries for segment in self._manifest.segments)
        if not later or (self._manifest.base is not None and later * _FOLD_AT < self._manifest.base.entries):
            return
        self._lease.hold()
        with tempfile.TemporaryFile() as built:
            count = write_entries(self.entries(), built)
            base = self._upload("base", built, count) if count else None
        self._commit(msgspec.structs.replace(self._manifest, base=base, segments=()))

    def clean_up(self) -> None:
        """Delete all but the newest generation, what others left behind included; nothing that is not a state's own.

        Raises:
            OSError: the storage refused it.
        """
        newest = find_manifest(self._folder)
        if newest is None or newest != self._published:
            return  # somebody else goes on from here
        for name in self._folder.names():
            if _OURS.fullmatch(name) and name not in _names(newest):
                self._folder.delete(name)

    def _upload_merged(self, taken_in: tuple[StateFile, ...], newest: IO[bytes]) -> StateFile:
        newest.seek(0)
        with tempfile.TemporaryFile() as built:
            older = [read_file(self._folder, file) for file in taken_in]
            count = write_entries(merge([*older, read_entries(newest)]), built)
            return self._upload("segment", built, count)

    def _upload(self, kind: str, built: IO[bytes], count: int) -> StateFile:
        name = f"{kind}-{self._manifest.generation + 1:010}-{uuid4().hex[:8]}.entries"  # its own name each time
        size = built.tell()
        built.seek(0)
        self._folder.write(name, built)
        return StateFile(name, count, size)

    def _commit(self, manifest: Manifest) -> None:
        self._lease.hold()
        if highest_generation(self._folder) > self._manifest.generation:
            newest = find_manifest(self._folder)
            raise StateTaken("somebody" if newest is None else str(newest.written_by))
        generation = self._manifest.generation + 1
        # A write that fails may have been stored: its number is not used again, and the next generation holds all that it held.
        self._manifest = msgspec.structs.replace(self._manifest, generation=generation)
        manifest = msgspec.structs.replace(manifest, generation=generation, written_by=self._lease.owner, written_at=self._clock())
        self._folder.write(manifest_name(generation), io.BytesIO(msgspec.json.format(msgspec.json.encode(manifest))))
        outdated, self._previous, self._published, self._manifest = self._previous, self._published, manifest, manifest
        self.wrote = True
        if outdated is not None:
            kept = _names(manifest) | (set() if self._previous is None else _names(self._previous))
            for name in _names(outdated) - kept:
                self._folder.delete(name)


def _generations(folder: Folder) -> list[int]:
    return [int(match[1]) for name in folder.names() if (match := _MANIFEST.fullmatch(name))]


def _names(manifest: Manifest) -> set[str]:
    return {manifest_name(manifest.generation), *(file.name for file in manifest.files)}
