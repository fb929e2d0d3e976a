"""Credentials in bodies, and failures in answers of 200: for vendors that need either, in both clients."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider.engagement.wire.config import ClientConfig, Patience
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import ApiError, Dialect, NotFound, Problem, RateLimited, ServerFailed, Unauthorized
from airflow_provider.engagement.wire.message import Call, Request, Response
from tests.wire.drivers import AsyncDriver, Driver, SyncDriver
from tests.wire.raw_server import RawServer, reply

SECRET = "web_marked_secret"
LOOK = Endpoint("POST", "/look", lambda raw: raw, "look", "", fields=("rows", "deep"))


def status(response: Response) -> int:
    return int(response.json().get("code", response.status)) if response.body else response.status


def read_problem(response: Response) -> Problem:
    return Problem(text=response.json().get("message"))


DIALECT = Dialect("Vendor", read_problem, lambda _response: False, status=status)
Make = Callable[..., Driver]


@pytest.fixture(params=[SyncDriver, AsyncDriver], ids=["requests", "aiohttp"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    made: list[Driver] = []

    def connect(server: RawServer, **settings: Any) -> Driver:
        config = ClientConfig(server.base_url, DIALECT, patience=Patience(attempts=3), **{"json_fields": {"key": SECRET}, **settings})
        made.append(request.param(config))
        return made[-1]

    yield connect
    for driver in made:
        driver.close()


def answer(body: dict[str, Any]) -> RawServer:
    text = json.dumps(body).encode()
    return RawServer(reply(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)))


def sent(server: RawServer, number: int = 0) -> Any:
    return json.loads(server.requests[number].partition(b"\r\n\r\n")[2])


# --- credentials in bodies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"rows": 2**70}, {"rows": 1, "deep": {"key": "é"}}])
def test_fields_are_put_into_every_body(make: Make, body: dict[str, Any]) -> None:
    with RawServer() as server:
        make(server).send(LOOK.call(json=body))
        assert sent(server) == {"key": SECRET, **body}


def test_the_length_is_that_of_the_whole_body(make: Make) -> None:
    with RawServer() as server:
        make(server).send(LOOK.call(json={"rows": 1}))
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head.lower()


def test_a_request_without_a_body_gets_none(make: Make) -> None:
    with RawServer() as server:
        make(server).send(Call(Request("GET", "/look"), lambda raw: raw))
        assert server.requests[0].endswith(b"\r\n\r\n")
        assert SECRET.encode() not in server.requests[0]


def test_no_fields_leave_the_body_alone(make: Make) -> None:
    with RawServer() as server:
        make(server, json_fields={}).send(Call(Request("POST", "/look", body=b"[1]"), lambda raw: raw))
        assert sent(server) == [1]


def test_a_body_with_no_room_for_them_is_refused_before_it_is_sent(make: Make) -> None:
    with RawServer() as server:
        with pytest.raises(ValueError, match="must be a JSON object"):
            make(server).send(Call(Request("POST", "/look", body=b"[1]"), lambda raw: raw))
        assert server.requests == []


def test_a_repeated_call_carries_them_again(make: Make) -> None:
    with answer({"code": 503}) as server:
        with pytest.raises(ServerFailed):
            make(server).send(LOOK.call(json={"rows": 1}))
        assert [sent(server, number) for number in range(3)] == [{"key": SECRET, "rows": 1}] * 3


def test_they_show_nowhere(make: Make) -> None:
    with answer({"code": 401, "message": f"no project with the key {SECRET}"}) as server:
        driver, call = make(server), LOOK.call(json={"rows": 1})
        with pytest.raises(Unauthorized, match=r"no project with the key \*\*\*") as caught:
            driver.send(call)
    told = (repr(call), repr(driver.client.config), str(caught.value), repr(caught.value.__dict__), repr(pickle.dumps(caught.value)))
    assert [text for text in told if SECRET in text] == []
    assert SECRET.encode() not in (call.request.body or b"")


# --- failures in answers of 200 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "kind", "requests"), [(404, NotFound, 1), (401, Unauthorized, 1), (500, ServerFailed, 3)])
def test_an_answer_is_the_error_it_stands_for(make: Make, code: int, kind: type[ApiError], requests: int) -> None:
    with answer({"code": code, "message": "it went wrong"}) as server:
        with pytest.raises(kind, match=f"POST /look: Vendor answered {code}: it went wrong") as caught:
            make(server).send(LOOK.call(json={}))
        assert caught.value.status == code
        assert len(server.requests) == requests


def test_the_pace_obeys_a_429_in_a_200(make: Make) -> None:
    with answer({"code": 429}) as server:
        driver = make(server)
        with pytest.raises(RateLimited):
            driver.send(LOOK.call(json={}))
    assert driver.clock.slept
    assert len(server.requests) > 3


def test_a_good_answer_is_read_as_ever(make: Make) -> None:
    with answer({"fine": True}) as server:
        assert make(server).send(LOOK.call(json={})) == {"fine": True}
