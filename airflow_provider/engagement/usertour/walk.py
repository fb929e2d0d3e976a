"""Exact walks over Usertour's lists, which lose rows when their pages are simply followed.

**v1** orders by one field and cuts pages anywhere, also between rows that are equal in it; where the next page begins within such a
group is then a matter of luck: some rows come twice and others never. So a walk never goes on from inside a group. What a page
holds of its last group is put aside, and the walk goes on from the last row of the group before, which is complete because
another one follows it. A group that fills a page by itself cannot be read like that: it is read from both sides, and
because nothing proves that this found every row, the walk ends with `Incomplete`.

**Both versions** lose their place when the row under the cursor is deleted: v1 refuses the cursor, v2 answers an empty page. The walk
then goes on from an earlier cursor, and rows it meets again are passed over.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, cast

from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import ApiError, BadAnswer, Rejected
from airflow_provider.engagement.wire.message import Query
from airflow_provider.engagement.wire.page import Page, Walk

MAX_PAGE: Final = 100
DEFAULT_PAGE: Final = 20
BAD_CURSOR: Final = "E1007"
_MAX_LOST: Final = 100
"""So often may a walk lose its place before it gives up: rows vanish faster than it reads."""

Steps = Generator[Any, Any, None]


class Incomplete(Rejected):
    """A list was read to its end, but the server cannot prove that every row came; the same list would say so again.

    Attributes:
        ties: the values of the order shared by more rows than a page holds.
    """

    ties: tuple[str, ...] = ()


@dataclass(slots=True)
class _Place:
    """Where a walk is, and how it finds back.

    Attributes:
        start: the cursor the caller gave.
        cursor: where the next page begins.
        trail: earlier cursors that are known to be good.
        lost: how often the place was lost.
        back: how many cursors to go back the next time.
    """

    start: str | None
    cursor: str | None
    trail: list[str] = field(default_factory=list)
    lost: int = 0
    back: int = 1

    def advance(self, *cursors: str) -> None:
        """Go on from the last of these cursors."""
        self.trail += cursors
        self.cursor = cursors[-1]

    def step_back(self) -> bool:
        """Go back to an earlier cursor, farther each time; False if there is none left or it happened too often."""
        self.lost += 1
        if self.cursor == self.start or self.lost > _MAX_LOST:
            return False
        del self.trail[-self.back :]
        self.back *= 2
        self.cursor = self.trail[-1] if self.trail else self.start
        return True


class _Walk:
    """What the walks over both versions share.

    Args:
        endpoint: the list.
        query: its parameters.
        limit: stop asking once this many records came; None for all.
    """

    def __init__(self, endpoint: Endpoint[Page[Any]], query: Query, limit: int | None) -> None:
        self.endpoint = endpoint
        self.query = {key: value for key, value in query.items() if value is not None}
        self.limit = limit
        self.size = int(self.query.get("limit", DEFAULT_PAGE))
        self.place = _Place(self.query.get("cursor"), self.query.get("cursor"))
        self.seen: set[str] = set()

    def ask(self, cursor: str | None, **more: Any) -> Generator[Any, Any, Page[Any]]:
        """Ask for one page."""
        query = {**self.query, "limit": self.size, **more, "cursor": cursor}
        return cast("Page[Any]", (yield self.endpoint.call(query)))

    def hand_out(self, items: list[Any], cursor: str | None) -> Generator[Any, Any, int]:
        """Hand out the rows that were not yet; answer how many they were."""
        fresh = []
        for item in items:
            if (name := item.raw["id"]) not in self.seen:
                self.seen.add(name)
                fresh.append(item)
        if fresh:
            yield Page(fresh, cursor)
        return len(fresh)

    @property
    def enough(self) -> bool:
        """Whether as many records came as were wanted."""
        return self.limit is not None and len(self.seen) >= self.limit

    def give_up(self, error: Rejected | None) -> ApiError:
        """Make the error that ends a walk which cannot find its place."""
        request = self.endpoint.call({**self.query, "cursor": self.place.cursor}).request
        if error is not None and self.place.lost <= _MAX_LOST:
            return error
        return BadAnswer(f"the list lost its place {self.place.lost} times: rows are deleted faster than it can be read", request=request)


class _V2Walk(_Walk):
    """Follows `next`; an empty page behind a cursor is believed to be the end only after a look from further back."""

    def steps(self) -> Steps:
        """Walk."""
        doubtful: str | None = None
        while True:
            page = yield from self.ask(self.place.cursor)
            if not page.items and self.place.cursor != self.place.start and doubtful != self.place.cursor:
                doubtful = self.place.cursor
                if not self.place.step_back():
                    raise self.give_up(None)
                continue
            if (yield from self.hand_out(page.items, page.cursor)):
                self.place.back = 1
            if page.cursor is None or page.cursor == doubtful or self.enough:
                return  # the cursor of the empty page is still good, so that was the end
            if page.cursor in self.place.trail:
                request = self.endpoint.call({**self.query, "cursor": page.cursor}).request
                raise BadAnswer(f"the list leads back to cursor {page.cursor!r}, it would never end", request=request)
            self.place.advance(page.cursor)


class _V1Walk(_Walk):
    """Goes on from complete groups only.

    Args:
        endpoint: the list.
        query: its parameters.
        limit: stop asking once this many records came; None for all.
        order: what the list is ordered by where the query does not say.
        by_id: whether a row's `id` is its cursor; users and companies have the caller's ids, so theirs must be asked for.
        ties: where to note what cannot be proved; None to end with `Incomplete`.
    """

    def __init__(
        self, endpoint: Endpoint[Page[Any]], query: Query, limit: int | None, *, order: str, by_id: bool, ties: dict[str, None] | None
    ) -> None:
        super().__init__(endpoint, query, limit)
        given = self.query.get("orderBy") or order
        self.order = [given] if isinstance(given, str) else list(given)
        self.by_id = by_id
        self.tolerate = ties is not None
        self.tied: dict[str, None] = {} if ties is None else ties
        self.tried: set[str] = set()

    def key(self, item: Any) -> tuple[Any, ...]:
        """Say what a row is ordered by."""
        return tuple(item.raw.get(name.removeprefix("-")) for name in self.order)

    def steps(self) -> Steps:
        """Walk."""
        while True:
            try:
                page = yield from self.ask(self.place.cursor)
                if (yield from self.take(page)):
                    break
            except Rejected as error:
                if error.problem.code != BAD_CURSOR or not self.place.step_back():
                    raise self.give_up(error) from None
                self.tried.clear()
        if self.tied and not self.tolerate:
            raise incomplete(self.endpoint, self.query, self.tied, len(self.seen), by=" ".join(self.order).replace("-", ""))

    def take(self, page: Page[Any]) -> Generator[Any, Any, bool]:
        """Hand out what is complete of a page and move on; True at the end of the list."""
        while True:
            whole = page.items if page.cursor is None else self.without_last_group(page.items)
            if (yield from self.hand_out(whole, page.cursor)):
                self.place.back = 1
                self.tried.clear()
            if page.cursor is None or self.enough:
                return True
            if whole and (yield from self.move_behind(whole, self.place.cursor)):
                return False
            if self.size < MAX_PAGE:
                self.size = MAX_PAGE
                return False
            page = yield from self.read_group(page)

    def without_last_group(self, items: list[Any]) -> list[Any]:
        """Leave out the rows that are equal to the last one: others like them may be on the next page."""
        last = self.key(items[-1]) if items else None
        end = len(items)
        while end and self.key(items[end - 1]) == last:
            end -= 1
        return items[:end]

    def move_behind(self, whole: list[Any], cursor: str | None) -> Generator[Any, Any, bool]:
        """Set the place behind the last of these rows; False if that was tried in vain."""
        if self.by_id:
            found = [whole[len(whole) // 2].raw["id"], whole[-1].raw["id"]]
        else:
            # A page that ends with the last complete row tells that row's cursor.
            page = yield from self.ask(cursor, limit=len(whole))
            if page.cursor is None or not page.items or self.key(page.items[-1]) != self.key(whole[-1]):
                return True  # rows came or went meanwhile: read the same page again
            found = [page.cursor]
        if found[-1] in self.tried:
            return False
        self.tried.add(found[-1])
        self.place.advance(*found)
        return True

    def read_group(self, page: Page[Any]) -> Generator[Any, Any, Page[Any]]:
        """Read a group that is larger than a page, from both sides; answer the page where others follow it, or the last one."""
        group = self.key(page.items[-1])
        self.tied[" ".join(str(value) for value in group)] = None
        followed: set[str] = set()
        while page.cursor is not None and page.cursor not in followed and self.key(page.items[-1]) == group:
            yield from self.hand_out([item for item in page.items if self.key(item) == group], page.cursor)
            followed.add(page.cursor)
            self.place.advance(page.cursor)
            page = yield from self.ask(page.cursor)
        yield from self.read_back(group, page.cursor)
        self.tried.clear()
        return page

    def read_back(self, group: tuple[Any, ...], cursor: str | None) -> Steps:
        """Read a group from its far side, against the order."""
        turned = [name[1:] if name.startswith("-") else f"-{name}" for name in self.order]
        reached, followed = False, set[str]()
        while True:
            try:
                page = yield from self.ask(cursor, orderBy=turned)
            except Rejected as error:
                if error.problem.code != BAD_CURSOR:
                    raise
                return  # deleted meanwhile; the walk says anyway that it cannot vouch for this group
            inside = [item for item in page.items if self.key(item) == group]
            yield from self.hand_out(inside, page.cursor)
            left = (reached and not inside) or (bool(inside) and self.key(page.items[-1]) != group)
            if left or page.cursor is None or page.cursor in followed:
                return
            reached = reached or bool(inside)
            followed.add(page.cursor)
            cursor = page.cursor


def incomplete(
    endpoint: Endpoint[Page[Any]],
    query: Query,
    ties: Iterable[str],
    count: int,
    *,
    by: str = "createdAt",
    remedy: str = "Use API v2, or accept it with allow_incomplete=True",
) -> Incomplete:
    """Make the error that says which rows may be missing.

    Args:
        endpoint: the list.
        query: its parameters.
        ties: the values shared by more rows than a page holds.
        count: how many rows were read.
        by: what the list is ordered by.
        remedy: what to do about it.
    """
    tied = tuple(ties)
    shown = ", ".join(tied[:3]) + (f" and {len(tied) - 3} more" if len(tied) > 3 else "")
    error = Incomplete(
        f"more rows share {by} {shown} than a page of {MAX_PAGE} holds; {count} rows were read, but API v1 cannot prove that none is "
        f"missing. {remedy}",
        request=endpoint.call(query).request,
    )
    error.ties = tied
    return error


def v2_walk(endpoint: Endpoint[Page[Any]], query: Query, limit: int | None = None) -> Walk[Any]:
    """Walk over a list of v2: every row once, also when rows are deleted meanwhile."""
    return _V2Walk(endpoint, query, limit).steps()


def v1_walk(
    endpoint: Endpoint[Page[Any]],
    query: Query,
    limit: int | None = None,
    *,
    order: str = "createdAt",
    by_id: bool = True,
    ties: dict[str, None] | None = None,
) -> Walk[Any]:
    """Walk over a list of v1: every row once, also with equal sort keys and when rows are deleted meanwhile.

    Args:
        endpoint: the list.
        query: its parameters.
        limit: stop asking once this many records came; None for all.
        order: what the list is ordered by where the query does not say.
        by_id: whether a row's `id` is its cursor.
        ties: a dict that is given, as keys, the sort keys shared by more rows than a page holds, as soon as they are met; the walk then
            ends without `Incomplete`.

    Raises:
        Incomplete: at the very end, when a group of equal sort keys was larger than a page.
        BadAnswer: rows are deleted faster than the list can be read.
    """
    return _V1Walk(endpoint, query, limit, order=order, by_id=by_id, ties=ties).steps()


def tolerant(endpoint: Endpoint[Page[Any]], ties: dict[str, None] | None = None) -> Endpoint[Page[Any]]:
    """Give the list with a walk that ends without `Incomplete`, for a caller who accepts that or judges it himself.

    Args:
        endpoint: the list.
        ties: as in `v1_walk`; for one walk only.
    """
    walk = endpoint.walk
    if walk is None or walk is v2_walk:
        return endpoint
    return replace(endpoint, walk=partial(cast("Any", walk), ties={} if ties is None else ties))
