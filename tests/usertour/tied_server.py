"""Usertour's list over rows in memory, in the process: with v1's bug, v1's and v2's way with lost cursors, and rows that vanish."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider.engagement.wire.errors import Invalid, Problem
from airflow_provider.engagement.wire.message import Call
from airflow_provider.engagement.wire.page import Page, drive, walk


@dataclass
class TiedServer:
    """Answers pages of rows `{"id", "createdAt"}`.

    Rows that are equal in `createdAt` stand in one order where a page begins at the list's start, and in another where it begins
    behind a cursor, as a database does that sorts the first few rows in one way and all rows in another.

    Attributes:
        rows: id and moment of each row.
        seed: which orders among equals.
        version: `v1` or `v2`.
        skipping: answer a page behind a cursor by leaving out one of the rows equal to it, whichever comes first.
        before: called before each answer; may delete rows.
        asked: the queries that came.
    """

    rows: dict[str, int]
    seed: int = 0
    version: str = "v1"
    skipping: bool = False
    internal: bool = False
    before: Callable[[TiedServer], None] = lambda server: None
    asked: list[Mapping[str, str]] = field(default_factory=list)

    def answer(self, call: Call[Any]) -> Any:
        query = dict(call.request.query)
        self.before(self)
        self.asked.append(query)
        cursor, limit = query.get("cursor"), int(query["limit"])
        assert 1 <= limit <= 100
        order = query.get("orderBy") or query.get("orderBy[]") or "createdAt"
        ordered = self._ordered(order.startswith("-"), head=cursor is None or self.version == "v2")
        if cursor is not None:
            ordered = self._behind(ordered, cursor)
        if not ordered and cursor is not None and self.version == "v1":
            raise Invalid("bad cursor", request=call.request, status=400, problem=Problem("E1007", "Invalid cursor parameter"))
        page, more = ordered[:limit], len(ordered) > limit
        following = f"/v1/content-sessions?cursor={self._cursor(page[-1])}" if more else None
        return call.read({"results": [{"id": name, "createdAt": self.rows[name]} for name in page], "next": following, "previous": None})

    def _behind(self, ordered: list[str], cursor: str) -> list[str]:
        cursors = [self._cursor(name) for name in ordered]
        if cursor not in cursors:
            return []
        place = cursors.index(cursor)
        if self.skipping and self.version == "v1":
            moment = self.rows[ordered[place]]
            return ordered[next(at for at, name in enumerate(ordered) if self.rows[name] == moment) + 1 :]
        return ordered[place + 1 :]

    def _ordered(self, descending: bool, head: bool) -> list[str]:
        def luck(name: str) -> float:
            return random.Random(f"{self.seed} {head} {descending} {name}").random()

        return sorted(sorted(self.rows, key=luck), key=lambda name: self.rows[name], reverse=descending)

    def _cursor(self, name: str) -> str:
        return f"row-{name}" if self.internal else name


def read_all(endpoint: Any, server: TiedServer, query: Mapping[str, Any], limit: int | None = None) -> list[str]:
    """Drive a walk to its end; every id that was handed out, in order."""
    walked, got = walk(endpoint, query, limit), []
    step = drive(walked)
    while step is not None:
        answer: Any = None
        if isinstance(step, Page):
            got += [item.raw["id"] for item in step.items]
        else:
            try:
                answer = server.answer(step)
            except Invalid as error:
                answer = error
        step = drive(walked, answer)
    return got
