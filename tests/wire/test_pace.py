from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider.engagement.emulator.limits import Bucket, Fixed, Sliding, Window
from airflow_provider.engagement.wire.pace import Pace, retry_after
from tests.wire.pace_simulation import Outcome, Simulation

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


def alone(pace: Pace, window: Window, seconds: float, *, offset: float = 0.0, latency: float = 0.05, lag: float = 0.001) -> Outcome:
    return Simulation(window, offset, latency, lag).run([pace], seconds)[0]


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


@pytest.mark.parametrize("limit", [20, 100, 600, 3000])
@pytest.mark.parametrize(
    "window",
    [
        pytest.param(Bucket, id="bucket of a minute"),
        pytest.param(lambda limit: Bucket(limit, 10), id="bucket of ten"),
        pytest.param(Fixed, id="window"),
        pytest.param(Sliding, id="sliding window"),
    ],
)
@pytest.mark.parametrize("latency", [0.005, 0.3])
def test_a_stated_limit_is_used_and_never_exceeded(limit: int, window: Callable[[int], Window], latency: float) -> None:
    outcome = alone(Pace(limit), window(limit), 300, offset=17, latency=latency)
    # A request may be on its way when the time is up: one of 20 a minute is 1 % of five minutes.
    assert len(outcome.accepted) >= 0.98 * 5 * limit * (1 - latency / 300) - 1
    assert busiest_minute(outcome.accepted) <= limit
    assert outcome.refused == []


def test_a_burst_is_half_a_second_long_at_the_most() -> None:
    pace = Pace(600)
    go(pace, 0.0)
    assert sum(go(pace, 100.0) == 100.0 for _ in range(20)) == 5


@pytest.mark.parametrize("window", [Bucket(300, 50), Fixed(300)])
def test_a_stated_limit_that_proves_too_high_is_lowered(window: Window) -> None:
    outcome = alone(Pace(600), window, 300, offset=20)
    assert outcome.rate(60, 300) >= 0.9 * 300
    assert outcome.refused_share(0, 300) <= 0.01


@pytest.mark.parametrize("limit", [0, -1, float("inf"), float("nan")])
def test_impossible_limits_are_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="requests_per_minute must be above 0"):
        Pace(limit)


def test_no_concurrency_is_refused() -> None:
    with pytest.raises(ValueError, match="concurrency must be at least 1"):
        Pace(concurrency=0)


# --- a limit to be found -----------------------------------------------------------------------------------------------


BUCKETS = [
    pytest.param(lambda limit: Bucket(limit), id="of a minute"),
    pytest.param(lambda limit: Bucket(limit, limit / 6), id="of ten seconds"),
    pytest.param(lambda limit: Bucket(limit, 10), id="of ten requests"),
]


@pytest.mark.parametrize("limit", [100, 600, 3000])
@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize("latency", [0.005, 0.05])
def test_the_limit_of_a_bucket_is_found_and_kept(limit: int, bucket: Callable[[int], Window], latency: float) -> None:
    outcome = alone(Pace(), bucket(limit), 300, latency=latency)
    assert outcome.rate(60, 300) >= 0.95 * limit
    assert len(outcome.refused) <= max(5, 0.01 * 5 * limit)
    assert outcome.refused_share(60, 300) <= 0.005


@pytest.mark.parametrize("limit", [100, 600, 3000])
@pytest.mark.parametrize("latency", [0.005, 0.05])
def test_the_limit_of_a_window_is_found_and_kept_wherever_it_begins(limit: int, latency: float) -> None:
    outcomes = [alone(Pace(), Fixed(limit), 300, offset=offset + 0.5, latency=latency) for offset in range(0, 60, 5)]
    assert min(outcome.rate(60, 300) for outcome in outcomes) >= 0.9 * limit
    assert max(outcome.refused_share(60, 300) for outcome in outcomes) <= 0.01
    assert max(len(outcome.refused) for outcome in outcomes) <= max(5, 0.01 * 5 * limit)
    assert sum(outcome.refused_share(0, 300) for outcome in outcomes) / len(outcomes) <= 0.0075


@pytest.mark.parametrize("limit", [100, 600])
@pytest.mark.parametrize("window", [*BUCKETS, pytest.param(Fixed, id="window")])
def test_slow_answers_cost_little_more(limit: int, window: Callable[[int], Window]) -> None:
    outcome = alone(Pace(), window(limit), 300, offset=10, latency=0.3)
    assert outcome.rate(60, 300) >= 0.9 * limit
    assert len(outcome.refused) <= max(9, 0.01 * 5 * limit)


@pytest.mark.parametrize("window", [*BUCKETS[::2], pytest.param(Fixed, id="window"), pytest.param(Sliding, id="sliding window")])
def test_a_very_low_limit_is_used(window: Callable[[int], Window]) -> None:
    outcome = alone(Pace(), window(20), 600)
    assert outcome.rate(60, 600) >= 0.95 * 20
    assert len(outcome.refused) <= 7


def test_a_bucket_of_one_request_is_not_hammered() -> None:
    outcome = alone(Pace(), Bucket(100, 1), 300)
    assert outcome.rate(60, 300) >= 0.75 * 100
    assert len(outcome.refused) <= 5


def test_a_limit_by_the_hour_is_not_hammered() -> None:
    class Hourly(Fixed):
        def _turn(self, now: float) -> None:
            window = now // 3600
            if window != self._window:
                self._window, self._count = window, 0

    outcome = alone(Pace(), Hourly(1000), 3 * 3600)
    assert len(outcome.accepted) >= 2900
    assert len(outcome.refused) <= 240  # nothing says when it opens: one a minute asks


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("window", [*BUCKETS[:2], pytest.param(Fixed, id="window")])
@pytest.mark.parametrize("limit", [100, 600, 3000])
def test_clients_that_share_an_account_stay_within_it(count: int, window: Callable[[int], Window], limit: int) -> None:
    outcomes = Simulation(window(limit), offset=13).run([Pace() for _ in range(count)], 600, [20.0 * client for client in range(count)])
    assert sum(outcome.rate(120, 600) for outcome in outcomes) >= 0.9 * limit
    # Each has to find out for itself, and at 100 a minute that shows.
    assert sum(len(outcome.refused) for outcome in outcomes) <= max(14 * count, 0.0125 * 10 * limit)
    assert min(len(outcome.accepted) for outcome in outcomes) > 0


@pytest.mark.parametrize("window", [pytest.param(Fixed, id="window"), pytest.param(Bucket, id="bucket")])
def test_clients_that_start_together_share_evenly(window: Callable[[int], Window]) -> None:
    outcomes = Simulation(window(3000)).run([Pace(), Pace()], 600)
    assert min(outcome.rate(300, 600) for outcome in outcomes) >= 0.35 * 3000


class Changing:
    """A limit that is another one from a moment on."""

    def __init__(self, before: Window, after: Window, moment: float) -> None:
        self.before, self.after, self.moment = before, after, moment

    def _now(self, now: float) -> Window:
        return self.before if now < self.moment else self.after

    def admit(self, now: float) -> bool:
        return self._now(now).admit(now)

    def left(self, now: float) -> float:
        return self._now(now).left(now)

    def wait(self, now: float) -> float:
        return self._now(now).wait(now)


@pytest.mark.parametrize("window", [pytest.param(Fixed, id="window"), pytest.param(lambda limit: Bucket(limit, limit / 6), id="bucket")])
def test_a_limit_that_falls_is_followed_at_once(window: Callable[[int], Window]) -> None:
    outcome = alone(Pace(), Changing(window(3000), window(600), 300), 600)
    assert outcome.rate(360, 600) >= 0.9 * 600
    assert outcome.refused_share(300, 600) <= 0.01


@pytest.mark.parametrize("window", [pytest.param(Fixed, id="window"), pytest.param(lambda limit: Bucket(limit, limit / 6), id="bucket")])
def test_a_limit_that_rises_is_used_after_some_minutes(window: Callable[[int], Window]) -> None:
    outcome = alone(Pace(), Changing(window(300), window(600), 300), 1200)
    assert max(outcome.rate(since, since + 60) for since in range(300, 1140, 60)) >= 0.95 * 600
    assert outcome.rate(900, 1200) >= 1.2 * 300
    assert outcome.refused_share(300, 1200) <= 0.01


def retry(window: Window, now: float, admitted: bool) -> Mapping[str, str]:
    return {} if admitted else {"retry-after": str(ceil(window.wait(now)))}


def left(window: Window, now: float, admitted: bool) -> Mapping[str, str]:
    remaining, reset = str(int(window.left(now))), str(ceil(window.wait(now)))
    return {"x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset, **retry(window, now, admitted)}


@pytest.mark.parametrize("limit", [100, 600, 3000])
@pytest.mark.parametrize("window", [*BUCKETS[:2], pytest.param(Fixed, id="window")])
@pytest.mark.parametrize("told", [retry, left])
def test_what_the_server_tells_saves_refusals(
    limit: int, window: Callable[[int], Window], told: Callable[[Window, float, bool], Mapping[str, str]]
) -> None:
    outcome = Simulation(window(limit), offset=57, told=told).run([Pace()], 300)[0]
    assert outcome.rate(60, 300) >= 0.9 * limit
    assert outcome.refused_share(0, 300) <= 0.0125
    assert outcome.refused_share(60, 300) <= 0.005


def test_the_first_minute_already_grows() -> None:
    outcome = alone(Pace(), Bucket(1e9), 30)
    assert outcome.rate(20, 30) > 3000


def test_while_little_is_known_little_is_under_way() -> None:
    outcome = alone(Pace(), Bucket(100), 30, latency=1.0)
    assert len([at for at in outcome.accepted if at < 5]) <= 2 * 5
    pace = Pace(concurrency=16)
    assert pace.concurrency == 2
    assert Pace(100, concurrency=16).concurrency == 16
    assert Pace(concurrency=1).concurrency == 1


def test_idling_does_not_grow_the_rate() -> None:
    pace = Pace()
    first = pace.requests_per_minute
    for now in range(100):
        go(pace, float(now))
        pace.observe(now, now + 0.1, 200, {})
    assert pace.requests_per_minute == first


def test_late_wakings_are_made_up_for() -> None:
    outcome = alone(Pace(), Bucket(1200, 200), 300, lag=0.02)
    assert outcome.rate(60, 300) >= 0.95 * 1200


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


def test_without_retry_after_one_request_asks_now_and_then_until_the_window_opens() -> None:
    pace, now, pauses = Pace(), 0.0, []
    for _ in range(300):  # all accepted, within the first minute
        now = go(pace, now)
        pace.observe(now, now, 200, {})
    refused = now
    while now < refused + 60:
        now = go(pace, now)
        pace.observe(now, now, 429, {})
        pauses.append(pace.delay(now))
    assert pauses[0] <= 1.0  # a bucket would have a token by then
    assert pauses[1] == pytest.approx(40.0)  # the time of 200 requests at 300 a minute
    assert len(pauses) <= 5


def test_refusals_of_requests_already_under_way_count_once() -> None:
    pace = Pace()
    for sent in (0.0, 0.1, 0.2):
        pace.take(sent)
    pace.observe(0.0, 0.3, 429, {})
    rate, delay = pace.requests_per_minute, pace.delay(0.3)
    for sent in (0.1, 0.2):
        pace.observe(sent, 0.3, 429, {})
    assert (pace.requests_per_minute, pace.delay(0.3)) == (rate, delay)


def test_after_a_refusal_one_request_goes_ahead() -> None:
    pace = Pace()
    pace.take(0.0)
    pace.observe(0.0, 0.1, 429, {})
    asking = go(pace, 0.1)
    assert pace.delay(asking) == pytest.approx(Pace.PROBE + 2 * 0.1)
    pace.observe(asking, asking + 0.05, 200, {})
    assert pace.delay(asking + 0.05) < Pace.PROBE


def test_a_request_that_asks_and_gets_no_answer_does_not_block() -> None:
    pace = Pace()
    pace.take(0.0)
    pace.observe(0.0, 0.1, 429, {})
    asking = go(pace, 0.1)
    assert go(pace, asking) == pytest.approx(asking + Pace.PROBE + 2 * 0.1)


def test_refusals_before_anything_was_counted_do_no_harm() -> None:
    pace = Pace()
    for now in (1.0, 2.0, 90.0):  # a client shares the pace, but the answers come before it has asked
        pace.observe(now, now, 429, {})
    assert 0 < pace.delay(90.0) <= 60
    assert pace.requests_per_minute > 0


def test_failures_with_retry_after_hold_back_everybody() -> None:
    pace = Pace()
    pace.observe(0.0, 1.0, 503, {"retry-after": "7"})
    assert pace.delay(1.0) == 7.0


@pytest.mark.parametrize("status", [None, 500, 503])
def test_failures_halve_what_is_under_way_and_successes_bring_it_back(status: int | None) -> None:
    pace = Pace(6000, concurrency=16)
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
