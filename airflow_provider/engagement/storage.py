"""Files on object storage, written whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

WITHOUT_FOLDERS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az", "wasb", "wasbs", "oss", "r2"})
"""Object storages, where a file needs no folder: making one would ask for the right to make the bucket."""


def at(path: str, storage_conn_id: str | None) -> Any:
    """Name a place on object storage (an `airflow.sdk.ObjectStoragePath`).

    Args:
        path: an object storage URL or a local path.
        storage_conn_id: the connection for the storage, or None for the environment's credentials.
    """
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(path, conn_id=storage_conn_id)


def put(source: Path, destination: str, storage_conn_id: str | None) -> None:
    """Copy a finished local file to object storage in one go.

    Args:
        source: the local file.
        destination: an object storage URL or a local path.
        storage_conn_id: the connection for the storage, or None for the environment's credentials.

    Raises:
        OSError: the storage refused it.
    """
    target = at(destination, storage_conn_id)
    if target.protocol not in WITHOUT_FOLDERS:
        target.parent.mkdir(parents=True, exist_ok=True)
    if target.protocol in ("file", ""):  # whole or not at all: object storages commit on close, a file system shows every byte
        part = Path(f"{target.path}.{uuid4().hex[:8]}.part")
        try:
            shutil.copyfile(source, part)
            part.replace(target.path)
        finally:
            part.unlink(missing_ok=True)
        return
    with source.open("rb") as data, target.open("wb") as out:
        shutil.copyfileobj(data, out, 1024 * 1024)
