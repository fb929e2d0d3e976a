from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import BadAnswer, Invalid, Rejected
from airflow_provider.engagement.wire.message import Call
from airflow_provider.engagement.wire.page import Page, drive, walk

LIST: Endpoint[Page[int]] = Endpoint(
    "GET",
    "/numbers",
    lambda raw: raw,
    "list_numbers",
    "doc",
    query=("odd", "after"),
    next_query=lambda page, query: None if page.cursor is None else {**query, "after": page.cursor},
)


def gather(pages: Mapping[str | None, Page[int]], limit: int | None = None, query: Mapping[str, Any] | None = None) -> list[str]:
    """The targets that a walk over these pages asks for."""
    asked, walked = [], walk(LIST, query or {}, limit)
    step = drive(walked)
    while step is not None:
        answer = None
        if not isinstance(step, Page):
            asked.append(step.request.target)
            answer = pages[dict(step.request.query).get("after")]
        step = drive(walked, answer)
    return asked


def test_a_walk_keeps_its_own_query_and_ends_at_the_last_page() -> None:
    pages = {None: Page([1], "1"), "1": Page([2], "2"), "2": Page([3], None)}
    assert gather(pages, query={"odd": True}) == ["/numbers?odd=true", "/numbers?odd=true&after=1", "/numbers?odd=true&after=2"]


def test_a_limit_ends_the_walk_early() -> None:
    pages = {None: Page([1, 2], "2"), "2": Page([3, 4], "4"), "4": Page([5], None)}
    assert gather(pages, limit=3) == ["/numbers", "/numbers?after=2"]
    assert gather(pages, limit=2) == ["/numbers"]


def test_empty_pages_in_between_do_not_end_it() -> None:
    assert len(gather({None: Page([], "1"), "1": Page([2], None)})) == 2


def test_a_circle_is_noticed() -> None:
    with pytest.raises(BadAnswer, match="leads back to cursor '1'"):
        gather({None: Page([1], "1"), "1": Page([2], "2"), "2": Page([3], "1")})


def test_an_endpoint_may_have_its_own_walk() -> None:
    def backwards(endpoint: Endpoint[Page[int]], query: Mapping[str, Any], limit: int | None) -> Any:
        page = yield endpoint.call(query)
        yield Page(page.items[::-1], None)

    own = replace(LIST, walk=backwards)
    walked = walk(own, {})
    assert isinstance(drive(walked), Call)
    handed_out = drive(walked, Page([1, 2, 3], None))
    assert isinstance(handed_out, Page)
    assert handed_out.items == [3, 2, 1]
    assert drive(walked) is None


def test_a_final_no_reaches_the_walk_which_may_know_a_way_round() -> None:
    def second_try(endpoint: Endpoint[Page[int]], query: Mapping[str, Any], limit: int | None) -> Any:
        try:
            yield endpoint.call(query)
        except Rejected:
            page = yield endpoint.call({"odd": True})
            yield page

    no = Invalid("no", request=LIST.call().request, status=400)
    walked = walk(replace(LIST, walk=second_try), {})
    drive(walked)
    again = drive(walked, no)
    assert isinstance(again, Call)
    assert again.request.target == "/numbers?odd=true"
    walked = walk(LIST, {})
    drive(walked)
    with pytest.raises(Invalid) as caught:
        drive(walked, no)
    assert caught.value is no
