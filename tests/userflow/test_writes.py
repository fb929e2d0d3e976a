"""Every call that changes something, from the hook's method to what the emulated account then holds and tells."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest

from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.attributes import append
from airflow_provider.engagement.wire.errors import Invalid, NotFound, Rejected
from tests.userflow.account import Account
from tests.userflow.company import COMPANY, settle

company = pytest.fixture(settle)


def ids(records: Iterable[Any]) -> list[str]:
    return [record.id for record in records]


def members(account: Account, user_id: str) -> dict[str, Any]:
    """The attributes of a user's memberships by group."""
    memberships = account.hook.get_user(user_id, expand="memberships").memberships
    return {str(item.group_id): item.attributes for item in memberships or ()}


def test_groups_upsert_join_and_stay(company: Account) -> None:
    company.hook.upsert_user("ann", groups=[{"id": "core", "attributes": {"name": "Core"}}, {"id": "new"}])
    assert members(company, "ann") == {"acme": {"role": "admin"}, "core": {}, "new": {}}
    assert company.hook.get_group("core").attributes == {"name": "Core", "size": 500}


def test_memberships_carry_attributes_and_their_group(company: Account) -> None:
    role = {"attributes": {"role": "owner"}, "group": {"id": "bolt", "attributes": {"size": {"add": 1}}}}
    company.hook.upsert_user("ann", memberships=[role, {"group": {"id": "acme"}}])
    assert members(company, "ann") == {"acme": {"role": "admin"}, "bolt": {"role": "owner"}}
    assert company.hook.get_group("bolt").attributes == {"name": "Bolt", "size": 51}


@pytest.mark.parametrize(("prune", "left"), [(None, {"acme", "bolt", "core"}), (False, {"acme", "bolt", "core"}), (True, {"core"})])
@pytest.mark.parametrize("given", ["groups", "memberships"])
def test_memberships_not_named_are_pruned_only_when_told(company: Account, given: str, prune: bool | None, left: set[str]) -> None:
    named: dict[str, Any] = {given: [{"id": "core"} if given == "groups" else {"group": {"id": "core"}}]}
    company.hook.upsert_user("bea", prune_memberships=prune, **named)
    assert members(company, "bea").keys() == left
    assert sorted(ids(company.hook.list_groups())) == ["acme", "bolt", "core"]


def test_an_empty_list_prunes_everything(company: Account) -> None:
    company.hook.upsert_user("bea", groups=[], prune_memberships=True)
    assert members(company, "bea") == {}


def test_attributes_not_named_stay_and_null_unsets(company: Account) -> None:
    user = company.hook.upsert_user("ann", {"name": None, "tags": append(["a", "b"])})
    kept = {name: value for name, value in COMPANY["users"][0]["attributes"].items() if name != "name"}
    assert user.attributes == {**kept, "tags": ["a", "b"]}


def test_a_deleted_user_takes_its_history_along_and_leaves_groups(company: Account) -> None:
    for _ in range(2):
        assert company.hook.delete_user("ann") == api.Deleted(raw={}, id="ann", object="user", deleted=True)
    with pytest.raises(NotFound):
        company.hook.get_user("ann")
    assert ids(company.hook.list_content_sessions()) == ["s2"]
    assert len(company.server.userflow.objects.events) == 0
    assert members(company, "bea").keys() == {"acme", "bolt"}
    assert ids(company.hook.get_group("acme", expand="users").users or ()) == ["bea"]


def test_a_deleted_group_leaves_its_users(company: Account) -> None:
    company.hook.track_event("seen", group_id="acme")
    for _ in range(2):
        assert company.hook.delete_group("acme") == api.Deleted(raw={}, id="acme", object="group", deleted=True)
    with pytest.raises(NotFound):
        company.hook.get_group("acme")
    assert sorted(ids(company.hook.list_users())) == ["ann", "bea", "cem"]
    assert members(company, "bea").keys() == {"bolt"}
    assert [event["user_id"] for event in company.server.userflow.objects.events.values()] == ["ann", "ann"]


def test_a_removed_membership_leaves_both_sides(company: Account) -> None:
    assert company.hook.remove_membership("bea", "acme") == api.Deleted(raw={}, id="m2", object="group_membership", deleted=True)
    assert company.hook.remove_membership("bea", "acme") == api.Deleted(raw={}, object="group_membership", deleted=True)
    assert members(company, "bea").keys() == {"bolt"}
    assert (company.hook.get_user("bea").id, company.hook.get_group("acme").id) == ("bea", "acme")


def test_a_subscription_can_be_changed_field_by_field(company: Account) -> None:
    changes: list[dict[str, Any]] = [
        {"url": "https://d.example/"},
        {"topics": ["event"]},
        {"disabled": True},
        {"disabled": False},
        {"api_version": "2020-01-03"},
    ]
    for change in changes:
        before = company.hook.get_webhook_subscription("w1")
        company.hook.update_webhook_subscription("w1", **change)
        after = company.hook.get_webhook_subscription("w1")
        assert after.raw == {**before.raw, **change}


def test_an_event_happens_at_its_time(company: Account) -> None:
    event = company.hook.track_event("seen", user_id="ann", group_id="acme", time="2020-02-29T12:00:00+02:00")
    assert event.time == datetime.fromisoformat("2020-02-29T10:00:00+00:00")
    assert event.created_at is not None
    assert event.created_at > event.time


# --- what is not there -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("get_user", "/users/none"),
        ("get_group", "/groups/none"),
        ("get_content", "/content/none"),
        ("get_content_version", "/content_versions/none"),
        ("get_content_session", "/content_sessions/none"),
        ("get_webhook_subscription", "/webhook_subscriptions/none"),
    ],
)
def test_an_unknown_id_is_not_found(company: Account, name: str, path: str) -> None:
    with pytest.raises(NotFound, match=rf"GET {path}: Userflow answered 404: not_found there is no \w+ with the id 'none' \(request req_"):
        getattr(company.hook, name)("none")


def test_what_changes_an_unknown_subscription_is_not_found(company: Account) -> None:
    with pytest.raises(NotFound, match="PATCH /webhook_subscriptions/none"):
        company.hook.update_webhook_subscription("none", disabled=True)
    assert company.hook.delete_webhook_subscription("none") == api.Deleted(raw={}, id="none", object="webhook_subscription", deleted=True)


# --- notifications ---------------------------------------------------------------------------------------------------


def test_notifications_begin_and_stop_at_once(company: Account) -> None:
    made = company.hook.create_webhook_subscription("https://d.example/hook", ["user"])

    def told() -> list[str]:
        """Topics of the notifications sent to that address since the last look."""
        company.hook.upsert_user("ann", {"looks": {"add": 1}})
        return [delivery.topic for delivery in company.server.userflow.take_deliveries() if delivery.url == made.url]

    assert told() == ["user.updated"]
    company.hook.update_webhook_subscription(made.id, disabled=True)
    assert told() == []
    company.hook.update_webhook_subscription(made.id, disabled=False)
    assert told() == ["user.updated"]
    company.hook.update_webhook_subscription(made.id, topics=["group"])
    assert told() == []
    company.hook.update_webhook_subscription(made.id, topics=["user.updated"])
    assert told() == ["user.updated"]
    company.hook.delete_webhook_subscription(made.id)
    assert told() == []


def test_events_cannot_be_read_or_deleted_and_definitions_not_written(company: Account) -> None:
    event = company.hook.track_event("seen", user_id="ann")
    for method, path in (("GET", "/events"), ("POST", "/attribute_definitions"), ("POST", "/event_definitions"), ("PATCH", "/content")):
        with pytest.raises(Rejected, match="method_not_allowed"):
            company.hook.request(method, path, json={} if method in ("POST", "PATCH") else None)
    for method, path in (("GET", f"/events/{event.id}"), ("DELETE", f"/events/{event.id}"), ("DELETE", "/attribute_definitions/a-name")):
        with pytest.raises(NotFound, match="Unrecognized URL"):
            company.hook.request(method, path)


@pytest.mark.parametrize("name", ["group_id", "completed", "is_preview", "created_after", "number"])
def test_sessions_cannot_be_filtered_by_anything_else(company: Account, name: str) -> None:
    with pytest.raises(Invalid, match=f"unknown query parameter '{name}'"):
        company.hook.request("GET", "/content_sessions", params={"content_id": "tour", name: "1"})
