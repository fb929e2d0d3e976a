"""How much of a rate limit is used, and how often the server refuses (429), with the limit stated and with the limit to be found.

The gate (`Pace`) has no clock of its own, so that five minutes on a moved clock are for it five real ones; the clients around
it, the network and the server are simulated, and the server counts by the emulator's own windows. One run of each kind goes
through the real `AsyncClient` and real connections to a server on loopback, in an event loop whose clock jumps to the next timer
whenever nothing is left to do: what is not real in it is only that waiting takes no time.

    .venv/bin/python -m tests.benchmarks.limits
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from airflow_provider.engagement.emulator.limits import Bucket, Fixed, Window
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.wire.clients import AsyncClient
from airflow_provider.engagement.wire.config import ClientConfig
from airflow_provider.engagement.wire.pace import Pace
from airflow_provider.engagement.wire.together import together
from tests.benchmarks.table import Figure, table_of
from tests.wire.pace_simulation import Outcome, Simulation

LIMITS = (100, 600, 3000)
OFFSETS = tuple(range(0, 60, 3))
"""Seconds of the fixed window that are over when the client begins. Tried at every half second, the limit unknown: no less than 0.90
used, and more than 1 % refused once (100 a minute from 59.5 s: five of 492)."""
SECONDS = 300.0
LATENCY = 0.05
CONCURRENCY = 32


@dataclass(frozen=True)
class Run:
    """One client's five minutes.

    Attributes:
        limit: requests a minute that the server allows.
        kind: `bucket` (a minute's tokens), `small bucket` (ten seconds' tokens) or `window`.
        stated: whether the client knows the limit.
        offset: seconds of the window that are over when the client begins.
        real: through the real client and real connections.
    """

    limit: int
    kind: str
    stated: bool
    offset: int = 0
    real: bool = False

    def window(self) -> Window:
        if self.kind == "window":
            return Fixed(self.limit)
        return Bucket(self.limit, self.limit if self.kind == "bucket" else self.limit / 6)

    def pace(self) -> Pace:
        return Pace(self.limit if self.stated else None, CONCURRENCY)


@dataclass(frozen=True)
class Result:
    """What became of a run."""

    run: Run
    used: float
    refused: int
    share: float
    share_later: float


def measure(run: Run) -> Result:
    """Make a run and count; the requests count from the beginning if the limit is stated, else after the first minute."""
    outcome = _real(run) if run.real else Simulation(run.window(), float(run.offset), LATENCY).run([run.pace()], SECONDS)[0]
    since = 0.0 if run.stated else 60.0
    return Result(
        run,
        outcome.rate(since, SECONDS) / run.limit,
        len(outcome.refused),
        outcome.refused_share(0, SECONDS),
        outcome.refused_share(60, SECONDS),
    )


# --- the real client, its time moved ------------------------------------------------------------------------------------


class _Jumping(selectors.SelectSelector):
    """Never waits for a timer: if nothing is ready, the time is moved to it. On loopback what was sent is ready at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout:
            self.now += timeout
        return ready


class _MovedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def _real(run: Run) -> Outcome:
    with asyncio.Runner(loop_factory=_MovedLoop) as runner:
        return runner.run(_exchange(run))


async def _exchange(run: Run) -> Outcome:
    loop, window, outcome = asyncio.get_running_loop(), run.window(), Outcome()
    began = loop.time()

    async def serve(request: web.BaseRequest) -> web.Response:
        await request.read()
        await asyncio.sleep(LATENCY / 2)
        now = loop.time() - began
        admitted = window.admit(now + run.offset)
        (outcome.accepted if admitted else outcome.refused).append(now)
        await asyncio.sleep(LATENCY / 2)
        return web.json_response({"id": "u", "object": "user"}, status=200 if admitted else 429)

    server = web.ServerRunner(web.Server(serve, access_log=None), shutdown_timeout=0.1)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{server.addresses[0][1]}"
    config = ClientConfig(
        url,
        api.DIALECT,
        api.headers("ak_test"),
        requests_per_minute=run.limit if run.stated else None,
        concurrency=CONCURRENCY,
    )
    try:
        async with AsyncClient(config, clock=loop.time) as client:
            await together(_send(client, began + SECONDS) for _ in range(CONCURRENCY))
    finally:
        await server.cleanup()
    return outcome


async def _send(client: AsyncClient, until: float) -> None:
    call: Any = api.UPSERT_USER.call(json={"id": "u"})
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(until):
            while loop.time() < until:
                await client.send(call)
    except TimeoutError:
        pass


# --- the table ----------------------------------------------------------------------------------------------------------


def runs() -> list[Run]:
    """All runs: every limit and way to count, the window from every offset, and one of each kind with the real client."""
    simulated = [
        Run(limit, kind, stated, offset)
        for stated in (True, False)
        for limit in LIMITS
        for kind, offsets in (("bucket", (0,)), ("small bucket", (0,)), ("window", OFFSETS))
        for offset in offsets
    ]
    real = [Run(600, kind, stated, 20, real=True) for stated in (True, False) for kind in ("bucket", "window")]
    return simulated + real


def rows() -> list[Figure]:
    """Measure everything; the worst run of each line counts."""
    with ProcessPoolExecutor(2) as processes:
        results = list(processes.map(measure, runs(), chunksize=4))
    figures: list[Figure] = []
    for stated in (True, False):
        of_this = [result for result in results if result.run.stated is stated]
        for limit in LIMITS:
            figures += _figures(f"{limit} a minute", stated, [item for item in of_this if item.run.limit == limit and not item.run.real])
        figures += _figures("600 a minute, real AsyncClient", stated, [item for item in of_this if item.run.real])
    return figures


def _figures(name: str, stated: bool, results: list[Result]) -> list[Figure]:
    least = min(result.used for result in results)
    refused = max(result.refused for result in results)
    note = f"{_each(results, lambda result: result.used, min, '{:.3f}')}"
    if stated:
        return [
            Figure(f"limit stated, {name}: requests ÷ allowed", f"{least:.3f}", "≥ 0.98", least >= 0.98, note),
            Figure(f"limit stated, {name}: 429s", str(refused), "0", refused == 0),
        ]
    share = max(result.share for result in results)
    average = sum(result.share for result in results) / len(results)
    return [
        Figure(f"limit unknown, {name}: requests ÷ allowed after the first minute", f"{least:.3f}", "≥ 0.90", least >= 0.9, note),
        Figure(
            f"limit unknown, {name}: share of 429s in all five minutes",
            f"{share:.2%}",
            "≤ 1 %",
            share <= 0.01,
            f"{_each(results, lambda result: result.share, max, '{:.2%}')}; {refused} requests at the most, {average:.2%} on average; "
            f"after the first minute {max(result.share_later for result in results):.2%} at the worst",
        ),
    ]


def _each(results: list[Result], value: Callable[[Result], float], worst: Callable[[Iterable[float]], float], form: str) -> str:
    """The worst value of each way to count."""
    kinds = dict.fromkeys(result.run.kind for result in results)
    return ", ".join(f"{kind} {form.format(worst(value(result) for result in results if result.run.kind == kind))}" for kind in kinds)


if __name__ == "__main__":
    print(table_of(rows()))
