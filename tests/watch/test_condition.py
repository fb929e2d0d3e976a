"""What is waited for, as one pure function."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider.engagement.watch.condition import Condition, Done, Facts, Failed, Waiting, counts_of, judge
from airflow_provider.engagement.watch.standing import WatchedSession

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
    assert verdict == Waiting({"completed": 1, "users": 2, "sessions": 2, "wanted": 2})
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
    condition = of(
        user_ids=("ann", "bob"), min_completed=2, min_completion_rate=0.5, since=NOON.isoformat(), include_previews=True, group_id="g"
    )
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


def test_of_a_cohort_so_many_or_such_a_share_can_be_wanted() -> None:
    some = [session("ann", done=True), session("bob", done=False), session("eve", done=True)]
    assert isinstance(judge(of(user_ids=("ann", "bob", "cid"), min_completed=1), some), Done)
    assert isinstance(judge(of(user_ids=("ann", "bob", "cid"), min_completed=2), some), Waiting)
    third = judge(of(user_ids=("ann", "bob", "cid"), min_completion_rate=1 / 3), some)
    assert isinstance(third, Done)
    assert third.detail["completed"] == 1
    assert third.detail["wanted"] == 3
    half = of(user_ids=("ann", "bob", "cid"), min_completion_rate=0.5)
    assert isinstance(judge(half, some), Waiting), "a share of the cohort, not of those who began"


@pytest.mark.parametrize(("done", "begun", "rate"), [(7, 100, 0.07), (3, 30, 0.1), (29, 100, 0.29)])
def test_a_rate_that_is_reached_exactly_is_reached(done: int, begun: int, rate: float) -> None:
    sessions = [session(f"u{number}", done=number < done) for number in range(begun)]
    assert isinstance(judge(of(min_completion_rate=rate), sessions), Done)
    assert isinstance(judge(of(min_completion_rate=rate), sessions[1:]), Waiting)


def test_the_result_names_the_session_each_user_completed_first_and_when() -> None:
    def at(hour: int, n: int, user: str = "ann") -> WatchedSession:
        return WatchedSession(f"s-{user}-{n}", user, None, True, NOON, False, completed_at=NOON + timedelta(hours=hour))

    verdict = judge(of(min_completed=2), [at(3, 0), at(1, 1), at(2, 2), at(5, 0, "bob")])
    assert isinstance(verdict, Done)
    assert verdict.detail["session_ids"] == ["s-ann-1", "s-bob-0"]
    assert verdict.detail["completed_at"] == {"s-ann-1": "2026-03-01T13:00:00+00:00", "s-bob-0": "2026-03-01T17:00:00+00:00"}


def test_a_result_names_no_more_than_a_thousand_sessions() -> None:
    verdict = judge(of(), [session(f"u{number:04}", done=True) for number in range(1200)])
    assert isinstance(verdict, Done)
    assert verdict.detail["completed"] == 1200
    assert len(verdict.detail["session_ids"]) == 1000
    assert verdict.detail["session_ids_left_out"] == 200
    assert "u0000" not in str(counts_of(verdict.detail))


def ended(user: str, n: int = 0) -> WatchedSession:
    return WatchedSession(f"s-{user}-{n}", user, None, False, NOON, False, ended=True)


def test_a_session_that_ended_fails_who_asked_for_it() -> None:
    asks = Condition(session_id="s-ann-0", fail_if_ended=True)
    assert judge(asks, [ended("ann")]) == Failed("session s-ann-0 ended without being completed")
    assert isinstance(judge(asks, [session("ann", done=False)]), Waiting)
    assert isinstance(judge(Condition(session_id="s-ann-0"), [ended("ann")]), Waiting)


def test_users_whose_sessions_all_ended_fail_who_asked_for_it() -> None:
    asks = of(user_ids=("ann", "bob"), fail_if_ended=True)
    assert isinstance(judge(asks, [ended("ann")]), Failed)
    assert isinstance(judge(asks, [ended("ann"), session("ann", done=False, n=1)]), Waiting), "she has begun anew"
    assert isinstance(judge(asks, [ended("ann"), session("ann", done=True, n=1)]), Waiting)
    enough = of(user_ids=("ann", "bob", "cid"), min_completed=2, fail_if_ended=True)
    assert isinstance(judge(enough, [ended("ann")]), Waiting), "the other two may still"
    assert isinstance(judge(enough, [ended("ann"), ended("bob")]), Failed)
    share = of(user_ids=("ann", "bob", "cid"), min_completion_rate=0.5, fail_if_ended=True)
    assert isinstance(judge(share, [ended("ann")]), Waiting)
    assert isinstance(judge(share, [ended("ann"), ended("bob")]), Failed)


def test_what_is_known_beside_the_sessions_fails_who_asked_for_it_and_nobody_who_has_it() -> None:
    gone, unpublished = Facts(gone_users={"ann"}), Facts(unpublished="was deleted")
    asks = of(user_ids=("ann", "bob"), fail_if_user_deleted=True)
    assert isinstance(judge(asks, [], gone), Failed)
    assert isinstance(judge(of(user_ids=("ann", "bob")), [], gone), Waiting)
    assert isinstance(judge(asks, [session("ann", done=True), session("bob", done=True)], gone), Done)
    assert judge(of(fail_if_unpublished=True), [], unpublished) == Failed("content c was deleted, with 0 completed")
    assert isinstance(judge(of(), [], unpublished), Waiting)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"user_ids": ("a", "b", "b"), "min_completed": 3}, "user_ids are 2: that can never be reached"),
        ({"fail_if_user_deleted": True}, "fail_if_user_deleted goes with user_ids"),
        ({"fail_if_ended": True}, "fail_if_ended goes with session_id or user_ids"),
    ],
)
def test_options_that_make_no_sense_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        of(**values)
    with pytest.raises(ValueError, match="session_id stands alone"):
        Condition(session_id="s", fail_if_unpublished=True)
