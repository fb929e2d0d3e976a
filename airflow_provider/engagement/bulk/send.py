"""Send a plan: concurrently, at the client's pace, each row to an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from airflow_provider.engagement.bulk.outcome import Outcome
from airflow_provider.engagement.bulk.plan import Plan, PlannedRow, Refusal
from airflow_provider.engagement.wire.clients import AsyncClient
from airflow_provider.engagement.wire.errors import ApiError, Rejected, Unauthorized
from airflow_provider.engagement.wire.together import together

PROGRESS_SECONDS = 5.0
FAILURES_IN_A_ROW = 10
"""After so many rows in doubt without one success between them, the server is taken to be down."""


async def send_plan(client: AsyncClient, plan: Plan, outcome: Outcome, on_progress: Callable[[Outcome], None]) -> None:
    """Send every planned row once, rows of one key in order.

    A row the server refuses for good, or a row in doubt, does not stop the others. A refused key, a failure that outlasted its
    retries, or many rows in doubt in a row do: every other row would meet the same.

    Args:
        client: the account; it is closed by the caller.
        plan: what to send.
        outcome: what became of it; kept up to date, so that it tells how far sending came when it is interrupted.
        on_progress: called every few seconds, and not in between.
    """
    lanes = iter(plan.lanes)
    ended = asyncio.Event()

    async def work() -> None:
        await together(_work(client, lanes, outcome) for _ in range(min(client.config.concurrency, len(plan.lanes))))
        ended.set()

    try:
        await together([work(), _report(client, outcome, on_progress, ended)])
    finally:
        _account(client, outcome)


async def _work(client: AsyncClient, lanes: Iterator[list[PlannedRow]], outcome: Outcome) -> None:
    for lane in lanes:
        for row in lane:
            if outcome.stopped is not None:
                return
            await _send(client, row, outcome)


async def _send(client: AsyncClient, row: PlannedRow, outcome: Outcome) -> None:
    try:
        answers = [await client.send(call) for call in row.calls]
    except asyncio.CancelledError:
        if not row.repeatable:
            reason = "sending was interrupted before the answer came; whether it was processed is in doubt"
            outcome.refusals.append(Refusal(row.position, row.key, reason, in_doubt=True))
        raise
    except ApiError as error:
        final = isinstance(error, Rejected) and not isinstance(error, Unauthorized)
        if final or error.in_doubt:
            problem = error.problem
            outcome.refusals.append(Refusal(row.position, row.key, str(error), problem.code, problem.request_id, error.in_doubt))
        outcome.failures_in_a_row += error.in_doubt
        if not final and (not error.in_doubt or outcome.failures_in_a_row >= FAILURES_IN_A_ROW) and outcome.stopped is None:
            outcome.stopped = error
    else:
        outcome.failures_in_a_row = 0
        wrong = row.check(answers[0]) if row.check is not None else None
        if wrong is None:
            outcome.sent += 1
        else:
            outcome.refusals.append(Refusal(row.position, row.key, wrong))


async def _report(client: AsyncClient, outcome: Outcome, on_progress: Callable[[Outcome], None], ended: asyncio.Event) -> None:
    while not ended.is_set():
        try:
            async with asyncio.timeout(PROGRESS_SECONDS):
                await ended.wait()
        except TimeoutError:
            _account(client, outcome)
            on_progress(outcome)


def _account(client: AsyncClient, outcome: Outcome) -> None:
    outcome.requests = client.requests_sent
    outcome.retried = client.retried
    outcome.waited = client.pace.waited
