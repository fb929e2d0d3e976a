"""The hook: a method for every call, lazy lists, connection to client, and what its test button says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider.engagement.emulator.faults import NotJson, Redirect, Status
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.conditions import attribute
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.wire.errors import Invalid, NotFound, Unauthorized
from tests.userflow.account import Account


def test_every_endpoint_has_a_method_of_its_name() -> None:
    for endpoint in api.ENDPOINTS:
        assert callable(getattr(UserflowHook, endpoint.name)), endpoint.name


def test_airflow_makes_it_from_a_connection_id_alone_without_any_request(account: Account) -> None:
    hook = UserflowHook(**{UserflowHook.conn_name_attr: "userflow_default"})
    assert hook.get_conn() is hook.get_conn()
    assert account.server.requests() == []


def test_the_connection_becomes_the_clients_settings(account: Account) -> None:
    account.connect(
        extra={"requests_per_minute": "600", "timeout": "12.5", "concurrency": "3", "verify": "false", "api_version": "2020-01-03"}
    )
    config = UserflowHook().get_config()
    assert (config.requests_per_minute, config.timeout, config.concurrency, config.verify) == (600.0, 12.5, 3, False)
    assert config.headers == {"Authorization": "Bearer ak_test", "Userflow-Version": "2020-01-03"}
    assert "ak_test" not in repr(config)
    account.connect()
    config = UserflowHook().get_config()
    assert (config.requests_per_minute, config.timeout, config.concurrency, config.verify) == (None, 30.0, 16, True)


def test_lists_are_lazy_and_walk_all_pages(account: Account) -> None:
    for n in range(7):
        account.hook.upsert_user(f"u{n}", {"n": n, "email": f"u{n}@example.com"})
    account.server.received.clear()
    users = account.hook.list_users(page_size=3)
    assert account.server.requests() == []
    assert next(users).id == "u0"
    assert len(account.server.requests()) == 1
    assert [user.id for user in users] == [f"u{n}" for n in range(1, 7)]
    assert len(account.server.requests()) == 3
    assert [user.id for user in account.hook.list_users(order_by="-created_at", starting_after="u5")] == [f"u{n}" for n in range(4, -1, -1)]
    assert [user.id for user in account.hook.list_users(condition=attribute("n") >= 5)] == ["u5", "u6"]
    assert [user.id for user in account.hook.list_users(condition=(attribute("n") >= 5).to_dict())] == ["u5", "u6"]
    assert [user.id for user in account.hook.list_users(email="u3@example.com")] == ["u3"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda hook: hook.list_users(page_size=0),
        lambda hook: hook.list_users(page_size=101),
        lambda hook: hook.list_users(condition='{"type": "moon"}'),
        lambda hook: hook.list_content(type="banner"),
        lambda hook: hook.list_attribute_definitions(scope="planet"),
        lambda hook: hook.get_user(""),
        lambda hook: hook.delete_user(".."),
        lambda hook: hook.request("GET", "users"),
        lambda hook: hook.request("GET", "//elsewhere.example.com/users"),
        lambda hook: hook.request("GET", "/users?limit=1"),
    ],
)
def test_bad_arguments_fail_before_anything_is_sent(account: Account, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        wrong(account.hook)
    assert account.server.requests() == []


@pytest.mark.parametrize("deleted", [["u2"], ["u2", "u1"]], ids=["the last of a page", "the last two"])
def test_a_record_deleted_under_the_cursor_does_not_end_the_walk(account: Account, deleted: list[str]) -> None:
    for n in range(7):
        account.hook.upsert_user(f"u{n}")
    users = account.hook.list_users(page_size=3)
    assert [next(users).id for _ in range(3)] == ["u0", "u1", "u2"]
    for user_id in deleted:
        account.hook.delete_user(user_id)
    assert [user.id for user in users] == ["u3", "u4", "u5", "u6"]


def test_a_cursor_that_never_was_is_an_error(account: Account) -> None:
    account.hook.upsert_user("u")
    with pytest.raises(Invalid):
        list(account.hook.list_users(starting_after="nobody"))


def test_content_versions_sessions_and_definitions(account: Account) -> None:
    account.complete("flow", "ann")
    account.hook.track_event("signed_up", user_id="ann", attributes={"plan": "Pro"})
    content = account.hook.get_content("flow", expand=["draft_version", "published_version"])
    assert content.type == "flow"
    assert [item.id for item in account.hook.list_content(type="flow")] == ["flow"]
    versions = list(account.hook.list_content_versions("flow", expand="questions"))
    assert versions[0].questions is not None
    assert account.hook.get_content_version(versions[0].id).id == versions[0].id
    sessions = list(account.hook.list_content_sessions(content_id="flow", user_id="ann", expand=["answers", "user"]))
    assert [session.completed for session in sessions] == [True]
    assert sessions[0].progress == 1
    assert sessions[0].user is not None
    assert account.hook.get_content_session(sessions[0].id).id == sessions[0].id
    assert "plan" in [item.name for item in account.hook.list_attribute_definitions(event_name="signed_up", scope="event")]
    assert "signed_up" in [item.name for item in account.hook.list_event_definitions()]


def test_request_reaches_what_has_no_method(account: Account) -> None:
    account.hook.upsert_group("g", {"name": "Acme"})
    assert account.hook.request("get", "/groups/g")["attributes"] == {"name": "Acme"}
    assert account.hook.request("GET", "/groups", params={"limit": 1})["object"] == "list"
    with pytest.raises(NotFound):
        account.hook.request("GET", "/groups/none")


def test_the_test_button_says_yes(account: Account) -> None:
    ok, said = account.hook.test_connection()
    assert (ok, said) == (True, f"Userflow at {account.server.base_url} accepted the key")
    assert len(account.server.requests("GET", "/attribute_definitions")) == 1


@pytest.mark.usefixtures("wrong_key")
def test_the_test_button_names_a_wrong_key_without_showing_it(account: Account) -> None:
    ok, said = account.hook.test_connection()
    assert not ok
    assert said.startswith("Wrong key: ")
    assert "ak_wrong" not in said


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ({"host": "http://127.0.0.1:1"}, "No network: "),
        ({"host": "https://nowhere.invalid"}, "No network: "),
        ({"password": ""}, "password is empty"),
        ({"host": "http://example.com"}, "plain http"),
        ({"extra": {"timeout": "soon"}}, "timeout must be a number"),
    ],
)
def test_the_test_button_names_what_is_wrong_with_the_connection(account: Account, connection: dict[str, Any], said: str) -> None:
    account.connect(**connection)
    ok, text = UserflowHook().test_connection()
    assert not ok
    assert said in text


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Status(status=404, html=True), "Wrong host: "),
        (NotJson(), "wrong host, or a temporary failure"),
        (Redirect(location="https://elsewhere.example.com/"), "redirect"),
        (Status(status=500), "temporary failure"),
    ],
    ids=["not found", "a sign-in page", "redirect", "failing"],
)
def test_the_test_button_names_a_wrong_host(account: Account, fault: Any, said: str) -> None:
    account.server.faults.add(fault)
    ok, text = account.hook.test_connection()
    assert not ok
    assert said in text
    assert len(account.server.requests()) == 1


def test_the_webhook_secret_comes_from_the_connection(account: Account) -> None:
    with pytest.raises(ValueError, match="webhook_secret is empty"):
        account.hook.get_webhook_secret()
    account.connect(extra={"webhook_secret": "whsec_1"})
    assert UserflowHook().get_webhook_secret() == "whsec_1"


@pytest.mark.usefixtures("wrong_key")
def test_a_refused_key_is_unauthorized(account: Account) -> None:
    with pytest.raises(Unauthorized, match=r"401.*API key"):
        account.hook.get_user("u")


def test_records_keep_unknown_fields() -> None:
    raw = json.loads('{"id": "u", "object": "user", "attributes": {}, "mood": "fine"}')
    user = api.User.read(raw)
    assert user.extra == {"mood": "fine", "object": "user"}
    assert user.raw == raw
