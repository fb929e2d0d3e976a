from __future__ import annotations

import random

import pytest

from airflow_provider.engagement.emulator.limits import WINDOWS, Bucket, Fixed, Sliding


def test_bucket_refills_all_the_time() -> None:
    bucket = Bucket(60, burst=2)
    assert [bucket.admit(100.0) for _ in range(3)] == [True, True, False]
    assert bucket.wait(100.0) == pytest.approx(1.0)
    assert [bucket.admit(101.0), bucket.admit(101.0)] == [True, False]
    assert bucket.left(200.0) == 2
    assert bucket.wait(200.0) == 0


def test_bucket_holds_a_minute_by_default() -> None:
    bucket = Bucket(3)
    assert [bucket.admit(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait(0.0) == pytest.approx(20.0)


def test_fixed_window_starts_anew_every_minute() -> None:
    window = Fixed(2)
    assert [window.admit(59.0), window.admit(59.5), window.admit(59.9)] == [True, True, False]
    assert (window.left(59.9), window.wait(59.0)) == (0, 1.0)
    assert [window.admit(60.0), window.admit(60.1), window.admit(60.2)] == [True, True, False]


def test_sliding_window_counts_the_last_sixty_seconds() -> None:
    window = Sliding(2)
    assert [window.admit(59.0), window.admit(60.0), window.admit(61.0)] == [True, True, False]
    assert window.wait(61.0) == pytest.approx(58.0)
    assert window.admit(119.0)
    assert not window.admit(119.5)
    assert (window.left(500.0), window.wait(500.0)) == (2, 0.0)


@pytest.mark.parametrize("name", WINDOWS)
def test_waiting_as_long_as_told_is_enough_and_no_minute_is_exceeded(name: str) -> None:
    window, chance, now, admitted = WINDOWS[name](30, 1), random.Random(1), 1000.0, []
    for _ in range(500):
        if window.admit(now):
            admitted.append(now)
            now += chance.random()
        else:
            wait = window.wait(now)
            assert wait > 0
            now += wait + 1e-6
            assert window.left(now) >= 1
    slack = {"bucket": 1, "fixed": 30, "sliding": 0}[name]
    for start in admitted:
        assert len([at for at in admitted if start <= at < start + 60]) <= 30 + slack
