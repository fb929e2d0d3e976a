"""The files of a state: sorted entries in compressed blocks, merged as streams, and the manifest that names them.

An entry is a key and what the server is known to have of it: the 8 bytes of a fingerprint, `b""` where something was sent and
its fate is not known, or None where it was deleted. A file holds entries in order of their keys and is never changed. Memory
holds one block of each file that is read, however large the files are.
"""

from __future__ import annotations

import heapq
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import IO

import msgspec

from airflow_provider.engagement.bulk.lease import Owner
from airflow_provider.engagement.bulk.state_folder import Folder, StateCorrupt

FORMAT = 1
FINGERPRINT_BYTES = 8
Value = bytes | None
Entry = tuple[str, Value]

_BLOCK = 1024
_HEAD = struct.Struct(">II")
_FINGERPRINT = struct.Struct(f"{FINGERPRINT_BYTES}s")
_KNOWN, _UNKNOWN, _DELETED = range(3)
_encode = msgspec.msgpack.Encoder().encode
_decode_block = msgspec.msgpack.Decoder(tuple[bytes, bytes, bytes]).decode
_decode_keys = msgspec.msgpack.Decoder(list[str]).decode


class StateFile(msgspec.Struct, frozen=True):
    """A file of entries, as the manifest names it.

    Attributes:
        name: its name in the folder.
        entries: how many it holds.
        size: bytes.
        fingerprints: False: they no longer count, only the keys do; everything is to be sent again.
    """

    name: str
    entries: int
    size: int
    fingerprints: bool = True


class Manifest(msgspec.Struct, frozen=True):
    """A generation of the state: which files it consists of.

    Attributes:
        generation: counted from 1.
        binding: what the fingerprints are bound to.
        refreshed_at: since when nothing older than it is taken for sent.
        refreshed_by: which task began that.
        written_by: which task published this generation.
        written_at: when.
        base: entries without deletions, or None.
        segments: later entries, oldest file first.
        format: version of this layout.
    """

    generation: int
    binding: dict[str, str]
    refreshed_at: datetime
    refreshed_by: Owner
    written_by: Owner
    written_at: datetime
    base: StateFile | None = None
    segments: tuple[StateFile, ...] = ()
    format: int = FORMAT

    @property
    def files(self) -> tuple[StateFile, ...]:
        """All files, oldest first."""
        return self.segments if self.base is None else (self.base, *self.segments)

    def untrusted(self) -> Manifest:
        """Keep the keys and discard all fingerprints."""
        base = self.base and msgspec.structs.replace(self.base, fingerprints=False)
        segments = tuple(msgspec.structs.replace(segment, fingerprints=False) for segment in self.segments)
        return msgspec.structs.replace(self, base=base, segments=segments)


class _Format(msgspec.Struct):
    format: int


def decode_manifest(data: bytes, file: str) -> Manifest | None:
    """Read a manifest; None where it is not complete.

    Args:
        data: the file's content.
        file: where it is, for the message.

    Raises:
        StateCorrupt: a newer version of this package wrote it.
    """
    try:
        version = msgspec.json.decode(data, type=_Format).format
        if version == FORMAT:
            return msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError:
        return None
    raise StateCorrupt(file, f"its format {version} is not the format {FORMAT} of this version of the package")


def write_entries(entries: Iterable[Entry], out: IO[bytes]) -> int:
    """Write entries to a file.

    Args:
        entries: in order of their keys, each key once.
        out: the file.

    Returns:
        How many there were.
    """
    count = 0
    rest = iter(entries)
    while block := list(islice(rest, _BLOCK)):
        count += len(block)
        keys, values = zip(*block, strict=True)
        fates = b"" if all(values) else bytes(map(_fate, values))
        # Fingerprints are noise that nothing compresses; of keys, matches shorter than six bytes are not worth their code.
        packer = zlib.compressobj(4, strategy=zlib.Z_FILTERED)
        packed = packer.compress(_encode(keys)) + packer.flush()
        data = _encode((packed, zlib.compress(fates, 1) if fates else b"", b"".join(filter(None, values))))
        out.write(_HEAD.pack(len(data), zlib.crc32(data)))
        out.write(data)
    return count


def read_entries(file: IO[bytes]) -> Iterator[Entry]:
    """Read entries back, in order.

    Args:
        file: what `write_entries` wrote.

    Raises:
        ValueError: it is damaged.
    """
    while head := file.read(_HEAD.size):
        if len(head) < _HEAD.size:
            raise ValueError("it ends within a block")
        size, checksum = _HEAD.unpack(head)
        data = file.read(size)
        if len(data) != size or zlib.crc32(data) != checksum:
            raise ValueError("a block is not what was written")
        packed, fates, fingerprints = _decode_block(data)
        known = (fingerprint for (fingerprint,) in _FINGERPRINT.iter_unpack(fingerprints))
        values: Iterable[Value] = known
        if fates:
            values = (next(known) if fate == _KNOWN else b"" if fate == _UNKNOWN else None for fate in zlib.decompress(fates))
        yield from zip(_decode_keys(zlib.decompress(packed)), values, strict=True)


def read_file(folder: Folder, file: StateFile) -> Iterator[Entry]:
    """Read the entries of a file that a manifest names, in order.

    Raises:
        StateCorrupt: it is damaged or missing.
        OSError: the storage refused it.
    """
    count = 0
    try:
        with folder.open(file.name) as data:
            for entry in read_entries(data):
                count += 1
                yield entry if file.fingerprints or not entry[1] else (entry[0], b"")
    except FileNotFoundError:
        raise StateCorrupt(folder.locate(file.name), "it is missing") from None
    except (ValueError, struct.error, zlib.error) as error:
        raise StateCorrupt(folder.locate(file.name), str(error)) from error
    if count != file.entries:
        raise StateCorrupt(folder.locate(file.name), f"it holds {count} entries of {file.entries}")


def merge(files: Sequence[Iterable[Entry]]) -> Iterator[Entry]:
    """Read several files as one, in order of their keys; of a key's entries the newest wins.

    Args:
        files: the files' entries, oldest first.
    """
    if len(files) == 1:
        yield from files[0]
        return
    last: str | None = None
    for key, _, value in heapq.merge(*(_ranked(entries, -age) for age, entries in enumerate(files))):
        if key != last:
            last = key
            yield key, value


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """List the parts of a binding that differ."""
    return [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]


def _ranked(entries: Iterable[Entry], rank: int) -> Iterator[tuple[str, int, Value]]:
    return ((key, rank, value) for key, value in entries)


def _fate(value: Value) -> int:
    return _DELETED if value is None else _KNOWN if value else _UNKNOWN
