"""The bodies of Userflow's writes, checked and converted just before sending: one truth for hook, operators and bulk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Any
from uuid import UUID

from airflow_provider.engagement.userflow.attributes import check_attributes, check_name, convert, find_zone, shorten

MAX_ID = 1024
"""Characters of an id at the most. Userflow documents no limit; a longer one is surely a mix-up of columns."""


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
    given = _keys(body, "user", ("id", "attributes", "groups", "memberships", "prune_memberships"))
    checked = _with_id(given, "", zone)
    if "groups" in given and "memberships" in given:
        raise ValueError("a user takes groups or memberships, not both; memberships can hold everything that groups can")
    if "groups" in given:
        checked["groups"] = [
            _with_id(_keys(group, f"groups[{index}]", ("id", "attributes")), f"groups[{index}].", zone)
            for index, group in enumerate(_list(given["groups"], "groups"))
        ]
    if "memberships" in given:
        checked["memberships"] = [
            _membership(membership, f"memberships[{index}]", zone)
            for index, membership in enumerate(_list(given["memberships"], "memberships"))
        ]
    if "prune_memberships" in given:
        checked["prune_memberships"] = _prune(given)
    return checked


def check_group_body(body: Any, *, timezone: tzinfo | str | None = None) -> dict[str, Any]:
    """Check the body of "Create or update a group" (https://userflow.com/docs/api#create-or-update-a-group).

    Args and errors as for `check_user_body`; the keys are `id` and `attributes`.
    """
    return _with_id(_keys(body, "group", ("id", "attributes")), "", find_zone(timezone))


def check_event_body(body: Any, *, timezone: tzinfo | str | None = None) -> dict[str, Any]:
    """Check the body of "Track an event" (https://userflow.com/docs/api#track-an-event).

    Args and errors as for `check_user_body`; the keys are `name`, `user_id` and/or `group_id`, `attributes`, and `time`:
    a date with time, a date, or such a thing as ISO 8601 text; without it the event happens when Userflow receives it.
    """
    zone = find_zone(timezone)
    given = _keys(body, "event", ("name", "user_id", "group_id", "attributes", "time"))
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


def check_id(value: Any, where: str = "id") -> str:
    """Check the id of a user or group; an integer or UUID becomes text.

    Raises:
        TypeError: neither text nor an integer nor a UUID.
        ValueError: empty or too long.
    """
    if type(value) is not str:
        value = convert(value, where)
        if value is None:
            raise ValueError(f"{where} has no value; every object needs its own id")
        if isinstance(value, bool) or not isinstance(value, str | int):
            advice = "; a whole-number column with nulls turns into floats: cast it to text" if isinstance(value, float) else ""
            raise TypeError(f"{where} must be text, got {type(value).__name__}{advice}")
        value = str(value)
    if not value.strip():
        raise ValueError(f"{where} is empty; every object needs its own id")
    if len(value) > MAX_ID:
        raise ValueError(f"{where} has {len(value)} characters, {shorten(value)}; an id holds {MAX_ID} at the most")
    if not value.isascii():
        convert(value, where)
    return str(value)


def check_time(value: Any, where: str = "time", zone: tzinfo | None = None) -> str | None:
    """Check a moment and write it as ISO 8601 in UTC; None for a missing one.

    Raises:
        TypeError: neither a date nor text.
        ValueError: text that is not ISO 8601, or no time zone is known.
    """
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) <= len("2022-09-29") else datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{where} is {shorten(value)}, which is not an ISO 8601 date and time") from None
    converted = convert(value, where, zone)
    if converted is not None and (not isinstance(converted, str) or isinstance(value, UUID)):
        raise TypeError(f"{where} must be a date and time or ISO 8601 text, got {type(value).__name__}")
    return converted


def _keys(body: Any, what: str, allowed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(body, Mapping):
        raise TypeError(f"{what} must be a mapping, got {type(body).__name__}")
    unknown = [str(key) for key in body if key not in allowed]
    if unknown:
        raise ValueError(f"{what} takes {', '.join(allowed)}, not {shorten(', '.join(unknown))}; own fields go into attributes")
    return {key: value for key, value in body.items() if value is not None}


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
    given = _keys(membership, where, ("attributes", "group"))
    if "group" not in given:
        raise ValueError(f'{where} has no group; every membership embeds one: {{"group": {{"id": …}}}}')
    checked: dict[str, Any] = {}
    if "attributes" in given:
        checked["attributes"] = check_attributes(given["attributes"], where=f"{where}.attributes", timezone=zone)
    group = _keys(given["group"], f"{where}.group", ("id", "attributes"))
    checked["group"] = _with_id(group, f"{where}.group.", zone)
    return checked


def _prune(given: Mapping[str, Any]) -> bool:
    prune = given["prune_memberships"]
    if not isinstance(prune, bool):
        raise TypeError(f"prune_memberships must be True or False, got {type(prune).__name__}")
    if prune and "groups" not in given and "memberships" not in given:
        raise ValueError("prune_memberships removes every membership not named, so it needs the complete groups or memberships")
    return prune


def _list(value: Any, where: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{where} must be a list, got {type(value).__name__}")
    return value
