"""Usertour over a real connection, and through the emulator's controls."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_provider.engagement.emulator.emulation import Emulation
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.emulator.state import Incoming
from airflow_provider.engagement.usertour import webhook

V1, V2 = {"Authorization": "Bearer ak_test"}, {"Authorization": "Bearer utp_test"}


@pytest.fixture
def url(engagement_emulator: EmulatorServer) -> str:
    return engagement_emulator.base_url


@pytest.fixture
def environment(url: str) -> str:
    return f"{url}/v2/projects/p_test/environments/e_test"


def test_every_method_passes_through(url: str, environment: str) -> None:
    def said(method: str, target: str, **told: Any) -> tuple[int, int]:
        answer = requests.request(method, target, headers=V1 if "/v1/" in target else V2, timeout=5, **told)
        return answer.status_code, len(answer.content)

    assert said("POST", f"{url}/v1/users", json={"id": "a/b"})[0] == 201
    assert said("GET", f"{url}/v1/users/a%2Fb")[0] == 200
    assert said("PUT", f"{environment}/users/a%2Fb", json={"attributes": {"n": 1}})[0] == 200
    assert said("DELETE", f"{environment}/users/a%2Fb") == (204, 0)
    assert said("HEAD", f"{environment}/users") == (200, 0)
    assert said("OPTIONS", f"{url}/v1/content-sessions") == (204, 0)
    assert said("POST", f"{url}/v1/users", data=b"x" * 200_000)[0] == 413
    made = requests.post(f"{environment}/webhooks", json={"url": url, "topics": ["*"]}, headers=V2, timeout=5).json()
    assert said("PATCH", f"{environment}/webhooks/{made['id']}", json={"enabled": False})[0] == 200


def test_controls(url: str) -> None:
    def control(name: str, body: Any) -> Any:
        answer = requests.post(f"{url}/_emulator/{name}", json=body, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()

    control("seed", {"vendor": "usertour", "users": [{"id": "u"}], "content": [{"id": "flow"}]})
    control("people", {"vendor": "usertour", "content_id": "flow", "seconds_per_step": 1})
    control("clock", {"advance": 60})
    state = requests.get(f"{url}/_emulator/state", timeout=5).json()["vendors"]["usertour"]
    assert state["content_sessions"]["latest"][0]["completed"] is True
    control("reset", {})
    assert requests.get(f"{url}/v1/users", headers=V1, timeout=5).json()["results"] == []
    assert len(requests.get(f"{url}/v1/event-definitions?limit=100", headers=V1, timeout=5).json()["results"]) == 26


def test_faults_speak_usertours_language(url: str, environment: str) -> None:
    requests.post(f"{url}/_emulator/faults", json={"kind": "status", "status": 503, "path": "/v2", "times": 1}, timeout=5)
    answer = requests.get(f"{environment}/users", headers=V2, timeout=5)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "E1014")


def test_webhooks_are_delivered() -> None:
    with EmulatorServer() as receiver, EmulatorServer(deliver=True) as server:
        target = f"{server.base_url}/v2/projects/p_test/environments/e_test"
        told = {"url": f"{receiver.base_url}/received", "topics": ["user"]}
        made = requests.post(f"{target}/webhooks", json=told, headers=V2, timeout=5).json()
        requests.put(f"{target}/users/u", headers=V2, timeout=5)
        eventually(lambda: bool(receiver.requests("POST", "/received")))
        (delivery,) = server.usertour.deliveries
        webhook.verify(delivery.body, delivery.headers[webhook.HEADER], made["secret"])
        assert json.loads(delivery.body)["type"] == "user.created"


def eventually(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_seed_without_a_vendor_is_the_first_ones() -> None:
    emulation = Emulation()
    emulation.seed({"users": [{"id": "first"}]})
    emulation.seed({"vendor": "usertour", "users": [{"id": "second"}]})
    assert [user["id"] for user in emulation.userflow.objects.users.values()] == ["first"]
    assert [user["own_id"] for user in emulation.usertour.objects.users.values()] == ["second"]
    assert emulation.vendor("/v1/users") is emulation.vendor("/v2/nothing") is emulation.usertour


def test_own_keys() -> None:
    emulation = Emulation(keys=["ak_mine", "utp_mine"])
    with pytest.raises(ValueError, match="cannot seed"):
        emulation.seed({"vendor": "usertour", "nothing": []})
    for key, target, status in (
        ("ak_mine", "/v1/users", 200),
        ("ak_test", "/v1/users", 403),
        ("utp_mine", "/v2/projects/p_test/content", 200),
    ):
        asked = Incoming("GET", target, (), {"authorization": f"Bearer {key}"})
        assert emulation.usertour.handle(asked).status == status
