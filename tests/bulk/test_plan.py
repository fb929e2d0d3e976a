"""From a source to a plan: any form of rows, unusable rows by position, what is known is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from airflow_provider.engagement.bulk.plan import Planned, PlannedRow, RowCalls, Target, key_of, make_plan
from airflow_provider.engagement.bulk.plan_file import PlanFile, PlanWriter
from airflow_provider.engagement.bulk.rejects import Reject
from airflow_provider.engagement.bulk.rows import ApiRow, InvalidRow, MappedRow, UnusableSource, iterate_rows
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.userflow.plan import make_target

A, B, C = {"id": "a"}, {"id": "b"}, {"id": "c"}


class Plan:
    """Plans rows and keeps what came of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_USERFLOW_DEFAULT", '{"conn_type": "userflow", "password": "ak_test"}')
        self._path = folder / "plan"
        self.refused: list[Reject] = []
        self.planned = Planned()

    def of(self, rows: Iterable[Any], target: str | Target = "users", timezone: str | None = None, **options: Any) -> list[PlannedRow]:
        self.refused = []
        where = make_target(UserflowHook(), target, timezone=timezone) if isinstance(target, str) else target
        with PlanWriter(self._path) as writer:
            self.planned = make_plan(rows, where, writer, self.refused.append, **options)
            writer.finish(self.planned, [])
        return [row for _, row in PlanFile(self._path).rows()]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    return Plan(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "source",
    [
        [A, B, C],
        (A, B, C),
        iter([A, B, C]),
        (row for row in (A, B, C)),
        [[A], [], [B, C]],
        [A, [B, C]],
        {"a": A, "b": B, "c": C}.values(),
    ],
    ids=["list", "tuple", "iterator", "generator", "mapped", "mixed", "view"],
)
def test_every_form_of_rows(source: Any) -> None:
    assert list(iterate_rows(source)) == [A, B, C]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "the upstream task returned nothing"),
        ("{{ ti.xcom_pull('x') }}", "a template renders to text"),
        ({"id": "a"}, "got dict"),
        (7, "got int"),
        (b"x", "got bytes"),
        (lambda: [], "got function"),
    ],
)
def test_a_source_that_is_none_is_refused_with_the_remedy(source: Any, said: str) -> None:
    with pytest.raises(UnusableSource, match="rows") as caught:
        list(iterate_rows(source))
    assert said in str(caught.value)


def test_a_data_frame_is_refused_with_the_remedy() -> None:
    class Frame:
        columns = ("id", "name")

        def __iter__(self) -> Iterator[str]:
            return iter(self.columns)

        def to_dict(self, orient: str) -> list[Any]:
            return []

    with pytest.raises(UnusableSource, match=r"to_dict\('records'\)"):
        list(iterate_rows(Frame()))  # type: ignore[arg-type]


def test_rows_become_calls_in_source_order(plan: Plan) -> None:
    rows = [{"id": "a", "attributes": {"n": 1}}, {"id": "b"}, {"id": "a", "attributes": {"n": 2}}]
    made = plan.of(rows)
    assert [(row.position, row.key) for row in made] == [(0, "a"), (1, "b"), (2, "a")]
    assert [(call.method, call.path, call.body) for call in made[0].calls] == [("POST", "/users", b'{"attributes":{"n":1},"id":"a"}')]
    assert all(row.repeatable and len(row.fingerprint) == 8 and not row.find and not row.delete for row in made)
    assert plan.planned == Planned(read=3, planned=3)


def test_an_empty_source_is_fine(plan: Plan) -> None:
    assert plan.of(iterate_rows([])) == []
    assert plan.planned == Planned()


def test_events_have_no_key_and_must_not_be_repeated(plan: Plan) -> None:
    made = plan.of([{"name": "x", "user_id": "a"}] * 3, "events")
    assert [(row.key, row.repeatable) for row in made] == [(None, False)] * 3
    assert plan.planned.unrepeatable == 3


def test_a_row_that_counts_anew_must_not_be_repeated(plan: Plan) -> None:
    made = plan.of([{"id": "a", "attributes": {"n": {"add": 1}}}, {"id": "a", "attributes": {"tags": {"append": "x"}}}])
    assert [row.repeatable for row in made] == [False, True]
    assert plan.planned.unrepeatable == 1


# --- unusable rows ---------------------------------------------------------------------------------------------------


def test_unusable_rows_are_named_by_position_and_key_and_the_others_planned(plan: Plan) -> None:
    rows: list[Any] = [{"id": "ok"}, {"id": "bad", "attributes": {"naïve!": 1}}, "text", {"attributes": {}}, {"id": "fine"}]
    made = plan.of(rows, "groups")
    assert [row.position for row in made] == [0, 4]
    assert [(refusal.position, refusal.key, refusal.kind) for refusal in plan.refused] == [
        (1, "bad", "invalid"),
        (2, None, "invalid"),
        (3, None, "invalid"),
    ]
    assert str(plan.refused[0]).startswith("row 1 (bad): ")
    assert [refusal.row for refusal in plan.refused][1:] == [b'"text"', b'{"attributes":{}}']
    assert plan.planned == Planned(read=5, planned=2, invalid=3, nameless=2)


def test_a_row_that_its_source_or_mapping_found_unusable_is_shown_as_the_source_gave_it(plan: Plan) -> None:
    rows = [
        InvalidRow({"ID": 7}, "7", ValueError("column 'x' is missing")),
        InvalidRow("half a line", None, TypeError()),
        MappedRow({"id": "m", "attributes": {"é!": 1}}, {"ID": "m", "é!": 1}),
        MappedRow({"id": "n"}, {"ID": "n"}),
        ApiRow({"id": "r", "attributes": {"é!": 1}}),
        ApiRow({"id": "s"}),
    ]
    made = plan.of(rows)
    assert [row.key for row in made] == ["n", "s"]
    assert [(refusal.kind, refusal.key, refusal.row.decode()) for refusal in plan.refused] == [
        ("invalid", "7", '{"ID":7}'),
        ("invalid", None, '"half a line"'),
        ("invalid", "m", '{"ID":"m","é!":1}'),
        ("refused", "r", '{"id":"r","attributes":{"é!":1}}'),  # a replayed row has the API's shape: no mapping must touch it again
    ]
    assert [refusal.reason for refusal in plan.refused][:2] == ["column 'x' is missing", "TypeError"]


def test_text_that_utf_8_cannot_carry_is_a_reason_like_any_other(plan: Plan) -> None:
    rows = [{"id": "a", "attributes": {"x\udc80": 1}}, {"id": "\udc80"}, InvalidRow({}, "\udc80", ValueError("\udc80")), {"id": "b"}]
    assert [row.key for row in plan.of(rows)] == ["b"]
    assert [refusal.key for refusal in plan.refused] == ["a", None, "\\udc80"]
    assert all(refusal.line().endswith(b"\n") for refusal in plan.refused)


def test_an_error_of_the_source_is_none_of_a_row(plan: Plan) -> None:
    def broken() -> Iterator[Any]:
        yield A
        raise ValueError("the cursor is gone")

    with pytest.raises(ValueError, match="the cursor is gone"):
        plan.of(broken())
    assert plan.refused == []


def test_a_naive_datetime_needs_a_time_zone(plan: Plan) -> None:
    rows = [{"name": "x", "user_id": "a", "time": "2026-01-02T03:04:05"}]
    assert plan.of(rows, "events") == []
    assert "time zone" in plan.refused[0].reason
    (made,) = plan.of(rows, "events", "Europe/Berlin")
    assert made.calls[0].body is not None
    assert b"2026-01-02T02:04:05" in made.calls[0].body


def test_an_unknown_time_zone_or_target_is_refused(plan: Plan) -> None:
    with pytest.raises(ValueError, match="Mars"):
        plan.of([], timezone="Mars/Olympus")
    with pytest.raises(ValueError, match="target must be one of users, groups, events, got 'companies'"):
        plan.of([], "companies")


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({"id": "u"}, "u"),
        ({"id": 7}, "7"),
        ({"id": UUID(int=7)}, "00000000-0000-0000-0000-000000000007"),
        ({"id": " u"}, " u"),
        ({"id": True}, None),
        ({"id": 7.0}, None),
        ({"id": ""}, None),
        ({"id": None}, None),
        ({}, None),
        ("text", None),
        (None, None),
    ],
)
def test_the_key_of_an_unusable_row_is_the_one_it_would_have(row: Any, key: str | None) -> None:
    assert key_of(row) == key


# --- rows of one key -------------------------------------------------------------------------------------------------


def test_all_rows_of_a_key_but_the_first_can_be_refused(plan: Plan) -> None:
    first: dict[str, int] = {}
    made = plan.of([A, B, A, {"id": "c", "attributes": {"é!": 1}}, C, A], first_of=lambda key, position: first.setdefault(key, position))
    assert [row.position for row in made] == [0, 1, 4]  # a row that is unusable anyway is not the first of its key
    assert [(refusal.position, refusal.key) for refusal in plan.refused] == [(2, "a"), (3, "c"), (5, "a")]
    assert plan.refused[2].reason == "row 0 has the same key 'a'; keep one of them, or set duplicates='in_order' to send both"


# --- fingerprints ----------------------------------------------------------------------------------------------------


def fingerprint(plan: Plan, row: Mapping[str, Any], target: str = "users", timezone: str | None = None) -> bytes:
    (made,) = plan.of([row], target, timezone)
    return made.fingerprint


def test_a_fingerprint_is_the_same_in_any_order_of_columns_and_keys(plan: Plan) -> None:
    row = {
        "id": "u",
        "attributes": {"a": 1, "b": {"set": "x", "data_type": "string"}},
        "groups": [{"id": "g", "attributes": {"x": 1, "y": 2}}],
    }
    turned = {
        "groups": [{"attributes": {"y": 2, "x": 1}, "id": "g"}],
        "attributes": {"b": {"data_type": "string", "set": "x"}, "a": 1},
        "id": "u",
    }
    assert fingerprint(plan, row) == fingerprint(plan, turned)


def test_a_fingerprint_tells_everything_apart_that_is_sent(plan: Plan) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "u"},
        {"id": "v"},
        {"id": "u", "attributes": {}},
        {"id": "u", "attributes": {"a": 1}},
        {"id": "u", "attributes": {"a": "1"}},
        {"id": "u", "attributes": {"a": True}},
        {"id": "u", "attributes": {"a": None}},
        {"id": "u", "attributes": {"a": {"append": "x"}}},
        {"id": "u", "attributes": {"a": {"prepend": "x"}}},
        {"id": "u", "groups": []},
    ]
    assert len({fingerprint(plan, row) for row in rows}) == len(rows)
    assert fingerprint(plan, {"id": "u"}) != fingerprint(plan, {"id": "u"}, "groups")


def test_calls_are_told_apart_by_their_paths_too(plan: Plan) -> None:
    from airflow_provider.engagement.userflow import api

    def target(second: str) -> Target:
        def make_call(row: Mapping[str, Any]) -> RowCalls:
            return RowCalls(row["id"], (api.UPSERT_USER.call(json=row), api.DELETE_GROUP.call(group_id=second)))

        return Target("users", {}, make_call, lambda _request: lambda raw: raw)

    (one,), (other,) = plan.of([A], target("g")), plan.of([A], target("h"))
    assert one.fingerprint != other.fingerprint
