"""The emulated Mirats Quanto by itself: what it refuses, how it answers, people, and that it stands beside the others."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider.engagement.emulator.emulation import Emulation
from airflow_provider.engagement.emulator.faults import Plan
from airflow_provider.engagement.emulator.keeper import SqliteKeeper
from airflow_provider.engagement.emulator.state import Clock, Incoming, Reply, Store
from airflow_provider.engagement.mirats import api
from airflow_provider.engagement.mirats.emulator import MiratsEmulator
from airflow_provider.engagement.mirats.emulator_people import OUTCOMES

SURVEY = 17633744316785364
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HEADERS = {"publisher-authentication-key": "secret_test", "content-type": "application/json"}


@pytest.fixture
def emulator() -> MiratsEmulator:
    clock = Clock()
    clock.stop(NOW)
    made = MiratsEmulator(Store(), clock)
    made.seed({"surveys": [{"number": SURVEY}]})
    return made


def ask(emulator: MiratsEmulator, path: str = "/user-sessions", body: Any = None, **changes: Any) -> Reply:
    sent = {"authorizationKey": "web_test", **(body or {})} if body is None or isinstance(body, dict) else body
    given: dict[str, Any] = {"method": "POST", "query": (), "headers": HEADERS, **changes}
    raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return emulator.handle(Incoming(given["method"], f"/api/v1/publisher{path}", given["query"], given["headers"], raw))


def told(reply: Reply, status: int = 200) -> Any:
    assert reply.status == status, reply.body
    return json.loads(reply.body)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/json"}, {}),
        ({**HEADERS, "publisher-authentication-key": "web_test"}, {}),
        (HEADERS, {"authorizationKey": "secret_test"}),
        (HEADERS, {"authorizationKey": None}),
        (HEADERS, {"authorizationKey": ["web_test"]}),
    ],
)
def test_a_missing_or_wrong_key_is_refused_in_the_documented_shape(emulator: MiratsEmulator, headers: Any, body: Any) -> None:
    problem = told(ask(emulator, body=body, headers=headers), 401)
    assert problem.keys() == {"message", "code", "success"}
    assert (problem["code"], problem["success"]) == (401, False)
    assert "secret_test" not in problem["message"]


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (405, {"method": "GET"}),
        (404, {"path": "/moon"}),
        (404, {"path": "/surveys/5/link"}),
        (404, {"path": "/surveys/one/5"}),
        (415, {"headers": {"publisher-authentication-key": "secret_test"}}),
        (400, {"query": (("rows", "5"),)}),
        (400, {"body": b"[]"}),
        (400, {"body": b"{"}),
        (400, {"body": {"limit": 5}}),
        (400, {"body": {"rows": 0}}),
        (400, {"body": {"rows": 501}}),
        (400, {"body": {"rows": "100"}}),
        (400, {"body": {"rows": True}}),
        (400, {"body": {"page": 0}}),
        (400, {"body": {"status": "done"}}),
        (400, {"body": {"sessionType": 2}}),
        (400, {"body": {"sessionType": True}}),
        (400, {"body": {"startDate": "2026-3-1"}}),
        (400, {"body": {"endDate": "2026-03-01T00:00:00Z"}}),
        (400, {"body": {"endDate": "2026-02-30"}}),
        (400, {"path": "/surveys", "body": {"CPIGTE": "1"}}),
        (400, {"path": f"/surveys/{SURVEY}/link", "body": {"rows": 1}}),
    ],
)
def test_it_is_strict(emulator: MiratsEmulator, status: int, changes: dict[str, Any]) -> None:
    assert told(ask(emulator, **changes), status)["code"] == status


def test_errors_may_come_as_200(emulator: MiratsEmulator) -> None:
    emulator.quirks.errors_as_200 = True
    assert told(ask(emulator, body={"rows": 0}), 200)["success"] is False
    assert told(emulator.problem(500)) == {"message": "internal server error", "code": 500, "success": False}
    emulator.reset()
    assert emulator.problem(500).status == 500


def test_pages_and_their_numbers(emulator: MiratsEmulator) -> None:
    sessions = [{"rid": f"r{number}", "surveyNumber": SURVEY, "startTime": f"2026-03-10T0{number}:00:00Z"} for number in range(5)]
    emulator.seed({"sessions": sessions})
    page = told(ask(emulator, body={"rows": 2, "page": 3}))
    assert [session["rid"] for session in page["data"]] == ["r0"]
    assert page["pagination"] == {"totalDocument": 5, "rows": 2, "page": 3, "totalPages": 3}
    assert told(ask(emulator, body={"rows": 2, "page": 4}))["data"] == []
    assert told(ask(emulator))["pagination"]["rows"] == 100
    assert told(ask(emulator, "/surveys"))["pagination"] == {"totalDocuments": 1, "rows": 100, "page": 1, "totalPages": 1}


def test_the_last_thirty_days_are_the_default(emulator: MiratsEmulator) -> None:
    ages = {"old": 31, "edge": 30, "new": 0}
    started = {rid: (NOW - timedelta(days=days)).isoformat() for rid, days in ages.items()}
    emulator.seed({"sessions": [{"rid": rid, "surveyNumber": SURVEY, "startTime": text} for rid, text in started.items()]})
    assert [session["rid"] for session in told(ask(emulator))["data"]] == ["new", "edge"]


@pytest.mark.parametrize("status", OUTCOMES)
def test_every_status_filters(emulator: MiratsEmulator, status: str) -> None:
    emulator.seed({"sessions": [{"rid": name, "surveyNumber": SURVEY, "status": name} for name in OUTCOMES]})
    assert [session["rid"] for session in told(ask(emulator, body={"status": status}))["data"]] == [status]
    assert len(told(ask(emulator, body={"status": "all"}))["data"]) == len(OUTCOMES)


def test_people_come_in_and_out_by_the_clock() -> None:
    clock = Clock()
    clock.stop(NOW)
    emulator = MiratsEmulator(Store(), clock)
    told_outcomes = ["completed", "terminated"]
    rids = emulator.walk({"survey_number": SURVEY, "people": 3, "every": 60, "seconds": 90, "outcomes": told_outcomes})["rids"]

    def seen() -> list[tuple[int, Any, Any]]:
        data = told(ask(emulator))["data"]
        return [(rids.index(item["rid"]), (item["clientStatus"] or {}).get("title"), item["duration"]) for item in reversed(data)]

    assert seen() == [(0, None, None)]
    clock.advance(90)
    assert seen() == [(0, "Survey completed", "00:01:30"), (1, None, None)]
    clock.advance(3600)
    assert seen() == [(0, "Survey completed", "00:01:30"), (1, "Terminated", "00:01:30"), (2, "Survey completed", "00:01:30")]
    assert len({item["IP"] for item in told(ask(emulator))["data"]} - {None}) > 0


@pytest.mark.parametrize("wrong", [{"people": 0}, {"seconds": -1}, {"every": -1}, {"outcomes": []}, {"outcomes": ["fine"]}])
def test_people_must_make_sense(emulator: MiratsEmulator, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"people|outcomes"):
        emulator.walk({"survey_number": SURVEY, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"people": []},
        {"surveys": [{}]},
        {"surveys": [{"number": 1.5}]},
        {"surveys": [{"number": 1, "mood": "fine"}]},
        {"sessions": [{"rid": "r"}]},
        {"sessions": [{"surveyNumber": 1, "status": "fine"}]},
        {"sessions": [{"surveyNumber": 1, "mood": "fine"}]},
    ],
)
def test_seeds_are_checked(emulator: MiratsEmulator, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        emulator.seed(wrong)


def test_every_endpoint_has_a_handler(emulator: MiratsEmulator) -> None:
    assert emulator.handlers.keys() == {endpoint.name for endpoint in api.ENDPOINTS}


def test_it_stands_beside_the_others_under_its_own_path() -> None:
    emulation = Emulation()
    assert emulation.vendor("/api/v1/publisher/user-sessions").name == "mirats"
    assert emulation.vendor("/api/v1/publisherx").name == emulation.vendor("/users").name == "userflow"
    post = {"content-type": "application/json"}
    seed = {"vendor": "mirats", "surveys": [{"number": SURVEY}]}
    people = {"vendor": "mirats", "survey_number": SURVEY, "people": 2, "every": 0}
    for path, body in (("/seed", seed), ("/people", people)):
        assert emulation.control(Incoming("POST", f"/_emulator{path}", (), post, json.dumps(body).encode())).status == 200
    held = emulation.state()["vendors"]["mirats"]
    assert (held["surveys"]["count"], held["sessions"]["count"]) == (1, 2)
    page = emulation.control(Incoming("GET", "/_emulator")).body.decode()
    assert "mirats" in page
    assert "secret_test" not in page
    assert "web_test" not in page
    emulation.reset()
    assert emulation.state()["vendors"]["mirats"]["sessions"]["count"] == 0


def test_people_go_on_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    clock.stop(NOW)
    keeper = SqliteKeeper(tmp_path / "emulator.sqlite")
    emulation = Emulation(keeper, clock=clock)
    emulation.mirats.walk({"survey_number": SURVEY, "people": 2, "every": 60, "seconds": 30})
    emulation.store.commit()
    keeper.close()

    keeper = SqliteKeeper(tmp_path / "emulator.sqlite")
    again = Emulation(keeper, clock=clock)
    clock.advance(120)
    body = json.dumps({"authorizationKey": "web_test", "status": "completed"}).encode()
    reply = again.answer(Incoming("POST", "/api/v1/publisher/user-sessions", (), HEADERS, body), Plan())
    keeper.close()
    assert len(told(reply)["data"]) == 2
