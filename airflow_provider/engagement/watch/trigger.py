"""The trigger base: waits until the condition holds, and never blocks the triggerer."""

from __future__ import annotations

import asyncio
import copy
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider.engagement.watch.condition import Condition, Done, Failed, Verdict, counts_of
from airflow_provider.engagement.watch.content import ContentSessions, OneSession, Wanted
from airflow_provider.engagement.watch.reading import Reading, Steps, ask
from airflow_provider.engagement.watch.shared import Question, Stumble, Waiter, sharing
from airflow_provider.engagement.watch.source import SessionSource
from airflow_provider.engagement.wire.errors import ApiError

if TYPE_CHECKING:
    from airflow_provider.engagement.base import EngagementHook


class WatchTrigger(BaseTrigger):
    """Wait until a condition holds, by a poll shared with all triggers that ask the same.

    Fires one event, `{"status": "done" | "failed" | "timeout", …}`. A final answer (a wrong key, an unknown session) and an
    unusable connection are outcomes too, `failed`, because the task must not be retried then. Temporary errors are survived; too
    many in a row are raised, so that the task's log shows the traceback and its retries are honoured.

    Args:
        condition: what is waited for, as JSON values.
        poke_interval: seconds between two polls, at the most: another trigger may want the same poll more often.
        deadline: Unix seconds after which to give up, or None.
        max_consecutive_failures: failed polls in a row that are survived.
        **conn_id: the connection's id, named as `conn_id_name` says; the key stays in the connection.

    Attributes:
        conn_id_name: what the vendor calls the connection's id.
        earliest_event: seconds before which no event fires: the scheduler may not have noted yet that the worker's part of the
            task ended, and would take the event for a failure of it.
        last_poll: seconds that a poll gets at the least, even if the deadline passes meanwhile; without an end a poll could wait
            for a rate limit long after it. Shorter than the grace that the sensor gives the trigger.
        say_every: seconds between two lines in the task's log that say how far it is, at the least.
    """

    conn_id_name: ClassVar[str]
    earliest_event: ClassVar[float] = 10.0
    last_poll: ClassVar[float] = 30.0
    say_every: ClassVar[float] = 60.0

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
        self.conn_id = take_conn_id(self.conn_id_name, conn_id)
        self.condition = dict(condition)
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.max_consecutive_failures = max_consecutive_failures
        self._failures = 0
        self._said: Mapping[str, Any] | None = None
        self._say_at = 0.0

    @classmethod
    @abstractmethod
    def read_condition(cls, values: Mapping[str, Any]) -> Any:
        """Make the vendor's condition of JSON values.

        Raises:
            ValueError: it is unusable, or of another version of this package.
        """

    @classmethod
    @abstractmethod
    def subject(cls, condition: Any) -> Hashable:
        """Name what must be read for a condition; triggers that name the same share a poll."""

    @classmethod
    @abstractmethod
    def reading(cls, condition: Any) -> Reading[Any]:
        """Make a reading of a condition's subject."""

    @abstractmethod
    def hook(self) -> EngagementHook:
        """Make the vendor's hook."""

    @classmethod
    def ask(cls, condition: Mapping[str, Any]) -> Steps[Verdict]:
        """Make one poll for a condition, shared with nobody: what a sensor does that pokes."""
        made = cls.read_condition(condition)
        return ask(cls.reading(made), made)

    @classmethod
    def enrich(cls, condition: Mapping[str, Any], detail: Mapping[str, Any]) -> Steps[dict[str, Any]]:
        """Add to a result what a condition asks for beside its being done. Not in the trigger: events are logged."""
        made = cls.read_condition(condition)
        return cls.reading(made).enrich(made, detail)

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
        """Wait until there is an event to fire.

        Raises:
            ApiError: more failures in a row than are survived.
            AirflowNotFoundException: there is no such connection.
        """
        clock = asyncio.get_running_loop().time
        earliest = clock() + self.earliest_event
        try:
            condition = self.read_condition(self.condition)
        except ValueError as error:
            event = _failed(error)
        else:
            with sharing(self._question(condition), condition, self.poke_interval) as waiter:
                event = await self._wait(waiter)
        await asyncio.sleep(max(0.0, earliest - clock()))
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    def _question(self, condition: Any) -> Question[Any]:
        return ask_through(self.hook(), self.subject(condition), lambda: self.reading(condition))

    async def _wait(self, waiter: Waiter[Any]) -> dict[str, Any]:
        """Wait for an outcome that ends the task.

        The deadline is a moment of the wall clock only because it must outlive this process; here it is a span, so that moving the
        clock neither ends the waiting nor prolongs it. When it has passed, one last look is taken.
        """
        clock = asyncio.get_running_loop().time
        end = None if self.deadline is None else clock() + self.deadline - time.time()
        until = None if end is None else max(end, clock() + self.last_poll)
        heard, last = False, False
        while True:
            try:
                outcome = await waiter.outcome(until)
            except TimeoutError:
                if last or not heard:
                    return {"status": "timeout"}
                last, until = True, clock() + self.last_poll
                waiter.hurry()
                continue
            heard = True
            event = self._event_of(outcome)
            if event is not None:
                return event
            if last and not waiter.urgent:
                return {"status": "timeout"}
            until = until if last else end

    def _event_of(self, outcome: Verdict | Stumble) -> dict[str, Any] | None:
        """Say what an outcome makes of the task; None while it is to wait."""
        if isinstance(outcome, Stumble):
            return self._stumble(outcome)
        self._failures = 0
        if isinstance(outcome, Done):
            return {"status": "done", "detail": dict(outcome.detail)}
        if isinstance(outcome, Failed):
            return {"status": "failed", "reason": outcome.reason}
        now = asyncio.get_running_loop().time()
        if outcome.detail != self._said and now >= self._say_at:
            self._said, self._say_at = outcome.detail, now + self.say_every
            self.log.info("Waiting: %s", counts_of(outcome.detail))
        return None

    def _stumble(self, stumble: Stumble) -> dict[str, Any] | None:
        error = stumble.error
        if stumble.final:
            return _failed(error)
        self._failures += 1
        if self._failures > self.max_consecutive_failures or isinstance(error, AirflowNotFoundException):
            # The same object goes to all who wait, and each would add to its traceback.
            raise copy.copy(error) if isinstance(error, ApiError) else error
        self.log.warning("Poll failed, %d in a row of at most %d: %s", self._failures, self.max_consecutive_failures, error)
        return None


def ask_through(hook: EngagementHook, subject: Hashable, make_reading: Callable[[], Reading[Any]]) -> Question[Any]:
    """Make the question that is asked through a hook's connection.

    Args:
        hook: the hook.
        subject: names what is read.
        make_reading: makes a reading of it.
    """
    account = (type(hook).__module__, type(hook).__qualname__, hook.conn_id)
    return Question(account, subject, hook.aget_async_client, make_reading)


def take_conn_id(name: str, arguments: dict[str, str]) -> str:
    """Take the connection's id from the arguments that are left.

    Raises:
        TypeError: it is not there, or something else is.
    """
    if arguments.keys() != {name}:
        raise TypeError(f"expected {name}, got {', '.join(sorted(arguments)) or 'nothing'}")
    return arguments[name]


def _failed(error: Exception) -> dict[str, Any]:
    return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}


class ContentSessionTrigger(WatchTrigger):
    """Wait until a `Condition` holds among a vendor's content sessions.

    Attributes:
        source: how the vendor's sessions are read.
    """

    source: ClassVar[SessionSource]

    @classmethod
    def read_condition(cls, values: Mapping[str, Any]) -> Condition:
        """Make a `Condition`."""
        return Condition.from_dict(values)

    @classmethod
    def subject(cls, condition: Condition) -> Hashable:
        """Name the session or the content."""
        return ("session", condition.session_id) if condition.session_id is not None else ("content", condition.content_id)

    @classmethod
    def reading(cls, condition: Condition) -> Reading[Any]:
        """Make a reading of the session or the content."""
        return read_sessions(cls.source, condition)


def read_sessions(source: SessionSource, condition: Condition) -> Reading[Any]:
    """Make a reading of a condition's session or content."""
    if condition.session_id is not None:
        return OneSession(source, condition.session_id)
    made: Reading[Wanted] = ContentSessions(source, str(condition.content_id))
    return made
