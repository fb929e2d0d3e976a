"""What goes with every request, and what becomes of every status that Userflow documents, from the hook's side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.wire.errors import (
    ApiError,
    Invalid,
    NotFound,
    RateLimited,
    Rejected,
    ServerFailed,
    Unauthorized,
)
from tests.userflow.account import Account

FINAL: dict[int, tuple[type[Rejected], str]] = {
    400: (Invalid, "invalid_request"),
    401: (Unauthorized, "invalid_api_key"),
    403: (Unauthorized, "forbidden"),
    404: (NotFound, "not_found"),
    405: (Rejected, "method_not_allowed"),
    406: (Rejected, "not_acceptable"),
    415: (Rejected, "unsupported_media_type"),
}
TEMPORARY: dict[int, tuple[type[ApiError], str]] = {
    500: (ServerFailed, "internal_error"),
    503: (ServerFailed, "service_unavailable"),
}


def check(error: ApiError, kind: type[ApiError], status: int, code: str) -> None:
    assert type(error) is kind
    assert (error.status, error.method, error.path) == (status, "POST", "/users")
    assert (error.problem.code, error.problem.text) == (code, "Said so")
    assert str(error.problem.request_id).startswith("req_")
    assert str(error).startswith(f"POST /users: Userflow answered {status}: {code} Said so (request {error.problem.request_id})")
    assert not error.in_doubt


@pytest.mark.parametrize("status", FINAL)
def test_a_final_status_is_told_and_not_repeated(account: Account, status: int) -> None:
    account.server.faults.add(Status(status=status, text="Said so"))
    with pytest.raises(Rejected) as caught:
        account.hook.upsert_user("u")
    kind, code = FINAL[status]
    check(caught.value, kind, status, code)
    assert len(account.server.requests()) == 1


@pytest.mark.parametrize("status", TEMPORARY)
def test_a_temporary_status_is_repeated_and_then_told(account: Account, status: int) -> None:
    account.patience_is_short()
    account.server.faults.add(Status(status=status, text="Said so"))
    with pytest.raises(ServerFailed) as caught:
        account.hook.upsert_user("u")
    kind, code = TEMPORARY[status]
    check(caught.value, kind, status, code)
    assert len(account.server.requests()) == 2


@pytest.mark.parametrize("status", [*TEMPORARY, 429])
def test_a_temporary_status_that_passes_is_not_noticed(account: Account, status: int) -> None:
    account.patience_is_short()
    account.server.faults.add(Status(status=status, times=1))
    assert account.hook.upsert_user("u").id == "u"
    assert len(account.server.requests(processed=True)) == 1


def test_a_limit_that_opens_too_late_is_told(account: Account) -> None:
    account.server.faults.add(Status(status=429, text="Said so", retry_after="seconds", seconds=86_400))
    with pytest.raises(RateLimited) as caught:
        account.hook.upsert_user("u")
    check(caught.value, RateLimited, 429, "rate_limit_exceeded")
    assert caught.value.retry_after == 86_400


@pytest.mark.parametrize(
    ("send", "status", "kind", "said"),
    [
        (lambda hook: list(hook.list_users(order_by="name")), 400, Invalid, "order_by must be among"),
        (lambda hook: hook.request("POST", "/users", json={"id": "u", "name": "x"}), 400, Invalid, "unknown field name"),
        (lambda hook: hook.request("POST", "/users", json=["u"]), 400, Invalid, "must be a JSON object"),
        (lambda hook: hook.request("GET", "/content_versions"), 400, Invalid, "content_id is required"),
        (lambda hook: hook.request("GET", "/users", params={"limit": 101}), 400, Invalid, "limit must be a number from 1 to 100"),
        (lambda hook: hook.request("GET", "/nowhere"), 404, NotFound, "Unrecognized URL: /nowhere"),
        (lambda hook: hook.request("GET", "/events"), 405, Rejected, "POST is"),
        (lambda hook: hook.request("POST", "/users"), 415, Rejected, "Content-Type: application/json"),
    ],
)
def test_what_the_account_itself_refuses(
    account: Account, send: Callable[[UserflowHook], Any], status: int, kind: type[Rejected], said: str
) -> None:
    with pytest.raises(kind) as caught:
        send(account.hook)
    assert caught.value.status == status
    assert said in str(caught.value)
    assert len(account.server.requests()) == 1


def test_a_plan_without_groups_is_told_with_a_hint(account: Account) -> None:
    account.server.userflow.quirks.groups = False
    with pytest.raises(Unauthorized, match=r"feature_not_available Groups are not included in your plan .*certain Userflow plans only"):
        account.hook.upsert_group("g")


def test_a_large_account_is_read_content_by_content(account: Account) -> None:
    account.patience_is_short()
    account.server.userflow.quirks.large_account = True
    with pytest.raises(ServerFailed, match="internal_error"):
        list(account.hook.list_content_sessions())
    assert list(account.hook.list_content_sessions(content_id="flow")) == []


def test_the_version_is_a_setting_that_goes_with_every_request(account: Account) -> None:
    account.connect(extra={"api_version": "2019-01-01"})
    with pytest.raises(Invalid, match="invalid_version Userflow-Version must be 2020-01-03, got '2019-01-01'"):
        account.hook.get_user("u")
    account.connect(extra={"api_version": "2020-01-03"})
    with pytest.raises(NotFound):
        account.hook.get_user("u")


@pytest.mark.parametrize("version", ["latest", "2020-1-3", "2020-01-03\r\nX-Other: 1", "2020-01-03€"])
def test_a_version_that_is_none_is_refused_before_anything_is_sent(account: Account, version: str) -> None:
    account.connect(extra={"api_version": version})
    with pytest.raises(ValueError, match="connection 'userflow_default': api_version must be a date such as 2020-01-03"):
        account.hook.get_user("u")
    assert account.server.requests() == []


def test_the_default_host_is_https_and_the_timeout_outlasts_the_queue(account: Account) -> None:
    account.connect(host=None)
    config = account.hook.get_config()
    assert config.base_url == "https://api.userflow.com"
    assert config.timeout > 15
    account.connect(host="http://api.userflow.com")
    with pytest.raises(ValueError, match=r"plain http to api\.userflow\.com would send the key in the clear"):
        account.hook.get_user("u")


def test_no_key_is_refused_before_anything_is_sent(account: Account) -> None:
    account.connect(password="")
    with pytest.raises(ValueError, match="password is empty; put the API key there"):
        account.hook.get_user("u")
    assert account.server.requests() == []


def test_keys_of_two_environments_are_two_connections(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_USERFLOW_STAGING", f'{{"conn_type": "userflow", "host": "{account.server.base_url}", "password": "ak_x"}}'
    )
    account.hook.upsert_user("u")
    with pytest.raises(Unauthorized, match="belongs to one environment") as caught:
        UserflowHook("userflow_staging").upsert_user("u")
    assert "ak_x" not in str(caught.value)
