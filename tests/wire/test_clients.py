"""Both clients against the served emulator: the policy of design and documents, seen from outside."""

from __future__ import annotations

from copy import deepcopy

import pytest

from airflow_provider.engagement.emulator.faults import (
    Drop,
    Faults,
    HostileNext,
    Huge,
    Latency,
    NotJson,
    RateLimit,
    Redirect,
    Status,
    Truncate,
)
from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.wire.config import Patience
from airflow_provider.engagement.wire.errors import (
    ApiError,
    BadAnswer,
    Invalid,
    NotFound,
    RateLimited,
    Rejected,
    ServerFailed,
    Unauthorized,
    Unreachable,
)
from airflow_provider.engagement.wire.message import Call
from airflow_provider.engagement.wire.pace import Pace
from tests.wire.conftest import KEY, Connect
from tests.wire.drivers import Driver
from tests.wire.raw_server import RawServer
from tests.wire.test_pace import busiest_minute

UPSERT = api.UPSERT_USER.call(json={"id": "u1", "attributes": {"name": "Annabelle"}})
ADD = api.UPSERT_USER.call(json={"id": "u1", "attributes": {"count": {"add": 1}}})
EVENT = api.TRACK_EVENT.call(json={"name": "signed_up", "user_id": "u1"})


class RecordedPace(Pace):
    """Remembers when requests went."""

    def __init__(self, requests_per_minute: float | None = None) -> None:
        super().__init__(requests_per_minute)
        self.times: list[float] = []

    def take(self, now: float) -> None:
        super().take(now)
        self.times.append(now)


# --- what goes well ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user_id", ["u1", "a/b%c+d e", "é", "日本/👩‍🚀", "...", "a?b#c", "a:b@c", "%2E%2E", "a\\b", "~", "a//b"])
def test_ids_of_any_kind_come_through(driver: Driver, user_id: str) -> None:
    driver.send(api.UPSERT_USER.call(json={"id": user_id, "attributes": {"name": "x"}}))
    assert driver.send(api.GET_USER.call(user_id=user_id)).id == user_id
    assert driver.send(api.DELETE_USER.call(user_id=user_id)).deleted
    with pytest.raises(NotFound):
        driver.send(api.GET_USER.call(user_id=user_id))


def test_query_values_of_any_kind_come_through(driver: Driver) -> None:
    for user_id, email in (("u1", "a+b&c=d@example.com"), ("u2", "other@example.com")):
        driver.send(api.UPSERT_USER.call(json={"id": user_id, "attributes": {"email": email}}))
    (page,) = driver.pages(api.LIST_USERS, {"email": "a+b&c=d@example.com"})
    assert [user.id for user in page.items] == ["u1"]


def test_a_list_is_walked_page_by_page(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    driver.send_all([api.UPSERT_USER.call(json={"id": f"u{number:02}"}) for number in range(25)])
    pages = driver.pages(api.LIST_USERS, {"limit": 10})
    assert [len(page.items) for page in pages] == [10, 10, 5]
    assert len({user.id for page in pages for user in page.items}) == 25
    assert len(engagement_emulator.requests("GET", "/users")) == 3


def test_a_limit_ends_a_walk(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    driver.send_all([api.UPSERT_USER.call(json={"id": f"u{number:02}"}) for number in range(25)])
    assert len(driver.pages(api.LIST_USERS, {"limit": 10}, 15)) == 2
    assert len(engagement_emulator.requests("GET", "/users")) == 2


def test_requests_are_counted(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Status(status=500, times=1))
    driver.send_all([UPSERT] * 20)
    assert driver.client.requests_sent == len(engagement_emulator.requests()) == 21
    assert driver.client.retried == 1


# --- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 405, 406, 409, 415, 422])
def test_a_final_no_is_not_repeated(driver: Driver, engagement_emulator: EmulatorServer, status: int) -> None:
    engagement_emulator.faults.add(Status(status=status, times=1))
    with pytest.raises(Rejected) as caught:
        driver.send(UPSERT)
    assert caught.value.status == status
    assert len(engagement_emulator.requests()) == 1


def test_the_vendors_explanation_is_told(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Status(status=400, text="The attribute name is bad"))
    with pytest.raises(Invalid, match=r"POST /users: Userflow answered 400: .*The attribute name is bad \(request ") as caught:
        driver.send(UPSERT)
    assert caught.value.problem.request_id


def test_a_wrong_key_is_named_as_such_and_not_shown(connect: Connect, engagement_emulator: EmulatorServer) -> None:
    with pytest.raises(Unauthorized, match="API key") as caught:
        connect(engagement_emulator.base_url, key="ak_wrong_marked").send(UPSERT)
    assert "ak_wrong_marked" not in str(caught.value)


def test_a_key_that_the_server_echoes_is_scrubbed(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Status(status=401, text=f"Invalid API key provided: {KEY}"))
    with pytest.raises(Unauthorized, match=r"provided: \*\*\*") as caught:
        driver.send(UPSERT)
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value.__dict__)


# --- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("call", [UPSERT, ADD, EVENT], ids=["upsert", "add", "event"])
def test_retry_after_is_obeyed_and_the_call_goes_again(
    driver: Driver, engagement_emulator: EmulatorServer, form: str, call: Call[object]
) -> None:
    engagement_emulator.faults.add(Status(status=429, retry_after=form, seconds=30, times=1))  # type: ignore[arg-type]
    driver.send(call)
    assert sum(driver.clock.slept) == pytest.approx(30, abs=2.1)
    assert len(engagement_emulator.requests(processed=True)) == 1


def test_a_refusal_without_retry_after_is_waited_for(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Status(status=429, times=4))
    driver.send(EVENT)
    assert sum(driver.clock.slept) == pytest.approx(0.4 + 5 + 10 + 20, abs=1)  # twice as long each time, while nothing else is known
    assert len(engagement_emulator.requests(processed=True)) == 1


def test_one_refusal_slows_all_requests(connect: Connect, engagement_emulator: EmulatorServer) -> None:
    pace = RecordedPace()
    driver = connect(engagement_emulator.base_url, pace=pace)
    engagement_emulator.faults.add(Status(status=429, retry_after="seconds", seconds=40, times=1))
    driver.send_all([UPSERT] * 40)
    gaps = [later - sooner for sooner, later in zip(pace.times, pace.times[1:], strict=False)]
    assert max(gaps) == pytest.approx(40, abs=2)
    assert gaps.index(max(gaps)) < 30
    assert sum(gap > 10 for gap in gaps) == 1
    assert len(engagement_emulator.requests(processed=True)) == 40


def test_a_limit_that_opens_too_late_fails_the_call_and_holds_back_the_others(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Status(status=429, retry_after="seconds", seconds=3600, times=1))
    with pytest.raises(RateLimited) as caught:
        driver.send(EVENT)
    assert caught.value.retry_after == 3600
    assert not caught.value.in_doubt
    with pytest.raises(RateLimited, match="try again later"):
        driver.send(UPSERT)
    assert len(engagement_emulator.requests()) == 1


def test_a_limit_that_never_opens_fails_the_call(connect: Connect, engagement_emulator: EmulatorServer) -> None:
    driver = connect(engagement_emulator.base_url, patience=Patience(limit_wait=60))
    engagement_emulator.faults.add(Status(status=429))
    with pytest.raises(RateLimited):
        driver.send(UPSERT)
    assert 50 < sum(driver.clock.slept) < 80


def test_a_stated_limit_is_never_exceeded(connect: Connect) -> None:
    with EmulatorServer() as server:
        pace = RecordedPace(120)
        driver = connect(server.base_url, pace=pace)
        server.emulation.faults = Faults(monotonic=driver.clock)
        server.faults.add(RateLimit(per_minute=120, window="sliding"))
        for idle in (0, 5, 90):
            driver.clock.sleep(idle)
            for _ in range(150):
                driver.send(UPSERT)  # one by one: the clock must not be moved while another is on its way
        assert [item.status for item in server.requests()] == [200] * 450
        assert busiest_minute(pace.times) <= 120


@pytest.mark.parametrize("window", ["bucket", "fixed", "sliding"])
def test_an_unstated_limit_is_found(connect: Connect, window: str) -> None:
    with EmulatorServer() as server:
        driver = connect(server.base_url)
        server.emulation.faults = Faults(monotonic=driver.clock)
        server.faults.add(RateLimit(per_minute=300, window=window))  # type: ignore[arg-type]
        began = driver.clock()
        for _ in range(1200):
            driver.send(UPSERT)
        minutes = (driver.clock() - began) / 60
        assert len(server.requests()) < 1.05 * 1200
        assert minutes < 5.5


# --- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Drop(times=1),
        Drop(after=True, times=1),
        Status(status=500, times=1),
        Status(status=500, processed=True, times=1),
        Status(status=502, html=True, times=2),
        Status(status=408, times=1),
        Truncate(times=1),
        NotJson(times=1),
    ],
    ids=["drop", "drop after", "500", "500 after", "502", "408", "truncate", "not json"],
)
def test_a_repeatable_call_survives(driver: Driver, engagement_emulator: EmulatorServer, fault: Drop) -> None:
    engagement_emulator.faults.add(deepcopy(fault))  # it counts
    assert driver.send(UPSERT).id == "u1"
    assert len(engagement_emulator.requests()) >= 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Drop(), Unreachable),
        (Drop(after=True), Unreachable),
        (Status(status=500), ServerFailed),
        (Status(status=500, processed=True), ServerFailed),
        (Status(status=502, html=True), ServerFailed),
        (Status(status=503, html=True), ServerFailed),
        (Truncate(), Unreachable),
        (NotJson(processed=True), BadAnswer),
    ],
    ids=["drop", "drop after", "500", "500 after", "502", "503 of a proxy", "truncate", "not json"],
)
@pytest.mark.parametrize("call", [EVENT, ADD], ids=["event", "add"])
def test_what_may_have_counted_is_in_doubt_and_not_sent_again(
    driver: Driver, engagement_emulator: EmulatorServer, fault: Drop, kind: type[ApiError], call: Call[object]
) -> None:
    driver.send(UPSERT)  # so that the connection is a kept one
    engagement_emulator.faults.add(fault)
    with pytest.raises(kind, match="in doubt, so it was not sent again") as caught:
        driver.send(call)
    assert caught.value.in_doubt
    assert len(engagement_emulator.requests("POST", call.request.path)) == (2 if call is ADD else 1)


def test_a_503_with_the_vendors_error_object_was_not_processed(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Status(status=503, times=2))
    driver.send(EVENT)
    assert len(engagement_emulator.requests("POST", "/events", processed=True)) == 1


def test_a_failure_s_retry_after_is_obeyed(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Status(status=503, retry_after="seconds", seconds=20, times=1))
    driver.send(UPSERT)
    assert sum(driver.clock.slept) == pytest.approx(20, abs=1)


def test_patience_ends(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(Status(status=500))
    with pytest.raises(ServerFailed):
        driver.send(UPSERT)
    assert len(engagement_emulator.requests()) == 3


@pytest.mark.parametrize("after", [False, True])
def test_a_late_answer_leaves_an_event_in_doubt(connect: Connect, engagement_emulator: EmulatorServer, after: bool) -> None:
    driver = connect(engagement_emulator.base_url, timeout=0.2)
    engagement_emulator.faults.add(Latency(seconds=1, after=after))
    with pytest.raises(Unreachable) as caught:
        driver.send(EVENT)
    assert caught.value.in_doubt
    assert driver.client.requests_sent == 1


def test_a_huge_body_is_not_read_to_the_end(connect: Connect, engagement_emulator: EmulatorServer) -> None:
    driver = connect(engagement_emulator.base_url, max_body=100_000)
    engagement_emulator.faults.add(Huge(size=8_000_000))
    with pytest.raises(BadAnswer, match="larger than 100000 bytes"):
        driver.send(UPSERT)


def test_a_body_that_is_not_json_is_not_shown(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.faults.add(NotJson(body=f"<html>{KEY} intruder</html>"))
    with pytest.raises(BadAnswer, match="content type text/html") as caught:
        driver.send(UPSERT)
    assert "intruder" not in str(caught.value)


@pytest.mark.parametrize("body", ["", "null", "[]", '"text"', "5", '{"id": 5', "[" * 100_000])
def test_json_of_another_shape_is_a_bad_answer(driver: Driver, engagement_emulator: EmulatorServer, body: str) -> None:
    engagement_emulator.faults.add(NotJson(body=body, content_type="application/json"))
    with pytest.raises(BadAnswer):
        driver.send(api.GET_USER.call(user_id="u1"))
    with pytest.raises(BadAnswer):
        driver.pages(api.LIST_USERS)


# --- somebody leads us astray ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(driver: Driver, engagement_emulator: EmulatorServer, status: int) -> None:
    with RawServer() as thief:
        engagement_emulator.faults.add(Redirect(location=thief.base_url + "/users", status=status))
        with pytest.raises(Rejected, match="redirect, which is not followed"):
            driver.send(UPSERT)
        assert thief.connections == 0


def test_only_the_cursor_of_a_next_link_is_used(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    driver.send_all([api.UPSERT_USER.call(json={"id": f"u{number:02}"}) for number in range(25)])
    with RawServer() as thief:
        engagement_emulator.faults.add(HostileNext(origin=thief.base_url))
        assert sum(len(page.items) for page in driver.pages(api.LIST_USERS, {"limit": 10})) == 25
        assert thief.connections == 0
