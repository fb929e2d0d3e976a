"""The trigger base: polls until the condition holds, and never blocks the triggerer."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider.engagement.watch.condition import Condition, Done, Failed
from airflow_provider.engagement.watch.poll import Asking, apoll
from airflow_provider.engagement.watch.source import SessionSource, ask
from airflow_provider.engagement.wire.errors import ApiError, Rejected

if TYPE_CHECKING:
    from airflow_provider.engagement.base import EngagementHook
    from airflow_provider.engagement.wire.clients import AsyncClient


class WatchTrigger(BaseTrigger):
    """Poll a vendor until a condition holds.

    Fires one event, `{"status": "done" | "failed" | "timeout", …}`. A final answer (a wrong key, an unknown session) and an
    unusable connection are outcomes too, `failed`, because the task must not be retried then. Temporary errors are survived; too
    many in a row are raised, so that the task's log shows the traceback and its retries are honoured.

    Args:
        condition: what is waited for, as JSON values.
        poke_interval: seconds between two polls.
        deadline: Unix seconds after which to give up, or None.
        max_consecutive_failures: failed polls in a row that are survived.
        **conn_id: the connection's id, named as `conn_id_name` says; the key stays in the connection.

    Attributes:
        conn_id_name: what the vendor calls the connection's id.
        earliest_event: seconds before which no event fires: the scheduler may not have noted yet that the worker's part of the
            task ended, and would take the event for a failure of it.
        last_poll: seconds that a poll gets at the least, even if the deadline passes meanwhile; without an end a poll could wait
            for a rate limit long after it. Shorter than the grace that the sensor gives the trigger.
    """

    conn_id_name: ClassVar[str]
    earliest_event: ClassVar[float] = 10.0
    last_poll: ClassVar[float] = 30.0

    def __init__(
        self,
        *,
        condition: Mapping[str, Any],
        poke_interval: float,
        deadline: float | None = None,
        max_consecutive_failures: int = 5,
        **conn_id: str,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conn_id = conn_id.pop(self.conn_id_name)
        if conn_id:
            raise TypeError(f"unexpected arguments: {', '.join(sorted(conn_id))}")
        self.condition = dict(condition)
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.max_consecutive_failures = max_consecutive_failures

    @classmethod
    @abstractmethod
    def ask(cls, condition: Mapping[str, Any]) -> Asking:
        """Make one poll for a condition; sensor and trigger both call it."""

    @abstractmethod
    def hook(self) -> EngagementHook:
        """Make the vendor's hook."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class's path and the arguments, as JSON values."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            self.conn_id_name: self.conn_id,
            "condition": self.condition,
            "poke_interval": self.poke_interval,
            "deadline": self.deadline,
            "max_consecutive_failures": self.max_consecutive_failures,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until there is an event to fire.

        Raises:
            ApiError: more failures in a row than are survived.
        """
        earliest = time.monotonic() + self.earliest_event
        try:
            client = await self.hook().aget_async_client()
        except ValueError as error:  # of the connection
            event = _failed(error)
        else:
            async with client:
                event = await self._watch(client)
        await asyncio.sleep(max(0.0, earliest - time.monotonic()))
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _watch(self, client: AsyncClient) -> dict[str, Any]:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(None if (left := self._left()) is None else max(left, self.last_poll)):
                    verdict = await apoll(client, self.ask(self.condition))
            except TimeoutError:
                return {"status": "timeout"}
            except (Rejected, ValueError) as error:
                return _failed(error)
            except ApiError as error:
                failures += 1
                if failures > self.max_consecutive_failures:
                    raise
                self.log.warning("Poll failed, %d in a row of at most %d: %s", failures, self.max_consecutive_failures, error)
            else:
                failures = 0
                if isinstance(verdict, Done):
                    return {"status": "done", "detail": dict(verdict.detail)}
                if isinstance(verdict, Failed):
                    return {"status": "failed", "reason": verdict.reason}
                self.log.info("Waiting: %s", verdict.detail)
            left = self._left()
            if left is not None and left <= 0:
                return {"status": "timeout"}
            await asyncio.sleep(self.poke_interval if left is None else min(self.poke_interval, left))

    def _left(self) -> float | None:
        return None if self.deadline is None else self.deadline - datetime.now(UTC).timestamp()


def _failed(error: Exception) -> dict[str, Any]:
    return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}


class ContentSessionTrigger(WatchTrigger):
    """Poll a vendor's content sessions until a `Condition` holds.

    Attributes:
        source: how the vendor's sessions are read.
    """

    source: ClassVar[SessionSource]

    @classmethod
    def ask(cls, condition: Mapping[str, Any]) -> Asking:
        """Make one poll for the fields of a `Condition`."""
        return ask(Condition.from_dict(condition), cls.source)
