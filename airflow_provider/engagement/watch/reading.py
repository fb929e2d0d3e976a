"""What every reading does: it knows the answer to one question as far as it was read, and how to read what may have changed.

A reading is pure: its steps are calls for a client to send, so that a sensor that pokes and the poll shared by a triggerer's
triggers drive the same code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from airflow_provider.engagement.watch.condition import Done, Failed, Verdict, Waiting
from airflow_provider.engagement.watch.roll import Roll
from airflow_provider.engagement.watch.standing import Scope
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import Rejected
from airflow_provider.engagement.wire.message import Call, Query
from airflow_provider.engagement.wire.page import Page, drive, walk

R = TypeVar("R")
C = TypeVar("C")

Steps = Generator[Call[Any], Any, R]
"""Calls to be made, without their I/O: yields each, is sent its answer or thrown the final no it got."""


@dataclass(frozen=True, slots=True)
class Round(Generic[C]):
    """One poll.

    Attributes:
        wanted: the conditions still waited for, asked again after each page; nothing is read for nobody.
        lasting: there will be more rounds, so it is worth a request to know later what has changed since this one.
        afresh: read everything again, which finds what no list of changes tells: objects that were deleted.
    """

    wanted: Callable[[], Sequence[C]]
    lasting: bool = False
    afresh: bool = False


@dataclass(frozen=True, slots=True)
class Completions:
    """What an event trigger waits for: any completion within a scope.

    Attributes:
        scope: which sessions count.
        after: completions from this moment on must be known; None for those from now on.
    """

    scope: Scope
    after: datetime | None = None


class Reading(ABC, Generic[C]):
    """What is known in answer to one question.

    Attributes:
        roll: the sessions read.
    """

    def __init__(self) -> None:
        self.roll = Roll()

    @abstractmethod
    def steps(self, round_: Round[C]) -> Steps[None]:
        """Read what must be known for the conditions of a round, and is not known yet or may have changed."""

    @abstractmethod
    def knows(self, condition: C) -> bool:
        """Say whether everything a condition needs was read, so that only changes are left to be read."""

    @abstractmethod
    def decide(self, condition: C) -> Verdict:
        """Say whether a condition holds among the sessions read."""

    def judge(self, condition: C) -> Verdict:
        """Say whether a condition holds, as far as that is known: before everything was read it may hold, but cannot have failed."""
        verdict = self.decide(condition)
        if self.knows(condition) or (isinstance(verdict, Done) and getattr(condition, "settled_early", False)):
            return verdict
        return Waiting({} if isinstance(verdict, Failed) else verdict.detail)

    def enrich(self, condition: C, detail: Mapping[str, Any]) -> Steps[dict[str, Any]]:
        """Read what a condition asks for beside its being done."""
        yield from ()
        return dict(detail)


def ask(reading: Reading[C], condition: C) -> Steps[Verdict]:
    """Make a single poll for a single condition."""

    def wanted() -> Sequence[C]:
        return () if isinstance(reading.judge(condition), Done) else (condition,)

    yield from reading.steps(Round(wanted))
    verdict = reading.judge(condition)
    if isinstance(verdict, Done):
        return Done((yield from reading.enrich(condition, verdict.detail)))
    return verdict


def read_pages(endpoint: Endpoint[Page[Any]], query: Query, take: Callable[[Page[Any]], bool]) -> Steps[bool]:
    """Walk a list until `take`, which is given each page, wants no more.

    Returns:
        Whether the list was read to its end.
    """
    walked = walk(endpoint, query)
    step = drive(walked)
    while step is not None:
        answer: Page[Any] | Rejected | None = None
        if not isinstance(step, Page):
            try:
                answer = yield step
            except Rejected as error:
                answer = error
        elif not take(step):
            return False
        step = drive(walked, answer)
    return True
