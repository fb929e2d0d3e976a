"""The operators, run without a scheduler against a served emulator."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.bulk.task import SendingStopped
from airflow_provider.engagement.emulator.faults import Drop, Status
from airflow_provider.engagement.userflow import operators
from airflow_provider.engagement.userflow.attributes import add
from tests.userflow.account import Account


def run(name: str, **arguments: Any) -> Any:
    kind = getattr(operators, f"Userflow{name}Operator")
    return kind(task_id="task", **arguments).execute({})


def test_upsert_user_with_memberships(account: Account) -> None:
    result = run(
        "UpsertUser",
        user_id="a/b %c+d",
        attributes={"name": "Zoë", "logins": add(2)},
        memberships=[{"attributes": {"role": "admin"}, "group": {"id": "g", "attributes": {"plan": "Pro"}}}],
    )
    assert result == "a/b %c+d"
    user = account.hook.get_user("a/b %c+d", expand="memberships.group")
    assert user.attributes == {"name": "Zoë", "logins": 2}
    assert user.memberships is not None
    assert user.memberships[0].group is not None
    assert user.memberships[0].group.attributes == {"plan": "Pro"}


def test_group_event_membership_and_deletes(account: Account) -> None:
    assert run("UpsertGroup", group_id="g", attributes={"plan": "Pro"}) == "g"
    run("UpsertUser", user_id="u", groups=[{"id": "g"}])
    assert run("TrackEvent", event_name="signed_up", user_id="u", group_id="g", attributes={"n": 1}, time="2026-01-02T03:04:05+00:00")
    assert run("RemoveMembership", user_id="u", group_id="g") is None
    assert run("RemoveMembership", user_id="u", group_id="g") is None
    assert account.hook.get_user("u", expand="groups").groups == []
    for _ in range(2):
        assert run("DeleteUser", user_id="u") == "u"
        assert run("DeleteGroup", group_id="g") == "g"
    assert list(account.hook.list_users()) == []
    assert list(account.hook.list_groups()) == []


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("UpsertUser", {"user_id": ""}, "id"),
        ("UpsertUser", {"user_id": "u", "attributes": {"naïve": 1}}, "naïve"),
        ("UpsertUser", {"user_id": "u", "groups": [], "memberships": []}, "not both"),
        ("UpsertUser", {"user_id": "u", "prune_memberships": True}, "prune_memberships"),
        ("UpsertGroup", {"group_id": "g", "attributes": {"a": {"set": 1, "add": 2}}}, "attributes"),
        ("TrackEvent", {"event_name": "x"}, "user_id or group_id"),
        ("TrackEvent", {"event_name": "x!", "user_id": "u"}, "x!"),
        ("DeleteUser", {"user_id": ".."}, "'.' and '..'"),
        ("DeleteGroup", {"group_id": ""}, "group_id is empty"),
        ("UpdateWebhookSubscription", {"webhook_subscription_id": "w"}, "at least one of"),
        ("CreateWebhookSubscription", {"url": "https://x", "topics": ["user"], "secret_variable": "hook_key"}, "word 'secret'"),
        ("CreateWebhookSubscription", {"url": "https://", "topics": ["user"], "secret_variable": "hook_secret"}, "url"),
        ("CreateWebhookSubscription", {"url": "https://a b", "topics": ["user"], "secret_variable": "hook_secret"}, "url"),
        ("CreateWebhookSubscription", {"url": "x", "topics": ["user"], "secret_variable": "hook_secret"}, "url"),
        ("CreateWebhookSubscription", {"url": "https://x", "topics": ["usr"], "secret_variable": "hook_secret"}, "usr"),
    ],
)
def test_bad_input_fails_at_once_before_anything_is_sent(account: Account, name: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(AirflowFailException) as caught:
        run(name, **arguments)
    assert said in str(caught.value)
    assert account.server.requests() == []


def test_a_final_no_fails_at_once(account: Account) -> None:
    run("UpsertUser", user_id="u", attributes={"age": 7})
    with pytest.raises(AirflowFailException, match=r"\n  row 0 \(u\): POST /users: Userflow answered 400"):
        run("UpsertUser", user_id="u", attributes={"age": "old"})


@pytest.mark.usefixtures("wrong_key")
def test_a_wrong_key_fails_at_once_and_is_not_shown(account: Account) -> None:
    with pytest.raises(AirflowFailException, match=r"sending stopped after 0 of 1 users, .* Userflow answered 401") as caught:
        run("UpsertUser", user_id="u")
    assert "ak_wrong" not in str(caught.value)


def test_an_event_in_doubt_fails_without_retry(account: Account) -> None:
    account.server.faults.add(Drop(path="/events", after=True))
    with pytest.raises(AirflowFailException, match="in doubt"):
        run("TrackEvent", event_name="x", user_id="u")
    assert len(account.server.requests("POST", "/events")) == 1


def test_many_rows_return_counts_and_never_rows(account: Account) -> None:
    rows = [{"id": f"u{n}", "attributes": {"name": f"Name {n}"}} for n in range(30)]
    counts = run("UpsertUsers", rows=rows)
    expected = {"read": 30, "planned": 30, "sent": 30, "rejected": 0, "in_doubt": 0, "unsent": 0, "retried": 0, "requests": 30}
    assert counts.items() >= expected.items()
    assert "Name" not in json.dumps(counts)
    assert run("UpsertGroups", rows=iter([{"id": "g"}]))["sent"] == 1
    assert run("TrackEvents", rows=({"name": "x", "user_id": f"u{n}"} for n in range(3)))["sent"] == 3
    assert run("UpsertUsers", rows=[])["requests"] == 0


def test_rendered_rows_are_sent_but_not_shown(account: Account) -> None:
    """Airflow keeps the rendered value of each templated field and shows it on the task's page."""
    operator = operators.UserflowUpsertUsersOperator(task_id="task", rows=[{"id": "u", "attributes": {"email": "ann@example.com"}}])
    operator.render_template_fields({})
    assert "ann@example.com" not in repr(operator.rows)
    assert "1 rows, not shown" in str(operator.rows)
    assert operator.execute({})["sent"] == 1
    assert account.hook.get_user("u").attributes == {"email": "ann@example.com"}
    nothing = operators.UserflowUpsertUsersOperator(task_id="task", rows="{{ nothing }}")
    nothing.render_template_fields({})
    with pytest.raises(AirflowFailException, match="a template renders to text"):
        nothing.execute({})


def test_unusable_rows_are_listed_after_all_others_were_sent(account: Account) -> None:
    rows = [{"id": "ok"}, *({"id": f"bad{n}", "attributes": {"é": 1}} for n in range(12))]
    with pytest.raises(AirflowFailException) as caught:
        run("UpsertUsers", rows=rows)
    lines = str(caught.value).splitlines()
    assert lines[0] == "12 of 13 users were unusable or refused, 0 are in doubt, 1 were accepted"
    assert lines[1].strip().startswith("row 1 (bad0): ")
    assert len(lines) == 12
    assert lines[-1].strip() == "… and 2 more"
    assert [user.id for user in account.hook.list_users()] == ["ok"]


@pytest.mark.parametrize(("preflight", "posted"), [(True, 8), (False, 10)])
def test_refused_rows_are_listed_after_all_others_were_sent(account: Account, preflight: bool, posted: int) -> None:
    run("UpsertUser", user_id="u", attributes={"age": 7})
    rows = [{"id": f"u{n}", "attributes": {"age": "old" if n in (3, 4) else n}} for n in range(10)]
    with pytest.raises(AirflowFailException) as caught:
        run("UpsertUsers", rows=rows, preflight=preflight)
    head, *reasons = str(caught.value).splitlines()
    assert head == "2 of 10 users were unusable or refused, 0 are in doubt, 8 were accepted"
    assert sorted(reason[:13] for reason in reasons) == ["  row 3 (u3):", "  row 4 (u4):"]
    assert len(list(account.hook.list_users())) == 9
    assert len(account.server.requests("POST", "/users")) == 1 + posted


def test_upserts_that_stopped_are_retried_by_airflow(account: Account) -> None:
    account.patience_is_short()
    account.server.faults.add(Status(status=500, method="POST"))
    with pytest.raises(SendingStopped, match=r"sending stopped after 0 of 1 users, 1 were not sent"):
        run("UpsertUsers", rows=[{"id": "u"}])


def test_events_that_stopped_half_way_are_not_retried_by_airflow(account: Account) -> None:
    account.server.faults.add(Drop(path="/events", after=True))
    with pytest.raises(AirflowFailException, match="in doubt"):
        run("TrackEvents", rows=[{"name": "x", "user_id": "u"}] * 3)


def test_a_missing_upstream_is_said(account: Account) -> None:
    with pytest.raises(AirflowFailException, match="the upstream task returned nothing"):
        run("UpsertUsers", rows=None)
    assert account.server.requests() == []


def test_webhook_subscription_update_and_delete(account: Account) -> None:
    made = account.hook.create_webhook_subscription("https://example.com/hook", ["user"])
    assert made.secret
    assert made.secret not in repr(made)
    assert run("UpdateWebhookSubscription", webhook_subscription_id=made.id, disabled=True, topics=["event.tracked.x"]) == made.id
    changed = account.hook.get_webhook_subscription(made.id)
    assert (changed.disabled, changed.topics, changed.secret) == (True, ["event.tracked.x"], None)
    for _ in range(2):
        assert run("DeleteWebhookSubscription", webhook_subscription_id=made.id) == made.id
    assert list(account.hook.list_webhook_subscriptions()) == []


def test_template_fields_are_arguments() -> None:
    kinds = [kind for kind in vars(operators).values() if isinstance(kind, type) and issubclass(kind, operators.UserflowOperator)]
    assert len(kinds) == 14
    for kind in kinds:
        assert isinstance(kind.template_fields, tuple)
        assert "userflow_conn_id" in kind.template_fields
