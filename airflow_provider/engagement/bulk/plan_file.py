"""A plan on disk: immutable, compressed, read by position. Memory does not grow with the rows."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from airflow_provider.engagement.bulk.plan import Planned, PlannedRow
from airflow_provider.engagement.bulk.rejects import Reject

BLOCK_ROWS = 500
_MAGIC = b"engagement-plan-1"
_TAIL = struct.Struct(">QI17s")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[PlannedRow]).decode


class _Footer(msgspec.Struct):
    digest: str
    planned: dict[str, object]
    reasons: list[str]
    blocks: list[tuple[int, int]]
    repeated: dict[str, int]


class PlanWriter:
    """Writes a plan; it appears under its name when it is complete, and only then.

    Args:
        path: the file, readable by its owner only: it holds rows.

    Attributes:
        repeated: keys of several rows that are compared with a state, with the index of the last of them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repeated: dict[str, int] = {}
        self._part = path.with_name(f"{path.name}.{os.getpid()}.part")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in path.parent.glob(f"{path.name}.*.part"):  # by a try that was killed while it planned
            left.unlink(missing_ok=True)
        self._file: IO[bytes] = os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self._rows: list[PlannedRow] = []
        self._blocks: list[tuple[int, int]] = []
        self._digest = blake2b(digest_size=16)

    def __enter__(self) -> PlanWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def add(self, row: PlannedRow) -> None:
        """Append a row."""
        self._rows.append(row)
        if len(self._rows) == BLOCK_ROWS:
            self._flush()

    def note(self, reject: Reject) -> None:
        """Take an unusable row into the digest: a plan that was built again must refuse the same rows, too."""
        self._digest.update(_encode((reject.position, reject.key, reject.kind)))

    def finish(self, planned: Planned, reasons: list[str]) -> PlanFile:
        """Complete the file.

        Args:
            planned: what planning found.
            reasons: why rows are unusable, the first few.
        """
        self._flush()
        footer = _encode(_Footer(self._digest.hexdigest(), asdict(planned), reasons, self._blocks, self.repeated))
        self._file.write(footer)
        self._file.write(_TAIL.pack(len(footer), zlib.crc32(footer), _MAGIC))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self.path)
        return PlanFile(self.path)

    def _flush(self) -> None:
        if not self._rows:
            return
        block = _encode(self._rows)
        self._rows = []
        self._digest.update(block)
        self._blocks.append((self._file.tell(), len(block)))
        self._file.write(zlib.compress(block, 1))


class PlanFile:
    """A complete plan.

    Args:
        path: the file.

    Raises:
        OSError: there is none.
        ValueError: the file is no plan.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            try:
                file.seek(-_TAIL.size, os.SEEK_END)
                self._end = file.tell()
                size, checksum, magic = _TAIL.unpack(file.read(_TAIL.size))
                if magic != _MAGIC:
                    raise ValueError("it does not end like a plan of this version")
                file.seek(self._end - size)
                self._end = file.tell()
                data = file.read(size)
                if zlib.crc32(data) != checksum:
                    raise ValueError("its end is not what was written")
                footer = msgspec.msgpack.decode(data, type=_Footer)
            except (OSError, ValueError, OverflowError) as error:
                raise ValueError(f"{path} is no complete plan: {error}") from None
        self.digest = footer.digest
        self.planned = msgspec.convert(footer.planned, Planned)
        self.reasons = footer.reasons
        self.repeated = footer.repeated
        self._blocks = footer.blocks

    def rows(self, start: int = 0) -> Iterator[tuple[int, PlannedRow]]:
        """Read rows with their index in the plan.

        Args:
            start: index of the first.

        Raises:
            ValueError: the file is damaged.
        """
        for number, block in self._unpacked(start // BLOCK_ROWS):
            index = number * BLOCK_ROWS
            for row in _decode(block):
                if index >= start:
                    yield index, row
                index += 1

    def check(self) -> None:
        """Read the file to its end.

        Raises:
            ValueError: it is damaged.
        """
        for _ in self._unpacked(0):
            pass

    def _unpacked(self, first: int) -> Iterator[tuple[int, bytes]]:
        ends = [offset for offset, _ in self._blocks[1:]] + [self._end]
        with self.path.open("rb") as file:
            for number in range(first, len(self._blocks)):
                offset = self._blocks[number][0]
                file.seek(offset)
                try:
                    block = zlib.decompress(file.read(ends[number] - offset))  # it checks a sum
                except zlib.error as error:
                    raise ValueError(f"the plan {self.path} is damaged: {error}") from None
                yield number, block
