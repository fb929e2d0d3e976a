"""A small company in an emulated account: at least three of everything, each order of them different from the order of creation."""

from __future__ import annotations

from typing import Any

from tests.userflow.account import Account

QUESTION_TYPES = ("multiline_text", "multiple_choice", "nps", "stars", "text")


def day(number: int) -> str:
    """A day of January 2026, as Userflow writes moments."""
    return f"2026-01-{number:02}T00:00:00.000+00:00"


def named(scope: str, name: str, display_name: str, created: int, data_type: str = "string") -> dict[str, Any]:
    """An attribute definition."""
    return {
        "id": f"a-{name}",
        "scope": scope,
        "name": name,
        "display_name": display_name,
        "description": f"About {name}",
        "data_type": data_type,
        "created_at": day(created),
    }


COMPANY: dict[str, list[dict[str, Any]]] = {
    "attribute_definitions": [
        named("user", "name", "Name", 3),
        named("group_membership", "role", "A role", 2),
        named("group", "size", "Zize", 1, "number"),
        named("event", "price", "Cost", 4, "number"),
        named("event", "where", "Place", 5),
    ],
    "event_definitions": [
        {"id": "e-bought", "name": "bought", "display_name": "Purchase", "description": "Paid", "created_at": day(2)},
        {"id": "e-seen", "name": "seen", "display_name": "Glimpse", "description": "Looked", "created_at": day(3)},
        {"id": "e-closed", "name": "closed", "display_name": "Shut", "description": "Gone", "created_at": day(1)},
    ],
    "users": [
        {
            "id": "ann",
            "created_at": day(1),
            "attributes": {"name": "Bo", "email": "ann@example.com", "signed_up_at": day(3), "last_seen_at": day(2)},
        },
        {
            "id": "bea",
            "created_at": day(2),
            "attributes": {"name": "Cy", "email": "bea@example.com", "signed_up_at": day(2), "last_seen_at": day(3)},
        },
        {
            "id": "cem",
            "created_at": day(3),
            "attributes": {"name": "Al", "email": "cem@example.com", "signed_up_at": day(1), "last_seen_at": day(1)},
        },
    ],
    "groups": [
        {"id": "acme", "created_at": day(2), "attributes": {"name": "Acme", "email": "office@acme.example", "size": 5}},
        {"id": "bolt", "created_at": day(1), "attributes": {"name": "Bolt", "size": 50}},
        {"id": "core", "created_at": day(3), "attributes": {"name": "Aa Core", "size": 500}},
    ],
    "group_memberships": [
        {"id": "m1", "user_id": "ann", "group_id": "acme", "attributes": {"role": "admin"}, "created_at": day(4)},
        {"id": "m2", "user_id": "bea", "group_id": "acme", "created_at": day(5)},
        {"id": "m3", "user_id": "bea", "group_id": "bolt", "created_at": day(6)},
    ],
    "segments": [{"id": "people", "ids": ["bea", "cem"]}, {"id": "companies", "scope": "group", "ids": ["core"]}],
    "events": [
        {"name": "bought", "user_id": "ann", "attributes": {"price": 3}},
        {"name": "seen", "user_id": "ann", "attributes": {"where": "here"}},
    ],
    "content": [
        {
            "id": "tour",
            "name": "Tour",
            "type": "flow",
            "created_at": day(2),
            "published": 2,
            "versions": [
                {"id": "tour-1"},
                {
                    "id": "tour-2",
                    "created_at": day(3),
                    "description": "With questions",
                    "edited_at": day(4),
                    "questions": [{"id": f"q-{type}", "cvid": type, "name": f"A {type}?", "type": type} for type in QUESTION_TYPES],
                },
                {"id": "tour-3"},
            ],
        },
        {
            "id": "todo",
            "name": "To do",
            "type": "checklist",
            "created_at": day(1),
            "versions": [{"id": "todo-1", "tasks": [{"id": "t1", "cvid": "profile", "name": "Fill in your profile"}]}],
        },
        {"id": "button", "name": "Button", "type": "launcher", "created_at": day(3), "versions": [{"id": "button-1"}]},
    ],
    "content_sessions": [
        {
            "id": "s1",
            "content_id": "tour",
            "user_id": "ann",
            "group_id": "acme",
            "created_at": day(2),
            "completed_at": day(20),
            "last_activity_at": day(20),
            "progress": "1",
            "answers": {"text": "Fine", "nps": 9, "multiple_choice": ["Radio", "Friends"]},
        },
        {"id": "s2", "content_id": "tour", "user_id": "bea", "created_at": day(1), "last_activity_at": day(21), "progress": "0.4"},
        {
            "id": "s3",
            "content_id": "button",
            "user_id": "ann",
            "created_at": day(3),
            "last_activity_at": day(19),
            "launcher_activated": True,
            "is_preview": True,
        },
    ],
    "webhook_subscriptions": [
        {"id": "w1", "url": "https://b.example/hook", "topics": ["user", "event.tracked.seen"], "created_at": day(1)},
        {"id": "w2", "url": "https://a.example/hook", "topics": ["*"], "created_at": day(3), "disabled": True},
        {"id": "w3", "url": "https://c.example/hook", "topics": ["group"], "created_at": day(2)},
    ],
}


def settle(account: Account) -> Account:
    """Let an account hold the company alone, with nothing received yet; a fixture."""
    account.server.reset()
    definitions = {name: COMPANY[name] for name in ("attribute_definitions", "event_definitions")}
    account.server.userflow.seed(definitions)  # before the objects that would define their attributes themselves
    account.server.userflow.seed(COMPANY)
    return account
