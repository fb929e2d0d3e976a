"""What docs/reference/bulk.md and docs/how-to/replay-rejects.md say of reports and rejects is what there is."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.bulk.files import _COMPRESSIONS, _ENDINGS
from airflow_provider.engagement.bulk.mapping import GroupColumns, RowMapping
from airflow_provider.engagement.bulk.report import METRICS
from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow.operators import UserflowUpsertUsersOperator

DOCS = Path(__file__).parents[2] / "docs"


def names_in_tables(page: str, heading: str) -> list[str]:
    section = (DOCS / page).read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_the_report_is_as_it_is_told(userflow: EmulatorServer) -> None:
    report = UserflowUpsertUsersOperator(task_id="push_users", rows=[{"id": "1"}]).execute({})

    assert sorted(names_in_tables("reference/bulk.md", "The report")) == sorted(report)
    assert set(METRICS) < set(report)


def test_a_reject_is_as_it_is_told(userflow: EmulatorServer, tmp_path: Path) -> None:
    (told,) = re.findall(r"```json\n(.*?)```", (DOCS / "how-to" / "replay-rejects.md").read_text(encoding="utf-8"), re.DOTALL)
    userflow.faults.add(Status(method="POST", path="/users", status=400))
    push = UserflowUpsertUsersOperator(task_id="push_users", rows=[{"id": "user-7", "attributes": {"seats": "many"}}])
    push.rejects_path = str(tmp_path)

    with pytest.raises(AirflowFailException):
        push.execute({})

    (line,) = [line for path in tmp_path.iterdir() for line in path.read_text(encoding="utf-8").splitlines()]
    written, expected = json.loads(line), json.loads(told)
    assert list(written) == list(expected)
    assert {name: written[name] for name in ("key", "kind", "code", "row")} == {
        name: expected[name] for name in ("key", "kind", "code", "row")
    }
    assert written["reason"].startswith("POST /users: Userflow answered 400: ")


@pytest.mark.parametrize("mapping", [RowMapping, GroupColumns])
def test_mappings_take_what_is_told(mapping: type[RowMapping | GroupColumns]) -> None:
    page = (DOCS / "reference" / "bulk.md").read_text(encoding="utf-8")
    (told,) = re.findall(rf"bulk\.mapping\.{mapping.__name__}\((.*)\)\n", page)

    assert [part.partition("=")[0] for part in told.removeprefix("*, ").split(", ")] == [field.name for field in fields(mapping)]


def test_the_names_of_files_are_as_they_are_told() -> None:
    section = (DOCS / "reference" / "bulk.md").read_text(encoding="utf-8").partition("A file's name tells its format")[2].partition("##")[0]

    assert set(re.findall(r"`\.(\w+)`", section)) == {*_ENDINGS, *_COMPRESSIONS}
