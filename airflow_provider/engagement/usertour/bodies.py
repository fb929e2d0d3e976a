"""The bodies of Usertour's writes, checked and converted just before sending: one truth for hook, operators and bulk."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from datetime import tzinfo
from decimal import Decimal
from typing import Any, Final

from airflow_provider.engagement.wire.values import check_id, check_keys, check_list, check_time, convert, find_zone, shorten

MAX_NAME: Final = 100
"""Characters of an event's or attribute's name at the most (v2)."""

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_MAX_EVENT_ID = 200
_LARGEST = sys.float_info.max


def check_name(name: Any, what: str = "name", *, least: int = 1) -> str:
    """Check the name of an event, or of an attribute in v2.

    Raises:
        TypeError: not text.
        ValueError: it does not begin with a letter, holds other characters than letters, digits and underscores, or is too
            short or too long.
    """
    if not isinstance(name, str):
        raise TypeError(f"{what} must be text, got {type(name).__name__}")
    if not _NAME.fullmatch(name) or not least <= len(name) <= MAX_NAME:
        raise ValueError(
            f"{what} {shorten(name)} must begin with a letter, hold letters, digits and underscores only, and have {least} to "
            f"{MAX_NAME} characters; rename it"
        )
    return name


def check_attribute_name(name: Any, version: str, what: str) -> None:
    """Check the name of an attribute; `v2` refuses names that `v1` takes.

    Raises:
        TypeError: not text.
        ValueError: it is empty or holds characters that cannot be in a name.
    """
    if version == "v2":
        check_name(name, what)
    elif not isinstance(name, str):
        raise TypeError(f"{what} must be text, got {type(name).__name__}")
    elif not name.strip() or "\0" in name:
        raise ValueError(f"{what} is empty or holds a NUL character; rename it")


def check_attributes(attributes: Any, version: str, *, where: str = "attributes", zone: tzinfo | None = None) -> dict[str, Any]:
    """Check a mapping of attributes and convert its values for sending (see `airflow_provider.engagement.wire.values`).

    Values are text, numbers, booleans, dates and lists of those; None removes the attribute.

    Args:
        attributes: values by attribute name.
        version: `v2` refuses names that `v1` takes.
        where: how to call the mapping in an error.
        zone: the zone of dates with time that carry none; None to refuse them.

    Raises:
        TypeError: a value is of a type that an attribute cannot hold.
        ValueError: a name or a value cannot be sent.
    """
    if not isinstance(attributes, Mapping):
        raise TypeError(f"{where} must be a mapping of names to values, got {type(attributes).__name__}")
    checked: dict[str, Any] = {}
    for name, value in attributes.items():
        check_attribute_name(name, version, f"the attribute name in {where}")
        checked[name] = _value(value, f"{where}[{name!r}]", zone)
    return checked


def check_user(body: Any, version: str, *, timezone: tzinfo | str | None = None) -> dict[str, Any]:
    """Check a user: `id`, and if wanted `attributes`, and `companies` or `memberships`.

    Keys whose value is None are left out.

    Args:
        body: the user. A company is `{"id", "attributes"}`, a membership `{"attributes", "company": {"id", "attributes"}}`.
        version: `v1` or `v2`.
        timezone: the zone of dates with time that carry none: a `tzinfo` or an IANA name; None to refuse them.

    Raises:
        TypeError: a value is of a type that cannot be sent.
        ValueError: a key, id, name or value cannot be sent.
    """
    zone = find_zone(timezone)
    given = check_keys(body, "user", ("id", "attributes", "companies", "memberships"))
    checked = _with_id(given, "", version, zone)
    if "companies" in given and "memberships" in given:
        raise ValueError("a user takes companies or memberships, not both; memberships can hold everything that companies can")
    if "companies" in given:
        checked["companies"] = [
            check_company(company, version, timezone=zone, where=f"companies[{index}]")
            for index, company in enumerate(check_list(given["companies"], "companies"))
        ]
    if "memberships" in given:
        checked["memberships"] = [
            _membership(membership, f"memberships[{index}]", version, zone)
            for index, membership in enumerate(check_list(given["memberships"], "memberships"))
        ]
    return checked


def check_company(body: Any, version: str, *, timezone: tzinfo | str | None = None, where: str = "") -> dict[str, Any]:
    """Check a company: `id`, and `attributes` if wanted. Args and errors as for `check_user`."""
    prefix = f"{where}." if where else ""
    return _with_id(check_keys(body, where or "company", ("id", "attributes")), prefix, version, find_zone(timezone))


def check_event(body: Any, *, timezone: tzinfo | str | None = None) -> dict[str, Any]:
    """Check an event: `name`, `userId`, and if wanted `companyId`, `attributes`, `occurredAt`. Args and errors as for `check_user`."""
    zone = find_zone(timezone)
    given = check_keys(body, "event", ("name", "userId", "companyId", "attributes", "occurredAt"))
    for key in ("name", "userId"):
        if key not in given:
            raise ValueError(f"an event needs {key}; Usertour knows no event without a user")
    checked: dict[str, Any] = {"name": check_name(given["name"], "the event's name", least=2)}
    for key in ("userId", "companyId"):
        if key in given:
            checked[key] = _sendable(check_id(given[key], key), key)
            if len(checked[key]) > _MAX_EVENT_ID:
                raise ValueError(f"{key} has {len(checked[key])} characters; an event takes ids of {_MAX_EVENT_ID} at the most")
    if "attributes" in given:
        checked["attributes"] = check_attributes(given["attributes"], "v2", zone=zone)
    if "occurredAt" in given and (moment := check_time(given["occurredAt"], "occurredAt", zone)) is not None:
        checked["occurredAt"] = moment
    return checked


def _value(value: Any, where: str, zone: tzinfo | None) -> Any:
    if isinstance(value, Mapping):
        raise TypeError(f"{where} is an object, which Usertour has no attribute type for; send its fields as attributes of their own")
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if item is None or isinstance(item, Mapping | list | tuple):
                raise TypeError(f"{where}[{index}] must be text, a number or a boolean, got {type(item).__name__}")
        return [_value(item, f"{where}[{index}]", zone) for index, item in enumerate(value)]
    converted = convert(value, where, zone)
    if isinstance(converted, str):
        return _sendable(converted, where)
    if isinstance(converted, int | Decimal) and not -_LARGEST <= converted <= _LARGEST:
        raise ValueError(f"{where} is a number beyond {_LARGEST:.1e}, more than Usertour's server can hold; send it as text")
    return converted


def _sendable(text: str, where: str) -> str:
    if "\0" in text:
        raise ValueError(f"{where} holds a NUL character, at which Usertour's server fails; clean the text")
    return text


def _with_id(given: Mapping[str, Any], prefix: str, version: str, zone: tzinfo | None) -> dict[str, Any]:
    if "id" not in given:
        raise ValueError(f"{prefix}id is missing; every object needs its own id")
    checked: dict[str, Any] = {"id": _sendable(check_id(given["id"], f"{prefix}id"), f"{prefix}id")}
    if "attributes" in given:
        checked["attributes"] = check_attributes(given["attributes"], version, where=f"{prefix}attributes", zone=zone)
    return checked


def _membership(membership: Any, where: str, version: str, zone: tzinfo | None) -> dict[str, Any]:
    given = check_keys(membership, where, ("attributes", "company"))
    if "company" not in given:
        raise ValueError(f'{where} has no company, at which Usertour\'s server fails; embed one: {{"company": {{"id": …}}}}')
    checked: dict[str, Any] = {"company": check_company(given["company"], version, timezone=zone, where=f"{where}.company")}
    if "attributes" in given:
        checked["attributes"] = check_attributes(given["attributes"], version, where=f"{where}.attributes", zone=zone)
    return checked
