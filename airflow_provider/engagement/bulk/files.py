"""Rows of files on any object storage: JSON Lines, CSV, Parquet, and the rejects of an earlier task."""

from __future__ import annotations

import csv
import gzip
import io
import logging
import lzma
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from airflow_provider.engagement.bulk.rows import ApiRow, UnusableSource
from airflow_provider.engagement.storage import at

log = logging.getLogger(__name__)

FORMATS: Final = ("csv", "jsonl", "parquet", "rejects")
KINDS: Final = ("in_doubt", "invalid", "refused")
"""Kinds of rejects."""

_ENDINGS: Final = {"csv": "csv", "tsv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "parquet": "parquet", "pq": "parquet"}
_COMPRESSIONS: Final = {"gz": "gzip", "bz2": "bz2", "xz": "xz", "zst": "zstd"}
_DAMAGES: Final = (EOFError, zlib.error, lzma.LZMAError)
_DAMAGED_STREAMS: Final = (OSError, gzip.BadGzipFile)
"""What gzip and bz2 raise for data that is none of theirs; without a number, unlike an error of the storage."""

_BATCH_ROWS = 1000
_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder(float_hook=Decimal).decode  # a number goes on as it was written


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Which files, and how they are to be read.

    Args:
        path: a file, a folder (all files below it but those whose name begins with `.` or `_`), or a glob; a URL or a local path.
        storage_conn_id: the connection for the storage; None for the environment's credentials.
        file_format: one of `FORMATS`; None to tell it from each file's name (`.csv`, `.tsv`, `.jsonl`, `.ndjson`, `.json`, `.parquet`,
            all but the last also with `.gz`, `.bz2`, `.xz` or `.zst` behind it).
        delimiter: CSV: between the fields; by default a comma, a tab in `.tsv` files.
        encoding: CSV: of the text.
        empty_as_null: CSV: an empty field is null and not empty text.
        include: rejects: which kinds are read. Rows in doubt may have been processed: to replay them could double them.
        allow_missing: no file at all means no rows, and is no error.

    Raises:
        UnusableSource: an argument is unusable.
    """

    path: str
    storage_conn_id: str | None = None
    file_format: str | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    empty_as_null: bool = False
    include: tuple[str, ...] = ("refused", "invalid")
    allow_missing: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not self.path:
            raise UnusableSource("path must name a file, a folder or a glob")
        if self.file_format is not None and self.file_format not in FORMATS:
            raise UnusableSource(
                f"file_format must be one of {', '.join(FORMATS)}, or None to tell it from the name, got {self.file_format!r:.60}"
            )
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise UnusableSource(f"delimiter must be one character, got {self.delimiter!r:.60}")
        if not self.include or (unknown := set(self.include) - set(KINDS)):
            raise UnusableSource(f"include takes {', '.join(KINDS)}, not {', '.join(sorted(unknown)) if self.include else 'nothing'}")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise UnusableSource(f"there is no encoding {self.encoding!r:.60}") from None

    def read(self) -> Iterator[Any]:
        """Yield the rows of all files, in order of their names; a reject that has the API's own shape comes as an `ApiRow`.

        Raises:
            UnusableSource: a file is not what it should be; the message names file and line.
            ValueError: a packed file is damaged, or is still being written.
            FileNotFoundError: there is no file.
            OSError: the storage failed.
        """
        started, rows = time.monotonic(), 0
        system, names = self._find()
        for name in names:
            reader, compression = self._reader(name)
            with _opened(system, name, compression) as stream:
                for row in reader(name, stream):
                    rows += 1
                    yield row
        log.info("Read %d rows from %d files at %s in %.1f s", rows, len(names), self.path, time.monotonic() - started)

    def _find(self) -> tuple[Any, list[str]]:
        place = at(self.path, self.storage_conn_id)
        system, root = place.fs, place.path
        if system.isfile(root):
            return system, [root]
        if system.isdir(root):
            found = [name for name in system.find(root) if not _hidden(name, root)]
        else:
            found = [name for name, told in system.glob(root, detail=True).items() if told["type"] == "file"]
        if not found and not self.allow_missing:
            raise FileNotFoundError(f"there is no file at {self.path}; set allow_missing=True if that means that there are no rows")
        return system, sorted(found)

    def _reader(self, name: str) -> tuple[Callable[[str, Any], Iterator[Any]], str | None]:
        stem, _, ending = name.lower().rpartition(".")
        compression = _COMPRESSIONS.get(ending)
        if compression is not None:
            ending = stem.rpartition(".")[2]
        kind = self.file_format or _ENDINGS.get(ending)
        if kind is None:
            raise UnusableSource(f"{name}: its name does not tell its format; set file_format to one of {', '.join(FORMATS)}")
        if kind == "csv":
            delimiter = self.delimiter or ("\t" if ending == "tsv" else ",")
            return lambda name, stream: self._csv(name, stream, delimiter), compression
        return {"jsonl": _json_lines, "parquet": _parquet, "rejects": self._rejects}[kind], compression

    def _csv(self, name: str, stream: Any, delimiter: str) -> Iterator[dict[str, Any]]:
        encoding = "utf-8-sig" if self.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else self.encoding
        with io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
            lines = csv.reader(text, delimiter=delimiter, strict=True)
            try:
                header = next(lines, None)
                if not header:
                    raise UnusableSource("there is no header with the columns' names")
                _check_header(header)
                width, empty_as_null = len(header), self.empty_as_null
                for fields in lines:
                    if len(fields) != width:
                        if not fields:
                            continue
                        raise UnusableSource(f"{len(fields)} fields, but the header has {width}")
                    yield dict(zip(header, ((field or None) for field in fields) if empty_as_null else fields, strict=True))
            except UnicodeDecodeError as error:
                raise UnusableSource(
                    f"{name} behind line {lines.line_num} is not in {self.encoding} ({error.reason}); set encoding"
                ) from error
            except (csv.Error, ValueError) as error:
                raise UnusableSource(f"{name} line {lines.line_num}: {error}") from error

    def _rejects(self, name: str, stream: Any) -> Iterator[Any]:
        for number, reject in enumerate(_json_lines(name, stream), 1):
            kind = reject.get("kind")
            if kind not in KINDS or "row" not in reject:
                raise UnusableSource(f"{name} line {number} is no reject; it must have a row and a kind, one of {', '.join(KINDS)}")
            row = reject["row"]
            if kind not in self.include or row is None:  # of a deletion that was refused there is nothing to replay
                continue
            rows = row if isinstance(row, list) else [row]  # those that were joined into one are joined again
            if not all(isinstance(item, dict) for item in rows):
                raise UnusableSource(
                    f"{name} line {number}: the row could not be kept as JSON when it was rejected; take it from its source"
                )
            yield from rows if kind == "invalid" else map(ApiRow, rows)


def _json_lines(name: str, stream: Any) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(stream, 1):
        text = line.removeprefix(_BOM) if number == 1 else line
        if not text.strip():
            continue
        try:
            row = _decode(text)
        except (ValueError, RecursionError) as error:
            raise UnusableSource(f"{name} line {number} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise UnusableSource(f"{name} line {number} is no JSON object but of type {type(row).__name__}; the file must be JSON Lines")
        yield row


def _parquet(name: str, stream: Any) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UnusableSource(
            f"{name} is Parquet, which needs the package pyarrow on the worker: pip install 'airflow-provider-engagement[parquet]'"
        ) from error
    read = 0
    try:
        with parquet.ParquetFile(stream, coerce_int96_timestamp_unit="us") as file:
            schema = file.schema_arrow
            _check_header(schema.names)
            # Python's dates have microseconds; pandas writes nanoseconds.
            cut = pyarrow.schema(
                [field.with_type(pyarrow.timestamp("us", field.type.tz)) if _nanoseconds(field.type) else field for field in schema]
            )
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                table = pyarrow.Table.from_batches([batch])
                yield from (table if cut == schema else table.cast(cut, safe=False)).to_pylist()
                read += batch.num_rows
    except pyarrow.ArrowException as error:
        raise UnusableSource(f"{name} could not be read as Parquet behind row {read}: {error}") from error
    except ValueError as error:
        raise UnusableSource(f"{name}: {error}") from error


def _nanoseconds(kind: Any) -> bool:
    return str(kind).startswith("timestamp[ns")


def _check_header(names: list[str]) -> None:
    if "" in names:
        raise UnusableSource(f"column {names.index('') + 1} has no name")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UnusableSource(f"two columns have the name {', '.join(map(repr, twice))}")


@contextmanager
def _opened(system: Any, name: str, compression: str | None) -> Iterator[Any]:
    """Open a file for reading, unpacked and buffered; both layers are closed whatever happens."""
    from fsspec.compression import compr

    if compression is not None and compression not in compr:
        raise UnusableSource(f"{name} is packed with {compression}, which needs a package that is not installed on the worker (zstandard)")
    with ExitStack() as stack:
        stream = stack.enter_context(system.open(name, "rb"))
        if compression is not None:
            stream = stack.enter_context(compr[compression](stream, mode="r"))
        try:
            yield stream
        except (*_DAMAGES, OSError) as error:
            if isinstance(error, OSError) and (type(error) not in _DAMAGED_STREAMS or error.errno is not None):
                raise
            raise ValueError(f"{name} is damaged or was cut short: {error}") from error


def _hidden(name: str, root: str) -> bool:
    """Say whether a file in a folder is no data by custom: markers, checksums, files that are still being written."""
    parts = name.removeprefix(root).strip("/").split("/")
    return name.endswith(".part") or any(part.startswith((".", "_")) for part in parts)
