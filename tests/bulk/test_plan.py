"""From a source to a plan: any form of rows, refusals by position, rows of one key in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from airflow_provider.engagement.bulk.plan import Refusal, make_plan
from airflow_provider.engagement.bulk.rows import iterate_rows
from airflow_provider.engagement.userflow.rows import event_call, group_call, user_call

A, B, C = {"id": "a"}, {"id": "b"}, {"id": "c"}


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


def test_an_empty_source_is_fine() -> None:
    assert make_plan(iterate_rows([]), user_call()).read == 0


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
    with pytest.raises(TypeError, match="rows") as caught:
        list(iterate_rows(source))
    assert said in str(caught.value)


def test_a_data_frame_is_refused_with_the_remedy() -> None:
    class Frame:
        columns = ("id", "name")

        def __iter__(self) -> Iterator[str]:
            return iter(self.columns)

        def to_dict(self, orient: str) -> list[Any]:
            return []

    with pytest.raises(TypeError, match=r"to_dict\('records'\)"):
        list(iterate_rows(Frame()))  # type: ignore[arg-type]


def test_rows_of_one_key_share_a_lane_in_source_order() -> None:
    rows = [{"id": "a", "attributes": {"n": 1}}, {"id": "b"}, {"id": "a", "attributes": {"n": 2}}]
    plan = make_plan(rows, user_call())
    assert [[(row.position, row.key) for row in lane] for lane in plan.lanes] == [[(0, "a"), (2, "a")], [(1, "b")]]
    assert plan.planned == 3


def test_events_have_no_key_and_a_lane_each() -> None:
    plan = make_plan([{"name": "x", "user_id": "a"}] * 3, event_call())
    assert [len(lane) for lane in plan.lanes] == [1, 1, 1]
    assert not any(row.repeatable for lane in plan.lanes for row in lane)


def test_refused_rows_are_named_by_position_and_key_and_the_others_planned() -> None:
    rows: Iterable[Any] = [{"id": "ok"}, {"id": "bad", "attributes": {"naïve!": 1}}, "text", {"attributes": {}}, {"id": "fine"}]
    plan = make_plan(rows, group_call())
    assert plan.read == 5
    assert plan.planned == 2
    assert [(refusal.position, refusal.key) for refusal in plan.refused] == [(1, "bad"), (2, None), (3, None)]
    assert str(plan.refused[0]).startswith("row 1 (bad): ")


def test_a_naive_datetime_needs_a_time_zone() -> None:
    rows = [{"name": "x", "user_id": "a", "time": "2026-01-02T03:04:05"}]
    assert "time zone" in make_plan(rows, event_call()).refused[0].reason
    planned = make_plan(rows, event_call("Europe/Berlin")).lanes[0][0]
    assert planned.calls[0].request.body is not None
    assert b"2026-01-02T02:04:05" in planned.calls[0].request.body


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="Mars"):
        event_call("Mars/Olympus")


def test_a_refusal_reads_as_a_sentence() -> None:
    assert str(Refusal(7, "u 1", "is too long")) == "row 7 (u 1): is too long"
    assert str(Refusal(7, None, "is too long")) == "row 7: is too long"
