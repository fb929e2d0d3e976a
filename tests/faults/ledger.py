"""An emulator that remembers of each request which row it carried, what became of it, and when."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from airflow_provider.engagement.emulator.emulation import Emulation
from airflow_provider.engagement.emulator.faults import Plan
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.emulator.state import Incoming, Reply
from tests.faults.rows import REFUSED_ATTRIBUTE

Met = Literal["nothing", "a refusal", "doubt"]
_TOLD_NOT_PROCESSED = (429, 503)
"""Answers after which the client knows that nothing happened: the limit, and Userflow's own "not available"."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A request that came in.

    Attributes:
        row: position of the row it carried.
        at: when it was answered, in seconds of `time.monotonic`.
        met: the fault it met: nothing, a refusal (the client knows that it was not processed), or doubt (it cannot know).
    """

    row: int
    at: float
    met: Met


class Ledger(Emulation):
    """An emulation that keeps an entry of each write.

    Attributes:
        entries: by kind (`users`, `events`), oldest first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, list[Entry]] = {"users": [], "events": []}

    def answer(self, incoming: Incoming, plan: Plan) -> Reply:
        """Answer a request, and remember it."""
        reply = super().answer(incoming, plan)
        entries = self.entries.get(incoming.path.strip("/"))
        if entries is not None and incoming.method == "POST":
            entries.append(Entry(json.loads(incoming.body)["attributes"]["n"], time.monotonic(), _met(plan)))
        return reply


class LedgerServer(EmulatorServer):
    """A served ledger, prepared for the rows of a round.

    Attributes:
        ledger: what came in.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.emulation = self.ledger
        definitions = [{"scope": scope, "name": REFUSED_ATTRIBUTE, "data_type": "number"} for scope in ("user", "event")]
        self.userflow.seed({"attribute_definitions": definitions})

    def came_in(self, kind: str) -> int:
        """Count the requests with rows of a kind."""
        return len(self.ledger.entries[kind])

    def tracked(self) -> Counter[int]:
        """Count how often the event of each row was processed."""
        return Counter(event["attributes"]["n"] for event in self.userflow.objects.events.values())

    def __enter__(self) -> LedgerServer:
        self.start()
        return self


def _met(plan: Plan) -> Met:
    if plan.problem is not None and plan.problem[0] in _TOLD_NOT_PROCESSED:
        return "a refusal"
    return "doubt" if plan.final or plan.truncate or plan.wait_before or plan.wait_after else "nothing"
