"""Rejects as parts of JSON Lines: nothing lost, nothing twice, whatever died in between."""

from __future__ import annotations

import json
from collections import OrderedDict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from airflow_provider.engagement.bulk import rejects
from airflow_provider.engagement.bulk.rejects import Reject, RejectParts, as_json
from tests.bulk.tasks import make_memory

in_memory = pytest.fixture(make_memory)


def refused(*numbers: int) -> list[Reject]:
    return [Reject(number, f"u{number}", "refused", "no", "invalid", "req_1", b'{"id":"u%d"}' % number) for number in numbers]


def positions(path: str | Path) -> list[int]:
    return [json.loads(line)["position"] for line in Path(path).read_bytes().splitlines()]


def parts_of(folder: Path, parts: int = 0, lines: int = 0) -> RejectParts:
    return RejectParts(str(folder), None, "run", parts, lines)


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "PART_LINES", 3)


def test_a_line_holds_everything(tmp_path: Path) -> None:
    parts_of(tmp_path).add([Reject(7, "Zoë", "in_doubt", "lost\nanswer", None, None, b'{"id":"Zo\xc3\xab","n":1.50}')])
    assert (tmp_path / "run-00001.jsonl").read_bytes() == (
        '{"position":7,"key":"Zoë","kind":"in_doubt","reason":"lost\\nanswer","code":null,"request_id":null,"row":{"id":"Zoë","n":1.50}}\n'
    ).encode()


def test_a_reject_reads_as_a_sentence() -> None:
    assert str(Reject(7, "u 1", "invalid", "is too long")) == "row 7 (u 1): is too long"
    assert str(Reject(7, None, "invalid", "is too long")) == "row 7: is too long"


@pytest.mark.usefixtures("short_parts")
def test_a_part_grows_until_it_is_full(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    parts.begin()
    parts.add(refused(1))
    assert (parts.parts, parts.lines) == (1, 1)
    parts.add(refused(2, 3, 4, 5, 6, 7, 8))
    assert (parts.parts, parts.lines) == (3, 2)
    assert [positions(parts.path(part)) for part in (1, 2, 3)] == [[1, 2, 3], [4, 5, 6], [7, 8]]
    parts.add([])
    assert (parts.parts, parts.lines) == (3, 2)


@pytest.mark.usefixtures("short_parts")
@pytest.mark.parametrize("known", range(9))
def test_what_was_written_behind_the_checkpoint_is_forgotten(tmp_path: Path, known: int) -> None:
    before = parts_of(tmp_path)
    before.add(refused(*range(known)))
    at_checkpoint = (before.parts, before.lines)
    before.add(refused(100, 101, 102, 103, 104))  # then the process died
    after = parts_of(tmp_path, *at_checkpoint)
    after.begin()
    after.add(refused(*range(known, known + 4)))
    found = [number for path in sorted(tmp_path.glob("*.jsonl")) for number in positions(path)]
    assert found == list(range(known + 4))
    assert (after.parts, after.lines) == (known // 3 + 2, known % 3 + 1)


def test_a_new_beginning_forgets_all_of_this_task_and_nothing_else(tmp_path: Path) -> None:
    parts_of(tmp_path).add(refused(1))
    RejectParts(str(tmp_path), None, "other").add(refused(2))
    parts_of(tmp_path).begin()
    assert [path.name for path in tmp_path.iterdir()] == ["other-00001.jsonl"]


def test_a_part_that_somebody_took_away_does_not_stop_the_task(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    parts_of(tmp_path).add(refused(1, 2))
    (tmp_path / "run-00001.jsonl").unlink()
    parts = parts_of(tmp_path, 1, 2)
    parts.begin()
    parts.add(refused(3))
    assert positions(tmp_path / "run-00002.jsonl") == [3]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.usefixtures("short_parts")
def test_what_the_storage_refused_is_written_with_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "rejects"
    folder.write_text("a file where the folder should be")
    parts = parts_of(folder)
    for _ in range(2):
        with pytest.raises(OSError, match="rejects"):
            parts.add(refused(1))
    assert (parts.parts, parts.lines) == (0, 0)
    folder.unlink()
    parts.add(refused(2, 3))
    assert (parts.parts, parts.lines) == (2, 1)
    assert [positions(parts.path(part)) for part in (1, 2)] == [[1, 1, 2], [3]]


def test_any_storage_will_do(in_memory: Any) -> None:
    parts = RejectParts("memory://bucket/rejects/", None, "run")
    parts.begin()
    parts.add(refused(1, 2))
    again = RejectParts("memory://bucket/rejects/", None, "run", 1, 1)
    again.begin()
    again.add(refused(3))
    assert [json.loads(line)["position"] for line in in_memory.cat("/bucket/rejects/run-00001.jsonl").splitlines()] == [1, 3]


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parts = RejectParts(None, None, "run")
    parts.begin()
    parts.add(refused(1))
    assert (list(tmp_path.iterdir()), parts.parts, parts.lines) == ([], 0, 0)


class Row:
    def __str__(self) -> str:
        return "a row"


@pytest.mark.parametrize(
    ("row", "written"),
    [
        ({"id": "u", "n": Decimal("12345678901234567890.10")}, '{"id":"u","n":12345678901234567890.10}'),
        ({"big": 2**70, "none": None, "yes": True}, '{"big":1180591620717411303424,"none":null,"yes":true}'),
        ({"at": datetime(2026, 1, 2, tzinfo=UTC), "on": date(2026, 1, 2)}, '{"at":"2026-01-02T00:00:00Z","on":"2026-01-02"}'),
        ({"naive": datetime(2026, 1, 2, 3)}, '{"naive":"2026-01-02T03:00:00"}'),  # noqa: DTZ001 - what is refused for it
        ({"uuid": UUID(int=1)}, '{"uuid":"00000000-0000-0000-0000-000000000001"}'),
        ({"n": float("nan"), "i": float("inf")}, '{"n":null,"i":null}'),
        ({"n": Decimal("NaN"), "m": Decimal("1.5")}, '{"n":"NaN","m":"1.5"}'),
        (MappingProxyType({"a": {"b": MappingProxyType({"c": 1})}}), '{"a":{"b":{"c":1}}}'),
        (OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        ({1: "a", 2.5: "b"}, '{"1":"a","2.5":"b"}'),
        ({"path": Path("x"), "row": Row()}, '{"path":"x","row":"a row"}'),
        ({"bytes": b"\xff"}, '{"bytes":"/w=="}'),
        ([1, ("a", {"b": None})], '[1,["a",{"b":null}]]'),
        ("text", '"text"'),
        (None, "null"),
        ({("a", "b"): 1}, "{\"('a', 'b')\":1}"),
        ({"half": "\udc80"}, "\"{'half': '\\\\udc80'}\""),
    ],
)
def test_a_row_of_any_kind_becomes_json(row: Any, written: str) -> None:
    assert as_json(row).decode() == written
    assert json.loads(as_json(row)) is not Ellipsis


def test_a_row_that_cannot_be_json_becomes_a_short_text() -> None:
    row: dict[str, Any] = {}
    row["self"] = [row]
    assert json.loads(as_json(row)) == "{'self': [{...}]}"
    assert len(json.loads(as_json({"half": "\udc80", "long": "x" * 5000}))) == 1000
