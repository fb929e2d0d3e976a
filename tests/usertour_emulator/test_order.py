"""The order in which the emulated database puts rows."""

from __future__ import annotations

import random

import pytest

from airflow_provider.engagement.usertour.emulator_order import fetch, ordered

Row = tuple[int, int]


def value(row: Row) -> int:
    return row[0]


def rows(count: int, kinds: int, seed: int) -> list[Row]:
    drawn = random.Random(seed)
    return [(drawn.randrange(kinds), place) for place in range(count)]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 6, 7, 8, 39, 40, 41, 42, 300])
def test_whatever_the_ties_it_is_sorted_and_whole(count: int, descending: bool) -> None:
    for kinds in (1, 2, 5, 10_000):
        given = rows(count, kinds, seed=count)
        for bound in (None, 1, 3, 20):
            found = ordered(given, value, descending=descending, bound=bound)
            wanted = sorted(map(value, given), reverse=descending)
            assert [value(row) for row in found] == wanted[: len(found)]
            assert len(set(found)) == len(found) >= min(len(given), bound or len(given))
            assert set(found) <= set(given)


def test_without_ties_it_is_the_order() -> None:
    given = [(drawn, drawn) for drawn in random.Random(1).sample(range(1000), 300)]
    assert ordered(given, value, descending=False, bound=10) == sorted(given)
    assert ordered(given, value, descending=True) == sorted(given, reverse=True)


def test_the_first_row_of_equal_ones_falls_out_of_a_small_page() -> None:
    given: list[Row] = [(0, place) for place in range(26)]
    assert [place for _, place in ordered(given, value, descending=False, bound=3)] == [1, 2, 0]
    assert [place for _, place in ordered(given, value, descending=False, bound=21)] == list(range(26))


def test_a_cursor_that_is_not_there_leads_nowhere() -> None:
    given = rows(10, 3, seed=2)
    assert fetch(given, value, descending=False, cursor=(9, 99), take=5, backwards=False, ties=True) == []


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("descending", [False, True])
def test_forwards_and_backwards_meet_where_nothing_is_equal(ties: bool, descending: bool) -> None:
    given = [(drawn, drawn) for drawn in random.Random(3).sample(range(100), 50)]
    whole = sorted(given, reverse=descending)

    def get(cursor: Row | None, *, backwards: bool = False) -> list[Row]:
        return fetch(given, value, descending=descending, cursor=cursor, take=10, backwards=backwards, ties=ties)

    assert get(None) == whole[:10]
    assert get(whole[9]) == whole[10:20]
    assert get(whole[20], backwards=True) == whole[10:20]
    assert get(whole[5], backwards=True) == whole[:5]
    assert get(whole[-1]) == []
