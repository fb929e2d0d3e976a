"""One poll for all who ask the same: the registry of a triggerer's event loop.

Triggers that ask the same question of the same connection wait for one poll, a task that lives as long as the first to ask until
the last one leaves. It belongs to none of them: it runs in a context of its own, so that it logs into nobody's task log, and what
befalls one trigger does not befall the others. All polls of a connection share a client, and so the account's pace.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider.engagement.watch.condition import Done, Failed, Verdict
from airflow_provider.engagement.watch.line import UNREADABLE, Line
from airflow_provider.engagement.watch.poll import apoll
from airflow_provider.engagement.watch.reading import Reading, Round, Steps
from airflow_provider.engagement.wire.errors import ApiError, Rejected, Unauthorized

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient

C = TypeVar("C")
R = TypeVar("R")

log = logging.getLogger(__name__)


class PollEnded(Exception):
    """The shared poll ended while somebody waited for it: an error in this package, or in what it builds on."""


@dataclass(frozen=True, slots=True)
class Stumble:
    """A poll that failed.

    Attributes:
        error: why.
        final: whether the next one would fail in the same way.
    """

    error: Exception
    final: bool


@dataclass(frozen=True, slots=True)
class Question(Generic[C]):
    """What is asked of whom.

    Attributes:
        account: names the connection; all that name the same share a client.
        subject: names what is read of it; all that name the same share a poll.
        make_client: reads the connection and makes a client of it.
        make_reading: makes a reading of the subject.
    """

    account: Hashable
    subject: Hashable
    make_client: Callable[[], Awaitable[AsyncClient]]
    make_reading: Callable[[], Reading[C]]

    @property
    def key(self) -> Hashable:
        """What tells this question from others."""
        return self.account, self.subject


class Waiter(Generic[C]):
    """One who waits for a shared poll.

    Attributes:
        condition: what is waited for.
        interval: seconds between two polls.
        urgent: no poll was made for this one since it asked for one.
        heard: it was told something.
        settled: it was told that the condition holds, or never will.
        revision: what it was told of last.
        poll: the poll it waits for.
    """

    def __init__(self, poll: SharedPoll[C], condition: C, interval: float) -> None:
        self.condition = condition
        self.interval = interval
        self.urgent = False
        self.heard = False
        self.settled = False
        self.revision = -1
        self.poll = poll
        self._outcome: Verdict | Stumble | None = None
        self._told = asyncio.Event()

    @property
    def reading(self) -> Reading[C]:
        """What is known."""
        return self.poll.reading

    async def outcome(self, until: float | None = None) -> Verdict | Stumble:
        """Wait for the outcome of a poll that has news, the latest if there were several.

        Args:
            until: by the loop's clock; None for as long as it takes.

        Raises:
            TimeoutError: there was none.
            PollEnded: there will be none any more.
        """
        async with asyncio.timeout_at(until):
            await self._told.wait()
        self._told.clear()
        outcome, self._outcome = self._outcome, None
        if outcome is None:
            raise PollEnded(f"the shared poll ended by itself: {self.poll.error!r}") from self.poll.error
        return outcome

    def hurry(self) -> None:
        """Ask for a poll now, out of turn."""
        self.urgent = True
        self.poll.wake()

    def tell(self, outcome: Verdict | Stumble | None, revision: int) -> None:
        """Take in an outcome; the first that settles the matter stays."""
        if not self.settled:
            self.heard = True
            self._outcome = outcome
            self.settled = isinstance(outcome, Done | Failed)
            self.revision = revision
            self._told.set()


class SharedPoll(Generic[C]):
    """The poll of one question.

    Args:
        reading: what it reads.
        line: the connection.

    Attributes:
        spread: seconds over which the news of a poll are spread among its waiters, so that thousands of them do not all wake at once;
            half of their interval at the most.
        gather: seconds between two polls at the least, so that those who come one after another are polled for together.
        refresh: seconds after which everything is read again.
        early: so many sessions are looked at in the middle of a walk to see who need not wait for its end; more would block the loop.
    """

    spread: ClassVar[float] = 1.0
    gather: ClassVar[float] = 1.0
    refresh: ClassVar[float] = 3600.0
    early: ClassVar[int] = 50_000

    def __init__(self, reading: Reading[C], line: Line) -> None:
        self.reading = reading
        self.waiters: dict[Waiter[C], None] = {}
        self.started = False
        self.error: BaseException | None = None
        self._line = line
        self._woken = asyncio.Event()
        self._worked = False
        self._asked = 0

    # --- what waiters do ---------------------------------------------------------------------------------------------

    def join(self, condition: C, interval: float) -> Waiter[C]:
        """Begin to wait. What is known already is told without a request; what is not makes a poll out of turn."""
        waiter = Waiter(self, condition, interval)
        waiter.urgent = not self.reading.knows(condition)
        self.waiters[waiter] = None
        self.wake()
        return waiter

    def wake(self) -> None:
        """Let the poll look at its waiters again: some came, left or are in a hurry."""
        self._woken.set()

    def end(self, error: BaseException | None) -> None:
        """Tell those who still wait that nobody polls any more."""
        self.error = error
        for waiter in self.waiters:
            waiter.tell(None, -1)

    # --- the poll ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Poll for as long as somebody waits."""
        self.started = True
        clock = asyncio.get_running_loop().time
        afresh_at = clock() + self.refresh
        while self.waiters:
            began = clock()
            if await self._poll(afresh=began >= afresh_at) and began >= afresh_at:
                afresh_at = began + self.refresh
            await self._rest(began)

    async def _poll(self, *, afresh: bool) -> bool:
        hurried = {waiter for waiter in self.waiters if waiter.urgent}
        self._asked = 0
        try:
            await self._read(lambda: self.reading.steps(Round(self._wanted, lasting=True, afresh=afresh)))
        except (ApiError, ValueError, *UNREADABLE) as error:
            # A key that worked and works no more is being replaced, more often than not.
            final = isinstance(error, Rejected | ValueError) and not (isinstance(error, Unauthorized) and self._worked)
            log.warning("A poll for %d waiting triggers failed: %s: %s", len(self.waiters), type(error).__name__, error)
            await self._tell(list(self.waiters), hurried, Stumble(error, final))
            return False
        self._worked = True
        revision = self.reading.roll.revision
        told = [waiter for waiter in self.waiters if waiter in hurried or waiter.revision != revision]
        await self._tell([waiter for waiter in told if self.reading.knows(waiter.condition)], hurried, None)
        self.reading.roll.settle()
        return True

    async def _read(self, make_steps: Callable[[], Steps[None]]) -> None:
        """Make calls; with the connection read again if its key is refused, for somebody may have changed it there.

        Raises:
            ApiError: a call failed for good.
            ValueError: a field of the connection is unusable.
            AirflowException: the connection cannot be read; likewise `AirflowRuntimeError`.
        """
        async with self._line.client() as client:
            try:
                await apoll(client, make_steps())
                return
            except Unauthorized:
                if not await self._line.renew(client):
                    raise
        async with self._line.client() as client:
            await apoll(client, make_steps())

    async def _tell(self, waiters: Sequence[Waiter[C]], hurried: set[Waiter[C]], stumble: Stumble | None) -> None:
        """Tell the outcome of a poll to one waiter after the other."""
        pause = min(self.spread, self._interval() / 2) / max(1, len(waiters))
        for place, waiter in enumerate(waiters):
            if place:
                await asyncio.sleep(pause)
            if waiter not in self.waiters:  # it left meanwhile
                continue
            if waiter in hurried:
                waiter.urgent = False
            if stumble is not None:
                waiter.tell(stumble, -1)
            else:
                waiter.tell(self.reading.judge(waiter.condition), self.reading.roll.revision)

    def _wanted(self) -> list[C]:
        """The conditions still waited for; of those that hold already, their waiters are told on the way."""
        self._asked += 1
        if self._asked.bit_count() == 1:  # at the 1st, 2nd, 4th, 8th … time: looking takes longer the more was read
            self._settle_early()
        return [waiter.condition for waiter in self.waiters if not waiter.settled]

    def _settle_early(self) -> None:
        roll = self.reading.roll
        scopes: set[Any] = set()
        for waiter in self.waiters:
            if waiter.settled or self.reading.knows(waiter.condition):
                continue
            scopes.add(getattr(waiter.condition, "scope", None))
            if len(scopes) * len(roll.values()) > self.early:
                return
            verdict = self.reading.judge(waiter.condition)
            if isinstance(verdict, Done):
                waiter.tell(verdict, roll.revision)

    async def _rest(self, began: float) -> None:
        """Wait until the next poll is due."""
        while self.waiters:
            self._woken.clear()
            await self._tell([waiter for waiter in self.waiters if not waiter.heard and not waiter.urgent], set(), None)
            urgent = any(waiter.urgent for waiter in self.waiters)
            interval = self._interval()
            try:
                async with asyncio.timeout_at(began + (min(self.gather, interval) if urgent else interval)):
                    await self._woken.wait()
            except TimeoutError:
                return

    def _interval(self) -> float:
        return min((waiter.interval for waiter in self.waiters), default=0.0)


class Registry:
    """The shared polls of one event loop."""

    def __init__(self) -> None:
        self._polls: dict[Hashable, SharedPoll[Any]] = {}
        self._lines: dict[Hashable, Line] = {}
        self._tasks: dict[SharedPoll[Any], asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def enter(self, asked: Question[C], condition: C, interval: float) -> Waiter[C]:
        """Begin to wait for the poll of a question; the first one starts it."""
        poll = self._polls.get(asked.key)
        if poll is None:
            line = self._lines.setdefault(asked.account, Line(asked.make_client))
            line.polls += 1
            poll = self._polls[asked.key] = SharedPoll(asked.make_reading(), line)
            # An empty context: the one at hand belongs to the trigger that happens to come first, and names its task's log.
            run = self._run(asked, poll, line)
            task = self._tasks[poll] = asyncio.create_task(run, name=f"engagement-poll {asked.key}", context=Context())
            task.add_done_callback(lambda ended: self._ended(asked, poll, ended))
        return poll.join(condition, interval)

    def leave(self, asked: Question[C], waiter: Waiter[C]) -> None:
        """Let a waiter go, and with the last one the poll."""
        poll = waiter.poll
        del poll.waiters[waiter]
        if poll.waiters:
            poll.wake()
            return
        self._forget(asked, poll)
        if poll.started and poll in self._tasks:  # one that has not started ends by itself as soon as it does
            self._tasks[poll].cancel()

    async def _run(self, asked: Question[Any], poll: SharedPoll[Any], line: Line) -> None:
        try:
            await poll.run()
        finally:
            line.polls -= 1
            if not line.polls:
                del self._lines[asked.account]
                await line.close()

    def _ended(self, asked: Question[Any], poll: SharedPoll[Any], task: asyncio.Task[None]) -> None:
        del self._tasks[poll]
        self._forget(asked, poll)
        poll.end(None if task.cancelled() else task.exception())

    def _forget(self, asked: Question[Any], poll: SharedPoll[Any]) -> None:
        if self._polls.get(asked.key) is poll:
            del self._polls[asked.key]


_REGISTRIES: WeakKeyDictionary[asyncio.AbstractEventLoop, Registry] = WeakKeyDictionary()


def registry() -> Registry:
    """Give the running loop's registry."""
    return _REGISTRIES.setdefault(asyncio.get_running_loop(), Registry())


@contextmanager
def sharing(asked: Question[C], condition: C, interval: float) -> Iterator[Waiter[C]]:
    """Wait for the poll of a question, shared with all who ask it in this event loop.

    Args:
        asked: the question.
        condition: what is waited for.
        interval: seconds between two polls, at the most; others may want them sooner.
    """
    found = registry()
    waiter = found.enter(asked, condition, interval)
    try:
        yield waiter
    finally:
        found.leave(asked, waiter)
