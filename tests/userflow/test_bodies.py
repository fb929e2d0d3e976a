from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from airflow_provider.engagement.userflow.attributes import add, unset
from airflow_provider.engagement.userflow.bodies import check_event_body, check_group_body, check_user_body
from airflow_provider.engagement.wire.values import MAX_ID, check_id

NAIVE = datetime(2022, 9, 29, 12, 34, 56)  # noqa: DTZ001 - that is the point


def test_a_user_with_everything_but_memberships() -> None:
    body = {
        "id": "u1",
        "attributes": {"name": "Annabelle", "old": unset, "signed_up_at": NAIVE},
        "groups": [{"id": "g1"}, {"id": 2, "attributes": {"plan": "Pro", "seats": add(1)}}],
        "prune_memberships": True,
    }
    assert check_user_body(body, timezone="UTC") == {
        "id": "u1",
        "attributes": {"name": "Annabelle", "old": None, "signed_up_at": "2022-09-29T12:34:56.000+00:00"},
        "groups": [{"id": "g1"}, {"id": "2", "attributes": {"plan": "Pro", "seats": {"add": 1}}}],
        "prune_memberships": True,
    }


def test_a_user_with_memberships() -> None:
    body = {"id": "u1", "memberships": ({"attributes": {"role": "admin"}, "group": {"id": "g1", "attributes": {"plan": "Pro"}}},)}
    assert check_user_body(body) == {
        "id": "u1",
        "memberships": [{"attributes": {"role": "admin"}, "group": {"id": "g1", "attributes": {"plan": "Pro"}}}],
    }


def test_what_is_none_is_left_out() -> None:
    body = {"id": "u1", "attributes": None, "groups": None, "memberships": None, "prune_memberships": None}
    assert check_user_body(body) == {"id": "u1"}
    assert check_event_body({"name": "n", "user_id": "u1", "group_id": None, "time": None, "attributes": None}) == {
        "name": "n",
        "user_id": "u1",
    }


def test_a_complete_empty_list_may_prune_all() -> None:
    assert check_user_body({"id": "u1", "groups": [], "prune_memberships": True})["groups"] == []


def test_a_group() -> None:
    assert check_group_body({"id": "g1", "attributes": {"n": 1}}) == {"id": "g1", "attributes": {"n": 1}}


@pytest.mark.parametrize(
    ("time", "sent"),
    [
        (datetime(2022, 9, 29, 12, 34, 56, tzinfo=UTC), "2022-09-29T12:34:56.000+00:00"),
        ("2022-09-29T12:34:56.000+00:00", "2022-09-29T12:34:56.000+00:00"),
        ("2022-09-29T14:34:56+02:00", "2022-09-29T12:34:56.000+00:00"),
        ("2022-09-29T12:34:56Z", "2022-09-29T12:34:56.000+00:00"),
        ("2022-09-29 12:34:56Z", "2022-09-29T12:34:56.000+00:00"),
        ("2022-09-29", "2022-09-29T00:00:00.000+00:00"),
        (date(2022, 9, 29), "2022-09-29T00:00:00.000+00:00"),
    ],
)
def test_the_time_of_an_event(time: Any, sent: str) -> None:
    assert check_event_body({"name": "signed up", "group_id": "g1", "time": time})["time"] == sent


@pytest.mark.parametrize("time", [NAIVE, NAIVE.isoformat()])
def test_a_naive_time_needs_a_zone(time: Any) -> None:
    with pytest.raises(ValueError, match="time is a date and time without a time zone"):
        check_event_body({"name": "n", "user_id": "u1", "time": time})
    body = check_event_body({"name": "n", "user_id": "u1", "time": time}, timezone="America/New_York")
    assert body["time"] == "2022-09-29T16:34:56.000+00:00"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "an event needs a name"),
        ({"name": "n"}, "an event needs user_id or group_id, or both"),
        ({"name": "n", "user_id": None, "group_id": None}, "an event needs user_id or group_id"),
        ({"name": "a.b", "user_id": "u"}, r"the event's name 'a\.b' may only hold"),
        ({"name": 5, "user_id": "u"}, "the event's name must be text"),
        ({"name": "n", "user_id": ""}, "user_id is empty"),
        ({"name": "n", "group_id": "  "}, "group_id is empty"),
        ({"name": "n", "user_id": "u", "time": "yesterday"}, "time is 'yesterday', which is not an ISO 8601"),
        ({"name": "n", "user_id": "u", "time": ""}, "time is '', which is not an ISO 8601"),
        ({"name": "n", "user_id": "u", "time": 1664454896}, "time must be a date and time or ISO 8601 text, got int"),
        ({"name": "n", "user_id": "u", "time": UUID(int=1)}, "time must be a date and time or ISO 8601 text, got UUID"),
        ({"name": "n", "user_id": "u", "plan": "Pro"}, "event takes .*, not 'plan'; own fields go into attributes"),
        ({"name": "n", "user_id": "u", "attributes": {"a b!": 1}}, "the attribute name in attributes 'a b!'"),
        ("text", "event must be a mapping, got str"),
    ],
)
def test_bad_events_are_refused(body: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        check_event_body(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "id is missing"),
        ({"id": None}, "id is missing"),
        ({"id": "u", "groups": [], "memberships": []}, "groups or memberships, not both"),
        ({"id": "u", "groups": "g1"}, "groups must be a list, got str"),
        ({"id": "u", "groups": ["g1"]}, r"groups\[0\] must be a mapping, got str"),
        ({"id": "u", "groups": [{"id": "g"}, {"attributes": {}}]}, r"groups\[1\]\.id is missing"),
        ({"id": "u", "groups": [{"id": "g", "attributes": {"a": b""}}]}, r"groups\[0\]\.attributes\['a'\] is of type bytes"),
        ({"id": "u", "groups": [{"id": "g", "object": "group"}]}, r"groups\[0\] takes id, attributes, not 'object'"),
        ({"id": "u", "memberships": [{"group_id": "g"}]}, r"memberships\[0\] names its group by group_id; embed it"),
        ({"id": "u", "memberships": [{"attributes": {}}]}, r"memberships\[0\] has no group"),
        ({"id": "u", "memberships": [{"group": {}}]}, r"memberships\[0\]\.group\.id is missing"),
        ({"id": "u", "memberships": [{"group": "g"}]}, r"memberships\[0\]\.group must be a mapping"),
        ({"id": "u", "memberships": [{"group": {"id": "g"}, "attributes": {"a": [1]}}]}, r"memberships\[0\]\.attributes\['a'\]"),
        ({"id": "u", "prune_memberships": True}, "needs the complete groups or memberships"),
        ({"id": "u", "groups": [], "prune_memberships": "true"}, "prune_memberships must be True or False, got str"),
        ({"id": "u", "email": "a@example.com"}, "user takes .*, not 'email'; own fields go into attributes"),
        (None, "user must be a mapping, got NoneType"),
    ],
)
def test_bad_users_are_refused(body: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        check_user_body(body)


def test_bad_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="group takes id, attributes, not 'name'"):
        check_group_body({"id": "g", "name": "Acme"})


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("a/b %+é", "a/b %+é"),
        (5, "5"),
        (2**70, str(2**70)),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("x" * MAX_ID, "x" * MAX_ID),
    ],
)
def test_ids(value: Any, sent: str) -> None:
    assert check_id(value) == sent


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "id is empty"),
        (" \t", "id is empty"),
        (None, "id has no value"),
        (float("nan"), "id has no value"),
        (1.0, "id must be text, got float; a whole-number column with nulls turns into floats"),
        (True, "id must be text, got bool"),
        (b"u1", "id is of type bytes"),
        (["u1"], "id is of type list"),
        ("\ud800", "half a character"),
        ("x" * (MAX_ID + 1), "id has 1025 characters"),
    ],
)
def test_bad_ids_are_refused(value: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        check_id(value)
    assert len(str(caught.value)) < 250
