"""The plan on disk: read by position, whole or not there, and damage does not go unnoticed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from airflow_provider.engagement.bulk.plan import Planned, PlannedCall, PlannedRow
from airflow_provider.engagement.bulk.plan_file import BLOCK_ROWS, PlanFile, PlanWriter
from airflow_provider.engagement.bulk.rejects import Reject

PLANNED = Planned(read=3, unchanged=1, planned=2, notes=["Nothing is deleted"])


def row(number: int, **changes: object) -> PlannedRow:
    call = PlannedCall("POST", "/users", b'{"id":"u%d"}' % number, True)
    return PlannedRow(**{"position": number, "key": f"u{number}", "calls": (call,), "fingerprint": b"12345678", **changes})  # type: ignore[arg-type]


def write(path: Path, rows: Iterable[PlannedRow], refused: Iterable[Reject] = ()) -> PlanFile:
    with PlanWriter(path) as writer:
        for reject in refused:
            writer.note(reject)
        for planned in rows:
            writer.add(planned)
        return writer.finish(PLANNED, ["row 1: no"])


@pytest.mark.parametrize("count", [0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS + 7])
def test_what_was_written_is_read_from_any_row_on(tmp_path: Path, count: int) -> None:
    rows = [row(number) for number in range(count)]
    plan = write(tmp_path / "plan", rows)
    again = PlanFile(tmp_path / "plan")
    assert (again.digest, again.planned, again.reasons) == (plan.digest, PLANNED, ["row 1: no"])
    again.check()
    for start in {0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, count - 1, count, count + BLOCK_ROWS} - {-1}:
        assert list(again.rows(start)) == list(enumerate(rows))[start:]


def test_every_field_of_a_row_comes_back(tmp_path: Path) -> None:
    calls = (PlannedCall("DELETE", "/users/a%20b", None, True), PlannedCall("POST", "/events", b"\x00\xff", False))
    rows = [
        row(0, key=None, calls=calls[1:], fingerprint=b"", row=b'{"a":1}', find=True),
        row(2**40, key="Zoë 🙂", calls=calls[:1], delete=True),
        row(3, calls=calls),
    ]
    found = [planned for _, planned in write(tmp_path / "plan", rows).rows()]
    assert found == rows
    assert [planned.repeatable for planned in found] == [False, True, False]
    assert found[1].calls[0].request.target == "/users/a%20b"


def test_the_digest_stands_for_all_rows_and_refusals(tmp_path: Path) -> None:
    rows = [row(number) for number in range(BLOCK_ROWS + 5)]
    refused = [Reject(7, "u7", "invalid", "no")]
    digest = write(tmp_path / "plan", rows, refused).digest
    assert write(tmp_path / "again", iter(rows), refused).digest == digest
    others = [
        write(tmp_path / "a", rows[:-1], refused).digest,
        write(tmp_path / "b", [rows[1], rows[0], *rows[2:]], refused).digest,
        write(tmp_path / "c", [row(0, fingerprint=b"87654321"), *rows[1:]], refused).digest,
        write(tmp_path / "d", rows).digest,
        write(tmp_path / "e", rows, [Reject(8, "u7", "invalid", "no")]).digest,
    ]
    assert len({digest, *others}) == 6


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "folder" / "plan"
        with PlanWriter(path) as writer:
            parts = list(path.parent.iterdir())
            assert [part.stat().st_mode & 0o777 for part in parts] == [0o600]
            writer.finish(PLANNED, [])
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_plan_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def half() -> Iterable[PlannedRow]:
        yield from (row(number) for number in range(2 * BLOCK_ROWS))
        raise Interrupted

    with pytest.raises(Interrupted):
        write(tmp_path / "plan", half())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        PlanFile(tmp_path / "plan")


def test_a_plan_that_is_written_again_replaces_the_one_before(tmp_path: Path) -> None:
    write(tmp_path / "plan", [row(1)])
    write(tmp_path / "plan", [row(2)])
    assert [planned.key for _, planned in PlanFile(tmp_path / "plan").rows()] == ["u2"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 1000, b"\xff" * 12 + b"engagement-plan-1", b"\x00" * 12 + b"engagement-plan-1"])
def test_what_is_no_plan_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plan").write_bytes(content)
    with pytest.raises(ValueError, match="plan is no complete plan"):
        PlanFile(tmp_path / "plan")


def test_a_plan_cut_short_anywhere_is_none(tmp_path: Path) -> None:
    write(tmp_path / "plan", [row(number) for number in range(20)])
    whole = (tmp_path / "plan").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "plan").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is no complete plan"):
            PlanFile(tmp_path / "plan")


def test_a_damaged_byte_anywhere_is_noticed(tmp_path: Path) -> None:
    rows = [row(number) for number in range(20)]
    plan = write(tmp_path / "plan", rows)
    whole = (tmp_path / "plan").read_bytes()
    harmless = 0
    for place in range(len(whole)):
        (tmp_path / "plan").write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            found = PlanFile(tmp_path / "plan")
            found.check()
        except ValueError as error:
            assert "plan" in str(error)  # noqa: PT017
            continue
        harmless += 1  # a bit that means nothing
        assert (found.digest, [planned for _, planned in found.rows()]) == (plan.digest, rows)
    assert harmless <= 1


def test_damage_is_said_when_the_rows_are_read(tmp_path: Path) -> None:
    plan = write(tmp_path / "plan", [row(number) for number in range(2 * BLOCK_ROWS)])
    content = bytearray((tmp_path / "plan").read_bytes())
    content[10] ^= 0xFF
    (tmp_path / "plan").write_bytes(content)
    with pytest.raises(ValueError, match=r"the plan .*plan is damaged"):
        list(plan.rows())
    assert len(list(plan.rows(BLOCK_ROWS))) == BLOCK_ROWS
    with pytest.raises(ValueError, match="is damaged"):
        plan.check()
