"""What the connection decides, and the records of both versions."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider.engagement.connection import ConnectionFields
from airflow_provider.engagement.usertour import api
from airflow_provider.engagement.usertour.account import Account, NotInVersion
from airflow_provider.engagement.usertour.bodies import check_user
from airflow_provider.engagement.usertour.records import ContentSession, Deleted, User, decode_answer
from airflow_provider.engagement.usertour.rows import dropped
from airflow_provider.engagement.wire.errors import Conflict, Invalid, NotFound, Rejected, Unauthorized, error_from
from airflow_provider.engagement.wire.message import Request, Response

V2 = {"project_id": "p", "environment_id": "e"}


def fields(key: str, **extras: Any) -> ConnectionFields:
    return ConnectionFields("c", password=key, extras=extras)


@pytest.mark.parametrize(
    ("key", "extras", "account"),
    [
        ("ak_1", {}, Account("v1")),
        ("ak_1", {**V2, "api_version": ""}, Account("v1")),
        ("utp_1", V2, Account("v2", "p", "e")),
        ("own", {"api_version": "v1"}, Account("v1")),
        ("own", {"api_version": "v2", **V2}, Account("v2", "p", "e")),
    ],
)
def test_the_connection_decides(key: str, extras: dict[str, Any], account: Account) -> None:
    assert Account.of(fields(key, **extras)) == account


@pytest.mark.parametrize(
    ("key", "extras", "said"),
    [
        ("own", {}, "api_version must be v1 or v2"),
        ("ak_1", {"api_version": "v3"}, "api_version must be v1 or v2"),
        ("ak_1", {"api_version": "v2", **V2}, "says v2, but the password is of v1"),
        ("utp_1", {"api_version": "v1"}, "says v1, but the password is of v2"),
        ("utp_1", {"environment_id": "e"}, "project_id is empty"),
        ("utp_1", {"project_id": "p"}, "environment_id is empty"),
        ("", {}, "password is empty"),
    ],
)
def test_a_connection_that_does_not_tell(key: str, extras: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Account.of(fields(key, **extras))
    assert str(caught.value).startswith("connection 'c': ")


def test_paths_name_project_and_environment() -> None:
    account = Account("v2", "p/1", "e")
    assert account.call("get_user", user_id="a b").request.path == "/v2/projects/p%2F1/environments/e/users/a%20b"
    assert account.endpoint("list_content").path == "/v2/projects/p%2F1/content"
    with pytest.raises(ValueError, match="user_id must be a non-empty text"):
        account.call("get_user", user_id="")


def test_every_call_of_v1_is_in_v2_by_the_same_name() -> None:
    assert set(api.V1) < set(api.V2)
    with pytest.raises(NotInVersion, match="has no call track_event"):
        Account("v1").endpoint("track_event")


@pytest.mark.parametrize(
    ("kind", "value", "decoded"),
    [
        ("multiple-choice", '["docs","ui"]', ["docs", "ui"]),
        ("multiple-choice", ["docs"], ["docs"]),
        ("multiple-choice", "docs", ["docs"]),
        ("nps", "0", 0),
        ("nps", 7, 7),
        ("scale", "2.5", Decimal("2.5")),
        ("star-rating", "many", "many"),
        ("multi-line-text", '["x"]', '["x"]'),
        ("single-line-text", "12", "12"),
        ("nps", None, None),
        ("nps", "NaN", "NaN"),
        ("scale", "-Infinity", "-Infinity"),
        ("scale", "1e999999999", "1e999999999"),
        ("multiple-choice", "[" * 5000, ["[" * 5000]),
    ],
)
def test_answers_are_decoded_by_their_type(kind: str, value: Any, decoded: Any) -> None:
    assert decode_answer(kind, value) == decoded
    assert type(decode_answer(kind, value)) is type(decoded)


def test_completed_ended_finished() -> None:
    def told(raw: dict[str, Any]) -> tuple[bool | None, bool, bool]:
        session = ContentSession.read({"id": "s", **raw})
        return session.completed, session.ended, session.finished

    assert told({"completed": True, "progress": 33}) == (True, True, False)
    assert told({"completed": True, "progress": 100}) == (True, True, True)
    assert told({"completed": False, "progress": 100}) == (False, False, True)  # a checklist that is still open
    assert told({"completed": False, "progress": 33, "endedAt": "2026-01-01T00:00:00Z"}) == (False, True, False)
    assert told({"completed": True, "progress": 100, "endedAt": None}) == (True, False, True)


def test_an_empty_answer_to_a_delete() -> None:
    assert Deleted.read(None) == Deleted(raw={})


def error(status: int, body: bytes) -> Any:
    return error_from(api.DIALECT, Request("POST", "/v1/users", repeatable=False), Response(status, {}, body), None, lambda text: text)


def test_only_a_request_given_up_in_the_queue_was_not_processed() -> None:
    assert error(503, b'{"error": {"code": "E1014", "message": "x"}}').not_processed
    assert error(429, b'{"error": {"code": "E1013", "message": "x"}}').not_processed
    assert error(503, b"<html>").in_doubt
    assert error(500, b'{"error": {"code": "E0000", "message": "x"}}').in_doubt


def test_both_shapes_of_errors() -> None:
    plain = error(404, b'{"statusCode": 404, "message": "Cannot POST /v1/users", "error": "Not Found"}')
    assert "Cannot POST /v1/users. This server has no such call" in str(plain)
    with_issues = error(400, b'{"error": {"code": "E1017", "message": "m", "issues": [{"path": "limit"}, 7]}}')
    assert with_issues.problem.issues == ({"path": "limit"},)
    assert "100 KB" in str(error(413, b'{"statusCode": 413, "message": "request entity too large"}'))
    assert error(400, b"[]").problem.text is None


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (401, "E1010", "password"),
        (403, "E1000", r"v1 takes an environment's key \(ak_…\), v2 a personal token \(utp_…\)"),
        (403, "E1011", "extra project_id"),
        (403, "E1012", "scope"),
        (403, "E1029", "environment_id"),
        (401, "E1020", "expired; make a new one"),
        (403, "E0043", "plan"),
    ],
)
def test_every_refusal_of_a_key_is_final_and_says_what_to_do(status: int, code: str, remedy: str) -> None:
    refused = error(status, b'{"error": {"code": "%s", "message": "m"}}' % code.encode())
    assert type(refused) is Unauthorized
    assert not refused.in_doubt
    assert re.search(remedy, str(refused))


@pytest.mark.parametrize(("status", "code", "kind"), [(409, "E1023", Conflict), (422, "E1027", Invalid), (404, "E1019", NotFound)])
def test_other_refusals_are_final_too(status: int, code: str, kind: type[Rejected]) -> None:
    refused = error(status, b'{"error": {"code": "%s", "message": "m", "issues": [{"path": "x"}]}}' % code.encode())
    assert type(refused) is kind
    assert (refused.problem.code, refused.problem.issues) == (code, ({"path": "x"},))


@pytest.mark.parametrize(
    ("sent", "kept", "same"),
    [
        (9007199254740993, 9007199254740992, True),
        (12345678901234567890, 12345678901234567000, True),
        (Decimal("0.1"), 0.1, True),
        (7, 8, False),
        (7, "7", False),
        (1, True, False),
        (7, 10**400, False),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000+00:00", True),
        ("2026", 2026, False),
        (["a", 1], ["a", 1], True),
        (["a", 1], ["a"], False),
        (None, None, True),
        (None, "x", False),
    ],
)
def test_what_was_dropped(sent: Any, kept: Any, same: bool) -> None:
    answer = User.read({"id": "u", "attributes": {"a": kept} if kept is not None else {}})
    assert (dropped({"a": sent}, answer) is None) is same


@pytest.mark.parametrize("number", [10**309, -(10**400), Decimal("1E+400")])
def test_a_number_that_no_server_could_hold_is_refused(number: Any) -> None:
    with pytest.raises(ValueError, match=r"attributes\['n'\] is a number beyond 1\.8e\+308.*send it as text"):
        check_user({"id": "u", "attributes": {"n": number}}, "v1")
