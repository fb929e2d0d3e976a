"""Records gathered on disk, and the files made of them."""

from __future__ import annotations

import gzip
from pathlib import Path

from airflow_provider.engagement.extract.files import build, put
from airflow_provider.engagement.extract.gather import Gathering


def test_the_last_one_read_wins_and_order_is_by_id() -> None:
    with Gathering() as gathering:
        gathering.add([("b", b"b1", False, 1), ("a", b"a1", True, 2)])
        gathering.add([("b", b"b2", True, 3)])
        assert list(gathering.bodies()) == [b"a1", b"b2"]
        assert gathering.counts() == {"sessions": 2, "completed": 2, "answers": 5}
        folder = gathering.folder
        assert folder.exists()
    assert not folder.exists()


def test_nothing_gathered_counts_as_nothing() -> None:
    with Gathering() as gathering:
        assert gathering.counts() == {"sessions": 0, "completed": 0, "answers": 0}
        assert list(gathering.bodies()) == []


def test_the_same_lines_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        build([b"{}", b"[]"], tmp_path / name, compress=True)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert gzip.decompress((tmp_path / "one").read_bytes()) == b"{}\n[]\n"


def test_plain_files_and_missing_folders(tmp_path: Path) -> None:
    local = tmp_path / "local"
    build([b"1"], local, compress=False)
    put(local, f"file://{tmp_path}/deep/er/out.jsonl", None)
    assert (tmp_path / "deep/er/out.jsonl").read_bytes() == b"1\n"
