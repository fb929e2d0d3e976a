"""A list by page numbers over a set that moves, with each record once; pure, driven by both clients.

A page number is a position, and positions move: a record that comes in at the front pushes the last one of page 1 to page 2,
where it is read again; one that leaves pulls the first one of page 2 to page 1, which has been read already, and it is missed.
The pages hold no cursor and promise no order, so neither can be prevented, only noticed. Therefore:

- a record that was read before is passed over: each comes once;
- the list has moved if its total changed from one page to the next, if a record came again, or if fewer records came than the
  server counts; then all pages are read once more, until the list stands still during a whole walk, or a walk brings nothing new;
- a walk during which the total fell proves nothing, because what was pulled forward may be missing from it, whatever it brought;
  a list that only grows loses nothing to a walk that goes forward, so after three walks over one there is enough;
- records that nobody wants (`wanted`), for instance those that began after the window's end, are not news: sessions that begin
  now do not keep a walk over last week going.

A list that fits on one page is read in one request, one that stands still page by page, once. What cannot be noticed is one
record leaving and another coming in between the same two pages; with the status `all` none leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from airflow_provider.engagement.mirats.api import NumberedPage, R
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import BadAnswer
from airflow_provider.engagement.wire.message import Call

_ENOUGH = 3
"""Walks over a list that only grows."""


@dataclass(slots=True)
class _Walk:
    """One walk over the pages.

    Attributes:
        page: the page to read next, or None at the end.
        total: how many records the server counted on the last page read.
        seen: the keys of the records that came.
        news: how many wanted records came that no earlier walk had brought.
        moved: whether the list was seen to move.
        shrank: whether the server counted fewer records than on the page before, so that one may have been missed.
    """

    page: int | None
    total: int | None = None
    seen: set[Hashable] = field(default_factory=set)
    news: int = 0
    moved: bool = False
    shrank: bool = False


class NumberedWalk(Generic[R]):
    """One reading of a list; `next_call` says what to send, `take` is given what came and answers what is new.

    Args:
        endpoint: the list.
        body: its parameters, checked; `page` is where to begin.
        key: what tells two records apart.
        wanted: whether a record matters.
        most_walks: how often a list that shrinks is read from its beginning at the most.
        settle: read a list that moved again; else one walk is all.
    """

    def __init__(
        self,
        endpoint: Endpoint[NumberedPage[R]],
        body: Mapping[str, Any],
        key: Callable[[R], Hashable],
        *,
        wanted: Callable[[R], bool] = lambda _record: True,
        most_walks: int = 10,
        settle: bool = True,
    ) -> None:
        self._endpoint = endpoint
        self._body = dict(body)
        self._key = key
        self._wanted = wanted
        self._most_walks = most_walks
        self._settle = settle
        self._first = int(body.get("page", 1))
        self._seen: set[Hashable] = set()
        self._walks = 1
        self._walk = _Walk(self._first)

    def next_call(self) -> Call[NumberedPage[R]] | None:
        """Make the next call, or None when the list has been read.

        Raises:
            BadAnswer: the list shrank during every walk, so it cannot be said to be complete.
        """
        if self._walk.page is None:
            if self._complete():
                return None
            self._walks += 1
            self._walk = _Walk(self._first)
        return self._endpoint.call(None, {**self._body, "page": self._walk.page})

    def take(self, page: NumberedPage[R]) -> list[R]:
        """Take in the page that came; answers its records that are wanted and were not read before."""
        walk, seen_before, news = self._walk, len(self._walk.seen), []
        for record in page.items:
            key = self._key(record)
            walk.moved |= key in walk.seen
            walk.seen.add(key)
            if key not in self._seen:
                self._seen.add(key)
                if self._wanted(record):
                    news.append(record)
        walk.news += len(news)
        walk.moved |= walk.total is not None and page.total != walk.total
        walk.shrank |= walk.total is not None and page.total is not None and page.total < walk.total
        walk.total = page.total
        number = walk.page or self._first
        # Where the pages are not counted, one that only repeats is the end too: a server that ignores `page` has no other.
        more = len(walk.seen) > seen_before if page.pages is None else number < page.pages
        walk.page = number + 1 if page.items and more else None
        return news

    def _complete(self) -> bool:
        walk = self._walk
        short = self._first == 1 and walk.total is not None and len(walk.seen) < walk.total
        if not self._settle or not (walk.moved or short):
            return True
        if not walk.shrank:
            return self._walks >= _ENOUGH or (self._walks > 1 and not walk.news)
        if self._walks >= self._most_walks:
            raise BadAnswer(
                f"the list shrank during each of {self._walks} walks over its pages, so none can be called complete; narrow the dates",
                request=self._endpoint.call(None, self._body).request,
            )
        return False
