"""Send a plan: concurrently, at the client's pace, each row to an outcome, with checkpoints to go on from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from airflow_provider.engagement.bulk.plan import PlannedRow, Target
from airflow_provider.engagement.bulk.plan_file import PlanFile
from airflow_provider.engagement.bulk.progress import REASONS, Progress
from airflow_provider.engagement.bulk.rejects import Reject, RejectParts
from airflow_provider.engagement.wire.clients import AsyncClient
from airflow_provider.engagement.wire.errors import ApiError, NotFound, RateLimited, Rejected, Unauthorized
from airflow_provider.engagement.wire.message import Call, Request
from airflow_provider.engagement.wire.together import together

CHECKPOINT_SECONDS = 1.0
"""Between two checkpoints at the least."""
PUBLISH_SECONDS = 10.0
"""The same where each one publishes a part of the fingerprint state: such rows may be sent again, so less often will do."""
PROGRESS_SECONDS = 5.0
RESERVED_SECONDS = 2.5
"""So many seconds' worth of rows are reserved ahead at the most, so that sending does not wait for a checkpoint."""
FAILURES_IN_A_ROW = 10
"""After so many rows that failed, are in doubt or met "not found", without one success between them, the server is taken to be down or
the base URL to be wrong."""
MOST_ABOVE = 100_000
"""So many rows may be done behind one that was left, at the most; the checkpoint tells them."""


class SentKeys(Protocol):
    """What sending asks of the state (`airflow_provider.engagement.bulk.state.State`)."""

    def sent(self, key: str, fingerprint: bytes | None) -> None:
        """The server accepted this; None: deleted it."""

    def publish(self) -> None:
        """Make what was accepted last known to the next run."""


@dataclass(slots=True)
class Sending:
    """What one try sends, and where it keeps account of it.

    Attributes:
        client: the account; it is closed by the caller.
        plan: what to send.
        target: where it goes.
        progress: how far it came; an earlier try's where this one goes on.
        parts: takes the rejects.
        save: keeps a checkpoint, blocking; None where there is nothing to keep it in.
        state: takes what was accepted; None for no state.
        at_most_once: a row that must not be sent twice is reserved before it is sent, and is in doubt when the answer is
            lost; otherwise it is sent again.
        on_progress: called every few seconds, and not in between.
    """

    client: AsyncClient
    plan: PlanFile
    target: Target
    progress: Progress
    parts: RejectParts
    save: Callable[[dict[str, Any]], None] | None
    state: SentKeys | None
    at_most_once: bool
    on_progress: Callable[[], None]


class Sender:
    """Sends a plan's rows once each, rows of one key in order.

    A row the server refuses for good, a row in doubt, or one whose failures outlasted its retries does not stop the others; the last
    is left for a retry of the task, and with it what comes after it of the same key. A refused key, a limit that stays shut, or many
    such rows without a success between them do stop: every other row would meet the same.

    Args:
        sending: what to send.

    Attributes:
        stopped: why sending stopped before the end, or why rows were left; None if neither is so.
    """

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._client, self._target, self._progress = sending.client, sending.target, sending.progress
        self.stopped: ApiError | None = None
        self._rows = self._remaining()
        self._rejects: list[Reject] = []
        self._under_way: dict[str, asyncio.Future[None]] = {}
        self._in_a_row = 0
        self._left: ApiError | None = None
        self._left_keys: set[str] = set()
        self._earlier = dict(self._progress.counts)
        self._taken = self._taken_before = self._progress.low
        self._guarded = sending.at_most_once and sending.save is not None
        self._doubtful_below = self._progress.reserved
        self._reserved = asyncio.Event()
        self._ended = asyncio.Event()
        self._saving: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Send until the end, or until something stops it; keeps a last checkpoint in any case.

        Raises:
            Exception: a checkpoint, the rejects or the state could not be written.
        """
        self._loop = asyncio.get_running_loop()
        concurrency = self._client.config.concurrency

        async def work() -> None:
            try:
                await together(self._work() for _ in range(min(concurrency, max(1, self._sending.plan.planned.planned))))
            finally:
                self._ended.set()

        try:
            await together([work(), self._keep(), self._report()])
        finally:
            self._progress.finished = self._progress.low >= self._sending.plan.planned.planned
            # The last answers may all be late ones, with no success between them; what is settled needs no further try.
            self.stopped = None if self._progress.finished else self.stopped or self._left
            await self._save(ending=True)

    # --- rows --------------------------------------------------------------------------------------------------------

    def _remaining(self) -> Iterator[tuple[int, PlannedRow]]:
        progress = self._progress
        for index, row in self._sending.plan.rows(progress.low):
            if not progress.is_done(index):
                yield index, row

    async def _work(self) -> None:
        for index, row in self._rows:
            self._taken = index + 1
            if self.stopped is not None:
                return
            if self._guarded and not row.repeatable and index < self._doubtful_below:
                reason = "an earlier try of the task ended while this row may have been under way; whether it was processed is in doubt"
                self._give_up(index, row.reject("in_doubt", reason))
                continue
            if row.key is None:
                await self._send(index, row)
            else:
                await self._send_in_order(row.key, index, row)

    async def _send_in_order(self, key: str, index: int, row: PlannedRow) -> None:
        """Wait for the row of the same key before this one, because concurrent requests overtake each other."""
        before = self._under_way.get(key)
        mine = self._under_way[key] = self._loop.create_future()
        try:
            if before is not None:
                await asyncio.wait([before])  # awaited itself, it would be cancelled together with this row
            if key not in self._left_keys:
                await self._send(index, row)
        finally:
            mine.set_result(None)
            if self._under_way.get(key) is mine:
                del self._under_way[key]

    async def _send(self, index: int, row: PlannedRow) -> None:
        if self._guarded and not row.repeatable:
            await self._reserve(index)
        if self.stopped is not None:
            return
        try:
            wrong = await self._exchange(index, row)
        except ApiError as error:
            self._failed(index, row, error)
            return
        except BaseException:
            if self._sending.at_most_once and not row.repeatable:
                reason = "sending was interrupted before the answer came; whether it was processed is in doubt"
                self._give_up(index, row.reject("in_doubt", reason))
            raise
        self._in_a_row = 0
        if wrong is not None:
            self._give_up(index, row.reject("refused", wrong))
            return
        self._progress.done(index)

    async def _exchange(self, index: int, row: PlannedRow) -> str | None:
        """Make a row's calls; says what is wrong with the answer, if anything."""
        counts, state = self._progress.counts, self._sending.state
        if row.find and not await self._exists(row):
            counts["skipped"] += 1
            return None
        try:
            answers = [await self._call(self._readable(row, call.request)) for call in row.calls]
        except NotFound as error:
            if not row.delete or not self._target.gone(error):  # what is to be deleted and is not there is as good as deleted
                raise
            answers = []
        if row.delete:
            counts["deleted"] += 1
        else:
            check = self._target.check
            if check is not None and (wrong := check(row.calls[0].request, answers[0])) is not None:
                return wrong
            counts["sent"] += 1
        if state is not None and row.key is not None:
            # While another row of the key is still to come, no fingerprint can be trusted: a crash could leave either at the server.
            last = self._sending.plan.repeated.get(row.key, index) == index
            state.sent(row.key, None if row.delete else row.fingerprint if last else b"")
        return None

    def _readable(self, row: PlannedRow, request: Request) -> Call[Any]:
        """Make a request a call again: say how its answer is read."""
        target = self._target
        if row.delete and target.delete is not None and row.key is not None:
            return Call(request, target.delete(row.key).read)
        if target.check is None and target.accept is not None:
            return Call(request, target.accept, raw=True)
        return Call(request, target.reader(request))

    async def _call(self, call: Call[Any]) -> Any:
        try:
            return await self._client.send(call)
        except ApiError as error:
            if not error.in_doubt or self._sending.at_most_once:
                raise
        self._progress.counts["repeated_in_doubt"] += 1
        return await self._client.send(Call(msgspec.structs.replace(call.request, repeatable=True), call.read, call.raw))

    async def _exists(self, row: PlannedRow) -> bool:
        find = self._target.find
        if find is None or row.key is None:
            return True
        try:
            await self._client.send(find(row.key))
        except NotFound as error:
            if not self._target.gone(error):
                raise
            return False
        return True

    def _failed(self, index: int, row: PlannedRow, error: ApiError) -> None:
        final = isinstance(error, Rejected) and not isinstance(error, Unauthorized)
        self._in_a_row += not final or isinstance(error, NotFound)
        if final or error.in_doubt:
            kind = "in_doubt" if error.in_doubt else "refused"
            self._give_up(index, row.reject(kind, str(error), error.problem.code, error.problem.request_id))
        else:
            self._left = error
            self._left_keys.update(() if row.key is None else (row.key,))
        hopeless = self._in_a_row >= FAILURES_IN_A_ROW or len(self._progress.above) > MOST_ABOVE
        if self.stopped is None and (hopeless or isinstance(error, Unauthorized | RateLimited)):
            self.stopped = error

    def _give_up(self, index: int, reject: Reject) -> None:
        progress = self._progress
        progress.counts[reject.kind] += 1
        if len(progress.reasons) < REASONS:
            progress.reasons.append(str(reject))
        self._rejects.append(reject)
        progress.done(index)

    # --- account -----------------------------------------------------------------------------------------------------

    async def _reserve(self, index: int) -> None:
        while index >= self._progress.reserved:
            self._reserved.clear()
            await self._reserved.wait()

    def _reserve_up_to(self) -> int:
        """Say how far to reserve: ahead by the pace, but not by a limit far above what the server really does."""
        taken, self._taken_before = self._taken - self._taken_before, self._taken
        concurrency = self._client.config.concurrency
        ahead = min(int(RESERVED_SECONDS * self._client.pace.requests_per_minute / 60), max(8 * concurrency, 4 * taken))
        return max(self._progress.reserved, self._taken + max(2 * concurrency, ahead))

    async def _keep(self) -> None:
        period = CHECKPOINT_SECONDS if self._sending.state is None else PUBLISH_SECONDS
        while not self._ended.is_set():
            await self._save()
            await self._sleep(period)

    async def _save(self, *, ending: bool = False) -> None:
        """Keep a checkpoint; never two at once, so that an older one cannot come in after a newer one.

        A thread goes on when whoever waits for it is cancelled.
        """
        if self._saving is not None:
            await asyncio.wait([self._saving])
        self._saving = asyncio.ensure_future(self._write(ending=ending))
        await asyncio.shield(self._saving)

    async def _write(self, *, ending: bool) -> None:
        """Write rejects, then state, then the checkpoint that says so; all of the same moment.

        At the end nothing is reserved: a row that is not done then was certainly not processed.
        """
        sending, progress, rejects = self._sending, self._progress, self._rejects
        self._rejects = []
        self._account()
        reserved = 0 if ending or not self._guarded else self._reserve_up_to()
        snapshot = progress.snapshot(reserved=reserved)

        def write() -> None:
            sending.parts.add(rejects)
            if sending.state is not None:
                sending.state.publish()
            if sending.save is not None:
                sending.save({**snapshot, "parts": sending.parts.parts, "lines": sending.parts.lines})

        await asyncio.to_thread(write)
        progress.parts, progress.lines = sending.parts.parts, sending.parts.lines
        progress.reserved = reserved
        self._reserved.set()

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but no longer than rows are being sent."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            pass

    async def _report(self) -> None:
        while not self._ended.is_set():
            await self._sleep(PROGRESS_SECONDS)
            if not self._ended.is_set():
                self._account()
                self._sending.on_progress()

    def _account(self) -> None:
        counts, earlier, client = self._progress.counts, self._earlier, self._client
        counts["requests"] = earlier["requests"] + client.requests_sent
        counts["retried"] = earlier["retried"] + client.retried
        counts["waited_seconds"] = earlier["waited_seconds"] + client.pace.waited
