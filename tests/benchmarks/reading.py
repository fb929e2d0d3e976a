"""Reading pages of 100 sessions into JSON Lines: this package, `requests` and `json`, Airflow's HttpOperator with pagination."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import requests

from airflow_provider.engagement.extract.gather import Gathering
from airflow_provider.engagement.extract.resource import Reading
from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.export import export
from airflow_provider.engagement.userflow.resources import RESOURCES
from airflow_provider.engagement.wire.clients import AsyncClient
from airflow_provider.engagement.wire.config import ClientConfig
from tests.benchmarks.measure import Spent, interleave, ratio, spend
from tests.benchmarks.stub_server import StubServer
from tests.benchmarks.table import Figure

PAGES = 200
TARGET = 0.6
_FIRST = datetime(2026, 3, 1, tzinfo=UTC)
_QUERY = {"content_id": "flow", "order_by": "-created_at", "expand": "answers", "limit": "100"}
_HEADERS = api.headers("ak_test")


def session(number: int) -> dict[str, Any]:
    """Make a session; every fourth has answers to two questions."""
    began = _FIRST - timedelta(seconds=number)
    answers = [
        {
            "id": f"answer-{number}-{question}",
            "object": "content_session_answer",
            "answer_type": "text",
            "answer_value": "Everything was clear, but the second step took a while.",
            "created_at": began.isoformat(timespec="milliseconds"),
            "question_cvid": f"question-{question}",
            "question_name": "What do you think?",
        }
        for question in range(2 if number % 4 == 0 else 0)
    ]
    return {
        "id": f"7a1d1f3c-0f9c-4c3e-8b1e-{number * 7919 % 1_000_003:012d}",
        "object": "content_session",
        "answers": answers,
        "completed_at": began.isoformat(timespec="milliseconds"),
        "completed": True,
        "content_id": "flow",
        "content": None,
        "created_at": began.isoformat(timespec="milliseconds"),
        "group_id": None,
        "group": None,
        "is_preview": False,
        "last_activity_at": began.isoformat(timespec="milliseconds"),
        "launcher_activated": False,
        "progress": "1",
        "user_id": f"user-{number}",
        "user": None,
        "version_id": "b5e6d3a0-93a6-4c8e-a6ae-5b1b6c7b5a10",
        "version": None,
    }


def _pages() -> dict[str, Any]:
    answers = {}
    after: str | None = None
    for number in range(PAGES):
        data = [session(number * 100 + place) for place in range(100)]
        query = _QUERY if after is None else {**_QUERY, "starting_after": after}
        more = number + 1 < PAGES
        answers[f"GET /content_sessions?{urlencode(query)}"] = {"object": "list", "data": data, "has_more": more, "next_page_url": None}
        after = str(data[-1]["id"])
    return answers


def _ours(base_url: str) -> Spent:
    window = Window(_FIRST - timedelta(days=30), _FIRST + timedelta(days=1))
    reading = Reading(RESOURCES["content_sessions"], "created", (window,))

    async def read(gathering: Gathering) -> None:
        async with AsyncClient(ClientConfig(base_url, api.DIALECT, _HEADERS, requests_per_minute=600_000)) as client:
            await export(client, reading, gathering, content_ids=["flow"], include_previews=False)

    with Gathering() as gathering:
        spent = spend(lambda: asyncio.run(read(gathering)))
        assert gathering.counts()[0] == PAGES * 100
    return spent


def _with_requests(base_url: str, folder: Path) -> Spent:
    def read() -> None:
        query, more = dict(_QUERY), True
        with requests.Session() as asking, (folder / "requests.jsonl").open("w") as out:
            asking.headers.update(_HEADERS)
            while more:
                page = asking.get(f"{base_url}/content_sessions?{urlencode(query)}", timeout=30).json()
                out.writelines(json.dumps(item) + "\n" for item in page["data"])
                more, query["starting_after"] = page["has_more"], page["data"][-1]["id"]

    return spend(read)


def _with_http_operator(base_url: str, folder: Path) -> Spent:
    from airflow.providers.http.operators.http import HttpOperator

    os.environ["AIRFLOW_CONN_USERFLOW_HTTP"] = json.dumps({"conn_type": "http", "host": base_url, "extra": _HEADERS})

    def following(response: Any) -> dict[str, Any] | None:
        page = response.json()
        return {"data": {**_QUERY, "starting_after": page["data"][-1]["id"]}} if page["has_more"] else None

    operator = HttpOperator(
        task_id="read",
        http_conn_id="userflow_http",
        endpoint="content_sessions",
        method="GET",
        data=_QUERY,
        pagination_function=following,
        response_filter=lambda responses: [item for response in responses for item in response.json()["data"]],
    )

    def read() -> None:
        with (folder / "operator.jsonl").open("w") as out:
            out.writelines(json.dumps(item) + "\n" for item in operator.execute({}))

    return spend(read)


def rows() -> list[Figure]:
    """Measure."""
    with StubServer() as server, TemporaryDirectory() as folder:
        server.set(answers=_pages())
        url, place = server.base_url, Path(folder)
        spent = interleave(
            {
                "ours": lambda: _ours(url),
                "requests": lambda: _with_requests(url, place),
                "operator": lambda: _with_http_operator(url, place),
            }
        )
    cpu = {name: [item.cpu / PAGES * 1000 for item in items] for name, items in spent.items()}
    ours = median(cpu["ours"])
    return [
        Figure(
            "reading 100 sessions a page, CPU a page, before they are sorted",
            f"{ours:.2f} ms",
            f"≤ {TARGET} ms",
            ours <= TARGET,
            f"{PAGES} pages, a quarter of the sessions with two answers; gathered in the temporary SQLite file",
        ),
        Figure("… requests and json do the same, JSON Lines written, times", f"{ratio(cpu['requests'], cpu['ours']):.1f}", "", True),
        Figure("… Airflow's HttpOperator with pagination, times", f"{ratio(cpu['operator'], cpu['ours']):.1f}", "", True),
    ]
