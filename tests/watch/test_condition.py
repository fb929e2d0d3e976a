"""What is waited for, as one pure function."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider.engagement.watch.condition import Condition, Done, Waiting, WatchedSession, judge

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def session(user: str, *, done: bool, n: int = 0, group: str | None = None, preview: bool = False, at: datetime = NOON) -> WatchedSession:
    return WatchedSession(f"s-{user}-{n}", user, group, done, at, preview)


def of(**values: Any) -> Condition:
    return Condition(content_id="c", **values)


def test_a_single_session() -> None:
    condition = Condition(session_id="s-ann-0")
    assert isinstance(judge(condition, [session("ann", done=False)]), Waiting)
    done = judge(condition, [session("ann", done=True), session("bob", done=True)])
    assert done == Done({"completed": 1, "sessions": 1, "session_ids": ["s-ann-0"]})


def test_content_alone_waits_for_one_user() -> None:
    assert isinstance(judge(of(), []), Waiting)
    assert isinstance(judge(of(), [session("ann", done=True)]), Done)


def test_every_user_of_a_list() -> None:
    condition = of(user_ids=("ann", "bob"))
    verdict = judge(condition, [session("ann", done=True), session("bob", done=False), session("cid", done=True)])
    assert verdict == Waiting({"completed": 1, "users": 3, "sessions": 3, "wanted": 2})
    verdict = judge(condition, [session("ann", done=True), session("bob", done=False), session("bob", done=True, n=1)])
    assert isinstance(verdict, Done)
    assert verdict.detail["session_ids"] == ["s-ann-0", "s-bob-1"]


def test_min_completed_counts_users_not_sessions() -> None:
    twice = [session("ann", done=True), session("ann", done=True, n=1)]
    assert isinstance(judge(of(min_completed=2), twice), Waiting)
    assert isinstance(judge(of(min_completed=2), [*twice, session("bob", done=True)]), Done)


def test_a_rate_needs_sessions_and_may_need_a_number_too() -> None:
    half = [session("ann", done=True), session("bob", done=False)]
    assert isinstance(judge(of(min_completion_rate=0.5), []), Waiting)
    assert isinstance(judge(of(min_completion_rate=0.5), half), Done)
    assert isinstance(judge(of(min_completion_rate=0.6), half), Waiting)
    assert isinstance(judge(of(min_completion_rate=0.5, min_completed=2), half), Waiting)


def test_group_since_and_previews_cut_what_counts() -> None:
    early = session("ann", done=True, at=NOON - timedelta(seconds=1))
    assert isinstance(judge(of(since=NOON.isoformat()), [early]), Waiting)
    assert isinstance(judge(of(since=NOON.isoformat()), [session("ann", done=True)]), Done)
    assert isinstance(judge(of(group_id="g"), [session("ann", done=True, group="h")]), Waiting)
    assert isinstance(judge(of(group_id="g"), [session("ann", done=True, group="g")]), Done)
    assert isinstance(judge(of(), [session("ann", done=True, preview=True)]), Waiting)
    assert isinstance(judge(of(include_previews=True), [session("ann", done=True, preview=True)]), Done)


def test_a_condition_survives_a_triggers_arguments() -> None:
    condition = of(user_ids=("ann",), min_completed=2, min_completion_rate=0.5, since=NOON.isoformat(), include_previews=True, group_id="g")
    assert Condition.from_dict(condition.to_dict()) == condition
    assert Condition.from_dict(Condition(session_id="s").to_dict()) == Condition(session_id="s")


def test_a_condition_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fields in a condition: moon"):
        Condition.from_dict({"content_id": "c", "moon": "full"})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "either session_id or content_id"),
        ({"session_id": "s", "content_id": "c"}, "either session_id or content_id"),
        ({"session_id": "s", "min_completed": 1}, "session_id stands alone"),
        ({"session_id": "s", "user_ids": ("a",)}, "session_id stands alone"),
        ({"content_id": "c", "user_ids": ("",)}, "user_ids must be non-empty"),
        ({"content_id": "c", "min_completed": 0}, "min_completed must be at least 1"),
        ({"content_id": "c", "min_completion_rate": 0.0}, "min_completion_rate must be above 0"),
        ({"content_id": "c", "min_completion_rate": 1.1}, "min_completion_rate must be above 0"),
        ({"content_id": "c", "since": "2026-03-01T00:00:00"}, "since must have a time zone"),
        ({"content_id": "c", "since": "soon"}, "since must be ISO 8601"),
    ],
)
def test_contradictions_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Condition(**values)
