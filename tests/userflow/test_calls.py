"""Every call with every parameter, from the hook's method to what the emulated account answers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

import pytest

from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.conditions import attribute
from airflow_provider.engagement.wire.errors import Invalid
from airflow_provider.engagement.wire.record import Record
from tests.userflow.account import Account
from tests.userflow.company import settle

company = pytest.fixture(settle)


def ids(records: Iterable[Any]) -> list[str]:
    return [record.id for record in records]


def query(account: Account) -> list[tuple[str, str]]:
    """The parameters of the latest request, without the size of the page."""
    return [pair for pair in parse_qsl(account.server.requests()[-1].query, keep_blank_values=True) if pair[0] != "limit"]


# --- filters ---------------------------------------------------------------------------------------------------------

BIG = attribute("size") >= 50
FILTERS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("list_users", {"condition": attribute("name") == "Cy"}, ["bea"]),
    ("list_users", {"condition": {"type": "attribute", "attribute_name": "name", "operator": "eq", "value": "Al"}}, ["cem"]),
    ("list_users", {"condition": (attribute("group/name") == "Acme").to_json()}, ["ann", "bea"]),
    ("list_users", {"condition": attribute("group_membership/role") == "admin"}, ["ann"]),
    ("list_users", {"email": "cem@example.com"}, ["cem"]),
    ("list_users", {"group_id": "acme"}, ["ann", "bea"]),
    ("list_users", {"segment_id": "people"}, ["bea", "cem"]),
    ("list_users", {"segment_id": "people", "group_id": "acme", "email": "bea@example.com"}, ["bea"]),
    ("list_users", {"starting_after": "ann"}, ["bea", "cem"]),
    ("list_groups", {"condition": BIG}, ["bolt", "core"]),
    ("list_groups", {"condition": BIG & (attribute("name") != "Bolt")}, ["core"]),
    ("list_groups", {"email": "office@acme.example"}, ["acme"]),
    ("list_groups", {"segment_id": "companies"}, ["core"]),
    ("list_groups", {"user_id": "bea"}, ["bolt", "acme"]),
    ("list_groups", {"user_id": "bea", "starting_after": "bolt"}, ["acme"]),
    ("list_content", {"type": "flow"}, ["tour"]),
    ("list_content", {"type": "checklist"}, ["todo"]),
    ("list_content", {"type": "launcher"}, ["button"]),
    ("list_content", {"starting_after": "tour"}, ["button"]),
    ("list_content_versions", {"content_id": "tour"}, ["tour-1", "tour-2", "tour-3"]),
    ("list_content_versions", {"content_id": "tour", "number": 2}, ["tour-2"]),
    ("list_content_versions", {"content_id": "tour", "starting_after": "tour-2"}, ["tour-3"]),
    ("list_content_sessions", {}, ["s2", "s1", "s3"]),
    ("list_content_sessions", {"content_id": "tour"}, ["s2", "s1"]),
    ("list_content_sessions", {"user_id": "ann"}, ["s1", "s3"]),
    ("list_content_sessions", {"content_id": "tour", "user_id": "ann"}, ["s1"]),
    ("list_content_sessions", {"starting_after": "s2"}, ["s1", "s3"]),
    ("list_attribute_definitions", {"event_name": "bought"}, ["a-price"]),
    ("list_attribute_definitions", {"event_name": ["bought", "seen"]}, ["a-price", "a-where"]),
    ("list_attribute_definitions", {"event_name": ["bought", "seen"], "starting_after": "a-price"}, ["a-where"]),
    ("list_attribute_definitions", {"scope": "event"}, ["a-price", "a-where"]),
    ("list_attribute_definitions", {"scope": "group_membership"}, ["a-role"]),
    ("list_event_definitions", {"starting_after": "e-seen"}, ["e-bought", "e-closed"]),
    ("list_webhook_subscriptions", {"starting_after": "w3"}, ["w2"]),
]


@pytest.mark.parametrize(("name", "filters", "expected"), FILTERS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_list_is_filtered_by_what_is_sent(company: Account, name: str, filters: dict[str, Any], expected: list[str]) -> None:
    assert ids(getattr(company.hook, name)(**filters)) == expected
    assert {key.removesuffix("[]") for key, _ in query(company)} == filters.keys()


@pytest.mark.parametrize("scope", api.SCOPES)
def test_definitions_of_every_scope(company: Account, scope: str) -> None:
    found = list(company.hook.list_attribute_definitions(scope=scope))
    assert {definition.scope for definition in found} == {scope}


def test_every_parameter_of_every_list_is_in_a_test() -> None:
    elsewhere = {"order_by", "expand", "limit"}
    for endpoint in api.ENDPOINTS:
        if endpoint.name.startswith("list_"):
            tested = {key for name, filters, _ in FILTERS if name == endpoint.name for key in filters}
            assert tested | elsewhere >= set(endpoint.query), endpoint.name


# --- order -----------------------------------------------------------------------------------------------------------

ORDERS: dict[str, tuple[str, ...]] = {
    "list_users": ("created_at", "attributes.signed_up_at", "attributes.last_seen_at", "attributes.name"),
    "list_groups": ("created_at", "attributes.name"),
    "list_content": ("created_at", "name"),
    "list_content_versions": ("number",),
    "list_content_sessions": ("created_at", "last_activity_at"),
    "list_attribute_definitions": ("display_name", "created_at", "name"),
    "list_event_definitions": ("display_name", "created_at", "name"),
    "list_webhook_subscriptions": ("created_at", "url"),
}
"""The default comes first."""


def listed(account: Account, name: str, **arguments: Any) -> list[Any]:
    needed = {"content_id": "tour"} if name == "list_content_versions" else {}
    return list(getattr(account.hook, name)(**needed, **arguments))


def values(records: list[Any], field: str) -> list[Any]:
    if field.startswith("attributes."):
        return [record.attributes.get(field.removeprefix("attributes.")) for record in records]
    return [getattr(record, field) for record in records]


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, fields in ORDERS.items() for field in fields])
def test_a_list_is_ordered_by_what_is_asked(company: Account, name: str, field: str) -> None:
    rising, falling = listed(company, name, order_by=field), listed(company, name, order_by=f"-{field}")
    found = values(rising, field)
    assert len(set(found)) >= 3
    assert found == sorted(found)
    assert values(falling, field) == found[::-1]


@pytest.mark.parametrize("name", ORDERS)
def test_a_list_has_its_documented_order_by_default(company: Account, name: str) -> None:
    assert ids(listed(company, name)) == ids(listed(company, name, order_by=ORDERS[name][0]))
    others = [ids(listed(company, name, order_by=field)) for field in ORDERS[name][1:]]
    assert ids(listed(company, name)) not in others


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_that_is_not_documented_is_refused_by_the_server(company: Account, name: str) -> None:
    with pytest.raises(Invalid, match=f"order_by must be among {ORDERS[name][0]}"):
        listed(company, name, order_by="id")


def test_the_first_of_several_orders_counts_most(company: Account) -> None:
    company.hook.upsert_user("dan", {"name": "Al"})
    assert ids(company.hook.list_users(order_by=["attributes.name", "-created_at"])) == ["dan", "cem", "ann", "bea"]
    assert ids(company.hook.list_users(order_by=["attributes.name", "created_at"])) == ["cem", "dan", "ann", "bea"]


# --- expand ----------------------------------------------------------------------------------------------------------

EXPANSIONS: list[tuple[str, tuple[Any, ...], str, type[Record]]] = [
    ("get_user", ("ann",), "groups", api.Group),
    ("get_user", ("ann",), "memberships", api.GroupMembership),
    ("get_user", ("ann",), "memberships.group", api.Group),
    ("get_user", ("ann",), "memberships.group.memberships", api.GroupMembership),
    ("get_user", ("ann",), "memberships.group.memberships.user", api.User),
    ("list_users", (), "groups.users.memberships.group", api.Group),
    ("upsert_user", ("ann",), "memberships.group.users", api.User),
    ("get_group", ("acme",), "users", api.User),
    ("get_group", ("acme",), "memberships", api.GroupMembership),
    ("get_group", ("acme",), "memberships.user", api.User),
    ("list_groups", (), "memberships.user.groups.users", api.User),
    ("upsert_group", ("acme",), "users.groups", api.Group),
    ("get_content", ("tour",), "draft_version", api.ContentVersion),
    ("get_content", ("tour",), "published_version.questions", api.Question),
    ("list_content", (), "published_version.tasks", api.ChecklistTask),
    ("get_content_version", ("tour-2",), "questions", api.Question),
    ("get_content_version", ("todo-1",), "tasks", api.ChecklistTask),
    ("list_content_versions", ("todo",), "tasks", api.ChecklistTask),
    ("get_content_session", ("s1",), "answers", api.ContentSessionAnswer),
    ("get_content_session", ("s1",), "content.draft_version", api.ContentVersion),
    ("get_content_session", ("s1",), "content.published_version.questions", api.Question),
    ("get_content_session", ("s1",), "group.memberships.user.groups", api.Group),
    ("get_content_session", ("s1",), "user.memberships.group.users", api.User),
    ("get_content_session", ("s1",), "version.questions", api.Question),
    ("list_content_sessions", (), "version", api.ContentVersion),
    ("track_event", ("seen",), "user.groups.users.memberships", api.GroupMembership),
    ("track_event", ("seen",), "group.users", api.User),
]


def ask(account: Account, name: str, arguments: tuple[Any, ...], **more: Any) -> list[Any]:
    """Make a call that answers one object or many, as many."""
    subject = {"user_id": "ann", "group_id": "acme"} if name == "track_event" else {}
    answer = getattr(account.hook, name)(*arguments, **subject, **more)
    return [answer] if isinstance(answer, Record) else list(answer)


def follow(records: list[Any], path: str) -> list[Any]:
    """What stands at the end of a path, of all records that have it."""
    for name in path.split("."):
        found = [getattr(record, name) for record in records]
        records = [item for value in found if value is not None for item in (value if isinstance(value, list) else [value])]
    return records


@pytest.mark.parametrize(("name", "arguments", "path", "kind"), EXPANSIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_an_expanded_path_is_filled_with_records(
    company: Account, name: str, arguments: tuple[Any, ...], path: str, kind: type[Record]
) -> None:
    found = follow(ask(company, name, arguments, expand=path), path)
    assert found
    assert {type(record) for record in found} == {kind}
    assert ("expand", path) in query(company)
    assert follow(ask(company, name, arguments), path) == []


def test_every_call_that_takes_expand_is_in_a_test() -> None:
    taking = {endpoint.name for endpoint in api.ENDPOINTS if "expand" in endpoint.query}
    without_relations = {"list_attribute_definitions", "list_event_definitions", "list_webhook_subscriptions"}
    assert taking - without_relations == {name for name, *_ in EXPANSIONS}


@pytest.mark.parametrize("name", ["get_user", "upsert_user", "list_users"])
def test_five_levels_are_refused_by_the_server(company: Account, name: str) -> None:
    with pytest.raises(Invalid, match="more than 4 levels"):
        ask(company, name, () if name == "list_users" else ("ann",), expand="memberships.group.memberships.user.groups")


# --- one and many ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("groups", [("expand", "groups")]),
        (["groups"], [("expand", "groups")]),
        (["groups", "memberships"], [("expand[]", "groups"), ("expand[]", "memberships")]),
        (("memberships", "groups"), [("expand[]", "memberships"), ("expand[]", "groups")]),
        ([], []),
        (None, []),
    ],
)
def test_one_value_goes_plain_and_several_with_brackets(company: Account, given: Any, sent: list[tuple[str, str]]) -> None:
    company.hook.get_user("ann", expand=given)
    assert query(company) == sent
    list(company.hook.list_users(order_by=["attributes.name", "-created_at"], expand=given))
    assert query(company) == [("order_by[]", "attributes.name"), ("order_by[]", "-created_at"), *sent]


def test_every_page_is_asked_for_with_the_lists_own_parameters(company: Account) -> None:
    condition = attribute("email").ends_with("@example.com")
    found = company.hook.list_users(
        condition=condition, order_by=["-attributes.name", "created_at"], expand=["groups", "memberships"], page_size=1
    )
    assert ids(found) == ["bea", "ann", "cem"]
    queries = [parse_qsl(request.query) for request in company.server.requests("GET", "/users")]
    assert [dict(pairs).get("starting_after") for pairs in queries] == [None, "bea", "ann"]
    own = [sorted(pair for pair in pairs if pair[0] != "starting_after") for pairs in queries]
    assert all(one == other for one, other in pairwise(own))
    assert {"condition", "order_by[]", "expand[]", "limit"} == {key for key, _ in own[0]}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("page_size", [1, 2, 100])
def test_pages_of_any_size_hold_everything_once(company: Account, name: str, page_size: int) -> None:
    whole = ids(listed(company, name))
    company.server.received.clear()
    assert ids(listed(company, name, page_size=page_size)) == whole
    requests = company.server.requests()
    assert len(requests) == -(-len(whole) // page_size)
    assert all(("limit", str(page_size)) in parse_qsl(request.query) for request in requests)
