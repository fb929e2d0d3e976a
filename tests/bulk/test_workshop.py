"""What a task instance keeps: where its plan is, who may read it, and when it goes."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider.engagement.bulk import workshop as workshop_module
from airflow_provider.engagement.bulk.options import Options
from airflow_provider.engagement.bulk.plan import Target
from airflow_provider.engagement.bulk.workshop import Identity, Workshop
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.userflow.plan import make_target
from tests.bulk.tasks import Instance, Task, lines, make_memory, make_task, people

task = pytest.fixture(make_task)
in_memory = pytest.fixture(make_memory)

ME = Identity("dag", "run", "task", -1, 1, 2)


def made(identity: Identity = ME, **options: Any) -> Workshop:
    return Workshop(identity, Options(**options), target())


def target() -> Target:
    return make_target(UserflowHook(), "users")


# --- who it is -------------------------------------------------------------------------------------------------------


def test_the_identity_is_that_of_the_task_instance() -> None:
    assert Identity.of({"ti": Instance(map_index=3, try_number=2, max_tries=5)}) == Identity("dag", "run", "task", 3, 2, 5)  # type: ignore[typeddict-item]
    assert Identity.of({"ti": Instance(map_index=None)}).map_index == -1  # type: ignore[typeddict-item, arg-type]
    assert Identity.of({}).name != Identity.of({}).name  # outside of Airflow nobody goes on


def test_names_differ_for_all_that_differs_but_the_try() -> None:
    others = [replace(ME, dag_id="d"), replace(ME, run_id="r"), replace(ME, task_id="t"), replace(ME, map_index=0)]
    assert len({ME.name, *(other.name for other in others)}) == 5
    assert replace(ME, try_number=2, max_tries=9).name == ME.name


@pytest.mark.parametrize(
    "identity",
    [
        Identity("../../etc/passwd", "manual__2026-01-01T00:00:00+00:00", "group.task", 7),
        Identity("Zoë 🙂", "a/b", "c\0d"),
        Identity("x" * 500, "y" * 500, "z" * 500),
        Identity("-", ".", "_"),
        Identity(),
    ],
)
def test_names_are_file_names(identity: Identity) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,140}", identity.name)


def test_names_that_read_the_same_are_told_apart() -> None:
    assert Identity("a/b").name != Identity("a:b").name


# --- the plan --------------------------------------------------------------------------------------------------------


def test_a_plan_is_found_by_the_next_try_and_only_if_it_is_the_same(task: Task) -> None:
    plan = made().make_plan(people(3), None)
    later = made(replace(ME, try_number=2))
    found = later.find_plan(plan.digest)
    assert found is not None
    assert list(found.rows()) == list(plan.rows())
    assert later.find_plan("another") is None
    assert later.find_plan() is not None
    assert made(replace(ME, run_id="another")).find_plan(plan.digest) is None
    later.delete_plan()
    assert task.plans == []
    later.delete_plan()
    assert made().find_plan(plan.digest) is None


def test_plans_can_be_read_by_their_owner_only(task: Task) -> None:
    before = os.umask(0)
    try:
        plan = made().make_plan(people(3), None)
    finally:
        os.umask(before)
    assert plan.path.stat().st_mode & 0o777 == 0o600
    assert plan.path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o750, 0o704])
def test_a_folder_that_others_can_look_into_is_refused(task: Task, mode: int) -> None:
    folder = made().make_plan([], None).path.parent
    made().delete_plan()
    folder.chmod(mode)
    with pytest.raises(PermissionError, match="is open to others than this user; remove it, or set TMPDIR"):
        made().make_plan(people(1), None)
    assert task.plans == []


def test_a_folder_that_leads_elsewhere_is_refused(task: Task) -> None:
    folder = made().make_plan([], None).path.parent
    made().delete_plan()
    elsewhere = task.folder / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    with pytest.raises(PermissionError, match="is open to others"):
        made().make_plan(people(1), None)
    assert list(elsewhere.iterdir()) == []


def test_plans_that_nobody_came_back_for_are_removed(task: Task) -> None:
    old = made(replace(ME, run_id="old")).make_plan(people(1), None).path
    half = old.with_name("x.plan.123.part")
    half.touch()
    recent = made(replace(ME, run_id="recent")).make_plan(people(1), None).path
    for path in (old, half):
        os.utime(path, (time.time() - 15 * 86400,) * 2)
    os.utime(recent, (time.time() - 13 * 86400,) * 2)
    mine = made().make_plan(people(1), None).path
    assert task.plans == sorted([recent, mine])


def test_a_damaged_plan_is_a_lost_one_and_said(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    plan = made().make_plan(people(2000), None)
    content = bytearray(plan.path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    plan.path.write_bytes(content)
    assert made().find_plan(plan.digest) is None
    assert "The plan of an earlier try cannot be used" in caplog.text
    assert "is damaged" in caplog.text


@pytest.mark.usefixtures("in_memory")
@pytest.mark.parametrize("storage", ["file", "memory"])
def test_a_plan_at_work_path_outlives_the_worker(task: Task, storage: str) -> None:
    work_path = f"memory://bucket/plans{task.folder.as_posix()}/" if storage == "memory" else f"file://{task.folder}/shared/work"
    plan = made(work_path=work_path).make_plan(people(1000), None)
    expected = list(plan.rows())
    plan.path.unlink()
    other = made(work_path=work_path)
    assert made().find_plan(plan.digest) is None
    found = other.find_plan(plan.digest)
    assert found is not None
    assert list(found.rows()) == expected
    assert found.path.stat().st_mode & 0o777 == 0o600
    other.delete_plan()
    assert made(work_path=work_path).find_plan(plan.digest) is None


@pytest.mark.usefixtures("in_memory")
def test_the_copy_replaces_a_damaged_plan(task: Task) -> None:
    plan = made(work_path="memory://bucket").make_plan(people(10), None)
    plan.path.write_bytes(b"damaged")
    found = made(work_path="memory://bucket").find_plan(plan.digest)
    assert found is not None
    assert len(list(found.rows())) == 10


def test_a_copy_that_cannot_be_removed_is_no_failure(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    work_path = task.folder / "work"
    shop = made(work_path=str(work_path))
    plan = shop.make_plan(people(1), None)
    remote = work_path / plan.path.name
    remote.unlink()
    remote.mkdir()  # even root cannot unlink a folder
    shop.delete_plan()
    assert not plan.path.exists()
    assert "could not be removed; it holds rows" in caplog.text


def test_planning_that_fails_leaves_nothing(task: Task) -> None:
    def rows() -> Any:
        yield from people(600)
        raise OSError("the warehouse is gone")

    with pytest.raises(OSError, match="the warehouse is gone"):
        made().make_plan(rows(), None)
    assert task.plans == []
    assert list(task.folder.rglob("*part")) == []


# --- rejects ---------------------------------------------------------------------------------------------------------


def test_unusable_rows_are_written_while_planning(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop_module, "_REJECTS_AT_ONCE", 4)
    rows = [{"id": f"u{number}", "attributes": {"é!": number}} for number in range(10)]
    plan = made(rejects_path=str(tmp_path / "rejects")).make_plan(rows, None)
    assert [line["position"] for line in lines(tmp_path / "rejects")] == list(range(10))
    assert lines(tmp_path / "rejects")[3]["row"] == rows[3]
    assert (len(plan.reasons), plan.planned.invalid) == (10, 10)
    made(rejects_path=str(tmp_path / "rejects")).make_plan(rows[:2], None)
    assert len(lines(tmp_path / "rejects")) == 2


def test_only_the_first_reasons_are_kept(task: Task) -> None:
    rows = [{"id": f"u{number}", "attributes": {"é!": number}} for number in range(12)]
    plan = made().make_plan(rows, None)
    assert [reason[:10] for reason in plan.reasons] == [f"row {number} (u{number})"[:10] for number in range(10)]


def test_a_dry_run_keeps_no_rejects_and_touches_no_plan_of_a_real_one(task: Task, tmp_path: Path) -> None:
    real = made(work_path=str(tmp_path / "work")).make_plan(people(3), None)
    dry = made(plan_only=True, rejects_path=str(tmp_path / "rejects"), work_path=str(tmp_path / "work"))
    dry.make_plan([*people(2), "text"], None)
    dry.delete_plan()
    assert not (tmp_path / "rejects").exists()
    assert made().find_plan(real.digest) is not None
    assert len(list((tmp_path / "work").iterdir())) == 1


# --- rows of one key -------------------------------------------------------------------------------------------------


def test_the_first_row_of_each_key_is_known_over_many_rows(task: Task) -> None:
    rows = [{"id": f"u{number % 1500}"} for number in range(3000)]
    plan = made(duplicates="refuse").make_plan(rows, None)
    assert (plan.planned.planned, plan.planned.invalid) == (1500, 1500)
    assert plan.reasons[0].startswith("row 1500 (u0): row 0 has the same key 'u0'")
    assert list(task.folder.glob("engagement-*")) == []
