from __future__ import annotations

import pickle

import pytest

from airflow_provider.engagement.wire.errors import (
    ApiError,
    BadAnswer,
    Conflict,
    Dialect,
    Invalid,
    NotFound,
    Problem,
    RateLimited,
    Rejected,
    ServerFailed,
    Unauthorized,
    Unreachable,
    error_from,
)
from airflow_provider.engagement.wire.message import Request, Response
from airflow_provider.engagement.wire.retry import may_repeat

KEY = "ak_secret"
EVENT = Request("POST", "/events", (("email", "a@example.com"),), b"{}", repeatable=False)
UPSERT = Request("POST", "/users", (), b"{}")


def judge(status: int, problem: Problem | None = None, request: Request = UPSERT, *, not_processed: bool = False) -> ApiError:
    dialect = Dialect("Vendor", lambda _: problem or Problem(), lambda _: not_processed, lambda _request, _response: "Do this")
    return error_from(dialect, request, Response(status), None, lambda text: text.replace(KEY, "***"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, NotFound),
        (405, Rejected),
        (406, Rejected),
        (409, Conflict),
        (413, Rejected),
        (415, Rejected),
        (422, Invalid),
        (302, Rejected),
        (408, ServerFailed),
        (425, ServerFailed),
        (429, RateLimited),
        (500, ServerFailed),
        (503, ServerFailed),
        (599, ServerFailed),
    ],
)
def test_each_status_has_its_kind(status: int, kind: type[ApiError]) -> None:
    assert type(judge(status)) is kind


@pytest.mark.parametrize("status", [302, 400, 401, 404, 405, 409, 415, 422])
def test_a_final_no_is_never_repeated_and_never_in_doubt(status: int) -> None:
    error = judge(status, request=EVENT)
    assert not may_repeat(error, repeatable=True)
    assert not error.in_doubt


def test_a_refused_event_may_go_again_and_a_failed_one_may_not() -> None:
    refused, failed = judge(429, request=EVENT), judge(500, request=EVENT)
    assert may_repeat(refused, repeatable=False)
    assert not refused.in_doubt
    assert not may_repeat(failed, repeatable=False)
    assert failed.in_doubt
    assert "in doubt" in str(failed)


def test_a_failed_upsert_may_go_again() -> None:
    error = judge(500)
    assert may_repeat(error, repeatable=True)
    assert not error.in_doubt


def test_what_the_vendor_says_was_not_processed_may_go_again() -> None:
    error = judge(503, request=EVENT, not_processed=True)
    assert may_repeat(error, repeatable=False)
    assert not error.in_doubt


def test_the_message_says_who_what_and_what_to_do() -> None:
    error = judge(400, Problem("bad_id", "The id is bad", "req_1"), EVENT)
    assert str(error) == "POST /events: Vendor answered 400: bad_id The id is bad (request req_1). Do this"
    assert (error.status, error.method, error.path) == (400, "POST", "/events")


def test_the_message_holds_no_query() -> None:
    assert "example.com" not in str(judge(500, request=EVENT))


def test_an_error_without_explanation_says_so() -> None:
    assert "no explanation given" in str(judge(500))


def test_secrets_and_line_breaks_are_taken_out_of_everything() -> None:
    problem = Problem(f"code {KEY}", f"Invalid key: {KEY}\nINFO forged\x1b[31m line", KEY, ({"value": KEY, "list": [KEY]},))
    error = judge(401, problem)
    assert KEY not in str(error)
    assert KEY not in repr(error.problem)
    assert "\n" not in str(error)
    assert "\x1b" not in str(error)
    assert error.problem.issues == ({"value": "***", "list": ["***"]},)


def test_a_vendor_may_send_numbers_for_texts() -> None:
    assert "17 5" in str(judge(400, Problem(17, 5, 3)))  # type: ignore[arg-type]


def test_long_texts_are_cut() -> None:
    assert len(str(judge(400, Problem(None, "x" * 100_000)))) < 700


def test_redirects_say_that_they_are_not_followed() -> None:
    assert "not followed" in str(judge(301))


@pytest.mark.parametrize("kind", [Unreachable, Invalid, RateLimited, BadAnswer])
def test_errors_travel_between_processes(kind: type[ApiError]) -> None:
    error = kind("text", request=EVENT, status=400, problem=Problem("code"), retry_after=3.0)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__
