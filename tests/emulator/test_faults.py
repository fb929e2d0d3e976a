from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from airflow_provider.engagement.emulator.faults import (
    KINDS,
    Drop,
    Faults,
    HostileNext,
    Huge,
    Latency,
    NotJson,
    RateLimit,
    Redirect,
    Status,
    Truncate,
    fault_from,
)
from airflow_provider.engagement.emulator.state import Reply


class Time:
    """Seconds and a date for the test."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.date = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def faults(time: Time) -> Faults:
    return Faults(lambda: time.seconds, lambda: time.date)


def test_no_fault_no_change(faults: Faults) -> None:
    plan = faults.plan("GET", "/users")
    assert (plan.processed, plan.final, plan.wait_before, plan.truncate, plan.headers) == (True, False, 0.0, False, {})


def test_a_fault_strikes_what_it_is_meant_for_and_so_often(faults: Faults) -> None:
    faults.add(Drop(method="post", path="/users", times=2))
    struck = [faults.plan(*request).drop for request in (("GET", "/users"), ("POST", "/events"), ("POST", "/users"), ("POST", "/users/1"))]
    assert struck == [False, False, True, True]
    assert not faults.plan("POST", "/users").drop


def test_probability_is_repeatable(faults: Faults) -> None:
    def struck() -> list[bool]:
        faults.clear()
        faults.add(Drop(probability=0.3, seed=7))
        return [faults.plan("GET", "/").drop for _ in range(1000)]

    first = struck()
    assert first == struck()
    assert 250 < sum(first) < 350


def test_the_first_settled_answer_is_the_last_fault_asked(faults: Faults) -> None:
    limit = RateLimit(per_minute=60, burst=1, headers=True)
    faults.add(Latency(seconds=2), Status(status=502, times=1), limit)
    plan = faults.plan("GET", "/")
    assert (plan.wait_before, plan.problem, plan.headers) == (2, (502, None), {})
    assert faults.plan("GET", "/").headers["X-RateLimit-Remaining"] == "0"


def test_removing_one_leaves_the_others(faults: Faults) -> None:
    drop, slow = Drop(), Latency(seconds=1)
    faults.add(drop, slow)
    faults.remove(drop)
    assert faults.active == [slow]


@pytest.mark.parametrize("window", ["bucket", "fixed", "sliding"])
def test_rate_limit_refuses_what_is_too_much(faults: Faults, time: Time, window: Any) -> None:
    faults.add(RateLimit(per_minute=3, window=window))
    time.seconds = 960.0
    plans = [faults.plan("GET", "/") for _ in range(5)]
    assert [plan.problem for plan in plans] == [None, None, None, (429, None), (429, None)]
    assert [plan.processed for plan in plans] == [True, True, True, False, False]
    time.seconds += 60
    assert faults.plan("GET", "/").problem is None


def test_retry_after_in_seconds_is_rounded_up(faults: Faults, time: Time) -> None:
    faults.add(RateLimit(per_minute=60, burst=1, retry_after="seconds", headers=True))
    assert faults.plan("GET", "/").headers == {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}
    time.seconds += 0.25
    assert faults.plan("GET", "/").headers["Retry-After"] == "1"


def test_retry_after_as_date_is_never_too_early(faults: Faults, time: Time) -> None:
    faults.add(RateLimit(per_minute=60, window="fixed", retry_after="date"), Status(status=503, retry_after="date", seconds=5))
    date = parsedate_to_datetime(faults.plan("GET", "/").headers["Retry-After"])
    assert date == datetime(2026, 3, 1, 12, 0, 6, tzinfo=UTC)


def test_a_limit_without_retry_after_says_nothing(faults: Faults) -> None:
    faults.add(RateLimit(per_minute=1, burst=1))
    assert [faults.plan("GET", "/").headers for _ in range(2)] == [{}, {}]


def test_status_with_the_vendors_error_or_a_proxys_page(faults: Faults) -> None:
    faults.add(Status(status=503, times=1), Status(status=502, html=True, processed=True, times=1))
    first, second = faults.plan("POST", "/events"), faults.plan("POST", "/events")
    assert (first.problem, first.processed) == ((503, None), False)
    assert second.reply is not None
    assert (second.reply.status, second.reply.headers["Content-Type"], second.processed) == (502, "text/html", True)
    assert b"502" in second.reply.body


def test_lost_connections_before_and_after(faults: Faults) -> None:
    faults.add(Drop(times=1), Drop(after=True))
    assert [(plan.drop, plan.processed) for plan in (faults.plan("GET", "/"), faults.plan("GET", "/"))] == [(True, False), (True, True)]


def test_waiting_before_and_after(faults: Faults) -> None:
    faults.add(Latency(seconds=0.5), Latency(seconds=2, after=True), Truncate())
    plan = faults.plan("GET", "/")
    assert (plan.wait_before, plan.wait_after, plan.truncate, plan.processed) == (0.5, 2, True, True)


def test_answers_that_are_not_what_was_promised(faults: Faults) -> None:
    faults.add(NotJson(times=1), Redirect(location="https://example.com/", times=1), Huge(size=1000))
    strange, redirect, huge = (faults.plan("GET", "/users") for _ in range(3))
    assert strange.reply is not None
    assert redirect.reply is not None
    assert (strange.reply.status, strange.reply.body[:6], strange.processed) == (200, b"<html>", False)
    assert (redirect.reply.status, redirect.reply.headers["Location"], redirect.processed) == (302, "https://example.com/", False)
    assert len(huge.changes[0](Reply.of({})).body) > 1000


def test_hostile_link_is_put_before_the_path(faults: Faults) -> None:
    faults.add(HostileNext(origin="http://127.0.0.1:9"))
    (change,) = faults.plan("GET", "/users").changes
    assert (
        change(Reply.of({"next_page_url": "/users?starting_after=1"})).body
        == b'{"next_page_url":"http://127.0.0.1:9/users?starting_after=1"}'
    )
    assert change(Reply.of([1])).body == b"[1]"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "kind must be one of rate_limit"),
        ({"kind": "flood"}, "kind must be one of"),
        ({"kind": "latency"}, "latency needs seconds"),
        ({"kind": "drop", "when": "now"}, "drop takes no when; it takes method, path, times"),
        ({"kind": "drop", "times": 0}, "times must be at least 1"),
        ({"kind": "drop", "probability": 2}, "probability must be from 0 to 1"),
        ({"kind": "rate_limit", "per_minute": 0}, "per_minute must be above 0"),
        ({"kind": "rate_limit", "per_minute": 1, "window": "wide"}, "window must be one of bucket, fixed, sliding"),
        ({"kind": "rate_limit", "per_minute": 1, "retry_after": "soon"}, "retry_after must be seconds or date"),
        ({"kind": "status", "retry_after": "soon"}, "retry_after must be seconds or date"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fault_from(settings)


def test_every_kind_can_be_made_from_settings_and_described() -> None:
    needed: dict[str, dict[str, Any]] = {
        "rate_limit": {"per_minute": 5},
        "latency": {"seconds": 1},
        "redirect": {"location": "/"},
        "hostile_next": {"origin": "http://x"},
    }
    for kind in KINDS:
        settings: dict[str, Any] = {"kind": kind, "path": "/users", "times": 3, **needed.get(kind, {})}
        assert fault_from(settings).describe().items() >= settings.items()
