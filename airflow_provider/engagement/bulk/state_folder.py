"""The folder of a state: a few whole files on any object storage, listed without caches."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import IO, Any, cast
from uuid import uuid4

from airflow_provider.engagement.storage import WITHOUT_FOLDERS, at

_CHUNK = 1024 * 1024
_READ_AHEAD = 4 * _CHUNK
"""Bytes read from object storage at a time; its clients' own default is up to 50 MB."""


class StateError(RuntimeError):
    """A state cannot be used."""


class StateCorrupt(StateError):
    """A file of a state is damaged or missing; a retry meets the same."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(
            f"the state's file {file} cannot be used: {reason}. Run the task once with full_refresh=True: the state is built anew, "
            "and everything is sent again; a mirror deletes nothing in that run, because it no longer knows what it had sent"
        )


class Folder:
    """A folder on object storage. Every call blocks.

    It goes to the file system itself: a path would report each of the state's files as lineage of the task.

    Args:
        path: an object storage URL or a local path.
        storage_conn_id: the connection for the storage, or None for the environment's credentials.
    """

    def __init__(self, path: str, storage_conn_id: str | None) -> None:
        place = at(path.rstrip("/"), storage_conn_id)
        self.url = path.rstrip("/")
        self._files: Any = place.fs
        self._path: str = place.path.rstrip("/")
        self._local = place.protocol in ("", "file", "local")
        self._needs_folders = place.protocol not in WITHOUT_FOLDERS

    def locate(self, name: str) -> str:
        """Say where a file is, for messages."""
        return f"{self.url}/{name}"

    def names(self) -> list[str]:
        """List the files, as they are now.

        Raises:
            OSError: the storage refused it.
        """
        self._files.invalidate_cache()
        try:
            return [str(path).rstrip("/").rpartition("/")[2] for path in self._files.ls(self._path, detail=False)]
        except FileNotFoundError:
            return []

    def read(self, name: str) -> bytes | None:
        """Read a small file whole; None if there is none.

        Raises:
            OSError: the storage refused it.
        """
        self._files.invalidate_cache()
        try:
            return cast("bytes", self._files.cat_file(f"{self._path}/{name}"))
        except FileNotFoundError:
            return None

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading from its start to its end.

        Raises:
            OSError: there is none, or the storage refused it.
        """
        return cast("IO[bytes]", self._files.open(f"{self._path}/{name}", "rb", block_size=_READ_AHEAD))

    def write(self, name: str, data: IO[bytes]) -> None:
        """Write a file, whole or not at all where the storage can do that.

        Args:
            name: its name.
            data: what is in it, from the current position on.

        Raises:
            OSError: the storage refused it.
        """
        target = f"{self._path}/{name}"
        if self._local:
            self._write_local(Path(target), data)
            return
        if self._needs_folders:
            self._files.makedirs(self._path, exist_ok=True)
        with self._files.open(target, "wb") as out:
            shutil.copyfileobj(data, out, _CHUNK)

    def delete(self, name: str) -> None:
        """Delete a file; one that is not there is none to delete.

        Raises:
            OSError: the storage refused it.
        """
        try:
            self._files.rm_file(f"{self._path}/{name}")
        except FileNotFoundError:
            return

    @staticmethod
    def _write_local(target: Path, data: IO[bytes]) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.{uuid4().hex[:8]}.part")
        try:
            with part.open("xb") as out:
                shutil.copyfileobj(data, out, _CHUNK)
                out.flush()
                os.fsync(out.fileno())  # else a machine that fails may keep the new name and lose the content
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
