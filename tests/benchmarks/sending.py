"""What it costs to send planned rows, and how fast they go, beside aiohttp alone and Airflow's HttpHook."""

from __future__ import annotations

from functools import partial
from statistics import median

from airflow_provider.engagement.bulk.plan_file import PlanFile
from airflow_provider.engagement.userflow.hooks import UserflowHook
from tests.benchmarks.engine import connect, plan_users, send_users, write_users
from tests.benchmarks.http_hook import post_each
from tests.benchmarks.load import CONCURRENCY, post_all, requests_per_second
from tests.benchmarks.measure import Spent, interleave, ratio, spend
from tests.benchmarks.people import users
from tests.benchmarks.stub_server import StubServer, off_the_servers_core
from tests.benchmarks.table import Figure

ROWS = 5_000
RUNS = 9
ROWS_OF_HTTP_HOOK = 500
DELAY = 0.05
ROWS_DELAYED = 60 * CONCURRENCY
MOST_CPU = 1.25
LEAST_SPEED = 10.0
LEAST_OF_AIOHTTP = 0.95


def rows() -> list[Figure]:
    """Measure the send phase, and both phases together."""
    with StubServer() as server, off_the_servers_core():
        hook = connect(server.base_url)
        return [_ceiling(server, hook), _cpu(server, hook), _speed(server, hook), _speed_far_away(server, hook), _latency(server, hook)]


def _bodies(plan: PlanFile) -> list[bytes]:
    return [row.calls[0].body or b"" for _, row in plan.rows()]


def _ceiling(server: StubServer, hook: UserflowHook) -> Figure:
    bodies = _bodies(plan_users(hook, users(ROWS))) * 10
    rates = [requests_per_second(server.port, bodies) for _ in range(5)]
    length = sum(map(len, bodies)) / len(bodies)
    return Figure(
        "the server's ceiling, by a bare protocol on uvloop",
        f"{median(rates):,.0f}/s",
        "",
        True,
        f"asyncio protocol on uvloop with httptools, in its own process and on its own core; {CONCURRENCY} connections, bodies of "
        f"{length:.0f} bytes",
    )


def _cpu(server: StubServer, hook: UserflowHook) -> Figure:
    plan = plan_users(hook, users(ROWS))
    bodies = _bodies(plan)
    spent = interleave(
        {
            "engine": lambda: spend(lambda: send_users(hook, plan)),
            "aiohttp": lambda: spend(lambda: post_all(f"{server.base_url}/users", bodies)),
        },
        RUNS,
    )
    engine, aiohttp = ([taken.cpu * 1e6 / ROWS for taken in spent[name]] for name in ("engine", "aiohttp"))
    measured = ratio(engine, aiohttp)
    return Figure(
        "CPU per 1,000 rows: send phase, from plan to outcome ÷ bare aiohttp loop posting encoded bodies",
        f"{measured:.2f}",
        f"≤ {MOST_CPU}",
        measured <= MOST_CPU,
        f"{median(engine):.0f} ms and {median(aiohttp):.0f} ms; medians of {RUNS} rounds of {ROWS:,} rows each",
    )


def _speed(server: StubServer, hook: UserflowHook) -> Figure:
    some = list(users(ROWS))
    bodies = _bodies(plan_users(hook, some))
    spent = interleave(
        {
            "engine": lambda: spend(lambda: write_users(hook, lambda: some)),
            "HttpHook": lambda: spend(lambda: post_each(server.base_url, some[:ROWS_OF_HTTP_HOOK])),
            "aiohttp": lambda: spend(lambda: post_all(f"{server.base_url}/users", bodies)),
        }
    )
    engine, aiohttp = (_rates(spent[name], ROWS) for name in ("engine", "aiohttp"))
    http_hook = _rates(spent["HttpHook"], ROWS_OF_HTTP_HOOK)
    measured = ratio(engine, http_hook)
    return Figure(
        "rows per second, plan and send ÷ HttpHook.run per row",
        f"{measured:.1f}",
        f"≥ {LEAST_SPEED:.0f}",
        measured >= LEAST_SPEED,
        f"{median(engine):,.0f}/s and {median(http_hook):,.0f}/s, from a server that answers at once and with the hook's connection in the "
        f"environment, where it costs least; the bare aiohttp loop, which plans nothing, {ratio(aiohttp, http_hook):.1f} times the hook",
    )


def _speed_far_away(server: StubServer, hook: UserflowHook) -> Figure:
    some = list(users(ROWS_DELAYED))
    server.set(delay=DELAY)
    spent = interleave(
        {
            "engine": lambda: spend(lambda: write_users(hook, lambda: some)),
            "HttpHook": lambda: spend(lambda: post_each(server.base_url, some[:CONCURRENCY])),
        }
    )
    server.set()
    engine, http_hook = _rates(spent["engine"], ROWS_DELAYED), _rates(spent["HttpHook"], CONCURRENCY)
    note = f"{median(engine):,.0f}/s and {median(http_hook):,.0f}/s"
    return Figure(f"the same at {DELAY * 1000:.0f} ms latency", f"{ratio(engine, http_hook):.1f}", "", True, note)


def _latency(server: StubServer, hook: UserflowHook) -> Figure:
    plan = plan_users(hook, users(ROWS_DELAYED))
    bodies = _bodies(plan)
    server.set(delay=DELAY)
    spent = interleave(
        {
            "engine": partial(spend, lambda: send_users(hook, plan)),
            "aiohttp": partial(spend, lambda: post_all(f"{server.base_url}/users", bodies)),
        }
    )
    server.set()
    possible = CONCURRENCY / DELAY
    engine, aiohttp = ([rate / possible for rate in _rates(spent[name], ROWS_DELAYED)] for name in ("engine", "aiohttp"))
    measured = ratio(engine, aiohttp)
    return Figure(
        f"{DELAY * 1000:.0f} ms latency, concurrency {CONCURRENCY}: rows per second ÷ ({CONCURRENCY} / {DELAY}) ÷ that of aiohttp alone",
        f"{measured:.2f}",
        f"≥ {LEAST_OF_AIOHTTP}",
        measured >= LEAST_OF_AIOHTTP,
        f"{median(engine):.3f} of the {possible:.0f}/s possible; aiohttp alone {median(aiohttp):.3f}",
    )


def _rates(spent: list[Spent], count: int) -> list[float]:
    return [count / taken.wall for taken in spent]
