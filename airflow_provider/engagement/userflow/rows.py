"""How a row becomes a call to Userflow; pure, used by every write of more than one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.bodies import check_event_body, check_group_body, check_user_body
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.message import Call
from airflow_provider.engagement.wire.values import find_zone

RowCall = Callable[[Any], tuple[str | None, Call[Any]]]


def user_call(timezone: str | None = None) -> RowCall:
    """Make rows upserts of users, keyed by the user's id; `timezone` is the zone of datetimes without one."""
    return partial(_call, api.UPSERT_USER, partial(check_user_body, timezone=find_zone(timezone)))


def group_call(timezone: str | None = None) -> RowCall:
    """Make rows upserts of groups, keyed by the group's id; `timezone` is the zone of datetimes without one."""
    return partial(_call, api.UPSERT_GROUP, partial(check_group_body, timezone=find_zone(timezone)))


def event_call(timezone: str | None = None) -> RowCall:
    """Make rows events, which have no key; `timezone` is the zone of datetimes without one."""
    return partial(_call, api.TRACK_EVENT, partial(check_event_body, timezone=find_zone(timezone)))


def _call(endpoint: Endpoint[Any], check: Callable[[Any], Mapping[str, Any]], row: Any) -> tuple[str | None, Call[Any]]:
    body = check(row)
    return body.get("id"), endpoint.call(json=body)
