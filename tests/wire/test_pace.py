from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider.engagement.wire.pace import Pace, retry_after
from tests.wire.pace_simulation import FixedWindow, Server, TokenBucket, simulate

JITTER = 0.02


def busiest_minute(arrivals: Iterable[float]) -> int:
    """The most requests in any 60 seconds, both ends included."""
    window: deque[float] = deque()
    most = 0
    for arrival in sorted(arrivals):
        window.append(arrival)
        while arrival - window[0] > 60.0:
            window.popleft()
        most = max(most, len(window))
    return most


def go(pace: Pace, now: float) -> float:
    """Wait for the gate and pass it; the time when that was."""
    while (delay := pace.delay(now)) > 0:
        now += delay
    pace.take(now)
    return now


# --- a stated limit ----------------------------------------------------------------------------------------------------

phases = st.lists(st.tuples(st.floats(0, 130), st.integers(1, 250), st.sampled_from([None, 429, 500]), st.floats(0, 90)), max_size=8)


@settings(deadline=None)
@given(st.integers(1, 400), phases, st.integers())
def test_no_sliding_minute_exceeds_a_stated_limit(limit: int, phases: list[tuple[float, int, int | None, float]], seed: int) -> None:
    pace, chance, now = Pace(limit), random.Random(seed), 0.0
    arrivals: list[float] = []
    for idle, requests, status, asked in phases:
        now += idle
        for _ in range(requests):
            now = go(pace, now + chance.choice([0.0, 0.0, 0.001, 0.3]))
            arrivals.append(now + chance.uniform(0, JITTER))
        if status is not None:
            pace.observe(now, now, status, {"retry-after": str(asked)})
    assert busiest_minute(arrivals) <= limit


@pytest.mark.parametrize("limit", [1, 10, 60, 100, 119, 120, 121, 600, 3000])
@pytest.mark.parametrize("idle", [0.0, 59.0, 1000.0])
def test_a_burst_after_idling_stays_within_the_limit(limit: int, idle: float) -> None:
    pace, chance = Pace(limit), random.Random(1)
    arrivals = [go(pace, 0.0)]
    now = idle
    for _ in range(3 * limit):
        now = go(pace, now)
        arrivals.append(now + chance.uniform(0, JITTER))
    assert busiest_minute(arrivals) <= limit


def test_one_client_after_another_stays_within_the_limit() -> None:
    now, arrivals = 0.0, []
    for _ in range(6):  # as tasks of one run, each with its own client
        pace = Pace(600)
        for _ in range(150):
            now = go(pace, now)
            arrivals.append(now)
    assert busiest_minute(arrivals) <= 600


@pytest.mark.parametrize("limit", [100, 600, 3000])
def test_a_stated_limit_is_used(limit: int) -> None:
    outcome = simulate(Pace(limit), TokenBucket(limit, limit), 300)
    assert outcome.rate(0, 300) >= 0.98 * limit
    assert busiest_minute(outcome.accepted) <= limit
    assert outcome.refused == []


def test_a_burst_is_half_a_second_long_at_the_most() -> None:
    pace = Pace(600)
    go(pace, 0.0)
    assert sum(go(pace, 100.0) == 100.0 for _ in range(20)) == 5


def test_a_stated_limit_that_proves_too_high_is_lowered() -> None:
    outcome = simulate(Pace(600), TokenBucket(300, 50), 600)
    assert outcome.rate(60, 600) >= 0.9 * 300
    assert outcome.refused_share(60, 600) <= 0.01


@pytest.mark.parametrize("limit", [0, -1, float("inf"), float("nan")])
def test_impossible_limits_are_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="requests_per_minute must be above 0"):
        Pace(limit)


def test_no_concurrency_is_refused() -> None:
    with pytest.raises(ValueError, match="concurrency must be at least 1"):
        Pace(concurrency=0)


# --- a limit to be found -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [100, 600, 3000])
@pytest.mark.parametrize(
    "server",
    [
        pytest.param(lambda limit: TokenBucket(limit, limit), id="bucket of a minute"),
        pytest.param(lambda limit: TokenBucket(limit, limit / 6), id="bucket of ten seconds"),
        pytest.param(lambda limit: FixedWindow(limit), id="window"),
        pytest.param(lambda limit: FixedWindow(limit, offset=57), id="window that ends soon"),
    ],
)
@pytest.mark.parametrize("latency", [0.05, 0.3])
def test_the_limit_is_found_and_kept(limit: int, server: Callable[[int], Server], latency: float) -> None:
    outcome = simulate(Pace(), server(limit), 660, latency=latency)
    assert outcome.rate(60, 660) >= 0.9 * limit
    assert outcome.refused_share(60, 660) <= 0.01


@pytest.mark.parametrize("capacity", [10, 600])
def test_retry_after_helps_to_find_it(capacity: float) -> None:
    outcome = simulate(Pace(), TokenBucket(600, capacity), 660, headers={"retry-after": "1"})
    assert outcome.rate(60, 660) >= 0.9 * 600
    assert outcome.refused_share(60, 660) <= 0.01


def test_the_first_minute_already_grows() -> None:
    outcome = simulate(Pace(), TokenBucket(1e9, 1e9), 30)
    assert outcome.rate(20, 30) > 3000


def test_idling_does_not_grow_the_rate() -> None:
    pace = Pace()
    first = pace.requests_per_minute
    for now in range(100):
        go(pace, float(now))
        pace.observe(now, now + 0.1, 200, {})
    assert pace.requests_per_minute == first


def test_late_wakings_are_made_up_for() -> None:
    outcome = simulate(Pace(), TokenBucket(1200, 200), 660, lag=0.02)
    assert outcome.rate(60, 660) >= 0.9 * 1200


# --- what answers say --------------------------------------------------------------------------------------------------


def test_one_refusal_holds_back_everybody() -> None:
    pace = Pace()
    pace.take(0.0)
    pace.take(0.1)
    pace.observe(0.0, 0.2, 429, {"retry-after": "30"})
    assert pace.delay(0.2) == 30.0
    pace.observe(0.1, 0.3, 200, {})
    assert pace.delay(1.2) == 29.0


def test_the_longest_request_to_wait_counts() -> None:
    pace = Pace()
    pace.observe(0.0, 1.0, 429, {"retry-after": "30"})
    pace.observe(0.0, 1.0, 429, {"retry-after": "10"})
    assert pace.delay(1.0) == 30.0


def test_without_retry_after_pauses_double_up_to_ten_seconds() -> None:
    pace, now, pauses = Pace(), 0.0, []
    for _ in range(6):
        now = go(pace, now)
        pace.observe(now, now + 0.01, 429, {})
        pauses.append(pace.delay(now + 0.01))
        now += 0.01
    assert pauses == pytest.approx([1.0, 2.0, 4.0, 8.0, 10.0, 10.0])


def test_refusals_of_requests_already_under_way_count_once() -> None:
    pace = Pace()
    for sent in (0.0, 0.1, 0.2):
        pace.take(sent)
    for sent in (0.0, 0.1, 0.2):
        pace.observe(sent, sent + 0.3, 429, {})
    assert pace.requests_per_minute >= 0.5 * Pace().requests_per_minute
    assert pace.delay(0.5) <= 1.0


def test_after_a_refusal_one_request_goes_ahead() -> None:
    pace = Pace()
    pace.take(0.0)
    pace.observe(0.0, 0.1, 429, {})
    probe = go(pace, 0.1)
    assert pace.delay(probe) == pytest.approx(Pace.PROBE)
    pace.observe(probe, probe + 0.05, 200, {})
    assert pace.delay(probe + 0.05) < Pace.PROBE


def test_a_probe_without_answer_does_not_block() -> None:
    pace = Pace()
    pace.take(0.0)
    pace.observe(0.0, 0.1, 429, {})
    probe = go(pace, 0.1)
    assert go(pace, probe) == pytest.approx(probe + Pace.PROBE)


def test_failures_with_retry_after_hold_back_everybody() -> None:
    pace = Pace()
    pace.observe(0.0, 1.0, 503, {"retry-after": "7"})
    assert pace.delay(1.0) == 7.0


@pytest.mark.parametrize("status", [None, 500, 503])
def test_failures_halve_what_is_under_way_and_successes_bring_it_back(status: int | None) -> None:
    pace = Pace(concurrency=16)
    pace.observe(0.0, 1.0, status, {})
    pace.observe(0.5, 1.0, status, {})  # sent before the first failure came: counts once
    assert pace.concurrency == 8
    for sent in range(2, 20):
        pace.observe(sent, sent + 0.5, status, {})
    assert pace.concurrency == 1
    for sent in range(30, 60):
        pace.observe(sent, sent + 0.5, 200, {})
    assert pace.concurrency == 16


def test_remaining_and_reset_are_obeyed() -> None:
    pace = Pace()
    pace.observe(0.0, 1.0, 200, {"x-ratelimit-remaining": "1", "x-ratelimit-reset": "20"})
    assert pace.delay(1.0) == 0.0
    pace.observe(0.0, 1.0, 200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "20"})
    assert pace.delay(1.0) == 20.0


def test_a_reset_may_be_a_date() -> None:
    pace = Pace()
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1669729010", "date": "Tue, 29 Nov 2022 13:36:40 GMT"}
    pace.observe(0.0, 1.0, 200, headers)
    assert pace.delay(1.0) == 10.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "Tue, 29 Nov 2022 12:35:00 GMT", "date": "Tue, 29 Nov 2022 12:34:30 GMT"}, 30.0),
        ({"retry-after": "Tue, 29 Nov 2022 12:34:00 GMT", "date": "Tue, 29 Nov 2022 12:34:30 GMT"}, 0.0),
        ({"retry-after": "Tue, 29 Nov 2022 12:35:00 -0000", "date": "Tue, 29 Nov 2022 12:34:30 GMT"}, 30.0),
        ({"retry-after": "Tue, 29 Nov 2022 12:35:00 GMT"}, 0.0),
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Tue, 99 Nov 99999999999 12:35:00 GMT"}, None),
    ],
)
def test_both_forms_of_retry_after_are_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
