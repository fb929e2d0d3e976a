"""The bodies of Userflow's writes, checked and converted just before sending: one truth for hook, operators and bulk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from airflow_provider.engagement.userflow.attributes import check_attributes, check_name
from airflow_provider.engagement.wire.values import check_id, check_keys, check_list, check_time, find_zone


def check_user_body(body: Any, *, timezone: tzinfo | str | None = None) -> dict[str, Any]:
    """Check the body of "Create or update a user" (https://userflow.com/docs/api#create-or-update-a-user).

    Keys whose value is None are left out.

    Args:
        body: `id`, and if wanted `attributes`, one of `groups` and `memberships`, `prune_memberships`.
        timezone: the zone of dates with time that carry none: a `tzinfo` or an IANA name; None to refuse them.

    Returns:
        A new dict, ready to be encoded as JSON.

    Raises:
        TypeError: a value is of a type that cannot be sent.
        ValueError: a key, id, name or value cannot be sent.
    """
    zone = find_zone(timezone)
    given = check_keys(body, "user", ("id", "attributes", "groups", "memberships", "prune_memberships"))
    checked = _with_id(given, "", zone)
    if "groups" in given and "memberships" in given:
        raise ValueError("a user takes groups or memberships, not both; memberships can hold everything that groups can")
    if "groups" in given:
        checked["groups"] = [
            _with_id(check_keys(group, f"groups[{index}]", ("id", "attributes")), f"groups[{index}].", zone)
            for index, group in enumerate(check_list(given["groups"], "groups"))
        ]
    if "memberships" in given:
        checked["memberships"] = [
            _membership(membership, f"memberships[{index}]", zone)
            for index, membership in enumerate(check_list(given["memberships"], "memberships"))
        ]
    if "prune_memberships" in given:
        checked["prune_memberships"] = _prune(given)
    return checked


def check_group_body(body: Any, *, timezone: tzinfo | str | None = None) -> dict[str, Any]:
    """Check the body of "Create or update a group" (https://userflow.com/docs/api#create-or-update-a-group).

    Args and errors as for `check_user_body`; the keys are `id` and `attributes`.
    """
    return _with_id(check_keys(body, "group", ("id", "attributes")), "", find_zone(timezone))


def check_event_body(body: Any, *, timezone: tzinfo | str | None = None) -> dict[str, Any]:
    """Check the body of "Track an event" (https://userflow.com/docs/api#track-an-event).

    Args and errors as for `check_user_body`; the keys are `name`, `user_id` and/or `group_id`, `attributes`, and `time`:
    a date with time, a date, or such a thing as ISO 8601 text; without it the event happens when Userflow receives it.
    """
    zone = find_zone(timezone)
    given = check_keys(body, "event", ("name", "user_id", "group_id", "attributes", "time"))
    if "name" not in given:
        raise ValueError("an event needs a name")
    checked: dict[str, Any] = {"name": check_name(given["name"], "the event's name")}
    if "user_id" not in given and "group_id" not in given:
        raise ValueError("an event needs user_id or group_id, or both")
    for key in ("user_id", "group_id"):
        if key in given:
            checked[key] = check_id(given[key], key)
    if "attributes" in given:
        checked["attributes"] = check_attributes(given["attributes"], timezone=zone)
    if "time" in given and (time := check_time(given["time"], "time", zone)) is not None:
        checked["time"] = time
    return checked


def _with_id(given: Mapping[str, Any], prefix: str, zone: tzinfo | None) -> dict[str, Any]:
    if "id" not in given:
        raise ValueError(f"{prefix}id is missing; every object needs its own id")
    checked: dict[str, Any] = {"id": check_id(given["id"], f"{prefix}id")}
    if "attributes" in given:
        checked["attributes"] = check_attributes(given["attributes"], where=f"{prefix}attributes", timezone=zone)
    return checked


def _membership(membership: Any, where: str, zone: tzinfo | None) -> dict[str, Any]:
    if isinstance(membership, Mapping) and "group_id" in membership:
        raise ValueError(f'{where} names its group by group_id; embed it instead: {{"group": {{"id": …}}}}')
    given = check_keys(membership, where, ("attributes", "group"))
    if "group" not in given:
        raise ValueError(f'{where} has no group; every membership embeds one: {{"group": {{"id": …}}}}')
    checked: dict[str, Any] = {}
    if "attributes" in given:
        checked["attributes"] = check_attributes(given["attributes"], where=f"{where}.attributes", timezone=zone)
    group = check_keys(given["group"], f"{where}.group", ("id", "attributes"))
    checked["group"] = _with_id(group, f"{where}.group.", zone)
    return checked


def _prune(given: Mapping[str, Any]) -> bool:
    prune = given["prune_memberships"]
    if not isinstance(prune, bool):
        raise TypeError(f"prune_memberships must be True or False, got {type(prune).__name__}")
    if prune and "groups" not in given and "memberships" not in given:
        raise ValueError("prune_memberships removes every membership not named, so it needs the complete groups or memberships")
    return prune
