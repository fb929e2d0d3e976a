"""A bulk write as an Airflow task: plan, send, log, and end the task the way its outcome deserves."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.base import EngagementHook, never_twice, run_beside
from airflow_provider.engagement.bulk.outcome import Outcome
from airflow_provider.engagement.bulk.plan import MakeCall, Plan, Refusal, make_plan
from airflow_provider.engagement.bulk.rows import Rows, iterate_rows

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient

log = logging.getLogger(__name__)
_REASONS = 10


def run_rows(hook: EngagementHook, rows: Rows | None, make_call: MakeCall, *, what: str) -> dict[str, Any]:
    """Plan and send rows; what an operator of many rows does in `execute`.

    Args:
        hook: the account.
        rows: where they come from.
        make_call: what a row becomes.
        what: what the rows are, in the plural, for the log.

    Returns:
        Counts: `read`, `planned`, `sent`, `rejected`, `in_doubt`, `unsent`, `retried`, `requests`, `waited_seconds`.

    Raises:
        AirflowFailException: rows are unusable (nothing was sent then), the server refused some, some are in doubt, or sending
            stopped where a retry of the task would send events or increments twice. The first ten reasons are in the message.
        ApiError: sending stopped at a temporary failure, and a retry of the task is safe.
    """
    try:
        plan = make_plan(iterate_rows(rows), make_call)
    except TypeError as error:
        raise AirflowFailException(str(error)) from error
    if plan.refused:
        raise AirflowFailException(_refused(plan.refused, f"{len(plan.refused)} of {plan.read} {what} are unusable; nothing was sent"))
    log.info("Planned %d %s for connection %s", plan.planned, what, hook.conn_id)
    repeatable = all(row.repeatable for lane in plan.lanes for row in lane)
    outcome = Outcome()
    try:
        with nullcontext() if repeatable else never_twice(what):
            run_beside(_send(hook.get_async_client(), plan, outcome, what))
    finally:
        counts = _counts(plan, outcome)
        log.info("Outcome: %s", counts)
    if outcome.refusals:
        log.warning("%s", _refused(outcome.refusals, f"{len(outcome.refusals)} {what} were refused or are in doubt"))
    _end(plan, outcome, what, repeatable=repeatable)
    return counts


def _counts(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    return {
        "read": plan.read,
        "planned": plan.planned,
        "sent": outcome.sent,
        "rejected": len(outcome.refusals) - outcome.in_doubt,
        "in_doubt": outcome.in_doubt,
        "unsent": plan.planned - outcome.sent - len(outcome.refusals),
        "retried": outcome.retried,
        "requests": outcome.requests,
        "waited_seconds": round(outcome.waited, 3),
    }


def _end(plan: Plan, outcome: Outcome, what: str, *, repeatable: bool) -> None:
    """End the task the way its outcome deserves."""
    if outcome.stopped is not None:
        if repeatable or (not outcome.sent and not outcome.in_doubt):
            raise outcome.stopped
        unsent = plan.planned - outcome.sent - len(outcome.refusals)
        head = (
            f"sending stopped after {outcome.sent} of {plan.planned} {what}: {outcome.stopped}. "
            f"A retry would send those again, so the task is not retried; {unsent} were not sent"
        )
        raise AirflowFailException(_refused(outcome.refusals, head)) from outcome.stopped
    if outcome.refusals:
        refused = len(outcome.refusals) - outcome.in_doubt
        head = f"{refused} of {plan.planned} {what} were refused, {outcome.in_doubt} are in doubt, {outcome.sent} were accepted"
        raise AirflowFailException(_refused(outcome.refusals, head))


async def _send(client: AsyncClient, plan: Plan, outcome: Outcome, what: str) -> None:
    from airflow_provider.engagement.bulk.send import send_plan

    def progress(outcome: Outcome) -> None:
        done = outcome.sent + len(outcome.refusals)
        rate = client.pace.requests_per_minute
        log.info("%d of %d %s done; limit in force %.0f requests a minute", done, plan.planned, what, rate)

    async with client:
        await send_plan(client, plan, outcome, progress)


def _refused(refusals: list[Refusal], head: str) -> str:
    listed = sorted(refusals, key=lambda refusal: refusal.position)[:_REASONS]
    more = len(refusals) - len(listed)
    lines = [head, *(f"  {refusal}" for refusal in listed)]
    if more > 0:
        lines.append(f"  … and {more} more")
    return "\n".join(lines)
