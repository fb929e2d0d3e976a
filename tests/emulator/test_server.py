from __future__ import annotations

import hashlib
import http.server
import json
import queue
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from airflow_provider.engagement.emulator.emulation import Emulation
from airflow_provider.engagement.emulator.faults import Drop, HostileNext, Huge, Latency, NotJson, RateLimit, Redirect, Status, Truncate
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow.webhook import verify

KEY = {"Authorization": "Bearer ak_test"}


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.headers.update(KEY)
        yield made


def test_it_listens_on_loopback_only_and_on_a_free_port(engagement_emulator: EmulatorServer) -> None:
    assert engagement_emulator.base_url.startswith("http://127.0.0.1:")
    with EmulatorServer() as other:
        assert other.base_url != engagement_emulator.base_url
        assert requests.get(f"{other.base_url}/users", headers=KEY, timeout=5).json()["data"] == []


def test_a_taken_port_is_said_at_once(engagement_emulator: EmulatorServer) -> None:
    port = int(engagement_emulator.base_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        EmulatorServer(port).start()


def test_it_can_be_stopped_and_started_again() -> None:
    server = EmulatorServer(keys=["ak_mine"])
    for _ in range(2):
        server.start()
        with pytest.raises(RuntimeError, match="already running"):
            server.start()
        assert requests.get(f"{server.base_url}/users", headers={"Authorization": "Bearer ak_mine"}, timeout=5).status_code == 200
        assert requests.get(f"{server.base_url}/users", headers=KEY, timeout=5).status_code == 401
        server.stop()
        with pytest.raises(requests.ConnectionError):
            requests.get(server.base_url, timeout=5)


def test_a_closed_file_is_not_served_again(tmp_path: Path) -> None:
    server = EmulatorServer(db=tmp_path / "state.db")
    server.start()
    server.stop()
    server.stop()
    with pytest.raises(RuntimeError, match="file is closed"):
        server.start()


def test_strange_ids_survive_the_way(engagement_emulator: EmulatorServer, session: requests.Session) -> None:
    strange = "a/b %+ü\u2028?&#.."
    session.post(f"{engagement_emulator.base_url}/users", json={"id": strange}, timeout=5)
    path = f"{engagement_emulator.base_url}/users/{quote(strange, safe='')}"
    assert session.get(path, timeout=5).json()["id"] == strange


def test_it_tells_what_it_received(engagement_emulator: EmulatorServer, session: requests.Session) -> None:
    url = engagement_emulator.base_url
    before = time.monotonic()
    session.post(f"{url}/users", json={"id": "a"}, timeout=5)
    session.get(f"{url}/users?email=a%40b", timeout=5)
    session.get(f"{url}/users/nobody", timeout=5)
    session.get(f"{url}/users_of_mine", timeout=5)
    received = engagement_emulator.requests()
    assert [(item.method, item.path, item.query, item.status, item.processed) for item in received] == [
        ("POST", "/users", "", 200, True),
        ("GET", "/users", "email=a%40b", 200, True),
        ("GET", "/users/nobody", "", 404, True),
        ("GET", "/users_of_mine", "", 404, True),
    ]
    assert before <= received[0].at <= received[-1].at <= time.monotonic()
    assert len(engagement_emulator.requests("GET")) == 3
    assert len(engagement_emulator.requests(path="/users")) == 3
    assert len(engagement_emulator.requests("GET", "/users")) == 2
    assert "ak_test" not in repr(engagement_emulator.received)
    engagement_emulator.reset()
    assert engagement_emulator.requests() == []


@pytest.mark.parametrize("after", [False, True])
def test_dropped_connections(engagement_emulator: EmulatorServer, session: requests.Session, after: bool) -> None:
    engagement_emulator.faults.add(Drop(after=after, times=1))
    with pytest.raises(requests.ConnectionError):
        session.post(f"{engagement_emulator.base_url}/users", json={"id": "a"}, timeout=5)
    assert len(engagement_emulator.userflow.objects.users) == int(after)
    (received,) = engagement_emulator.requests()
    assert (received.status, received.processed) == (None, after)
    assert session.post(f"{engagement_emulator.base_url}/users", json={"id": "a"}, timeout=5).status_code == 200


def heard_until_reset(connection: socket.socket) -> bytes:
    heard = b""
    try:
        while chunk := connection.recv(65536):
            heard += chunk
    except ConnectionResetError:
        return heard
    raise AssertionError("the connection was closed in an orderly way")


def test_truncated_body_promises_more_than_it_sends(engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Truncate())
    host, port = engagement_emulator.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"GET /users HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ak_test\r\n\r\n")
        heard = heard_until_reset(connection)
    head, _, body = heard.partition(b"\r\n\r\n")
    length = int(next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")).split(b":")[1])
    assert 0 < len(body) < length


def test_waiting_before_and_after_processing(engagement_emulator: EmulatorServer, session: requests.Session) -> None:
    engagement_emulator.faults.add(Latency(seconds=30, after=True, times=1))
    with pytest.raises(requests.ReadTimeout):
        session.post(f"{engagement_emulator.base_url}/users", json={"id": "a"}, timeout=(5, 0.2))
    assert len(engagement_emulator.userflow.objects.users) == 1
    engagement_emulator.faults.add(Latency(seconds=30, times=1))
    with pytest.raises(requests.ReadTimeout):
        session.post(f"{engagement_emulator.base_url}/users", json={"id": "b"}, timeout=(5, 0.2))
    assert len(engagement_emulator.userflow.objects.users) == 1
    engagement_emulator.faults.add(Latency(seconds=0.2, times=1))
    started = time.monotonic()
    assert session.get(f"{engagement_emulator.base_url}/users", timeout=5).status_code == 200
    assert time.monotonic() - started >= 0.2


def test_a_request_that_waited_over_a_reset_is_not_processed(engagement_emulator: EmulatorServer, session: requests.Session) -> None:
    engagement_emulator.faults.add(Latency(seconds=0.3))
    with pytest.raises(requests.ReadTimeout):
        session.post(f"{engagement_emulator.base_url}/users", json={"id": "a"}, timeout=(5, 0.1))
    engagement_emulator.reset()
    time.sleep(0.5)
    assert len(engagement_emulator.userflow.objects.users) == 0
    assert engagement_emulator.requests() == []


def test_errors_of_the_vendor_and_of_a_proxy(engagement_emulator: EmulatorServer, session: requests.Session) -> None:
    url = f"{engagement_emulator.base_url}/users"
    engagement_emulator.faults.add(Status(status=503, retry_after="seconds", seconds=7, times=1), Status(status=502, html=True, times=1))
    first = session.post(url, json={"id": "a"}, timeout=5)
    assert (first.status_code, first.json()["error"]["code"], first.headers["Retry-After"]) == (503, "service_unavailable", "7")
    second = session.post(url, json={"id": "a"}, timeout=5)
    assert (second.status_code, second.headers["Content-Type"]) == (502, "text/html")
    assert len(engagement_emulator.userflow.objects.users) == 0
    assert [item.processed for item in engagement_emulator.requests()] == [False, False]


def test_answers_that_are_not_what_was_promised(engagement_emulator: EmulatorServer, session: requests.Session) -> None:
    url = f"{engagement_emulator.base_url}/users"
    engagement_emulator.faults.add(
        NotJson(times=1),
        Redirect(location="/elsewhere", status=307, times=1),
        Huge(size=2_000_000, times=1),
        HostileNext(origin="http://x.test"),
    )
    strange, redirect = session.get(url, timeout=5), session.get(url, timeout=5, allow_redirects=False)
    assert (strange.status_code, strange.text[:6]) == (200, "<html>")
    assert (redirect.status_code, redirect.headers["Location"]) == (307, "/elsewhere")
    assert len(session.get(url, timeout=5).content) > 2_000_000
    assert session.get(url, timeout=5).json()["next_page_url"] == "http://x.test/users"


def test_rate_limit_by_the_real_time(engagement_emulator: EmulatorServer, session: requests.Session) -> None:
    url = f"{engagement_emulator.base_url}/users"
    engagement_emulator.faults.add(RateLimit(per_minute=6, burst=3, retry_after="date", headers=True))
    answers = [session.get(url, timeout=5) for _ in range(10)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert parsedate_to_datetime(refused.headers["Retry-After"]) > parsedate_to_datetime(refused.headers["Date"])
    accepted = len(engagement_emulator.requests(processed=True))
    received = engagement_emulator.requests()
    assert 3 <= accepted <= 3 + (received[-1].at - received[0].at) / 10 + 1


def test_many_requests_at_once(engagement_emulator: EmulatorServer) -> None:
    def work(worker: int) -> None:
        with requests.Session() as own:
            for number in range(25):
                own.post(f"{engagement_emulator.base_url}/users", json={"id": f"{worker}-{number}"}, headers=KEY, timeout=5)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(engagement_emulator.userflow.objects.users) == 100


# --- controls ---------------------------------------------------------------------------------------------------------


def test_everything_can_be_done_over_http(engagement_emulator: EmulatorServer, session: requests.Session) -> None:
    url = f"{engagement_emulator.base_url}/_emulator"

    def control(path: str, body: Any) -> Any:
        answer = requests.post(f"{url}/{path}", json=body, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()

    stopped = control("clock", {"set": "2026-03-01T12:00:00+00:00", "stop": True})
    assert stopped == {"now": "2026-03-01T12:00:00.000+00:00", "stopped": True}
    seeded = control("seed", {"vendor": "userflow", "content": [{"id": "c", "questions": [{"name": "Why?"}]}], "users": [{"id": "u"}]})
    assert (seeded["content"][0]["id"], seeded["users"][0]["id"]) == ("c", "u")
    assert control("people", {"content_id": "c", "seconds_per_step": 60})["steps"] == 3
    control("clock", {"advance": 180})
    state = requests.get(f"{url}/state", timeout=5).json()
    assert state["vendors"]["userflow"]["content_sessions"]["latest"][0]["completed"] is True
    assert control("faults", [{"kind": "status", "status": 500, "times": 1}])["faults"][0]["kind"] == "status"
    assert session.get(f"{engagement_emulator.base_url}/users", timeout=5).status_code == 500
    control("faults", {"kind": "drop"})
    assert requests.delete(f"{url}/faults", timeout=5).json() == {"done": True}
    assert session.get(f"{engagement_emulator.base_url}/users", timeout=5).status_code == 200
    assert control("clock", {"run": True})["stopped"] is False
    assert control("reset", {}) == {"reset": True}
    assert requests.get(f"{url}/state", timeout=5).json()["vendors"]["userflow"]["users"] == {"count": 0, "latest": []}
    assert engagement_emulator.requests() == []


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("faults", {"kind": "flood"}, "kind must be one of"),
        ("faults", [1], "TypeError"),
        ("clock", {}, "send one or more of advance"),
        ("clock", {"jump": 1}, "send one or more of advance"),
        ("clock", {"set": "2026-03-01T12:00:00"}, "zone"),
        ("seed", {"people": []}, "cannot seed people"),
        ("seed", [], "send a JSON object"),
        ("seed", {"vendor": "acme"}, "vendor must be one of userflow"),
        ("people", {"content_id": "none"}, "no content with the id"),
        ("people", {"content_id": "none", "speed": 3}, "speed"),
    ],
)
def test_wrong_controls_are_explained(engagement_emulator: EmulatorServer, path: str, body: Any, message: str) -> None:
    answer = requests.post(f"{engagement_emulator.base_url}/_emulator/{path}", json=body, timeout=5)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_unknown_controls_list_the_known(engagement_emulator: EmulatorServer) -> None:
    answer = requests.get(f"{engagement_emulator.base_url}/_emulator/faults", timeout=5)
    assert answer.status_code == 404
    assert "POST /_emulator/faults" in answer.json()["error"]


def test_other_web_pages_cannot_reach_the_controls(engagement_emulator: EmulatorServer) -> None:
    url = f"{engagement_emulator.base_url}/_emulator/reset"
    form = requests.post(url, data="{}", headers={"Content-Type": "text/plain"}, timeout=5)
    assert form.status_code == 415
    rebound = requests.post(url, json={}, headers={"Host": "evil.test"}, timeout=5)
    assert (rebound.status_code, rebound.json()) == (403, {"error": "the controls answer loopback only"})


def test_the_page_shows_what_it_holds_and_escapes_it(engagement_emulator: EmulatorServer, session: requests.Session) -> None:
    session.post(f"{engagement_emulator.base_url}/users", json={"id": "<script>alert(1)</script>"}, timeout=5)
    session.get(f"{engagement_emulator.base_url}/users?email=%3Cb%3E", timeout=5)
    subscription = {"url": "https://example.com/", "topics": ["*"]}
    secret = session.post(f"{engagement_emulator.base_url}/webhook_subscriptions", json=subscription, timeout=5).json()["secret"]
    engagement_emulator.faults.add(Latency(seconds=0, path="/nowhere"))
    answer = requests.get(f"{engagement_emulator.base_url}/_emulator", timeout=5)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "&lt;script&gt;alert(1)" in answer.text
    assert "<script>" not in answer.text
    assert "<td>/users?email=%3Cb%3E</td>" in answer.text
    assert "latency" in answer.text
    assert "ak_test" not in answer.text
    assert secret not in answer.text


def test_an_emulation_needs_no_network() -> None:
    emulation = Emulation(keys=["ak_mine"])
    emulation.clock.advance(86400)
    assert emulation.state()["requests"] == []
    assert emulation.vendor("/users") is emulation.userflow


# --- webhooks ---------------------------------------------------------------------------------------------------------


class Receiver(http.server.BaseHTTPRequestHandler):
    """Refuses the first notification, takes the others."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        heard: queue.Queue[tuple[Any, bytes]] = self.server.heard  # type: ignore[attr-defined]
        heard.put((self.headers, body))
        self.send_response(500 if self.server.refuse.pop() else 204)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.heard = queue.Queue()  # type: ignore[attr-defined]
    server.refuse = [False, False, True]  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_notifications_are_posted_to_loopback_until_taken(receiver: Any) -> None:
    with EmulatorServer(deliver=True) as server:
        url = f"http://127.0.0.1:{receiver.server_port}/hooks"
        subscription = {"url": url, "topics": ["user"]}
        secret = requests.post(f"{server.base_url}/webhook_subscriptions", json=subscription, headers=KEY, timeout=5).json()["secret"]
        away = {"url": "http://192.0.2.1/hooks", "topics": ["user"]}
        requests.post(f"{server.base_url}/webhook_subscriptions", json=away, headers=KEY, timeout=5)
        requests.post(f"{server.base_url}/users", json={"id": "u"}, headers=KEY, timeout=5)
        attempts = [receiver.heard.get(timeout=10) for _ in range(2)]
        assert len({hashlib.sha256(body).hexdigest() for _, body in attempts}) == 1
        for headers, body in attempts:
            verify(body, headers["Userflow-Signature"], secret)
            assert json.loads(body)["topic"] == "user.created"
        assert [delivery.url for delivery in server.userflow.deliveries] == [url, "http://192.0.2.1/hooks"]
