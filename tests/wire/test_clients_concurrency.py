"""What differs between the two: tasks that are cancelled, threads that share a client."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.wire.clients import AsyncClient, Client
from airflow_provider.engagement.wire.config import ClientConfig
from airflow_provider.engagement.wire.pace import Pace
from tests.wire.raw_server import OK, RawServer

UPSERT = api.UPSERT_USER.call(json={"id": "u1"})
WAIT = 10.0


def config(base_url: str, concurrency: int = 16) -> ClientConfig:
    return ClientConfig(base_url, api.DIALECT, api.headers("ak_test"), ("ak_test",), concurrency=concurrency)


def test_a_cancelled_wait_for_the_limit_leaves_the_gate_open(engagement_emulator: EmulatorServer) -> None:
    async def scenario() -> None:
        limit_opens = asyncio.Event()
        held_back = asyncio.Event()

        async def sleep(seconds: float) -> None:
            if seconds > 1:
                held_back.set()
                await limit_opens.wait()

        clock = {"now": 0.0}
        async with AsyncClient(config(engagement_emulator.base_url), clock=lambda: clock["now"], sleep=sleep) as client:
            engagement_emulator.faults.add(Status(status=429, retry_after="seconds", seconds=30, times=1))
            first = asyncio.create_task(client.send(UPSERT))
            await asyncio.wait_for(held_back.wait(), WAIT)
            second = asyncio.create_task(client.send(UPSERT))
            await asyncio.sleep(0)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            clock["now"] = 31.0
            limit_opens.set()
            assert (await asyncio.wait_for(second, WAIT)).id == "u1"

    asyncio.run(scenario())


def test_a_cancelled_request_frees_its_place() -> None:
    arrived, answer_now = threading.Event(), threading.Event()

    def answer(_request: bytes, connection: socket.socket) -> None:
        arrived.set()
        answer_now.wait(WAIT)
        connection.sendall(OK)

    async def scenario(server: RawServer) -> None:
        async with AsyncClient(config(server.base_url, concurrency=1)) as client:
            first = asyncio.create_task(client.send(UPSERT))
            await asyncio.to_thread(arrived.wait, WAIT)
            second = asyncio.create_task(client.send(UPSERT))
            await asyncio.sleep(0)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            answer_now.set()
            assert (await asyncio.wait_for(second, WAIT)).id == "1"

    with RawServer(answer) as server:
        asyncio.run(scenario(server))


def test_a_closed_client_opens_again(engagement_emulator: EmulatorServer) -> None:
    async def scenario() -> None:
        client = AsyncClient(config(engagement_emulator.base_url))
        await client.close()
        await client.send(UPSERT)
        await client.close()
        await client.send(UPSERT)
        await client.close()

    asyncio.run(scenario())
    with Client(config(engagement_emulator.base_url)) as client:
        client.send(UPSERT)
    client.send(UPSERT)
    client.close()


def test_threads_share_a_client(engagement_emulator: EmulatorServer) -> None:
    calls = [api.UPSERT_USER.call(json={"id": f"u{number}"}) for number in range(200)]
    with Client(config(engagement_emulator.base_url), sleep=lambda _: None, clock=iter(range(100_000)).__next__) as client:
        with ThreadPoolExecutor(8) as threads:
            users = list(threads.map(client.send, calls))
        assert [user.id for user in users] == [f"u{number}" for number in range(200)]
        assert client.requests_sent == len(engagement_emulator.requests()) == 200


def test_answers_are_counted_while_somebody_waits_for_the_limit() -> None:
    waiting, counted = threading.Event(), threading.Event()
    now = [0.0]

    def answer(_request: bytes, connection: socket.socket) -> None:
        waiting.wait(WAIT)
        connection.sendall(OK)

    def sleep(seconds: float) -> None:
        waiting.set()
        assert counted.wait(WAIT), "an answer could not be counted while another thread waited"
        now[0] += seconds

    class WatchedPace(Pace):
        def observe(self, sent: float, now: float, status: int | None, headers: Mapping[str, str]) -> None:
            super().observe(sent, now, status, headers)
            counted.set()

    with RawServer(answer) as server:
        client = Client(config(server.base_url), WatchedPace(), clock=lambda: now[0], sleep=sleep)
        with client, ThreadPoolExecutor(2) as threads:
            assert [user.id for user in threads.map(client.send, [UPSERT, UPSERT])] == ["1", "1"]
