"""A list by page numbers that moves while it is read: each record once, and none missed where that can be known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider.engagement.mirats.api import LIST_USER_SESSIONS, NumberedPage, UserSession
from airflow_provider.engagement.mirats.walk import NumberedWalk
from airflow_provider.engagement.wire.errors import BadAnswer
from airflow_provider.engagement.wire.message import decode_json

Change = Callable[[list[str]], None]


class Server:
    """A list of rids, served by pages; `change` is called after each page with the list and the number of requests so far."""

    def __init__(self, rids: list[str], rows: int = 3, *, counted: bool = True) -> None:
        self.rids = rids
        self.rows = rows
        self.counted = counted
        self.asked: list[int] = []
        self.changes: dict[int, Change] = {}
        self.always: Change = lambda _rids: None

    def page(self, number: int) -> NumberedPage[UserSession]:
        self.asked.append(number)
        shown = self.rids[(number - 1) * self.rows : number * self.rows]
        pages = -(-len(self.rids) // self.rows)
        items = [UserSession.read({"rid": rid}) for rid in shown]
        answer = NumberedPage(items, len(self.rids) if self.counted else None, pages if self.counted else None, {})
        self.changes.get(len(self.asked), self.always)(self.rids)
        return answer

    def read(self, **settings: object) -> list[str]:
        walk = NumberedWalk(LIST_USER_SESSIONS, {"rows": self.rows}, lambda session: session.rid, **settings)  # type: ignore[arg-type]
        found: list[str] = []
        while (call := walk.next_call()) is not None:
            assert call.request.repeatable
            body = decode_json(call.request.body or b"")
            assert body["rows"] == self.rows
            found += [session.rid for session in walk.take(self.page(body["page"]))]
        return found


def rids(count: int) -> list[str]:
    return [f"r{number:02}" for number in range(count)]


def insert(place: int, *new: str) -> Change:
    return lambda held: held.__setitem__(slice(place, place), list(new))


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 9, 10])
def test_a_list_that_stands_still_is_read_once(count: int, counted: bool) -> None:
    server = Server(rids(count), counted=counted)
    assert server.read() == rids(count)
    assert len(server.asked) <= count // 3 + (1 if counted else 2)  # where pages are not counted, an empty one is the end
    assert server.asked == list(range(1, len(server.asked) + 1))


def test_rows_that_come_in_at_the_front_do_not_come_twice() -> None:
    server = Server(rids(8))
    server.changes = {1: insert(0, "new"), 2: insert(0, "newer")}
    found = server.read()
    assert sorted(found) == sorted([*rids(8), "new", "newer"])


def test_rows_that_come_in_at_the_end_are_read() -> None:
    server = Server(rids(6))
    server.changes = {1: insert(6, "late")}
    assert server.read() == [*rids(6), "late"]
    assert server.asked == [1, 2, 3, 1, 2, 3]


def test_a_row_that_a_leaving_one_pulls_forward_is_not_missed() -> None:
    server = Server(rids(9))
    server.changes = {1: lambda held: held.remove("r00")}
    assert sorted(server.read()) == rids(9)
    assert server.asked == [1, 2, 3, 1, 2, 3]


def test_a_list_shorter_than_it_says_is_read_again_and_then_believed() -> None:
    server = Server([*rids(5), "r00"])
    assert server.read() == rids(5)
    assert server.asked == [1, 2, 1, 2]


def test_news_that_nobody_wants_keep_no_walk_going() -> None:
    server = Server(rids(9))
    server.always = lambda held: held.insert(0, f"now{len(held)}")
    found = server.read(wanted=lambda session: session.rid.startswith("r"))
    assert sorted(found) == rids(9)
    assert len(server.asked) < 20


def test_a_list_that_only_grows_is_read_three_times_at_the_most() -> None:
    server = Server(rids(9))
    server.always = lambda held: held.insert(0, f"now{len(held)}")
    found = server.read()
    assert set(rids(9)) <= set(found)
    assert len(found) == len(set(found))
    assert server.asked.count(1) == 3


def test_a_list_that_shrinks_all_the_time_is_reported() -> None:
    server = Server(rids(60))
    server.always = lambda held: held.__delitem__(0)
    with pytest.raises(BadAnswer, match=r"POST /user-sessions: the list shrank during each of 3 walks .* narrow the dates"):
        server.read(most_walks=3)
    assert server.asked.count(1) == 3


def test_one_walk_is_all_where_nobody_waits_for_it_to_settle() -> None:
    server = Server(rids(9))
    server.changes = {1: lambda held: held.remove("r00")}
    assert server.read(settle=False) == [rid for rid in rids(9) if rid != "r03"]
    assert server.asked == [1, 2, 3]


def test_a_server_that_ignores_the_page_does_not_keep_us_for_ever() -> None:
    server = Server(rids(3), counted=False)
    server.page = lambda _number: Server.page(server, 1)  # type: ignore[method-assign]
    assert server.read() == rids(3)


@settings(max_examples=200, deadline=None)
@given(
    count=st.integers(0, 20),
    rows=st.integers(1, 6),
    moves=st.dictionaries(st.integers(1, 12), st.tuples(st.booleans(), st.integers(0, 19)), max_size=6),
)
def test_each_comes_once_and_none_that_stayed_is_missed(count: int, rows: int, moves: dict[int, tuple[bool, int]]) -> None:
    server = Server(rids(count), rows)
    stayed = set(rids(count))

    def change(number: int, comes: bool, place: int) -> Change:
        def apply(held: list[str]) -> None:
            if comes or not held:
                held.insert(min(place, len(held)), f"new{number}")
            else:
                stayed.discard(held.pop(place % len(held)))

        return apply

    # Only one direction at a time: one in and one out between the same two pages cannot be noticed.
    direction = next(iter(moves.values()))[0] if moves else True
    server.changes = {number: change(number, direction, place) for number, (_comes, place) in moves.items()}
    found = server.read(most_walks=30)
    assert len(found) == len(set(found))
    assert stayed <= set(found)
