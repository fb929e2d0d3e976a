"""A bulk write as an Airflow task: plan or go on, send, report, and end the task the way its outcome deserves."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement import compat
from airflow_provider.engagement.base import EngagementHook, never_twice, run_beside
from airflow_provider.engagement.bulk.options import Options
from airflow_provider.engagement.bulk.plan import Target
from airflow_provider.engagement.bulk.plan_file import PlanFile
from airflow_provider.engagement.bulk.progress import Progress
from airflow_provider.engagement.bulk.report import METRICS, make_report, plan_lines, progress_line, with_reasons
from airflow_provider.engagement.bulk.rows import UnusableSource
from airflow_provider.engagement.bulk.state_folder import StateCorrupt
from airflow_provider.engagement.bulk.workshop import Identity, Workshop
from airflow_provider.engagement.wire.errors import ApiError, Rejected

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.engagement.bulk.state import State
    from airflow_provider.engagement.wire.clients import AsyncClient
    from airflow_provider.engagement.wire.message import Request

log = logging.getLogger(__name__)
_KEY = "engagement_bulk"
"""Key of the checkpoint in the task state store."""


class SendingStopped(Exception):
    """Sending stopped at a temporary failure; a retry of the task goes on from there.

    Attributes:
        retry_after: seconds the server asked to wait, or None.
    """

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class SourceFailed(Exception):
    """The source failed while it was read; nothing was sent."""


def run_rows(
    hook: EngagementHook,
    source: Callable[[], Iterable[Any]],
    target: Target,
    options: Options,
    context: Context,
    *,
    mapping: str = "",
) -> dict[str, Any]:
    """Plan and send rows; what an operator of many rows does in `execute`.

    A task that was killed and is retried goes on from its checkpoint: with the plan it had, or with one made anew that turns
    out the same.

    Args:
        hook: the account.
        source: opens the source; it is not called where the plan is still there.
        target: where the rows go.
        options: how.
        context: the task's context.
        mapping: what the rows went through, as stable text; another one makes the state send everything again.

    Returns:
        The report: see `airflow_provider.engagement.bulk.report.make_report`.

    Raises:
        AirflowFailException: more rows than allowed are unusable, refused or in doubt (after all were tried); a mirror would
            delete too much or the state cannot be read (nothing was sent then); or a retry could send events twice.
        SendingStopped: a temporary failure outlasted its retries; a retry of the task goes on.
        SourceFailed: the source failed while it was read; nothing was sent.
    """
    try:
        return _Run(hook, source, target, options, context, mapping).run()
    except StateCorrupt as error:
        raise AirflowFailException(str(error)) from error


def run_row(hook: EngagementHook, row: Any, target: Target, context: Context) -> Any:
    """Send one row by the same engine; what an operator of one row does in `execute`.

    Args:
        hook: the account.
        row: the row, in the API's own shape.
        target: where it goes.
        context: the task's context.

    Returns:
        What the server answered; None where an earlier try of the task got the answer.

    Raises:
        AirflowFailException: the row is unusable, was refused, or is in doubt.
        SendingStopped: a temporary failure outlasted its retries.
    """
    answers: list[Any] = []

    def keep(_request: Request, answer: Any) -> None:
        answers.append(answer)

    run_rows(hook, lambda: [row], replace(target, check=keep), Options(), context)
    return answers[0] if answers else None


class _Run:
    """One try of one task."""

    def __init__(
        self,
        hook: EngagementHook,
        source: Callable[[], Iterable[Any]],
        target: Target,
        options: Options,
        context: Context,
        mapping: str,
    ) -> None:
        self._hook, self._source, self._target, self._options = hook, source, target, options
        self._identity = Identity.of(context)
        self._store = None if options.plan_only else compat.task_state_store(context)
        self._workshop = Workshop(self._identity, options, target)
        destination = {"connection": hook.conn_id, **target.destination}
        self._binding = {
            "destination": ", ".join(f"{name} {value}" for name, value in destination.items() if value),
            "what": target.what,
            "mode": options.mode,
            "mapping": mapping,
        }
        self._tags = {"connection": hook.conn_id, "dag_id": self._identity.dag_id, "task_id": self._identity.task_id}
        self._told: dict[str, int] = {}

    def run(self) -> dict[str, Any]:
        """Plan or go on, send, report, end."""
        earlier = self._earlier()
        if earlier is not None and earlier.finished:
            log.info("An earlier try of this task sent everything, but was killed before it could say so")
            return self._end(earlier, None)
        plan = self._workshop.find_plan(earlier.plan) if earlier is not None else None
        with self._open_state(anew=plan is None) as state:
            if plan is None:
                plan = self._workshop.make_plan(self._read(), state)
                earlier = self._compare(plan, earlier)
            for line in plan_lines(plan.planned, self._target.what, self._hook.get_config().requests_per_minute):
                log.info("%s", line)
            progress = earlier or Progress(plan.digest, plan.planned, reasons=plan.reasons)
            if self._options.plan_only:
                self._workshop.delete_plan()
                log.info("This was a dry run: nothing was sent, and nothing was kept")
                return make_report(progress)
            if earlier is not None:
                log.info("Going on from the checkpoint of an earlier try: %d of %d are done", earlier.low, plan.planned.planned)
            return self._send(plan, progress, state, resumed=earlier is not None)

    def _read(self) -> Iterator[Any]:
        """Read the source; only what is wrong with it as a whole is final, an accident on the way may not happen again."""
        try:
            yield from self._source()
        except UnusableSource:
            raise
        except (ValueError, TypeError) as error:
            raise SourceFailed(f"reading the {self._target.what} failed, nothing was sent: {type(error).__name__}: {error}") from error

    # --- what an earlier try left ------------------------------------------------------------------------------------

    def _earlier(self) -> Progress | None:
        """Find the checkpoint to go on from; a finished task that a person cleared starts anew."""
        if self._store is None:
            self._without_store()
            return None
        earlier = Progress.restore(self._store.get(_KEY))
        if earlier is None:
            return None
        cleared = earlier.max_tries != self._identity.max_tries
        if cleared and (earlier.finished or earlier.given_up or not earlier.planned.unrepeatable):
            log.info("The task was cleared, so it starts anew")
            self._workshop.delete_plan()
            return None
        return earlier

    def _without_store(self) -> None:
        if self._options.plan_only or self._identity.try_number <= 1:
            return
        log.warning("Airflow keeps no task state before 3.3: this retry does not go on from the earlier try, it starts over")
        left = self._workshop.find_plan()
        if left is not None and left.planned.unrepeatable and self._options.delivery != "at_least_once":
            self._workshop.delete_plan()
            raise AirflowFailException(
                f"an earlier try of this task was killed while it sent {self._target.what} that must not be sent twice; which of them "
                "were processed is in doubt. Compare with the vendor, then clear the task to send all of them again"
            )

    def _compare(self, plan: PlanFile, earlier: Progress | None) -> Progress | None:
        """Decide whether a plan made anew can take an earlier one's place."""
        if earlier is None or earlier.plan == plan.digest:
            return earlier
        if not earlier.planned.unrepeatable:
            log.info("The plan of the earlier try is lost, and the source has changed since: it starts over")
            return None
        if self._store is not None:
            self._store.set(_KEY, earlier.snapshot(given_up=True, max_tries=self._identity.max_tries))
        counts = earlier.counts
        raise AirflowFailException(
            f"the plan of the earlier try is lost with its worker, and the source gives other rows now, so it cannot be told which of "
            f"the {self._target.what} were sent: {counts['sent']} were, {counts['in_doubt']} are in doubt, and what was under way when "
            "the try ended is too. Set work_path to an object storage so that plans outlive workers; clear the task to send everything"
        )

    # --- sending -----------------------------------------------------------------------------------------------------

    def _send(self, plan: PlanFile, progress: Progress, state: State | None, *, resumed: bool) -> dict[str, Any]:
        from airflow_provider.engagement.bulk.send import Sender, Sending

        progress.max_tries, progress.given_up = self._identity.max_tries, False
        if resumed:  # told by the earlier try
            report = make_report(progress)
            self._told = {name: int(report[name]) for name in METRICS}
        parts = self._workshop.parts("refused", progress.parts, progress.lines)
        parts.begin()
        if state is not None:
            state.begin()
        careful = progress.planned.unrepeatable > 0
        at_most_once = self._options.delivery == "at_most_once" or (self._options.delivery is None and careful)
        save = None if self._store is None else self._saver(self._store)
        client = self._hook.get_async_client()
        sender = Sender(Sending(client, plan, self._target, progress, parts, save, state, at_most_once, self._teller(client, progress)))
        final = careful and at_most_once and self._store is None
        try:
            with never_twice(f"a part of the {self._target.what}") if final else nullcontext():
                run_beside(_with(client, sender))
        finally:
            self._measure(progress)
            log.info("Outcome: %s", make_report(progress))
            if self._store is None:  # nothing to go on from
                self._workshop.delete_plan()
        return self._end(progress, sender.stopped)

    def _saver(self, store: compat.StateStore) -> Callable[[dict[str, Any]], None]:
        return lambda snapshot: store.set(_KEY, snapshot)

    def _teller(self, client: AsyncClient, progress: Progress) -> Callable[[], None]:
        began, before = time.monotonic(), progress.counts["requests"]

        def tell() -> None:
            nonlocal began, before
            now, requests = time.monotonic(), progress.counts["requests"]
            rate = 60 * (requests - before) / max(now - began, 0.001)
            began, before = now, requests
            stated = client.config.requests_per_minute is not None
            limit = client.pace.requests_per_minute
            log.info("%s", progress_line(progress, self._target.what, rate=rate, limit=limit, stated=stated))
            self._measure(progress)

        return tell

    def _measure(self, progress: Progress) -> None:
        report = make_report(progress)
        for name in METRICS:
            more = int(report[name]) - self._told.get(name, 0)
            compat.count(f"engagement.{name}", more, self._tags)
            self._told[name] = int(report[name])

    def _open_state(self, *, anew: bool) -> Any:
        if self._options.state_path is None:
            return nullcontext()
        return self._workshop.open_state(self._options.state_path, self._binding, anew=anew)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _end(self, progress: Progress, stopped: ApiError | None) -> dict[str, Any]:
        """End the task the way its outcome deserves."""
        report, what = make_report(progress), self._target.what
        rejects = report["rejected"] + report["in_doubt"]
        if stopped is not None:
            self._raise_stopped(stopped, progress)
        self._workshop.delete_plan()
        if rejects:
            where = f"; they are in {self._options.rejects_path}" if self._options.rejects_path else ""
            head = (
                f"{report['rejected']} of {report['read']} {what} were unusable or refused, {report['in_doubt']} are in doubt, "
                f"{report['sent']} were accepted{where}"
            )
            text = with_reasons(head, progress.reasons, rejects)
            if self._options.too_many(rejects, report["read"]):
                raise AirflowFailException(text)
            log.warning("%s", text)
        return report

    def _raise_stopped(self, stopped: ApiError, progress: Progress) -> None:
        report, what = make_report(progress), self._target.what
        head = f"sending stopped after {report['sent']} of {report['planned']} {what}, {report['unsent']} were not sent: {stopped}"
        final = isinstance(stopped, Rejected)
        if self._store is None and progress.planned.unrepeatable and (report["sent"] or report["in_doubt"]):
            final = True
            head += ". A retry would send the others again, so the task is not retried"
        text = with_reasons(head, progress.reasons, report["rejected"] + report["in_doubt"])
        raise (AirflowFailException(text) if final else SendingStopped(text, stopped.retry_after)) from stopped


async def _with(client: AsyncClient, sender: Any) -> None:
    async with client:
        await sender.run()
