"""How a vendor's sessions are read for a condition; pure, driven by both clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider.engagement.watch.condition import Condition, Done, Verdict, WatchedSession, judge
from airflow_provider.engagement.watch.poll import Asking
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import Rejected
from airflow_provider.engagement.wire.message import Call, Query
from airflow_provider.engagement.wire.page import Page, drive, walk


@dataclass(frozen=True, slots=True)
class SessionSource:
    """What a vendor says about reading its sessions.

    Attributes:
        get: makes the call for one session by its id.
        listing: the endpoint that lists sessions, newest first when asked with `query`.
        query: makes the list's query for a condition.
        view: turns the vendor's record into what conditions look at.
    """

    get: Callable[[str], Call[Any]]
    listing: Endpoint[Page[Any]]
    query: Callable[[Condition], Query]
    view: Callable[[Any], WatchedSession]


class Reading:
    """The sessions read so far in one poll, and whether more are needed."""

    def __init__(self, condition: Condition, source: SessionSource) -> None:
        self._condition = condition
        self._source = source
        self._since = condition.since_moment
        self._sessions: dict[str, WatchedSession] = {}

    def add(self, records: list[Any]) -> bool:
        """Take in a page, newest first.

        Returns:
            Whether the next page is needed: no, once the page reaches behind `since` or the condition is known to hold.
        """
        views = [self._source.view(record) for record in records]
        self._sessions.update((view.id, view) for view in views)
        if self._since is not None and any(view.created_at is not None and view.created_at < self._since for view in views):
            return False
        return not (self._condition.settled_early and isinstance(self.verdict(), Done))

    def verdict(self) -> Verdict:
        """Judge what was read."""
        return judge(self._condition, self._sessions.values())


def ask(condition: Condition, source: SessionSource) -> Asking:
    """Read a condition's sessions, as far as it takes to judge them."""
    reading = Reading(condition, source)
    if condition.session_id is not None:
        reading.add([(yield source.get(condition.session_id))])
        return reading.verdict()
    walked = walk(source.listing, source.query(condition))
    step = drive(walked)
    while step is not None:
        answer: Page[Any] | Rejected | None = None
        if not isinstance(step, Page):
            try:
                answer = yield step
            except Rejected as error:
                answer = error
        elif not reading.add(step.items):
            break
        step = drive(walked, answer)
    return reading.verdict()
