from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider.engagement.usertour import api
from airflow_provider.engagement.usertour.walk import Incomplete, tolerant
from airflow_provider.engagement.wire.errors import BadAnswer, Invalid
from airflow_provider.engagement.wire.page import Page
from airflow_provider.engagement.wire.record import Record
from tests.usertour.tied_server import TiedServer, read_all


def bare(version: api.Version, name: str) -> Any:
    """The list with its own walk, reading rows of nothing but an id."""

    def read(raw: Any) -> Page[Record]:
        cursor = raw["next"].partition("cursor=")[2] if raw["next"] else None
        return Page([Record.read(row) for row in raw["results"]], cursor)

    return replace(api.ENDPOINTS[version][name], path=f"/{version}/list", read=read, required=())


SESSIONS, USERS, V2_SESSIONS = bare("v1", "list_content_sessions"), bare("v1", "list_users"), bare("v2", "list_content_sessions")

moments = st.lists(st.integers(0, 12), max_size=160)


def rows_of(created: list[int]) -> dict[str, int]:
    return {f"s{number}": moment for number, moment in enumerate(created)}


def follow(server: TiedServer, limit: int) -> list[str]:
    """What following `next` gives."""
    return read_all(replace(SESSIONS, walk=None), server, {"limit": limit})


def test_the_server_has_the_bug() -> None:
    server = TiedServer(rows_of([1] * 60))
    for limit in (5, 7, 20):
        got = follow(server, limit)
        assert len(set(got)) < 60
    assert sorted(read_all(SESSIONS, server, {"limit": 5})) == sorted(server.rows)


@settings(max_examples=300, deadline=None)
@given(
    created=moments,
    seed=st.integers(0, 10_000),
    limit=st.sampled_from([1, 2, 3, 7, 20, 99, 100]),
    order=st.sampled_from([None, "createdAt", "-createdAt"]),
    internal=st.booleans(),
)
def test_every_row_comes_once_whatever_is_equal(created: list[int], seed: int, limit: int, order: str | None, internal: bool) -> None:
    server = TiedServer(rows_of(created), seed, internal=internal)
    largest = max((created.count(moment) for moment in set(created)), default=0)
    if largest >= 100:
        return
    got = read_all(USERS if internal else SESSIONS, server, {"limit": limit, "orderBy": order})
    assert sorted(got) == sorted(server.rows)
    assert [server.rows[name] for name in got] == sorted((server.rows[name] for name in got), reverse=order == "-createdAt")


@settings(max_examples=100, deadline=None)
@given(created=st.lists(st.integers(0, 60), max_size=300), seed=st.integers(0, 10_000), internal=st.booleans())
def test_a_server_that_skips_any_equal_row_loses_none_either(created: list[int], seed: int, internal: bool) -> None:
    server = TiedServer(rows_of(created), seed, skipping=True, internal=internal)
    got = read_all(USERS if internal else SESSIONS, server, {"limit": 100})
    assert sorted(got) == sorted(server.rows)


@pytest.mark.parametrize("internal", [False, True])
@pytest.mark.parametrize("surroundings", [[], [0], [2], [0, 0, 2, 2, 3]])
def test_a_group_too_large_for_a_page_is_read_from_both_sides_and_said(surroundings: list[int], internal: bool) -> None:
    server = TiedServer(rows_of([1] * 150 + surroundings), seed=3, internal=internal)
    endpoint = USERS if internal else SESSIONS
    with pytest.raises(Incomplete, match=r"more rows share createdAt 1 than a page of 100 holds; \d+ rows .* allow_incomplete") as caught:
        read_all(endpoint, server, {"limit": 100})
    assert caught.value.ties == ("1",)
    got = read_all(tolerant(endpoint), server, {"limit": 100})
    assert len(got) == len(set(got))
    assert {name for name in server.rows if server.rows[name] != 1} <= set(got)
    assert len(got) >= len(set(follow(TiedServer(server.rows, 3), 100)))


def deleting(*names: str, at: int) -> Any:
    def before(server: TiedServer) -> None:
        if len(server.asked) == at:
            for name in names:
                server.rows.pop(name, None)

    return before


@pytest.mark.parametrize("internal", [False, True])
def test_a_deleted_cursor_does_not_end_the_walk(internal: bool) -> None:
    rows = rows_of(list(range(30)))
    for at in range(1, 12):
        for victim in range(30):
            server = TiedServer(dict(rows), internal=internal, before=deleting(f"s{victim}", at=at))
            got = read_all(USERS if internal else SESSIONS, server, {"limit": 5})
            assert len(got) == len(set(got))
            assert set(server.rows) <= set(got)


@settings(max_examples=200, deadline=None)
@given(
    created=st.lists(st.integers(0, 12), max_size=80),
    seed=st.integers(0, 1000),
    limit=st.integers(1, 20),
    at=st.integers(1, 9),
    share=st.floats(0, 1),
    version=st.sampled_from(["v1", "v2"]),
    internal=st.booleans(),
)
def test_rows_that_stay_come_though_others_go(
    created: list[int], seed: int, limit: int, at: int, share: float, version: str, internal: bool
) -> None:
    rows = rows_of(created)
    gone = list(rows)[: int(share * len(rows))]
    server = TiedServer(rows, seed, version, internal=internal, before=deleting(*gone, at=at))
    endpoint = V2_SESSIONS if version == "v2" else USERS if internal else SESSIONS
    got = read_all(endpoint, server, {"limit": limit})
    assert len(got) == len(set(got))
    assert set(server.rows) <= set(got)


@settings(max_examples=200, deadline=None)
@given(
    created=st.lists(st.integers(0, 12), max_size=80),
    new=st.lists(st.tuples(st.integers(1, 12), st.integers(0, 13), st.booleans()), max_size=12),
    seed=st.integers(0, 1000),
    limit=st.integers(1, 20),
    order=st.sampled_from(["createdAt", "-createdAt"]),
    version=st.sampled_from(["v1", "v2"]),
    internal=st.booleans(),
)
def test_rows_that_were_there_come_once_though_others_come_and_go(
    created: list[int], new: list[tuple[int, int, bool]], seed: int, limit: int, order: str, version: str, internal: bool
) -> None:
    """Rows come in at any moment, also at one that is being read, and every other one of them goes again."""

    def before(server: TiedServer) -> None:
        for number, (at, moment, goes) in enumerate(new):
            if len(server.asked) == at:
                server.rows[f"n{number}"] = moment
            elif goes and len(server.asked) > at:
                server.rows.pop(f"n{number}", None)

    rows = rows_of(created)
    server = TiedServer(dict(rows), seed, version, internal=internal, before=before)
    endpoint = V2_SESSIONS if version == "v2" else USERS if internal else SESSIONS
    got = read_all(endpoint, server, {"limit": limit, "orderBy": order})
    assert len(got) == len(set(got))
    assert set(rows) <= set(got)


def test_the_callers_own_bad_cursor_is_an_error() -> None:
    with pytest.raises(Invalid, match="bad cursor"):
        read_all(SESSIONS, TiedServer(rows_of([1, 2, 3])), {"limit": 2, "cursor": "gone"})


def test_the_callers_own_cursor_begins_the_walk() -> None:
    assert read_all(SESSIONS, TiedServer(rows_of([1, 2, 3, 4, 5])), {"limit": 2, "cursor": "s1"}) == ["s2", "s3", "s4"]
    assert read_all(V2_SESSIONS, TiedServer(rows_of([1, 2, 3]), version="v2"), {"limit": 2, "cursor": "s0"}) == ["s1", "s2"]
    assert read_all(V2_SESSIONS, TiedServer(rows_of([1, 2, 3]), version="v2"), {"limit": 2, "cursor": "gone"}) == []


def test_a_limit_ends_the_walk_early() -> None:
    for endpoint, version in ((SESSIONS, "v1"), (V2_SESSIONS, "v2")):
        server = TiedServer(rows_of(list(range(100))), version=version)
        assert len(read_all(endpoint, server, {"limit": 10}, limit=15)) >= 15
        assert len(server.asked) <= 3


def test_a_walk_that_loses_its_place_for_ever_gives_up() -> None:
    def before(server: TiedServer) -> None:
        if server.asked and (cursor := server.asked[-1].get("cursor")):
            server.rows.pop(cursor, None)
        for name in list(server.rows)[:1]:
            server.rows[f"{name}x"] = server.rows.pop(name)

    server = TiedServer(rows_of(list(range(40))), before=before)
    try:
        got = read_all(SESSIONS, server, {"limit": 2})
    except (BadAnswer, Invalid):
        got = []
    assert len(server.asked) < 2000
    assert len(got) == len(set(got))


def test_v2_believes_an_empty_page_after_a_second_look() -> None:
    class EndsEmpty(TiedServer):
        """Always promises another page."""

        def answer(self, call: Any) -> Any:
            page = super().answer(call)
            return Page(page.items, page.cursor or (page.items[-1].raw["id"] if page.items else None))

    server = EndsEmpty(rows_of([1, 2, 3, 4]), version="v2")
    assert read_all(V2_SESSIONS, server, {"limit": 2}) == ["s0", "s1", "s2", "s3"]
    assert len(server.asked) == 4
