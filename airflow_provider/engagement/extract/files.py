"""Files of a window: where they go, and how their bytes are made so that equal objects give equal bytes."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self, cast

import msgspec

from airflow_provider.engagement.extract.table import Row, Table
from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.wire.message import encode_json

JSON_LINES = "jsonl"
PARQUET = "parquet"
_ENDINGS = {".jsonl": JSON_LINES, ".jsonl.gz": JSON_LINES, ".parquet": PARQUET}
_USUAL = {JSON_LINES: ".jsonl.gz", PARQUET: ".parquet"}


class RowFile(Protocol):
    """A file that takes a table's rows, as a context manager."""

    def __enter__(self) -> Self:
        """Open it."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Finish it."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""


def ending(path: str) -> str:
    """Tell by which ending a path names a single file; empty where it names a folder."""
    return next((known for known in sorted(_ENDINGS, key=len, reverse=True) if path.endswith(known)), "")


def choose_format(path: str, file_format: str | None) -> str:
    """Take the format from the path's ending or from the argument.

    Raises:
        ValueError: it is none of them, the two differ, or Parquet is wanted and pyarrow is not installed.
    """
    if file_format and file_format not in _USUAL:
        raise ValueError(f"file_format must be {' or '.join(_USUAL)}, got {file_format!r}")
    by_path = _ENDINGS.get(ending(path))
    if file_format and by_path and file_format != by_path:
        raise ValueError(f"file_format is {file_format}, but path ends in {ending(path)}")
    found = file_format or by_path or JSON_LINES
    if found == PARQUET:
        from airflow_provider.engagement.extract.parquet import check_installed

        check_installed()
    return found


def file_name(path: str, name: str, window: Window | None, file_format: str = JSON_LINES) -> str:
    """Say which file a window goes to: `path` itself if it names a file, else one file per window below it.

    Args:
        path: a file ending in `.jsonl`, `.jsonl.gz` or `.parquet`, or a folder.
        name: what is in it.
        window: which window; None for a snapshot.
        file_format: of the files below a folder.
    """
    if ending(path):
        return path
    label = f"_{window.label}" if window else ""
    return f"{path.rstrip('/')}/{name}{label}{_USUAL[file_format]}"


def beside(path: str, name: str) -> str:
    """Name a second file beside one that is named by a path: `sessions.jsonl.gz` becomes `sessions_<name>.jsonl.gz`."""
    end = ending(path)
    return f"{path.removesuffix(end)}_{name}{end}"


def build(lines: Iterable[bytes], target: Path, *, compress: bool) -> None:
    """Write lines to a local file, gzip without time stamp or name where wanted."""
    with LinesFile(target, compress=compress) as out:
        for line in lines:
            out.add(line)


class LinesFile:
    """A file of lines.

    Args:
        target: the local file.
        compress: by gzip.
        table: the table whose rows `write` takes.
    """

    def __init__(self, target: Path, *, compress: bool, table: Table | None = None) -> None:
        self._target = target
        self._compress = compress
        self._columns = [(column.name, column.type == "json") for column in table.columns] if table else []

    def __enter__(self) -> Self:
        self._open = ExitStack()
        plain: IO[bytes] = self._open.enter_context(self._target.open("wb"))
        self._out = plain
        if self._compress:
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0)
            self._out = cast("IO[bytes]", self._open.enter_context(packed))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def add(self, line: bytes) -> None:
        """Add a line."""
        self._out.write(line)
        self._out.write(b"\n")

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows, each as an object with all columns."""
        for row in rows:
            told = {
                name: msgspec.Raw(value.encode()) if is_json and value is not None else value
                for (name, is_json), value in zip(self._columns, row, strict=True)
            }
            self.add(encode_json(told))


def row_file(target: Path, table: Table, destination: str) -> RowFile:
    """Make the local file for a table's rows, in the format of the destination's name."""
    if destination.endswith(".parquet"):
        from airflow_provider.engagement.extract.parquet import ParquetFile

        return ParquetFile(target, table)
    return LinesFile(target, compress=destination.endswith(".gz"), table=table)
