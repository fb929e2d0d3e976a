"""JSON Lines files on any object storage: built locally, put once, the same bytes for the same records."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, cast

from airflow_provider.engagement.extract.window import Window

_WITHOUT_FOLDERS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az", "wasb", "wasbs", "oss", "r2"})
"""Object storages, where a file needs no folder: making one would ask for the right to make the bucket."""


def file_name(path: str, resource: str, window: Window) -> str:
    """Say which file a window goes to: `path` itself if it names a JSON Lines file, else one file per window below it.

    Args:
        path: a file ending in `.jsonl` or `.jsonl.gz`, or a folder.
        resource: what is in it, for the name.
        window: which window.
    """
    if path.endswith((".jsonl", ".jsonl.gz")):
        return path
    return f"{path.rstrip('/')}/{resource}_{window.label}.jsonl.gz"


def build(lines: Iterable[bytes], target: Path, *, compress: bool) -> None:
    """Write lines to a local file, gzip without time stamp or name where wanted."""
    with target.open("wb") as plain:
        if not compress:
            _write(lines, plain)
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0) as packed:
            _write(lines, cast("IO[bytes]", packed))


def put(source: Path, destination: str, storage_conn_id: str | None) -> None:
    """Copy a finished local file to object storage in one go.

    Args:
        source: the local file.
        destination: an object storage URL or a local path.
        storage_conn_id: the connection for the storage, or None for the environment's credentials.

    Raises:
        OSError: the storage refused it.
    """
    from airflow.sdk import ObjectStoragePath

    target: Any = ObjectStoragePath(destination, conn_id=storage_conn_id)
    if target.protocol not in _WITHOUT_FOLDERS:
        target.parent.mkdir(parents=True, exist_ok=True)
    if target.protocol == "file":  # whole or not at all: object storages commit on close, a file system shows every byte
        part = Path(f"{target.path}.part")
        try:
            shutil.copyfile(source, part)
            part.replace(target.path)
        finally:
            part.unlink(missing_ok=True)
        return
    with source.open("rb") as data, target.open("wb") as out:
        shutil.copyfileobj(data, out, 1024 * 1024)


def _write(lines: Iterable[bytes], out: IO[bytes]) -> None:
    for line in lines:
        out.write(line)
        out.write(b"\n")
