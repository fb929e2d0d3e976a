"""A simulated server and clients on a simulated clock, to drive a `Pace` for minutes in milliseconds."""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider.engagement.wire.pace import Pace


class Server(Protocol):
    """Decides on each request: the seconds to wait it states with a refusal, `True` for an acceptance, `False` for a refusal."""

    def accepts(self, now: float) -> bool: ...


@dataclass
class TokenBucket:
    per_minute: float
    capacity: float
    tokens: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.capacity

    def accepts(self, now: float) -> bool:
        self.tokens = min(self.capacity, self.tokens + (now - self.at) * self.per_minute / 60)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass
class FixedWindow:
    per_minute: int
    offset: float = 0.0
    window: int = -1
    count: int = 0

    def accepts(self, now: float) -> bool:
        window = int((now + self.offset) // 60)
        if window != self.window:
            self.window, self.count = window, 0
        if self.count >= self.per_minute:
            return False
        self.count += 1
        return True


@dataclass
class Outcome:
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def rate(self, since: float, until: float) -> float:
        """Accepted requests a minute."""
        return sum(since <= at < until for at in self.accepted) * 60 / (until - since)

    def refused_share(self, since: float, until: float) -> float:
        refused = sum(since <= at < until for at in self.refused)
        return refused / max(1, refused + sum(since <= at < until for at in self.accepted))


def simulate(
    pace: Pace, server: Server, seconds: float, *, latency: float = 0.05, lag: float = 0.001, headers: Mapping[str, str] | None = None
) -> Outcome:
    """Send as much as the pace lets through; answers come `latency` seconds later, sleeps wake up to `lag` seconds late."""
    chance = random.Random(1)
    outcome, now = Outcome(), 0.0
    under_way: list[tuple[float, float, bool]] = []
    while now < seconds:
        free = len(under_way) < pace.concurrency
        delay = pace.delay(now) if free else float("inf")
        if free and delay == 0:
            pace.take(now)
            accepted = server.accepts(now + latency / 2)
            (outcome.accepted if accepted else outcome.refused).append(now + latency / 2)
            heapq.heappush(under_way, (now + latency * chance.uniform(0.8, 1.2), now, accepted))
            continue
        wake = now + delay + chance.uniform(0, lag)
        if under_way and under_way[0][0] <= wake:
            now, sent, accepted = heapq.heappop(under_way)
            pace.observe(sent, now, 200 if accepted else 429, {} if accepted else headers or {})
        else:
            now = wake
    return outcome
