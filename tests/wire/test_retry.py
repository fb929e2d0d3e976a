from __future__ import annotations

from collections.abc import Sequence

import pytest
import tenacity

from airflow_provider.engagement.wire.config import Patience
from airflow_provider.engagement.wire.errors import ApiError, Invalid, RateLimited, ServerFailed, Unreachable
from airflow_provider.engagement.wire.message import Request
from airflow_provider.engagement.wire.retry import Persistence

REQUEST = Request("GET", "/users")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def fail(kind: type[ApiError], retry_after: float | None = None) -> ApiError:
    return kind("failed", request=REQUEST, retry_after=retry_after)


def drive(outcomes: Sequence[ApiError | str], patience: Patience, clock: Clock, *, takes: float = 0.0) -> str:
    """Call something that fails and succeeds as told, each attempt taking some seconds."""
    left = iter(outcomes)

    def attempt() -> str:
        clock.now += takes
        outcome = next(left)
        if isinstance(outcome, ApiError):
            raise outcome
        return outcome

    policy = Persistence(repeatable=True, patience=patience, clock=clock, jitter=lambda: 1.0)
    return tenacity.Retrying(sleep=clock.sleep, **policy.arguments())(attempt)


def test_waits_double_up_to_the_longest() -> None:
    clock = Clock()
    outcomes: list[ApiError | str] = [*(fail(ServerFailed) for _ in range(5)), "done"]
    assert drive(outcomes, Patience(attempts=6, first_wait=1.0, longest_wait=5.0), clock) == "done"
    assert clock.slept == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_jitter_halves_a_wait_at_the_most() -> None:
    clock = Clock()
    policy = Persistence(repeatable=True, patience=Patience(attempts=2, first_wait=1.0), clock=clock, jitter=lambda: 0.0)
    with pytest.raises(ServerFailed):
        tenacity.Retrying(sleep=clock.sleep, **policy.arguments())(_raise_server_failed)
    assert clock.slept == [0.5]


def _raise_server_failed() -> None:
    raise fail(ServerFailed)


def test_attempts_are_counted_and_the_last_error_is_raised_as_it_is() -> None:
    clock = Clock()
    with pytest.raises(Unreachable):
        drive([fail(ServerFailed), fail(ServerFailed), fail(Unreachable), "never"], Patience(attempts=3), clock)
    assert len(clock.slept) == 2


def test_one_attempt_means_no_second() -> None:
    clock = Clock()
    with pytest.raises(ServerFailed):
        drive([fail(ServerFailed), "never"], Patience(attempts=1), clock)
    assert clock.slept == []


def test_a_limit_costs_no_attempts_and_waiting_is_left_to_the_pace() -> None:
    clock = Clock()
    outcomes: list[ApiError | str] = [*(fail(RateLimited) for _ in range(20)), "done"]
    assert drive(outcomes, Patience(attempts=2), clock, takes=10.0) == "done"
    assert set(clock.slept) == {0.0}


def test_a_limit_that_does_not_open_ends_it() -> None:
    clock = Clock()
    with pytest.raises(RateLimited):
        drive([fail(RateLimited) for _ in range(100)], Patience(limit_wait=60.0), clock, takes=10.0)
    assert 60.0 < clock.now <= 80.0


def test_a_limit_that_opens_too_late_ends_it_at_once() -> None:
    clock = Clock()
    with pytest.raises(RateLimited):
        drive([fail(RateLimited, retry_after=61.0), "never"], Patience(limit_wait=60.0), clock)


def test_retry_after_of_a_failure_is_obeyed_unless_it_is_too_long() -> None:
    clock = Clock()
    assert drive([fail(ServerFailed, retry_after=17.0), "done"], Patience(), clock) == "done"
    assert clock.slept == [17.0]
    with pytest.raises(ServerFailed):
        drive([fail(ServerFailed, retry_after=901.0), "never"], Patience(), clock)


def test_a_final_no_after_a_failure_ends_it() -> None:
    clock = Clock()
    with pytest.raises(Invalid):
        drive([fail(ServerFailed), fail(Invalid), "never"], Patience(), clock)


def test_other_errors_go_straight_through() -> None:
    clock = Clock()
    policy = Persistence(repeatable=True, patience=Patience(), clock=clock)
    with pytest.raises(ZeroDivisionError):
        tenacity.Retrying(sleep=clock.sleep, **policy.arguments())(lambda: 1 // 0)
    assert clock.slept == []
