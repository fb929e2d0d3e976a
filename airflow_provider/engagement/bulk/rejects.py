"""Rows that did not make it, kept as JSON Lines so that nothing is lost and a person can mend and replay them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

import msgspec

from airflow_provider.engagement.storage import at, put_stream

log = logging.getLogger(__name__)
PART_LINES = 10_000
"""Lines of a part at the most. Until then a part is written anew with each checkpoint that has something to add."""


class Reject(msgspec.Struct, frozen=True):
    """A row that was not accepted, or whose fate is unknown; one line of a part.

    Attributes:
        position: its place in the source, from 0.
        key: its key, or None.
        kind: `invalid` (never sent), `refused` (by the server, for good) or `in_doubt` (it may or may not have been processed).
        reason: why, in a sentence.
        code: the vendor's error code, or None.
        request_id: the vendor's request id, or None.
        row: an invalid row as the source gave it; any other in the API's own shape.
    """

    position: int
    key: str | None
    kind: str
    reason: str
    code: str | None = None
    request_id: str | None = None
    row: bytes = b"null"

    def __str__(self) -> str:
        named = f" ({self.key})" if self.key else ""
        return f"row {self.position}{named}: {self.reason}"

    def line(self) -> bytes:
        """Write it as one line of JSON."""
        fields = msgspec.structs.asdict(self)
        return msgspec.json.encode({**fields, "row": msgspec.Raw(self.row)}) + b"\n"


def as_json(row: Any) -> bytes:
    """Write a row of any kind as JSON; what JSON does not know is written as text."""
    for encoder in _ENCODERS:
        with suppress(TypeError, ValueError, RecursionError):
            encoded = encoder.encode(row)
            msgspec.json.decode(encoded)  # a Decimal may be no number
            return encoded
    return msgspec.json.encode(repr(row)[:1000].encode("utf-8", "replace").decode())


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


_ENCODERS: Final = (
    msgspec.json.Encoder(enc_hook=_plain, decimal_format="number"),
    msgspec.json.Encoder(enc_hook=_plain, decimal_format="string"),
)


@dataclass(slots=True)
class RejectParts:
    """The parts of one task, below one folder.

    Args:
        folder: `rejects_path`; None to keep none.
        storage_conn_id: the connection for the storage, or None.
        name: begins the parts' names; another task writes under another one.
        parts: parts that are complete or begun, as the checkpoint knows.
        lines: lines of the last part, as the checkpoint knows; what was written after the checkpoint does not count.
    """

    folder: str | None
    storage_conn_id: str | None
    name: str
    parts: int = 0
    lines: int = 0
    _open: list[bytes] | None = None
    _waiting: list[bytes] = field(default_factory=list)

    def path(self, part: int) -> str:
        """Name a part, counted from 1."""
        return f"{str(self.folder).rstrip('/')}/{self.name}-{part:05}.jsonl"

    def begin(self) -> None:
        """Forget what an earlier try wrote behind its last checkpoint; with `parts` 0, all of it.

        Raises:
            OSError: the storage refused it.
        """
        if self.folder is None:
            return
        part = self.parts + 1
        while (found := at(self.path(part), self.storage_conn_id)).exists():
            found.unlink()
            part += 1
        if self.parts and self.lines < PART_LINES:
            self._go_on()

    def add(self, rejects: Sequence[Reject]) -> None:
        """Write rejects; they are safe when this returns. Those that could not be written are tried again with the next ones.

        Raises:
            OSError: the storage refused it.
        """
        if self.folder is None:
            return
        self._waiting += [reject.line() for reject in rejects]
        while self._waiting:
            full = self._open is None or len(self._open) >= PART_LINES
            part, begun = (self.parts + 1, []) if full else (self.parts, self._open or [])
            room = PART_LINES - len(begun)
            lines = begun + self._waiting[:room]
            self._write(part, lines)
            self.parts, self.lines, self._open, self._waiting = part, len(lines), lines, self._waiting[room:]

    def _go_on(self) -> None:
        """Go on with the last part, as the checkpoint knows it."""
        path = self.path(self.parts)
        try:
            found = at(path, self.storage_conn_id).read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            log.warning("The rejects in %s were taken away; those that follow go into the next part", path)
            return
        self._open = found[: self.lines]
        if len(found) > self.lines:
            self._write(self.parts, self._open)

    def _write(self, part: int, lines: list[bytes]) -> None:
        put_stream(BytesIO(b"".join(lines)), self.path(part), self.storage_conn_id)
