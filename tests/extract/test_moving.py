"""Sessions are created, completed, moved and deleted while a window is read: what was there throughout comes exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from airflow_provider.engagement.emulator.state import Clock, Store
from airflow_provider.engagement.extract.gather import Gathering, Item
from airflow_provider.engagement.extract.walk import Dated, LastActivity, read_created
from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.userflow import api as userflow
from airflow_provider.engagement.userflow.emulator import UserflowEmulator
from airflow_provider.engagement.usertour import api as usertour
from airflow_provider.engagement.usertour.account import Account
from airflow_provider.engagement.usertour.emulator import UsertourEmulator
from airflow_provider.engagement.wire.errors import BadAnswer, Invalid
from tests.extract.in_process import InProcessClient

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""When reading begins."""

# Minutes before noon; many in a few places, so that windows have sessions on their edges.
MINUTES = st.one_of(st.sampled_from([0, 10, 20, 30]), st.integers(0, 60))
SESSIONS = st.lists(st.tuples(MINUTES, MINUTES), max_size=25)
CHANGES = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["create", "complete", "move", "delete"]), st.integers(0, 30)), max_size=12
)
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


@dataclass
class World:
    """An emulated account in which things happen while it is read.

    Attributes:
        changes: what happens before which request.
        begun: creation of every session that ever was.
        active: all moments of last activity that a session had, in order.
        gone: sessions that were deleted.
    """

    changes: list[tuple[int, str, int]]
    begun: dict[str, datetime] = field(default_factory=dict)
    active: dict[str, list[datetime]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.clock.stop(NOON)
        self.emulator = UserflowEmulator(Store(), self.clock)
        self.emulator.seed({"content": [{"id": "flow"}], "users": [{"id": "ann"}]})

    def put(self, name: str, begun: datetime, active: datetime | None, *, completed: bool = False) -> None:
        self.begun[name] = begun
        if active is not None:
            self.active.setdefault(name, []).append(active)
        told = {
            "id": name,
            "content_id": "flow",
            "user_id": "ann",
            "created_at": written(begun),
            "last_activity_at": None if active is None else written(active),
            **({"completed_at": written(active)} if completed and active else {}),
        }
        self.emulator.seed({"content_sessions": [told]})

    def before(self, request: int) -> None:
        for at, what, which in self.changes:
            if at == request:
                self.clock.advance(1)
                self.change(what, which)

    def change(self, what: str, which: int) -> None:
        there = sorted(set(self.begun) - self.gone)
        now = self.clock.now()
        if what == "create":
            name = f"late-{len(self.begun)}"
            self.late.add(name)
            self.put(name, now, now)
        elif there and what == "delete":
            name = there[which % len(there)]
            self.gone.add(name)
            self.emulator.objects.sessions.delete(name)
        elif there:
            name = there[which % len(there)]
            self.put(name, self.begun[name], now, completed=what == "complete")

    def read(self, walk: Any, window: Window) -> tuple[list[str], Counter[str]]:
        """Read a window: the ids gathered for it, and how often each session came."""
        client = InProcessClient(self.emulator, userflow.DIALECT, userflow.headers("ak_test"), self.before)
        came: Counter[str] = Counter()

        async def run(gathering: Gathering) -> None:
            pages: AsyncIterator[Dated[Any]] = walk(client, window)
            async for dated in pages:
                came.update(session.id for session, _ in dated)
                gathering.add(Item(session.id, at.timestamp(), session.id.encode()) for session, at in dated)

        with Gathering() as gathering:
            asyncio.run(run(gathering))
            return [body.decode() for body in gathering.bodies(window)], came


def by_creation(limit: int) -> Any:
    query = {"content_id": "flow", "order_by": "-created_at", "limit": limit}
    return lambda client, window: read_created(client, userflow.LIST_CONTENT_SESSIONS, query, window, lambda session: session.created_at)


def by_last_activity(limit: int) -> Any:
    def query(order: str) -> dict[str, Any]:
        return {"content_id": "flow", "order_by": order, "limit": limit}

    way = LastActivity(
        userflow.LIST_CONTENT_SESSIONS,
        query("-last_activity_at"),
        query("-created_at"),
        active=lambda session: session.last_activity_at,
        created=lambda session: session.created_at,
        now=lambda: NOON,
    )
    return way.read


def begin(sessions: list[tuple[int, int]], changes: list[tuple[int, str, int]]) -> World:
    world = World(changes)
    for number, (created, idle) in enumerate(sessions):
        begun = NOON - timedelta(minutes=created)
        world.put(f"s{number:02}", begun, min(NOON, begun + timedelta(minutes=idle)))
    return world


@QUICK
@given(sessions=SESSIONS, changes=CHANGES, limit=st.integers(4, 9), edges=st.tuples(MINUTES, MINUTES))
def test_by_creation_nothing_is_lost_and_nothing_comes_twice(
    sessions: list[tuple[int, int]], changes: list[tuple[int, str, int]], limit: int, edges: tuple[int, int]
) -> None:
    world = begin(sessions, changes)
    window = Window(NOON - timedelta(minutes=max(edges) + 1), NOON - timedelta(minutes=min(edges)))
    try:
        found, came = world.read(by_creation(limit), window)
    except Invalid as error:  # a whole page was deleted at once: that is said, and nothing is written
        event(f"refused: {str(error)[:40]}")
        assert sum(what == "delete" for _, what, _ in changes) >= limit
        return
    throughout = {name for name, at in world.begun.items() if at in window and name not in world.gone | world.late}
    assert max(came.values(), default=1) == 1
    assert set(found) - world.gone == throughout
    assert found == sorted(found)


@QUICK
@given(sessions=SESSIONS, changes=CHANGES, limit=st.integers(2, 7), start=st.integers(0, 60), length=st.integers(1, 60), over=st.booleans())
def test_by_last_activity_nothing_is_lost_that_stayed(
    sessions: list[tuple[int, int]], changes: list[tuple[int, str, int]], limit: int, start: int, length: int, over: bool
) -> None:
    world = begin(sessions, changes)
    # Over for longer than clocks may be apart, or else still open: whatever moves then moves within the window.
    end = NOON - timedelta(minutes=max(6, start)) if over else NOON + timedelta(hours=1)
    window = Window(end - timedelta(minutes=length) if over else NOON - timedelta(minutes=start), end)
    try:
        found, _ = world.read(by_last_activity(limit), window)
    except (BadAnswer, Invalid) as error:  # too much at once: that is said, and nothing is written
        event(f"refused: {str(error)[:40]}")
        assert changes
        return
    assert len(found) == len(set(found))
    for name, moments in world.active.items():
        if name in world.gone | world.late:
            continue
        if len(set(moments)) == 1:
            assert (name in found) == (moments[0] in window)
        elif over:  # it moved out of the window, so a later one has it; until it was seen to move it was here
            assert name not in found or moments[0] in window
        else:  # what moves into the window behind the last look is as what is created then
            assert name in found or moments[0] not in window


@QUICK
@given(
    sessions=SESSIONS.filter(bool),
    without=st.sets(st.integers(0, 24), min_size=1),
    limit=st.integers(1, 7),
    edges=st.tuples(MINUTES, MINUTES),
)
def test_sessions_without_last_activity_count_by_creation(
    sessions: list[tuple[int, int]], without: set[int], limit: int, edges: tuple[int, int]
) -> None:
    world = begin([], [])
    expected = []
    window = Window(NOON - timedelta(minutes=max(edges) + 1), NOON - timedelta(minutes=min(edges)))
    for number, (created, idle) in enumerate(sessions):
        begun = NOON - timedelta(minutes=created)
        active = None if number in without else min(NOON, begun + timedelta(minutes=idle))
        world.put(f"s{number:02}", begun, active)
        if (active or begun) in window:
            expected.append(f"s{number:02}")
    assert world.read(by_last_activity(limit), window)[0] == expected


def test_a_list_that_is_not_ordered_proves_nothing() -> None:
    world = begin([(10, 0), (5, 0), (20, 0)], [])
    query = {"content_id": "flow", "order_by": "created_at", "limit": 10}
    way = LastActivity(userflow.LIST_CONTENT_SESSIONS, query, query, lambda item: item.last_activity_at, lambda item: item.created_at)
    with pytest.raises(BadAnswer, match="is out of the order asked for"):
        world.read(way.read, Window(NOON - timedelta(hours=1), NOON))


def test_sessions_that_never_rest_are_no_window() -> None:
    world = begin([(10, 0), (5, 0)], [(request, "move", 0) for request in range(100)])
    with pytest.raises(BadAnswer, match="let the window end in the past"):
        world.read(by_last_activity(10), Window(NOON - timedelta(hours=1), NOON + timedelta(hours=1)))


@QUICK
@given(
    created=st.lists(st.integers(0, 60_000), max_size=25, unique=True),
    changes=st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["create", "delete"]), st.integers(0, 30)), max_size=8),
    limit=st.integers(1, 7),
    edges=st.tuples(st.integers(0, 60_000), st.integers(0, 60_000)),
    version=st.sampled_from(["v1", "v2"]),
)
def test_usertour_by_creation(
    created: list[int], changes: list[tuple[int, str, int]], limit: int, edges: tuple[int, int], version: Any
) -> None:
    clock = Clock()
    clock.stop(NOON)
    emulator = UsertourEmulator(Store(), clock)
    emulator.seed({"content": [{"id": "flow"}], "users": [{"id": "ann"}]})
    begun: dict[str, datetime] = {}
    gone: set[str] = set()

    def put(name: str, at: datetime) -> None:
        begun[name] = at
        text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        emulator.seed({"content_sessions": [{"id": name, "contentId": "flow", "userId": "ann", "createdAt": text}]})

    def before(request: int) -> None:
        for at, what, which in changes:
            there = sorted(set(begun) - gone)
            if at == request and what == "create":
                clock.advance(1)
                put(f"late-{len(begun)}", clock.now())
            elif at == request and there:
                name = there[which % len(there)]
                gone.add(name)
                emulator.objects.sessions.delete(name)

    for number, milliseconds in enumerate(created):
        put(f"s{number:02}", NOON - timedelta(milliseconds=milliseconds))
    key, account = ("ak_test", Account("v1")) if version == "v1" else ("utp_test", Account("v2", "p_test", "e_test"))
    client: Any = InProcessClient(emulator, usertour.DIALECT, usertour.headers(key), before)
    window = Window(NOON - timedelta(milliseconds=max(edges) + 1), NOON - timedelta(milliseconds=min(edges)))
    query = {"contentId": "flow", "orderBy": "-createdAt", "limit": limit}
    endpoint = account.endpoint("list_content_sessions")

    async def run() -> list[str]:
        walk = read_created(client, endpoint, query, window, lambda session: session.created_at)
        return [session.id async for dated in walk for session, _ in dated]

    found = asyncio.run(run())
    assert len(found) == len(set(found))
    assert set(found) - gone == {name for name, at in begun.items() if at in window and name.startswith("s")} - gone
