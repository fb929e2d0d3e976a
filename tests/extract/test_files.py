"""Where files go: object storages have no folders, and asking for one would ask for a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider.engagement.extract.files import put


class Bucket(MemoryFileSystem):  # type: ignore[misc]
    """An object storage to which one may write objects, but where one may not make buckets."""

    protocol = "gs"
    cachable = False

    def mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        raise PermissionError("storage.buckets.create is denied")

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        raise PermissionError("storage.buckets.create is denied")


@pytest.mark.parametrize("name", ["out.jsonl", "a/b/out.jsonl"])
def test_no_bucket_is_made(tmp_path: Path, name: str) -> None:
    bucket = Bucket()
    attach("gs", conn_id=None, fs=bucket)
    local = tmp_path / "local"
    local.write_bytes(b"{}\n")
    put(local, f"gs://analytics/{name}", None)
    assert bucket.cat(f"analytics/{name}") == b"{}\n"
