"""Clients and a limiting server on a simulated clock, to drive a `Pace` for minutes in milliseconds."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from airflow_provider.engagement.emulator.limits import Window
from airflow_provider.engagement.wire.pace import Pace

Told = Callable[[Window, float, bool], Mapping[str, str]]
"""Headers of an answer: from the window, the server's time, and whether the request was admitted."""
Event = Callable[[float], None]


@dataclass
class Outcome:
    """When the server admitted and when it refused requests of one client."""

    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def rate(self, since: float, until: float) -> float:
        """Accepted requests a minute."""
        return sum(since <= at < until for at in self.accepted) * 60 / (until - since)

    def refused_share(self, since: float, until: float) -> float:
        refused = sum(since <= at < until for at in self.refused)
        return refused / max(1, refused + sum(since <= at < until for at in self.accepted))


@dataclass
class Simulation:
    """A server with a limit, and how long everything takes.

    Attributes:
        window: the server's way to count.
        offset: how far the server is in its first minute at time 0, in seconds.
        latency: seconds from sending to the answer; each way takes half of it, give or take a fifth.
        lag: seconds by which a sleeping client wakes late at the most.
        told: what answers say of the limit.
        seed: makes the chances repeatable.
    """

    window: Window
    offset: float = 0.0
    latency: float = 0.05
    lag: float = 0.001
    told: Told = lambda _window, _now, _admitted: {}
    seed: int = 1

    def run(self, paces: Sequence[Pace], seconds: float, starts: Sequence[float] = ()) -> list[Outcome]:
        """Let clients send as much as their paces let through.

        Args:
            paces: one for each client.
            seconds: how long.
            starts: when each client begins; all at 0 by default.
        """
        self._chance, self._order = random.Random(self.seed), count()
        self._events: list[tuple[float, int, Event]] = []
        clients = [_Client(self, pace) for pace in paces]
        for client, start in zip(clients, starts or [0.0] * len(clients), strict=True):
            self.at(start, client.go)
        while self._events and self._events[0][0] < seconds:
            now, _, event = heapq.heappop(self._events)
            event(now)
        return [client.outcome for client in clients]

    def at(self, time: float, event: Event) -> None:
        heapq.heappush(self._events, (time, next(self._order), event))

    def way(self) -> float:
        """Seconds from client to server, or back."""
        return self.latency * self._chance.uniform(0.4, 0.6)

    def late(self) -> float:
        return self._chance.uniform(0, self.lag)


class _Client:
    """Sends whenever it may; while it sleeps nothing wakes it, as in the real clients."""

    def __init__(self, simulation: Simulation, pace: Pace) -> None:
        self.simulation = simulation
        self.pace = pace
        self.outcome = Outcome()
        self.under_way = 0
        self.asleep = False

    def go(self, now: float) -> None:
        self.asleep = False
        while self.under_way < self.pace.concurrency:
            delay = self.pace.delay(now)
            if delay > 0:
                self.asleep = True
                self.simulation.at(now + delay + self.simulation.late(), self.go)
                return
            self.pace.take(now)
            self.under_way += 1
            self.simulation.at(now + self.simulation.way(), lambda time, sent=now: self.arrive(sent, time))  # type: ignore[misc]

    def arrive(self, sent: float, now: float) -> None:
        simulation = self.simulation
        server_time = now + simulation.offset
        admitted = simulation.window.admit(server_time)
        (self.outcome.accepted if admitted else self.outcome.refused).append(now)
        headers = simulation.told(simulation.window, server_time, admitted)
        simulation.at(now + simulation.way(), lambda time: self.answer(sent, time, 200 if admitted else 429, headers))

    def answer(self, sent: float, now: float, status: int, headers: Mapping[str, str]) -> None:
        self.under_way -= 1
        self.pace.observe(sent, now, status, headers)
        if not self.asleep:
            self.go(now)
