"""What files are called, what is in them, and how they are put on object storage."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from pyarrow import parquet

from airflow_provider.engagement.extract.files import beside, build, choose_format, file_name, row_file
from airflow_provider.engagement.extract.table import Column, Row, Table
from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.storage import put

DAY = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(DAY, DAY + timedelta(days=1))
TABLE = Table(
    "things",
    "A thing",
    (
        Column("id", "text", "Its id"),
        Column("done", "boolean", "Done"),
        Column("number", "integer", "Number"),
        Column("share", "decimal", "Share"),
        Column("at", "moment", "When"),
        Column("about", "json", "About"),
    ),
)
ROW: Row = ("a", True, 2**60, Decimal("0.4"), DAY, '{"x":[1]}')
EMPTY: Row = ("b", None, None, None, None, None)


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


def test_plain_files_and_missing_folders(tmp_path: Path) -> None:
    local = tmp_path / "local"
    build([b"1"], local, compress=False)
    put(local, f"file://{tmp_path}/deep/er/out.jsonl", None)
    assert (tmp_path / "deep/er/out.jsonl").read_bytes() == b"1\n"


def test_the_same_lines_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        build([b"{}", b"[]"], tmp_path / name, compress=True)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert gzip.decompress((tmp_path / "one").read_bytes()) == b"{}\n[]\n"


@pytest.mark.parametrize(
    ("path", "file_format", "window", "name"),
    [
        ("s3://b/x", "jsonl", WINDOW, "s3://b/x/r_20260301T000000Z_20260302T000000Z.jsonl.gz"),
        ("/x/", "parquet", WINDOW, "/x/r_20260301T000000Z_20260302T000000Z.parquet"),
        ("/x", "jsonl", None, "/x/r.jsonl.gz"),
        ("/x/mine.jsonl", "jsonl", WINDOW, "/x/mine.jsonl"),
        ("/x/mine.parquet", "parquet", None, "/x/mine.parquet"),
    ],
)
def test_names(path: str, file_format: str, window: Window | None, name: str) -> None:
    assert file_name(path, "r", window, file_format) == name


def test_a_second_file_beside_the_first() -> None:
    assert beside("s3://b/mine.jsonl.gz", "answers") == "s3://b/mine_answers.jsonl.gz"
    assert beside("/x/mine.parquet", "answers") == "/x/mine_answers.parquet"


@pytest.mark.parametrize(
    ("path", "given", "found"),
    [("x", None, "jsonl"), ("x", "", "jsonl"), ("x", "parquet", "parquet"), ("x.parquet", None, "parquet"), ("x.jsonl", "jsonl", "jsonl")],
)
def test_the_format_is_told_by_path_or_argument(path: str, given: str | None, found: str) -> None:
    assert choose_format(path, given) == found


@pytest.mark.parametrize(
    ("path", "given", "said"),
    [("x", "csv", "file_format must be jsonl or parquet"), ("x.jsonl", "parquet", "file_format is parquet, but path ends in .jsonl")],
)
def test_other_formats_are_refused(path: str, given: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        choose_format(path, given)


def test_without_pyarrow_the_remedy_is_told() -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from airflow_provider.engagement.extract.files import choose_format\n"
        "assert choose_format('x', None) == 'jsonl'\n"
        "choose_format('x.parquet', None)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1] == (
        "ValueError: Parquet needs pyarrow: install airflow-provider-engagement[parquet], or write JSON Lines"
    )


def write(target: Path, destination: str, rows: list[Row]) -> None:
    with row_file(target, TABLE, destination) as out:
        for row in rows:
            out.write([row])


def test_rows_as_json_lines(tmp_path: Path) -> None:
    write(tmp_path / "out", "x.jsonl", [ROW, EMPTY])
    lines = (tmp_path / "out").read_bytes().splitlines()
    assert json.loads(lines[0], parse_float=Decimal) == {
        "id": "a",
        "done": True,
        "number": 2**60,
        "share": Decimal("0.4"),
        "at": "2026-03-01T00:00:00Z",
        "about": {"x": [1]},
    }
    assert json.loads(lines[1]) == {"id": "b", "done": None, "number": None, "share": None, "at": None, "about": None}


def test_rows_as_parquet_with_their_schema(tmp_path: Path) -> None:
    write(tmp_path / "out", "x.parquet", [ROW, EMPTY])
    found = parquet.read_table(tmp_path / "out")
    assert [tuple(row.values()) for row in found.to_pylist()] == [ROW, EMPTY]
    schema = found.schema
    assert [str(field.type) for field in schema] == ["string", "bool", "int64", "decimal128(38, 9)", "timestamp[us, tz=UTC]", "string"]
    assert (schema.field("id").nullable, schema.field("done").nullable) == (False, True)
    assert schema.field("share").metadata == {b"description": b"Share"}
    assert schema.metadata[b"key"] == b"id"


def test_an_empty_parquet_file_has_the_schema(tmp_path: Path) -> None:
    write(tmp_path / "none", "x.parquet", [])
    write(tmp_path / "one", "x.parquet", [ROW])
    empty = parquet.read_table(tmp_path / "none")
    assert (empty.num_rows, empty.schema) == (0, parquet.read_schema(tmp_path / "one"))


def test_the_same_rows_give_the_same_parquet_bytes_in_as_many_pieces(tmp_path: Path) -> None:
    rows = [(f"{number:06}", *ROW[1:]) for number in range(25_000)]
    for name in ("one", "two"):
        write(tmp_path / name, "x.parquet", rows)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = parquet.ParquetFile(tmp_path / "one")
    assert (found.metadata.num_rows, found.num_row_groups) == (25_000, 3)


def test_digits_beyond_those_of_the_column_are_rounded(tmp_path: Path) -> None:
    write(tmp_path / "out", "x.parquet", [("a", None, None, Decimal("0.12345678905"), None, None)])
    assert parquet.read_table(tmp_path / "out").to_pylist()[0]["share"] == Decimal("0.123456789")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("a", None, 2**70, None, None, None), "a value of the column number does not fit into int64"),
        (("a", None, None, Decimal(10) ** 35, None, None), r"a value of the column share does not fit into decimal128\(38, 9\)"),
    ],
)
def test_what_does_not_fit_into_parquet_is_named(tmp_path: Path, row: Row, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        write(tmp_path / "out", "x.parquet", [row])
