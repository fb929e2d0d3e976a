"""What production does to arguments and tasks: templates that render to text, empty lists, timeouts, secrets that cannot be stored."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import TimeoutPosix

from airflow_provider.engagement.base import run_beside
from airflow_provider.engagement.emulator.faults import Latency, Status
from airflow_provider.engagement.userflow import operators
from airflow_provider.engagement.userflow.attributes import add
from airflow_provider.engagement.userflow.sensors import UserflowContentSessionSensor
from airflow_provider.engagement.userflow.transfers import UserflowToObjectStorageOperator
from airflow_provider.engagement.userflow.triggers import UserflowContentSessionTrigger
from tests.userflow.account import Account

WINDOW: dict[str, Any] = {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}


def execution_timeout() -> TimeoutPosix:
    """What Airflow puts around a task that has one; half a second."""
    return TimeoutPosix(0.5)  # type: ignore[no-untyped-call]


def run(name: str, **arguments: Any) -> Any:
    return getattr(operators, f"Userflow{name}Operator")(task_id="task", **arguments).execute({})


# --- templates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rendered", "left"), [("True", ["h"]), ("false", ["g", "h"]), ("", ["g", "h"]), (True, ["h"])])
def test_pruning_may_be_a_template(account: Account, rendered: Any, left: list[str]) -> None:
    run("UpsertUser", user_id="u", groups=[{"id": "g"}])
    run("UpsertUser", user_id="u", groups=[{"id": "h"}], prune_memberships=rendered)
    groups = account.hook.get_user("u", expand="groups").groups or []
    assert sorted(group.id for group in groups) == left


@pytest.mark.parametrize(("rendered", "disabled"), [("true", True), ("False", False), ("", True), (None, True)])
def test_disabling_may_be_a_template(account: Account, rendered: Any, disabled: bool) -> None:
    made = account.hook.create_webhook_subscription("https://example.com/", ["user"])
    account.hook.update_webhook_subscription(made.id, disabled=True)
    run("UpdateWebhookSubscription", webhook_subscription_id=made.id, url="https://example.org/", api_version="", disabled=rendered)
    changed = account.hook.get_webhook_subscription(made.id)
    assert (changed.url, changed.disabled, changed.api_version) == ("https://example.org/", disabled, "2020-01-03")


def test_an_empty_time_zone_is_none(account: Account) -> None:
    assert run("UpsertUsers", rows=[{"id": "u"}], timezone="")["sent"] == 1


@pytest.mark.parametrize("user_id", [7, "7"])
def test_a_number_as_id_means_the_same_everywhere(account: Account, user_id: Any) -> None:
    run("UpsertUser", user_id=user_id, groups=[{"id": user_id}])
    run("RemoveMembership", user_id=user_id, group_id=user_id)
    assert account.hook.get_user(user_id, expand="groups").groups == []
    run("DeleteGroup", group_id=user_id)
    run("DeleteUser", user_id=user_id)
    assert [*account.hook.list_users(), *account.hook.list_groups()] == []


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("UpsertUser", {"user_id": "u", "groups": [], "prune_memberships": "yes"}, "prune_memberships must be true or false, got 'yes'"),
        ("UpsertUser", {"user_id": "u", "attributes": "{'a': 1}"}, "attributes must be a mapping"),
        ("UpsertUser", {"user_id": "u", "groups": "[]"}, "groups must be a list"),
        ("UpdateWebhookSubscription", {"webhook_subscription_id": "w", "disabled": "off"}, "disabled must be true or false"),
        ("UpdateWebhookSubscription", {"webhook_subscription_id": "w", "disabled": 1}, "disabled must be true or false, got 1"),
        ("UpdateWebhookSubscription", {"webhook_subscription_id": "w", "topics": "['user']"}, "topics must be a list"),
        ("UpdateWebhookSubscription", {"webhook_subscription_id": "w", "topics": []}, "topics is empty"),
        ("RemoveMembership", {"user_id": "", "group_id": "g"}, "user_id is empty"),
        ("RemoveMembership", {"user_id": "u", "group_id": 7.0}, "group_id must be text, got float"),
        ("DeleteUser", {"user_id": None}, "user_id has no value"),
        ("UpsertUsers", {"rows": "[{'id': 'u'}]"}, "a template renders to text"),
    ],
)
def test_what_a_template_made_unusable_is_said_before_anything_is_sent(
    account: Account, name: str, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(AirflowFailException) as caught:
        run(name, **arguments)
    assert said in str(caught.value)
    assert account.server.requests() == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda hook: hook.list_users(group_id=""),
        lambda hook: hook.list_users(email=""),
        lambda hook: hook.list_groups(user_id="", segment_id=""),
        lambda hook: hook.list_content_sessions(content_id=""),
        lambda hook: hook.list_content_versions(""),
        lambda hook: hook.list_users(starting_after=""),
        lambda hook: hook.list_users(expand=""),
        lambda hook: hook.list_users(order_by=""),
    ],
)
def test_an_empty_filter_does_not_mean_everything(account: Account, wrong: Any) -> None:
    with pytest.raises(ValueError, match="is empty; give a value, or None to leave it out"):
        wrong(account.hook)
    assert account.server.requests() == []


# --- lists of ids ----------------------------------------------------------------------------------------------------


def export(**arguments: Any) -> dict[str, Any]:
    result = UserflowToObjectStorageOperator(task_id="export", **WINDOW, **arguments).execute({})
    assert isinstance(result, dict)
    return result


def test_no_content_is_not_all_content(account: Account, tmp_path: Any) -> None:
    account.complete("flow", "ann")
    assert export(path=f"{tmp_path}/none.jsonl", content_ids=[])["sessions"] == 0
    assert account.server.requests() == []
    assert export(path=f"{tmp_path}/all.jsonl", content_ids="")["sessions"] == 1


@pytest.mark.parametrize("content_ids", ["['flow', 'other']", "[]", "('flow',)"])
def test_a_list_of_contents_that_became_text_is_refused(account: Account, tmp_path: Any, content_ids: str) -> None:
    with pytest.raises(AirflowFailException, match="content_ids is a list that a template turned into text"):
        export(path=f"{tmp_path}/x.jsonl", content_ids=content_ids)
    assert account.server.requests() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("user_ids", "said"),
    [
        ([], "user_ids is an empty list: there is nobody to wait for"),
        ("['ann', 'bea']", "user_ids is a list that a template turned into text"),
        (7, "user_ids must be a list of texts or one text, got int"),
        ({"id": "ann"}, "user_ids must be a list of texts or one text, got dict"),
        ([7], "user_ids must be non-empty texts"),
    ],
)
@pytest.mark.parametrize("deferrable", [True, False])
def test_users_that_cannot_be_waited_for_are_refused(account: Account, user_ids: Any, said: str, deferrable: bool) -> None:
    account.complete("flow", "ann")
    with pytest.raises(AirflowFailException, match=said):
        UserflowContentSessionSensor(task_id="wait", content_id="flow", user_ids=user_ids, deferrable=deferrable).execute({})
    assert account.server.requests() == []


# --- timeouts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("TrackEvent", {"event_name": "x", "user_id": "u"}),
        ("UpsertUser", {"user_id": "u", "attributes": {"n": add(1)}}),
        ("UpsertGroup", {"group_id": "g", "attributes": {"n": add(1)}}),
        ("TrackEvents", {"rows": [{"name": "x", "user_id": "u"}]}),
        ("UpsertUsers", {"rows": [{"id": "u", "attributes": {"n": add(1)}}]}),
        ("CreateWebhookSubscription", {"url": "https://example.com/", "topics": ["user"], "secret_variable": "hook_secret"}),
    ],
)
def test_what_must_not_go_twice_is_not_retried_after_execution_timeout(account: Account, name: str, arguments: dict[str, Any]) -> None:
    account.server.faults.add(Latency(method="POST", seconds=5, after=True))
    with pytest.raises(AirflowFailException, match=r"execution_timeout passed .* in doubt"), execution_timeout():
        run(name, **arguments)
    assert len(account.server.requests("POST")) == 1


@pytest.mark.parametrize(
    ("name", "arguments"), [("UpsertUser", {"user_id": "u"}), ("UpsertUsers", {"rows": [{"id": "u", "attributes": {"n": 1}}]})]
)
def test_what_may_go_twice_is_retried_after_execution_timeout(account: Account, name: str, arguments: dict[str, Any]) -> None:
    account.server.faults.add(Latency(seconds=5))
    with pytest.raises(AirflowTaskTimeout), execution_timeout():
        run(name, **arguments)


def test_what_was_under_way_at_execution_timeout_is_counted_as_in_doubt(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    account.server.faults.add(Latency(method="POST", seconds=5, after=True))
    with pytest.raises(AirflowFailException, match="execution_timeout passed"), execution_timeout():
        run("TrackEvents", rows=[{"name": "x", "user_id": "u"} for _ in range(3)])
    assert "'sent': 0, 'deleted': 0, 'skipped': 0, 'rejected': 0, 'in_doubt': 3, 'unsent': 0" in caplog.text


def test_what_is_repeatable_is_never_in_doubt_after_execution_timeout(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    account.server.faults.add(Latency(method="POST", seconds=5))
    with pytest.raises(AirflowTaskTimeout), execution_timeout():
        run("UpsertUsers", rows=[{"id": f"u{n}"} for n in range(3)])
    assert "'sent': 0, 'deleted': 0, 'skipped': 0, 'rejected': 0, 'in_doubt': 0, 'unsent': 3" in caplog.text


def test_execution_timeout_strikes_where_it_would_be_lost_in_an_event_loop() -> None:
    ended = []

    async def work() -> None:
        # In a loop of the main thread the exception would be raised inside this callback, logged there, and forgotten.
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGALRM)
        try:
            await asyncio.sleep(5)
        finally:
            await asyncio.sleep(0.01)
            ended.append("cleaned up")

    with pytest.raises(AirflowTaskTimeout), TimeoutPosix(60):  # type: ignore[no-untyped-call]
        run_beside(work())
    assert ended == ["cleaned up"]


def test_an_error_in_the_loop_is_raised_as_it_is() -> None:
    async def work() -> None:
        raise LookupError("as it is")

    with pytest.raises(LookupError, match="as it is"):
        run_beside(work())


def test_an_export_ends_at_execution_timeout_and_leaves_no_file(account: Account, tmp_path: Path) -> None:
    account.server.faults.add(Latency(seconds=5))
    operator = UserflowToObjectStorageOperator(task_id="task", path=str(tmp_path), **WINDOW)
    with pytest.raises(AirflowTaskTimeout), execution_timeout():
        operator.execute({})
    assert list(tmp_path.iterdir()) == []


# --- connections and secrets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "said"), [({"content_id": "flow"}, "password is empty"), ({"moon": "full"}, "unknown fields in a condition: moon")]
)
def test_what_a_trigger_cannot_work_with_is_an_outcome(account: Account, condition: dict[str, Any], said: str) -> None:
    class Prompt(UserflowContentSessionTrigger):
        earliest_event = 0.0

    account.connect(password="" if "content_id" in condition else account.key)

    async def first_event() -> Any:
        async for event in Prompt(userflow_conn_id="userflow_default", condition=condition, poke_interval=1.0).run():
            return event.payload
        raise AssertionError("the trigger ended without an event")

    payload = asyncio.run(first_event())
    assert payload["status"] == "failed"
    assert said in payload["reason"]


def subscribe() -> None:
    # No Airflow stands behind the test, so there is nowhere to store a Variable.
    run("CreateWebhookSubscription", url="https://example.com/", topics=["user"], secret_variable="hook_secret")


def test_a_subscription_whose_secret_cannot_be_stored_is_deleted_again(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Exception, match=r"\w") as caught:
        subscribe()
    assert not isinstance(caught.value, AirflowFailException)
    assert [request.method for request in account.server.requests()] == ["POST", "DELETE"]
    assert "whsec_" not in f"{caught.value} {caplog.text}"


def test_a_subscription_that_cannot_be_deleted_again_is_named_and_not_made_twice(account: Account) -> None:
    account.server.faults.add(Status(status=403, method="DELETE"))
    with pytest.raises(AirflowFailException, match=r"could not be stored.*or there will be two") as caught:
        subscribe()
    (left,) = account.hook.list_webhook_subscriptions()
    assert left.id in str(caught.value)
    assert "whsec_" not in str(caught.value)
