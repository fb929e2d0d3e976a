from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import BadAnswer
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
