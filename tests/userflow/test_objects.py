"""Every field of every object, as the typed record that the hook gives for what the emulated account sent."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.attributes import DATA_TYPES, INTERNAL_DATA_TYPES
from airflow_provider.engagement.wire.record import Record
from tests.userflow.account import Account
from tests.userflow.company import QUESTION_TYPES, day, settle

company = pytest.fixture(settle)


def at(number: int) -> datetime:
    return datetime.fromisoformat(day(number))


ACME = api.Group(raw={}, id="acme", attributes={"name": "Acme", "email": "office@acme.example", "size": 5}, created_at=at(2))
CEM = {"name": "Al", "email": "cem@example.com", "signed_up_at": day(1), "last_seen_at": day(1)}
ANN = {"name": "Bo", "email": "ann@example.com", "signed_up_at": day(3), "last_seen_at": day(2)}


def kind(record: Record) -> Any:
    """What the server calls the object; it stays in `extra`, beside nothing else."""
    assert set(record.extra) == {"object"}
    return record.extra["object"]


def test_user(company: Account) -> None:
    user = company.hook.get_user("cem")
    assert user == api.User(raw={}, id="cem", attributes=CEM, created_at=at(3))
    assert kind(user) == "user"
    assert company.hook.get_user("cem", expand=["groups", "memberships"]).groups == []
    full = company.hook.get_user("ann", expand=["groups", "memberships"])
    assert full == api.User(
        raw={},
        id="ann",
        attributes=ANN,
        created_at=at(1),
        groups=[ACME],
        memberships=[
            api.GroupMembership(raw={}, id="m1", attributes={"role": "admin"}, created_at=at(4), group_id="acme", user_id="ann"),
        ],
    )


def test_group(company: Account) -> None:
    group = company.hook.get_group("acme")
    assert group == ACME
    assert kind(group) == "group"
    full = company.hook.get_group("acme", expand=["users", "memberships"])
    assert [user.id for user in full.users or ()] == ["ann", "bea"]
    assert [item.id for item in full.memberships or ()] == ["m1", "m2"]


def test_group_membership(company: Account) -> None:
    memberships = company.hook.get_user("ann", expand=["memberships.user", "memberships.group"]).memberships or []
    ann = api.User(raw={}, id="ann", attributes=ANN, created_at=at(1))
    assert memberships == [
        api.GroupMembership(
            raw={}, id="m1", attributes={"role": "admin"}, created_at=at(4), group=ACME, group_id="acme", user=ann, user_id="ann"
        )
    ]
    assert kind(memberships[0]) == "group_membership"


def test_event(company: Account) -> None:
    company.server.clock.stop(at(9))
    event = company.hook.track_event(
        "Plan changed-2", user_id="ann", group_id="acme", attributes={"price": 9.5}, time=at(8), expand=["user", "group"]
    )
    ann = api.User(raw={}, id="ann", attributes=ANN, created_at=at(1))
    assert event == api.Event(
        raw={},
        id=event.id,
        attributes={"price": 9.5},
        created_at=at(9),
        group=ACME,
        group_id="acme",
        name="Plan changed-2",
        time=at(8),
        user=ann,
        user_id="ann",
    )
    assert kind(event) == "event"
    plain = company.hook.track_event("seen", group_id="acme")
    assert (plain.user_id, plain.user, plain.group, plain.time) == (None, None, None, at(9))


def test_content(company: Account) -> None:
    content = company.hook.get_content("tour", expand=["draft_version", "published_version"])
    assert content == api.Content(
        raw={},
        id="tour",
        created_at=at(2),
        draft_version_id="tour-3",
        draft_version=api.ContentVersion(raw={}, id="tour-3", created_at=at(2), edited_at=at(2), number=3),
        name="Tour",
        published_version_id="tour-2",
        published_version=api.ContentVersion(
            raw={}, id="tour-2", created_at=at(3), description="With questions", edited_at=at(4), number=2
        ),
        type="flow",
    )
    assert kind(content) == "content"
    assert {item.type for item in company.hook.list_content()} == set(api.CONTENT_TYPES)


def test_content_version_and_questions(company: Account) -> None:
    version = company.hook.get_content_version("tour-2", expand="questions")
    assert version.questions == [api.Question(raw={}, id=f"q-{type}", cvid=type, name=f"A {type}?", type=type) for type in QUESTION_TYPES]
    assert kind(version) == "content_version"
    assert kind(version.questions[0]) == "question"
    assert version.tasks is None


def test_checklist_tasks(company: Account) -> None:
    (version,) = company.hook.list_content_versions("todo", expand="tasks")
    assert version.tasks == [api.ChecklistTask(raw={}, id="t1", cvid="profile", name="Fill in your profile")]
    assert kind(version.tasks[0]) == "checklist_task"
    assert version.questions is None


def test_content_session(company: Account) -> None:
    session = company.hook.get_content_session("s1")
    assert session == api.ContentSession(
        raw={},
        id="s1",
        completed_at=at(20),
        completed=True,
        content_id="tour",
        created_at=at(2),
        group_id="acme",
        is_preview=False,
        last_activity_at=at(20),
        launcher_activated=False,
        progress=Decimal(1),
        user_id="ann",
        version_id="tour-2",
    )
    assert kind(session) == "content_session"
    full = company.hook.get_content_session("s1", expand=["answers", "content", "group", "user", "version"])
    assert all(getattr(full, item.name) is not None for item in fields(full))
    unfinished = company.hook.get_content_session("s2")
    assert (unfinished.completed, unfinished.completed_at, unfinished.group_id, unfinished.progress) == (False, None, None, Decimal("0.4"))
    launcher = company.hook.get_content_session("s3")
    assert (launcher.completed, launcher.launcher_activated, launcher.is_preview) == (False, True, True)


def test_answers(company: Account) -> None:
    answers = company.hook.get_content_session("s1", expand="answers").answers
    assert answers is not None
    said: list[tuple[str, str, str | list[str]]] = [
        ("text", "text", "Fine"),
        ("nps", "number", "9"),
        ("multiple_choice", "list", ["Radio", "Friends"]),
    ]
    assert answers == [
        api.ContentSessionAnswer(
            raw={},
            id=answer.id,
            answer_type=type,
            answer_value=value,
            created_at=at(20),
            question_cvid=cvid,
            question_name=f"A {cvid}?",
        )
        for answer, (cvid, type, value) in zip(answers, said, strict=True)
    ]
    assert kind(answers[0]) == "content_session_answer"


def test_attribute_definition(company: Account) -> None:
    (definition,) = company.hook.list_attribute_definitions(event_name="bought")
    assert definition == api.AttributeDefinition(
        raw={},
        id="a-price",
        created_at=at(4),
        data_type="number",
        description="About price",
        display_name="Cost",
        name="price",
        scope="event",
    )
    assert kind(definition) == "attribute_definition"


@pytest.mark.parametrize("data_type", [*DATA_TYPES, *INTERNAL_DATA_TYPES])
def test_data_types_of_definitions(account: Account, data_type: str) -> None:
    account.server.userflow.seed({"attribute_definitions": [{"scope": "user", "name": "x", "data_type": data_type}]})
    (definition,) = account.hook.list_attribute_definitions(scope="user")
    assert definition.data_type == data_type


def test_event_definition(company: Account) -> None:
    definition = next(company.hook.list_event_definitions(order_by="-name"))
    assert definition == api.EventDefinition(
        raw={}, id="e-seen", created_at=at(3), description="Looked", display_name="Glimpse", name="seen"
    )
    assert kind(definition) == "event_definition"


def test_webhook_subscription(company: Account) -> None:
    expected = api.WebhookSubscription(
        raw={},
        id="w1",
        api_version="2020-01-03",
        created_at=at(1),
        disabled=False,
        topics=["user", "event.tracked.seen"],
        url="https://b.example/hook",
    )
    assert company.hook.get_webhook_subscription("w1") == next(company.hook.list_webhook_subscriptions()) == expected
    made = company.hook.create_webhook_subscription("https://e.example/", ("group", "group"), api_version="2020-01-03")
    assert (made.api_version, made.topics, made.disabled) == ("2020-01-03", ["group"], False)
    assert str(made.secret).startswith("whsec_")
    assert kind(made) == "webhook_subscription"
    assert company.hook.get_webhook_subscription(made.id).secret is None
