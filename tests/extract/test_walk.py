"""The walk proves its window: it ends behind the edge, and refuses a list that is not what was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider.engagement.extract.walk import read_created
from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import BadAnswer
from airflow_provider.engagement.wire.message import Query
from airflow_provider.engagement.wire.page import Page

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = Window(NOON, NOON + timedelta(hours=1))


class Pages:
    """A client that answers with pages made for the test; an emulator would not send such lists."""

    def __init__(self, *pages: list[int | None]) -> None:
        self._pages = pages
        self.asked = 0

    async def pages(self, endpoint: Endpoint[Page[Any]], query: Query) -> AsyncIterator[Page[api.ContentSession]]:
        for number, minutes in enumerate(self._pages):
            self.asked += 1
            yield Page([_session(f"{number}-{index}", minute) for index, minute in enumerate(minutes)], "more")


def _session(session_id: str, minute: int | None) -> api.ContentSession:
    moment = None if minute is None else (NOON + timedelta(minutes=minute)).isoformat()
    return api.ContentSession.read({"id": session_id, "created_at": moment})


def read(client: Pages) -> list[str]:
    async def run() -> list[str]:
        walk = read_created(client, api.LIST_CONTENT_SESSIONS, {}, WINDOW, lambda session: session.created_at)  # type: ignore[arg-type]
        return [session.id async for page in walk for session, _ in page]

    return asyncio.run(run())


def test_it_takes_the_window_and_stops_behind_its_edge() -> None:
    client = Pages([90, 60, 59], [30, 0], [-1], [-2])
    assert read(client) == ["0-2", "1-0", "1-1"]
    assert client.asked == 3


def test_an_edge_shared_by_two_pages_is_read_on() -> None:
    client = Pages([0, 0], [0], [-1])
    assert read(client) == ["0-0", "0-1", "1-0"]


def test_it_ends_with_the_list() -> None:
    assert read(Pages([30], [10])) == ["0-0", "1-0"]
    assert read(Pages()) == []


@pytest.mark.parametrize("pages", [([30, 31],), ([30, 20], [25])])
def test_a_list_out_of_order_proves_nothing(pages: tuple[list[int | None], ...]) -> None:
    with pytest.raises(BadAnswer, match=r"record '.-.' is out of the order asked for"):
        read(Pages(*pages))


def test_a_walk_that_lost_its_place_meets_what_is_new() -> None:
    assert read(Pages([30, 20], [59, 10], [-1])) == ["0-0", "0-1", "1-0", "1-1"]


def test_a_record_without_its_moment_proves_nothing() -> None:
    with pytest.raises(BadAnswer, match="record '0-1' has no created_at"):
        read(Pages([30, None]))
