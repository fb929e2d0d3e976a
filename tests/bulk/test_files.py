"""Rows of real files, local and in memory:// storage: every format, every compression, every way a file can be wrong."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import psutil
import pyarrow
import pytest
from airflow.sdk.io import attach
from pyarrow import parquet

from airflow_provider.engagement.bulk.files import KINDS, Files
from airflow_provider.engagement.bulk.rejects import Reject, RejectParts, as_json
from airflow_provider.engagement.bulk.rows import ApiRow, UnusableSource

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def read(path: Any, **options: Any) -> list[Any]:
    return list(Files(path=str(path), **options).read())


def refusal(path: Any, **options: Any) -> str:
    with pytest.raises(UnusableSource, match=r".") as caught:
        read(path, **options)
    return str(caught.value)


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    attach("memory", fs=system)  # Airflow finds file systems by its providers, and none brings this one
    yield system
    system.store.clear()


# --- JSON Lines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize("ending", ["jsonl", "ndjson", "json", "JSONL"])
def test_json_lines(tmp_path: Path, ending: str, packed: str) -> None:
    path = write(tmp_path / f"x.{ending}{packed}", PACK[packed]('{"id": "Łódź", "n": 1}\n\n{"id": "b", "n": 1.10}'.encode()))
    assert read(path) == [{"id": "Łódź", "n": 1}, {"id": "b", "n": Decimal("1.10")}]


def test_numbers_stay_as_exact_as_they_were_written(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", '{"a": 12345678901234567890123, "b": 0.1234567890123456789012}\n')
    assert read(path) == [{"a": 12345678901234567890123, "b": Decimal("0.1234567890123456789012")}]


def test_a_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    assert read(write(tmp_path / "x.jsonl", b'\xef\xbb\xbf{"id": 1}\r\n{"id": 2}\r\n')) == [{"id": 1}, {"id": 2}]
    assert read(write(tmp_path / "x.csv", b"\xef\xbb\xbfid\r\n1\r\n2\r\n")) == [{"id": "1"}, {"id": "2"}]


def test_an_empty_json_lines_file_has_no_rows(tmp_path: Path) -> None:
    assert read(write(tmp_path / "x.jsonl", b"")) == []
    assert read(write(tmp_path / "y.jsonl.gz", gzip.compress(b""))) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": secret}', "line 2 is no JSON: "),
        ('{"id": "secret', "line 2 is no JSON: "),
        ("[1, 2]", "line 2 is no JSON object but of type list; the file must be JSON Lines"),
        ('"secret"', "line 2 is no JSON object but of type str"),
        ('{"a":' * 5000, "line 2 is no JSON: "),
    ],
)
def test_a_wrong_line_is_named_and_not_shown(tmp_path: Path, line: str, said: str) -> None:
    path = write(tmp_path / "x.jsonl", f'{{"id": 1}}\n{line}\n')
    assert f"{path} {said}" in refusal(path)
    assert "secret" not in refusal(path)


def test_what_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", b'{"id": "\xff"}\n')
    assert f"{path} line 1 is no JSON" in refusal(path)


# --- CSV -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", PACK)
def test_csv(tmp_path: Path, packed: str) -> None:
    text = 'id,name,age\n1,"Ann, ""B""\nC",33\n\n2,,\n'
    path = write(tmp_path / f"x.csv{packed}", PACK[packed](text.encode()))
    assert read(path) == [{"id": "1", "name": 'Ann, "B"\nC', "age": "33"}, {"id": "2", "name": "", "age": ""}]
    assert read(path, empty_as_null=True)[1] == {"id": "2", "name": None, "age": None}


def test_delimiter_and_encoding(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "id;name\n1;Größe, m\n".encode("latin-1"))
    assert read(path, delimiter=";", encoding="latin-1") == [{"id": "1", "name": "Größe, m"}]
    assert read(write(tmp_path / "x.tsv", "id\tname\n1\tA, B\n")) == [{"id": "1", "name": "A, B"}]
    assert read(write(tmp_path / "y.csv", "id,name\n1,Ł\n".encode("utf-16")), encoding="utf-16") == [{"id": "1", "name": "Ł"}]
    assert read(write(tmp_path / "z.txt", "id|n\n1|2\n"), file_format="csv", delimiter="|") == [{"id": "1", "n": "2"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"id,name\n1,secret\n2\n", "line 3: 1 fields, but the header has 2"),
        (b"id,name\n1,secret,x\n", "line 2: 3 fields, but the header has 2"),
        (b"id,name,id\n1,secret,x\n", "line 1: two columns have the name 'id'"),
        (b"id,,name\n1,secret,x\n", "line 1: column 2 has no name"),
        (b"", "line 0: there is no header with the columns' names"),
        (b"\n1,2\n", "line 1: there is no header"),
        (b'id,name\n1,"secret\n', "line 2: unexpected end of data"),
        (b'id,name\n1,"secret"x\n', "line 2: ',' expected after '\"'"),
        (b"id,name\n1,\xff\n", "is not in utf-8 (invalid start byte); set encoding"),
        (b"id,name\n1," + b"x" * 200_000 + b"\n", "field larger than field limit"),
    ],
)
def test_a_wrong_csv_line_is_named_and_not_shown(tmp_path: Path, text: bytes, said: str) -> None:
    path = write(tmp_path / "x.csv", text)
    assert refusal(path).startswith(f"{path} ")
    assert said in refusal(path)
    assert "secret" not in refusal(path)


def test_rows_before_the_wrong_line_come(tmp_path: Path) -> None:
    rows = Files(path=str(write(tmp_path / "x.csv", "id,n\n1,2\n3\n"))).read()
    assert next(rows) == {"id": "1", "n": "2"}
    with pytest.raises(ValueError, match="line 3"):
        next(rows)


# --- Parquet ---------------------------------------------------------------------------------------------------------


def test_parquet_keeps_types(tmp_path: Path) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    table = pyarrow.table(
        {
            "id": ["ann", "bob"],
            "age": pyarrow.array([33, None], pyarrow.int32()),
            "score": [1.5, 2.5],
            "price": pyarrow.array([Decimal("1.50"), None], pyarrow.decimal128(10, 2)),
            "paid": [True, None],
            "day": [date(2026, 1, 2), None],
            "at": pyarrow.array([at, None], pyarrow.timestamp("ns", "UTC")),
            "local": pyarrow.array([at.replace(tzinfo=None), None], pyarrow.timestamp("ms")),
            "tags": [["a", "b"], []],
            "plan": pyarrow.array(["pro", "pro"]).dictionary_encode(),
        }
    )
    parquet.write_table(table, tmp_path / "x.parquet")
    first, second = read(tmp_path / "x.parquet")
    assert {**first, "at": None} == {
        "id": "ann",
        "age": 33,
        "score": 1.5,
        "price": Decimal("1.50"),
        "paid": True,
        "day": date(2026, 1, 2),
        "at": None,
        "local": datetime(2026, 1, 2, 3, 4, 5, 678000),  # noqa: DTZ001 - without a zone in the file, too
        "tags": ["a", "b"],
        "plan": "pro",
    }
    assert (first["at"], type(first["at"])) == (at, datetime)
    assert second == {**dict.fromkeys(first), "id": "bob", "score": 2.5, "tags": [], "plan": "pro"}


def test_nanoseconds_are_cut_and_not_refused(tmp_path: Path) -> None:
    table = pyarrow.table({"at": pyarrow.array([1_000_000_000_000_000_123], pyarrow.timestamp("ns"))})
    parquet.write_table(table, tmp_path / "x.pq")
    (row,) = read(tmp_path / "x.pq")
    assert row["at"] == datetime(2001, 9, 9, 1, 46, 40)  # noqa: DTZ001


def test_timestamps_as_spark_writes_them(tmp_path: Path) -> None:
    table = pyarrow.table({"at": pyarrow.array([datetime(2026, 1, 2, tzinfo=UTC)], pyarrow.timestamp("us", "UTC"))})
    parquet.write_table(table, tmp_path / "x.parquet", use_deprecated_int96_timestamps=True)
    (row,) = read(tmp_path / "x.parquet")
    assert row["at"].replace(tzinfo=UTC) == datetime(2026, 1, 2, tzinfo=UTC)


def test_an_empty_parquet_file_has_no_rows(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"id": pyarrow.array([], pyarrow.string())}), tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet") == []


def test_parquet_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    rows, size = 200_000, 5_000
    table = pyarrow.table({"id": [f"user-{n:07}" for n in range(size)], "text": ["x" * 200] * size})
    with parquet.ParquetWriter(tmp_path / "x.parquet", table.schema, compression="none", use_dictionary=False) as writer:
        for _ in range(rows // size):
            writer.write_table(table)
    assert (tmp_path / "x.parquet").stat().st_size > 40_000_000
    held, count = [], 0
    for count, _row in enumerate(Files(path=str(tmp_path / "x.parquet")).read(), 1):
        if count % 1000 == 1:
            held.append(pyarrow.total_allocated_bytes())
    assert count == rows
    assert max(held) - held[0] < 3_000_000


def test_parquet_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", b"PAR1 but no more than that PAR1")
    assert refusal(path).startswith(f"{path} could not be read as Parquet behind row 0: ")
    schema = pyarrow.schema([("id", pyarrow.string()), ("id", pyarrow.string())])
    parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 2, schema=schema), path)
    assert refusal(path) == f"{path}: two columns have the name 'id'"


def test_without_pyarrow_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.parquet", b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'airflow-provider-engagement[parquet]'" in refusal(path)


# --- rejects ---------------------------------------------------------------------------------------------------------

REJECTS = [
    Reject(3, "ann", "refused", "no", "invalid_attributes", "req_1", as_json({"id": "ann", "attributes": {"n": 1}})),
    Reject(1, "bob", "invalid", "no number", row=as_json({"user": "bob", "age": "x"})),
    Reject(7, "cem", "in_doubt", "the connection was lost", row=as_json({"id": "cem"})),
    Reject(8, "dan", "invalid", "rows differ", row=as_json([{"user": "dan", "plan": 1}, {"user": "dan", "plan": 2}])),
    Reject(9, "eve", "refused", "not found"),
]


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        (None, ["ann", "bob", "dan", "dan"]),
        (("in_doubt",), ["cem"]),
        (("refused",), ["ann"]),
        (KINDS, ["ann", "bob", "cem", "dan", "dan"]),
    ],
)
def test_rejects_are_read_as_the_engine_writes_them(tmp_path: Path, include: Any, expected: list[str]) -> None:
    RejectParts(str(tmp_path / "rejects"), None, "run").add(REJECTS)
    options = {} if include is None else {"include": include}
    rows = read(tmp_path / "rejects", file_format="rejects", **options)
    assert [row.row["id"] if isinstance(row, ApiRow) else row["user"] for row in rows] == expected


def test_a_replayed_row_has_its_shape_by_its_kind(tmp_path: Path) -> None:
    RejectParts(str(tmp_path), None, "run").add(REJECTS)
    rows = read(f"{tmp_path}/*.jsonl", file_format="rejects", include=KINDS)
    assert rows == [
        ApiRow({"id": "ann", "attributes": {"n": 1}}),
        {"user": "bob", "age": "x"},
        ApiRow({"id": "cem"}),
        {"user": "dan", "plan": 1},
        {"user": "dan", "plan": 2},
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"id": "ann"}, "line 1 is no reject; it must have a row and a kind, one of in_doubt, invalid, refused"),
        ({"kind": "lost", "row": {}}, "line 1 is no reject"),
        ({"kind": "invalid", "row": "<object at 0x0>"}, "line 1: the row could not be kept as JSON"),
    ],
)
def test_what_is_no_reject_is_named(tmp_path: Path, line: Any, said: str) -> None:
    path = write(tmp_path / "x.jsonl", json.dumps(line))
    assert f"{path} {said}" in refusal(path, file_format="rejects")


# --- which files -----------------------------------------------------------------------------------------------------


def test_a_folder_is_read_in_order_of_names_without_markers(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl.gz", "day=2/c.jsonl", "day=10/d.csv"):
        text = "id\nday=10/d.csv\n" if name.endswith(".csv") else f'{{"id": "{name}"}}\n'
        write(tmp_path / name, gzip.compress(text.encode()) if name.endswith(".gz") else text)
    for name in ("_SUCCESS", ".hidden.jsonl", "_temporary/x.jsonl", ".b.jsonl.crc", "z.jsonl.part"):
        write(tmp_path / name, "no JSON")
    assert [row["id"] for row in read(tmp_path)] == ["a.jsonl.gz", "b.jsonl", "day=10/d.csv", "day=2/c.jsonl"]
    assert [row["id"] for row in read(f"file://{tmp_path}/")] == ["a.jsonl.gz", "b.jsonl", "day=10/d.csv", "day=2/c.jsonl"]


def test_a_folder_below_a_hidden_one_is_none(tmp_path: Path) -> None:
    write(tmp_path / ".airflow" / "_x" / "a.jsonl", '{"id": 1}')
    assert read(tmp_path / ".airflow" / "_x") == [{"id": 1}]


def test_a_glob(tmp_path: Path) -> None:
    for name in ("2026-01-02.jsonl", "2026-01-01.jsonl", "2026-02-01.jsonl", "2026-01-03/x.jsonl"):
        write(tmp_path / name, json.dumps({"id": name}))
    assert [row["id"] for row in read(f"{tmp_path}/2026-01-*")] == ["2026-01-01.jsonl", "2026-01-02.jsonl"]
    assert [row["id"] for row in read(f"{tmp_path}/**/x.jsonl")] == ["2026-01-03/x.jsonl"]


def test_any_object_storage(memory: Any) -> None:
    with memory.open("/lake/users/2.jsonl.gz", "wb") as out:
        out.write(gzip.compress(b'{"id": 2}\n'))
    with memory.open("/lake/users/1.csv", "wb") as out:
        out.write(b"id\n1\n")
    with memory.open("/lake/users/3.parquet", "wb") as out:
        parquet.write_table(pyarrow.table({"id": [3]}), out)
    assert read("memory://lake/users/") == [{"id": "1"}, {"id": 2}, {"id": 3}]
    assert read("memory://lake/users/*.gz") == [{"id": 2}]
    assert read("memory://lake/users/1.csv") == [{"id": "1"}]


@pytest.mark.parametrize("name", ["nothing.jsonl", "nothing/", "*.jsonl", "empty/"])
def test_no_file_is_an_error_unless_that_is_meant(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"there is no file at .*; set allow_missing=True"):
        read(f"{tmp_path}/{name}")
    assert read(f"{tmp_path}/{name}", allow_missing=True) == []


def test_a_name_that_tells_no_format(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.gz", gzip.compress(b'{"id": 1}'))
    assert refusal(path) == f"{path}: its name does not tell its format; set file_format to one of csv, jsonl, parquet, rejects"
    assert read(path, file_format="jsonl") == [{"id": 1}]


@pytest.mark.parametrize("packed", [".gz", ".bz2", ".xz"])
def test_a_packed_file_that_is_cut_short_or_none_may_be_whole_later(tmp_path: Path, packed: str) -> None:
    whole = PACK[packed](b"".join(b'{"id": %d, "x": "%032x"}\n' % (n, n**9) for n in range(2000)))
    short = write(tmp_path / f"short.jsonl{packed}", whole[: len(whole) // 2])
    none = write(tmp_path / f"none.jsonl{packed}", b'{"id": 1}\n' * 100)
    for path in (short, none):
        with pytest.raises(ValueError, match=rf"{re.escape(str(path))} is damaged or was cut short") as caught:
            read(path)
        assert not isinstance(caught.value, UnusableSource)


def test_a_packing_of_which_nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.jsonl.zst", b"")
    monkeypatch.delitem(fsspec.compression.compr, "zstd", raising=False)
    assert refusal(path) == f"{path} is packed with zstd, which needs a package that is not installed on the worker (zstandard)"


def test_an_error_of_the_storage_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl.gz").symlink_to(tmp_path / "x.jsonl.gz")
    with pytest.raises(OSError, match=r"x\.jsonl\.gz"):
        read(tmp_path)


def test_files_are_closed_when_reading_is_given_up(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl.gz", gzip.compress(b'{"id": 1}\n' * 10))
    rows = Files(path=str(path)).read()
    next(rows)
    assert str(path) in {file.path for file in psutil.Process().open_files()}
    rows.close()  # type: ignore[attr-defined]
    assert str(path) not in {file.path for file in psutil.Process().open_files()}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": ""}, "path must name"),
        ({"path": None}, "path must name"),
        ({"path": "x", "file_format": "xlsx"}, "file_format must be one of csv, jsonl, parquet, rejects"),
        ({"path": "x", "delimiter": "||"}, "delimiter must be one character"),
        ({"path": "x", "include": ("refused", "lost")}, "include takes in_doubt, invalid, refused, not lost"),
        ({"path": "x", "include": ()}, "include takes in_doubt, invalid, refused, not nothing"),
        ({"path": "x", "encoding": "klingon"}, "no encoding 'klingon'"),
    ],
)
def test_unusable_arguments(options: Any, said: str) -> None:
    with pytest.raises(UnusableSource, match=said):
        Files(**options)
