"""Files on object storage, written whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

WITHOUT_FOLDERS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az", "wasb", "wasbs", "oss", "r2"})
"""Object storages, where a file needs no folder: making one would ask for the right to make the bucket."""

_CHUNK = 1024 * 1024


def at(path: str, storage_conn_id: str | None) -> Any:
    """Name a place on object storage (an `airflow.sdk.ObjectStoragePath`).

    Args:
        path: an object storage URL or a local path.
        storage_conn_id: the connection for the storage, or None for the environment's credentials.
    """
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(path, conn_id=storage_conn_id)


def put(source: Path, destination: str, storage_conn_id: str | None) -> None:
    """Copy a finished local file to object storage in one go; arguments and errors as for `put_stream`."""
    with source.open("rb") as data:
        put_stream(data, destination, storage_conn_id)


def put_stream(data: IO[bytes], destination: str, storage_conn_id: str | None) -> None:
    """Write a file to object storage in one go.

    Args:
        data: what is in it.
        destination: an object storage URL or a local path.
        storage_conn_id: the connection for the storage, or None for the environment's credentials.

    Raises:
        OSError: the storage refused it.
    """
    target = at(destination, storage_conn_id)
    if target.protocol not in WITHOUT_FOLDERS:
        target.parent.mkdir(parents=True, exist_ok=True)
    if target.protocol in ("file", ""):  # whole or not at all: object storages commit on close, a file system shows every byte
        whole = Path(target.path)
        part = whole.with_name(f".{whole.name}.{uuid4().hex[:8]}.part")
        try:
            with part.open("wb") as out:
                shutil.copyfileobj(data, out, _CHUNK)
            part.replace(whole)
        finally:
            part.unlink(missing_ok=True)
        return
    with target.open("wb") as out:
        shutil.copyfileobj(data, out, _CHUNK)
