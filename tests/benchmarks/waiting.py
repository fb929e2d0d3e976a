"""What a thousand waiting sensors cost a triggerer, beside the same with a poll of its own for each.

The emulator is served from this process; the triggers wait in a fresh one, in real time, and only that one's CPU and memory are
measured. The plain way is measured with fewer sensors, for one poll of all a thousand would take it minutes, and told for a thousand.

`python -m tests.benchmarks.waiting` prints these rows alone.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.table import Figure, table_of

CHECKOUT = Path(__file__).resolve().parents[2]
SENSORS = 1000
CONTENTS = 10
SESSIONS = 5000
INTERVAL = 10.0
MINUTE = 60.0
PLAIN_SENSORS = 10
MOVED = 5
"""Sessions of each content that move between two polls."""
LISTS = "/content_sessions"


def rows() -> list[Figure]:
    """Measure, and give the rows."""
    from airflow_provider.engagement.emulator.server import EmulatorServer

    with EmulatorServer() as server:
        _seed(server)
        shared = _measure(server, "shared")
        plain = _measure(server, "plain")
    a_poll = shared["requests"] / shared["polls"]
    allowed = CONTENTS + shared["pages_changed"] / shared["polls"]
    plain_poll = plain["requests"] / PLAIN_SENSORS * SENSORS
    cpu, plain_cpu = shared["cpu"] / shared["polls"], plain["cpu"] / PLAIN_SENSORS * SENSORS
    told = f"{PLAIN_SENSORS} sensors measured: {plain['requests']} requests, {plain['cpu']:.2f} s of CPU; told for {SENSORS}"
    return [
        Figure(
            f"waiting: list requests a poll, {SENSORS} sensors on {CONTENTS} contents of {SESSIONS} sessions",
            f"{a_poll:.1f}",
            f"<= {allowed:.1f}",
            a_poll <= allowed,
            f"{shared['requests']} in {shared['polls']} polls of {INTERVAL:g} s; {MOVED} sessions of each content moved between two polls, "
            f"so one page of each had changed; the first walk took {shared['first']} requests",
        ),
        Figure(
            "waiting: requests, of those of a plain poll per sensor",
            f"1/{plain_poll / a_poll:,.0f}",
            "<= 1/50",
            plain_poll >= 50 * a_poll,
            told,
        ),
        Figure(
            "waiting: CPU of the triggerer a poll, of that of a plain poll per sensor",
            f"1/{plain_cpu / cpu:,.0f}",
            "<= 1/50",
            plain_cpu >= 50 * cpu,
            f"{cpu * 1000:.0f} ms against {plain_cpu:.0f} s; the first walk took {shared['first_cpu']:.1f} s of CPU",
        ),
        Figure(
            "waiting: memory per waiting sensor",
            f"{shared['memory'] / SENSORS / 1024:.1f} KiB",
            "",
            True,
            f"with what is known of {CONTENTS * SESSIONS:,} sessions: {shared['roll'] / CONTENTS / 2**20:.1f} MiB a content; a plain one: "
            f"{plain['memory'] / PLAIN_SENSORS / 1024:.0f} KiB",
        ),
        Figure(
            "waiting: longest the event loop was held up, the first walk included",
            f"{shared['held_up'] * 1000:.0f} ms",
            "<= 200 ms",
            shared["held_up"] <= 0.2,
        ),
    ]


def _seed(server: Any) -> None:
    """Make contents whose sessions began, went on and were completed over the last month."""
    now = server.clock.now()
    server.userflow.seed({"users": [{"id": f"user-{number}"} for number in range(SESSIONS)]})
    server.userflow.seed({"content": [{"id": f"content-{number}"} for number in range(CONTENTS)]})
    for content in range(CONTENTS):
        sessions = []
        for number in range(SESSIONS):
            created = now - timedelta(days=30) * ((number + 1) / SESSIONS) - timedelta(hours=1)
            moved = (created + timedelta(minutes=number % 50)).isoformat(timespec="milliseconds")
            done = {"completed_at": moved} if number % 5 < 3 else {"progress": "0.4"}
            named = {"id": f"session-{content}-{number}", "content_id": f"content-{content}", "user_id": f"user-{number}"}
            sessions.append({**named, "created_at": created.isoformat(timespec="milliseconds"), "last_activity_at": moved, **done})
        server.userflow.seed({"content_sessions": sessions})


def _move(server: Any, turn: int) -> None:
    """Let some sessions of each content be completed."""
    with server.emulation.store.lock:
        for content in range(CONTENTS):
            for number in range(MOVED):
                place = ((turn * MOVED + number) * 5 + 3) % SESSIONS
                session = server.userflow.objects.sessions.get(f"session-{content}-{place}")
                at = server.clock.now().isoformat(timespec="milliseconds")
                server.userflow.objects.sessions.put({**session, "completed": True, "completed_at": at, "last_activity_at": at})


def _measure(server: Any, way: str) -> dict[str, Any]:
    """Let a fresh process wait, move people meanwhile, and count what it asks for."""
    connection = {"conn_type": "userflow", "host": server.base_url, "password": "ak_test", "extra": {"requests_per_minute": 600_000}}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
        "AIRFLOW_HOME": str(CHECKOUT / ".airflow"),
        "AIRFLOW_CONN_USERFLOW_DEFAULT": json.dumps(connection),
    }
    server.received.clear()
    command = [sys.executable, "-m", "tests.benchmarks.waiting", way]
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        result: dict[str, Any] = {}
        first = turn = 0
        for said in _lines(child.stdout):
            if said["event"] == "walked":
                first = len(server.requests("GET", LISTS))
                server.received.clear()
            if said["event"] == "between":
                turn += 1
                _move(server, turn)
            result |= said
    if child.returncode:
        raise RuntimeError(f"the waiting process ended with status {child.returncode}")
    # Some sessions moved, all of them on the first page of their content: that page is the one that is read anyway.
    return {**result, "requests": len(server.requests("GET", LISTS)), "first": first, "pages_changed": 0}


def _lines(stream: Any) -> Iterator[dict[str, Any]]:
    for line in stream:
        if line.startswith("{"):
            yield json.loads(line)


# --- the process that waits ------------------------------------------------------------------------------------------


def _conditions() -> Iterator[dict[str, Any]]:
    """A hundred questions about each content, none of which comes true."""
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    for content in range(CONTENTS):
        named = {"content_id": f"content-{content}"}
        for number in range(SENSORS // CONTENTS):
            kind = number % 4
            if kind == 0:
                yield {**named, "min_completed": SESSIONS - number}
            elif kind == 1:
                yield {**named, "min_completion_rate": 0.95}
            elif kind == 2:
                yield {**named, "user_ids": [f"user-{number * 40 + place}" for place in range(50)]}
            else:
                yield {**named, "since": (now - timedelta(days=1 + number / 4)).isoformat(), "min_completion_rate": 0.95}


def _say(event: str, **told: Any) -> None:
    print(json.dumps({"event": event, **told}), flush=True)


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _heartbeat(worst: list[float]) -> None:
    """Note how long the loop was ever held up: seconds of its own CPU between two beats, not those that other processes took."""
    while True:
        began = time.thread_time()
        await asyncio.sleep(0.02)
        worst[0] = max(worst[0], time.thread_time() - began)


async def _wait_together() -> None:
    from airflow_provider.engagement.userflow.triggers import UserflowContentSessionTrigger
    from airflow_provider.engagement.watch.shared import registry

    async def wait(condition: dict[str, Any]) -> None:
        trigger = UserflowContentSessionTrigger(userflow_conn_id="userflow_default", condition=condition, poke_interval=INTERVAL)
        async for event in trigger.run():
            raise AssertionError(f"it was not to come true: {event}")

    await _warm_up()
    gc.freeze()  # Airflow's own million objects would be searched for garbage now and then, which takes 0.2 s
    worst = [0.0]
    beat = asyncio.create_task(_heartbeat(worst))
    before, cpu = _resident(), time.process_time()
    tasks = []
    for condition in _conditions():
        tasks.append(asyncio.create_task(wait(condition)))
        await asyncio.sleep(0)  # as the triggerer does
    await asyncio.sleep(1)
    polls = list(registry()._polls.values())
    while not all(waiter.heard for poll in polls for waiter in poll.waiters):  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    first_cpu = time.process_time() - cpu
    await asyncio.sleep(INTERVAL * 1.5)
    _say("walked", first_cpu=first_cpu)
    cpu, began = time.process_time(), time.monotonic()
    turns = int(MINUTE / INTERVAL)
    for turn in range(turns):
        _say("between")
        await asyncio.sleep(began + (turn + 1) * INTERVAL - time.monotonic())
    spent = time.process_time() - cpu
    memory = _resident() - before
    beat.cancel()
    assert len(polls) == CONTENTS
    assert not any(task.done() for task in tasks)
    _say("done", cpu=spent, memory=memory, held_up=worst[0], polls=turns, roll=_size_of_rolls(polls))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _size_of_rolls(polls: list[Any]) -> int:
    """Bytes of what is known of the sessions: the table, and each object once that it leads to."""
    counted: dict[int, int] = {}
    for poll in polls:
        sessions = poll.reading.roll._sessions
        counted[id(sessions)] = sys.getsizeof(sessions)
        for session in sessions.values():
            values = [getattr(session, name) for name in session.__slots__]
            counted |= {id(value): sys.getsizeof(value) for value in (session, *values) if value is not None}
    return sum(counted.values())


async def _warm_up() -> None:
    """Load what any first request loads."""
    from airflow_provider.engagement.userflow.hooks import UserflowHook

    async with await UserflowHook().aget_async_client() as client:
        from airflow_provider.engagement.userflow.api import LIST_USERS

        await client.send(LIST_USERS.call({"limit": 1}))


async def _wait_plainly() -> None:
    """Each with a client of its own, reading all it needs at every poll."""
    from airflow_provider.engagement.userflow.hooks import UserflowHook
    from airflow_provider.engagement.userflow.triggers import UserflowContentSessionTrigger
    from airflow_provider.engagement.watch.poll import apoll

    async def events(condition: dict[str, Any]) -> AsyncIterator[Any]:
        async with await UserflowHook().aget_async_client() as client:
            yield await apoll(client, UserflowContentSessionTrigger.ask(condition))
            yield await apoll(client, UserflowContentSessionTrigger.ask(condition))

    await _warm_up()
    before = _resident()
    every = list(_conditions())
    waiting = [events(every[number * (SENSORS // PLAIN_SENSORS)]) for number in range(PLAIN_SENSORS)]
    await asyncio.gather(*(anext(each) for each in waiting))
    memory = _resident() - before
    _say("walked")
    cpu = time.process_time()
    await asyncio.gather(*(anext(each) for each in waiting))
    _say("done", cpu=time.process_time() - cpu, memory=memory, polls=1)


if __name__ == "__main__":
    if sys.argv[1:] == ["shared"]:
        asyncio.run(_wait_together())
    elif sys.argv[1:] == ["plain"]:
        asyncio.run(_wait_plainly())
    else:
        print(table_of(rows()))
