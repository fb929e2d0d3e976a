"""The operators, run without a scheduler against a served emulator, with either version of the API."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException, AirflowTaskTimeout

from airflow_provider.engagement.bulk.task import SendingStopped
from airflow_provider.engagement.emulator.faults import Drop, Status
from airflow_provider.engagement.usertour import operators
from tests.usertour.account import Account


def run(name: str, **arguments: Any) -> Any:
    kind = getattr(operators, f"Usertour{name}Operator")
    return kind(task_id="task", **arguments).execute({})


def test_one_row_each(account: Account) -> None:
    assert run("UpsertCompany", company_id="acme", attributes={"plan": "pro"}) == "acme"
    assert run("UpsertUser", user_id="u", attributes={"age": 7}, companies=[{"id": "acme"}]) == "u"
    run("UpsertCompany", company_id="other")
    assert run("UpsertMembership", user_id="u", company_id="other", attributes={"role": "admin"}) is None
    for _ in range(2):
        assert run("RemoveMembership", user_id="u", company_id="acme") is None
    companies = account.hook.get_user("u", expand="companies").companies
    assert companies is not None
    assert [company.id for company in companies] == ["other"]
    for _ in range(2):
        assert run("DeleteUser", user_id="u") == "u"
        assert run("DeleteCompany", company_id="other") == "other"
    assert list(account.hook.list_users()) == []


def test_sessions_end_and_go(account: Account) -> None:
    account.begin("flow", "a")
    for _ in range(2):
        assert run("EndContentSession", session_id="flow-a") == "flow-a"
    assert account.hook.get_content_session("flow-a").ended
    for _ in range(2):
        assert run("DeleteContentSession", session_id="flow-a") == "flow-a"
    with pytest.raises(AirflowFailException, match=r"NotFound: .*E1005"):
        run("EndContentSession", session_id="flow-a")


def test_events_are_v2s(account: Account) -> None:
    arguments = {"event_name": "signed_up", "user_id": "u", "attributes": {"n": 1}, "time": "2026-01-02T03:04:05+00:00"}
    if account.version == "v2":
        assert run("TrackEvent", **arguments)
        return
    with pytest.raises(AirflowFailException, match="NotInVersion: Usertour's API v1 has no call track_event; use a connection for API v2"):
        run("TrackEvent", **arguments)
    assert account.server.requests() == []


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("UpsertUser", {"user_id": ""}, "id"),
        ("UpsertUser", {"user_id": "u", "attributes": {"a": {"b": 1}}}, "is an object"),
        ("UpsertUser", {"user_id": "u", "attributes": {"a": "x\0y"}}, "NUL"),
        ("UpsertUser", {"user_id": "u", "companies": [], "memberships": []}, "not both"),
        ("UpsertUser", {"user_id": "u", "memberships": [{"attributes": {}}]}, "memberships[0] has no company"),
        ("UpsertCompany", {"company_id": "c", "attributes": {"a": [{"b": 1}]}}, "attributes['a'][0]"),
        ("UpsertMembership", {"user_id": "u", "company_id": ""}, "company_id is empty"),
        ("DeleteUser", {"user_id": ".."}, "'.' and '..'"),
        ("DeleteCompany", {"company_id": None}, "company_id has no value"),
        ("UpdateWebhookSubscription", {"webhook_subscription_id": "w"}, "at least one of"),
        ("CreateWebhookSubscription", {"url": "https://x", "topics": ["user"], "secret_variable": "hook_key"}, "word 'secret'"),
        ("CreateWebhookSubscription", {"url": "x", "topics": ["user"], "secret_variable": "hook_secret"}, "url"),
        ("CreateWebhookSubscription", {"url": "https://x", "topics": ["usr"], "secret_variable": "hook_secret"}, "usr"),
        ("CreateWebhookSubscription", {"url": "https://x", "topics": [], "secret_variable": "hook_secret"}, "topics is empty"),
        ("RotateWebhookSecret", {"webhook_subscription_id": "w", "secret_variable": "hook"}, "word 'secret'"),
    ],
)
def test_bad_input_fails_at_once_before_anything_is_sent(v2: Account, name: str, arguments: dict[str, Any], said: str) -> None:
    if name == "DeleteUser" and said.startswith("'.'"):
        arguments = {"user_id": ".."}
    with pytest.raises(AirflowFailException) as caught:
        run(name, **arguments)
    assert said in str(caught.value)
    assert v2.server.requests() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"event_name": "x", "user_id": "u"}, "2 to 100 characters"),
        ({"event_name": "bad name", "user_id": "u"}, "letters, digits and underscores"),
        ({"event_name": "fine", "user_id": "u" * 201}, "200 at the most"),
        ({"event_name": "fine", "user_id": "u", "time": "2026-01-02T03:04:05"}, "time zone"),
        ({"event_name": "fine", "user_id": "u", "attributes": {"bad name": 1}}, "bad name"),
    ],
)
def test_a_bad_event_fails_at_once(v2: Account, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(AirflowFailException) as caught:
        run("TrackEvent", **arguments)
    assert said in str(caught.value)
    assert v2.server.requests() == []


def test_an_event_in_doubt_is_not_retried(v2: Account) -> None:
    v2.server.faults.add(Drop(path="/v2/projects/p_test/environments/e_test/events", after=True))
    with pytest.raises(AirflowFailException, match="in doubt"):
        run("TrackEvent", event_name="signed_up", user_id="u")


def test_a_failing_server_is_retried_by_airflow(account: Account) -> None:
    account.patience_is_short()
    account.server.faults.add(Status(status=500))
    with pytest.raises(SendingStopped, match=r"sending stopped after 0 of 1 users, 1 were not sent: .*Usertour answered 500"):
        run("UpsertUser", user_id="u")


# --- many rows -------------------------------------------------------------------------------------------------------


def test_many_rows_return_counts(account: Account) -> None:
    companies = [{"id": f"c{number}", "attributes": {"seats": number, "plan": "pro"}} for number in range(6)]
    counts = run("UpsertCompanies", rows=companies)
    assert (counts["read"], counts["sent"], counts["rejected"], counts["requests"]) == (6, 6, 0, 6)
    users = [{"id": f"u{number}", "attributes": {"age": number}, "companies": [{"id": f"c{number % 6}"}]} for number in range(20)]
    counts = run("UpsertUsers", rows=users)
    assert (counts["read"], counts["sent"], counts["rejected"]) == (20, 20, 0)
    assert counts["requests"] == (20 if account.version == "v1" else 60)
    assert len(list(account.hook.list_users(company_id="c1"))) == 4


@pytest.mark.parametrize("preflight", [True, False])
def test_values_of_the_wrong_type_are_refused_rows_in_both_versions(account: Account, preflight: bool) -> None:
    account.hook.upsert_user("u0", {"age": 7})
    rows = [{"id": "u1", "attributes": {"age": 8}}, {"id": "u2", "attributes": {"age": "old", "name": "B"}}]
    with pytest.raises(AirflowFailException) as caught:
        run("UpsertUsers", rows=rows, preflight=preflight)
    said = str(caught.value)
    assert said.startswith("1 of 2 users were unusable or refused, 0 are in doubt, 1 were accepted")
    assert "row 1 (u2)" in said
    assert "age" in said
    assert ("dropped 'age' without a word" in said) is (account.version == "v1" and not preflight)


def test_dropped_values_can_be_let_go(v1: Account) -> None:
    v1.hook.upsert_company("c0", {"seats": 7})
    assert run("UpsertCompanies", rows=[{"id": "c1", "attributes": {"seats": "many"}}], check_dropped=False)["sent"] == 1


def test_what_came_back_as_it_was_sent_is_not_reported(account: Account) -> None:
    from datetime import UTC, date, datetime
    from decimal import Decimal

    values = {
        "text": "x",
        "whole": 3,
        "large": 12345678901234567890,
        "part": 2.5,
        "exact": Decimal("2.75"),
        "yes": True,
        "when": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "tags": ["a", "b"],
        "gone": None,
    }
    for _ in range(2):
        assert run("UpsertUsers", rows=[{"id": "u", "attributes": values}])["rejected"] == 0


def test_unusable_rows_are_listed_after_all_others_were_sent(account: Account) -> None:
    with pytest.raises(AirflowFailException, match="2 of 3 users were unusable or refused, 0 are in doubt, 1 were accepted") as caught:
        run("UpsertUsers", rows=[{"id": "u"}, {"name": "x"}, {"id": "v", "groups": []}])
    assert "companies, memberships, not 'groups'" in str(caught.value)
    assert [user.id for user in account.hook.list_users()] == ["u"]


def test_many_events(account: Account) -> None:
    rows = [{"name": "signed_up", "userId": f"u{number}"} for number in range(5)]
    if account.version == "v2":
        assert run("TrackEvents", rows=rows)["sent"] == 5
        return
    with pytest.raises(AirflowFailException, match="has no call track_event"):
        run("TrackEvents", rows=rows)
    assert account.server.requests() == []


def test_a_mirror_takes_what_is_gone_already_for_deleted(account: Account, tmp_path: Path) -> None:
    rows = [{"id": f"u{number}", "attributes": {"age": number}} for number in range(4)]
    arguments: dict[str, Any] = {"mode": "mirror", "state_path": str(tmp_path / "state"), "max_delete_fraction": 1}
    assert run("UpsertUsers", rows=rows, **arguments)["sent"] == 4
    account.hook.delete_user("u1")
    counts = run("UpsertUsers", rows=[rows[0], rows[3]], **arguments)
    assert (counts["unchanged"], counts["deleted"], counts["rejected"]) == (2, 2, 0)
    assert sorted(user.id for user in account.hook.list_users()) == ["u0", "u3"]


def test_update_only_leaves_unknown_users_and_companies_alone(account: Account) -> None:
    account.hook.upsert_user("u0")
    account.hook.upsert_company("c0")
    rows = [{"id": f"{kind}{number}"} for kind in "uc" for number in range(3)]
    assert run("UpsertUsers", rows=rows[:3], mode="update_only")["skipped"] == 2
    assert run("UpsertCompanies", rows=rows[3:], mode="update_only")["skipped"] == 2
    assert [user.id for user in account.hook.list_users()] == ["u0"]
    assert [company.id for company in account.hook.list_companies()] == ["c0"]


def test_a_wrong_base_url_is_no_reason_to_skip_everything(account: Account) -> None:
    account.connect(host=f"{account.server.base_url}/wrong")
    with pytest.raises(AirflowFailException, match="were not sent"):
        run("UpsertUsers", rows=[{"id": f"u{number}"} for number in range(40)], mode="update_only", preflight=False)


# --- webhooks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(Variable, "set", lambda key, value, description=None: kept.update({key: value}))
    return kept


CREATE = {"url": "https://example.com/hook", "topics": ["user"], "secret_variable": "usertour_webhook_secret"}


def test_a_webhooks_secret_goes_into_the_variable_only(v2: Account, variables: dict[str, Any]) -> None:
    created = run("CreateWebhookSubscription", **CREATE, enabled="false", description="d")
    first = variables["usertour_webhook_secret"]
    assert first.startswith("whsec_")
    assert first not in json.dumps(created)
    assert v2.hook.get_webhook_subscription(created).enabled is False
    assert run("RotateWebhookSecret", webhook_subscription_id=created, secret_variable="usertour_webhook_secret") == created
    assert variables["usertour_webhook_secret"] not in ("", first)
    assert run("UpdateWebhookSubscription", webhook_subscription_id=created, enabled="true", topics=["*"]) == created
    assert v2.hook.get_webhook_subscription(created).enabled is True
    for _ in range(2):
        assert run("DeleteWebhookSubscription", webhook_subscription_id=created) == created


def test_a_webhook_whose_secret_cannot_be_kept_is_deleted_again(v2: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(key: str, value: str, description: str | None = None) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Variable, "set", full)
    with pytest.raises(OSError, match="disk full"):
        run("CreateWebhookSubscription", **CREATE)
    assert list(v2.hook.list_webhook_subscriptions()) == []


def test_a_webhook_whose_secret_was_not_kept_in_time_is_deleted_again(v2: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(key: str, value: str, description: str | None = None) -> None:
        raise AirflowTaskTimeout("execution_timeout")

    monkeypatch.setattr(Variable, "set", slow)
    with pytest.raises(AirflowTaskTimeout):  # retried by Airflow, so there must not be one already
        run("CreateWebhookSubscription", **CREATE)
    assert list(v2.hook.list_webhook_subscriptions()) == []


def test_a_webhooks_secret_is_in_no_log(
    v2: Account, variables: dict[str, Any], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    created = run("CreateWebhookSubscription", **CREATE)
    secrets = [variables["usertour_webhook_secret"]]
    run("RotateWebhookSecret", webhook_subscription_id=created, secret_variable="usertour_webhook_secret")
    secrets.append(variables["usertour_webhook_secret"])
    captured = capsys.readouterr()
    told = caplog.text + captured.out + captured.err + repr(v2.hook.get_webhook_subscription(created))
    assert len(set(secrets)) == 2
    assert [secret for secret in secrets if secret in told] == []


def test_webhooks_are_v2s(v1: Account) -> None:
    with pytest.raises(AirflowFailException, match="API v1 has no call create_webhook_subscription"):
        run("CreateWebhookSubscription", **CREATE)


def test_secrets_are_in_no_template_field() -> None:
    for name in operators.__all__:
        kind = getattr(operators, name)
        assert not any("secret" in field and field != "secret_variable" for field in kind.template_fields)
