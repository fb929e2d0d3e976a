"""The code of docs/how-to/upsert-users.md."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow.attributes import add, append, set_, set_once, unset
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.userflow.operators import (
    UserflowDeleteUserOperator,
    UserflowUpsertUserOperator,
    UserflowUpsertUsersOperator,
)


def attributes_of(user_id: str) -> dict[str, Any]:
    return dict(UserflowHook().get_user(user_id).attributes or {})


def test_one_user(userflow: EmulatorServer) -> None:
    # [start one]
    push_user = UserflowUpsertUserOperator(
        task_id="push_user",
        user_id="{{ params.user_id }}",
        attributes={"name": "Ada Lovelace", "plan": "Pro"},
        memberships=[{"group": {"id": "acme"}, "attributes": {"role": "admin"}}],
    )
    # [end one]
    push_user.user_id = "1"

    assert push_user.execute({}) == "1"
    user = UserflowHook().get_user("1", expand="memberships")
    assert user.attributes == {"name": "Ada Lovelace", "plan": "Pro"}
    assert [(membership.group_id, membership.attributes) for membership in user.memberships or ()] == [("acme", {"role": "admin"})]


def test_many_users(userflow: EmulatorServer) -> None:
    # [start many]
    rows = [
        {
            "id": "1",
            "attributes": {"name": "Ada", "signed_up_at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC), "seats": 12},
            "memberships": [{"group": {"id": "acme", "attributes": {"name": "Acme"}}, "attributes": {"role": "admin"}}],
        },
        {"id": "2", "attributes": {"name": "Grace", "born_on": date(1906, 12, 9)}, "groups": [{"id": "navy"}]},
    ]
    push_users = UserflowUpsertUsersOperator(task_id="push_users", rows=rows)
    # [end many]
    counts = push_users.execute({})

    assert (counts["read"], counts["sent"], counts["rejected"], counts["in_doubt"]) == (2, 2, 0, 0)
    assert attributes_of("1")["seats"] == 12
    assert attributes_of("2")["born_on"].startswith("1906-12-09T00:00:00")


def test_operations(userflow: EmulatorServer) -> None:
    UserflowHook().upsert_user("1", {"logins": 3, "tags": append(["beta"]), "trial_ends_at": "soon"})
    # [start operations]
    attributes = {
        "name": "Ada",  # the same as set_("Ada")
        "phone": set_(12345678, data_type="string"),
        "first_plan": set_once("Free"),
        "logins": add(1),
        "tags": append(["power user"]),
        "trial_ends_at": unset,
    }
    # [end operations]
    UserflowUpsertUserOperator(task_id="push_user", user_id="1", attributes=attributes).execute({})

    assert attributes_of("1") == {
        "name": "Ada",
        "phone": "12345678",
        "first_plan": "Free",
        "logins": 4,
        "tags": ["beta", "power user"],
    }


def test_time_zone(userflow: EmulatorServer) -> None:
    rows = [{"id": "1", "attributes": {"seen_at": datetime(2026, 7, 1, 12, 0)}}]  # noqa: DTZ001 - the zone is said beside
    # [start timezone]
    push_users = UserflowUpsertUsersOperator(task_id="push_users", rows=rows, timezone="Europe/Berlin")
    # [end timezone]
    push_users.execute({})

    assert attributes_of("1")["seen_at"].startswith("2026-07-01T10:00:00")


def test_unusable_rows_are_named_and_the_others_sent(userflow: EmulatorServer) -> None:
    rows = [{"id": "1", "attributes": {"plan": "Pro"}}, {"id": "2", "attributes": {"na:me": "Grace"}}]

    with pytest.raises(AirflowFailException, match=r"1 of 2 users were unusable or refused, .*\n  row 1 \(2\): "):
        UserflowUpsertUsersOperator(task_id="push_users", rows=rows).execute({})

    assert [user.id for user in UserflowHook().list_users()] == ["1"]


def test_delete(userflow: EmulatorServer) -> None:
    UserflowHook().upsert_user("1")
    # [start delete]
    forget_user = UserflowDeleteUserOperator(task_id="forget_user", user_id="1")
    # [end delete]
    forget_user.execute({})
    forget_user.execute({})

    assert list(UserflowHook().list_users()) == []
