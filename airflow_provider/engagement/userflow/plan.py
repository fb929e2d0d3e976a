"""Where rows of a bulk write to Userflow go, and what becomes of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from airflow_provider.engagement.bulk.plan import MakeCall, RowCalls, Target
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.bodies import check_event_body, check_group_body, check_user_body
from airflow_provider.engagement.userflow.preflight import Definitions, check_types, read_definitions
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import NotFound
from airflow_provider.engagement.wire.message import Call
from airflow_provider.engagement.wire.values import find_zone

if TYPE_CHECKING:
    from airflow_provider.engagement.userflow.hooks import UserflowHook

KINDS: Final = ("users", "groups", "events")
Check = Callable[[str, Mapping[str, Any]], None]
"""Looks at a checked body of a kind; raises `ValueError` where Userflow would refuse it."""


class _Object(msgspec.Struct):
    """What every answer to a write is at least."""

    id: str


_accept: Final = msgspec.json.Decoder(_Object).decode


def make_target(hook: UserflowHook, kind: str, *, timezone: str | None = None, preflight: bool = False) -> Target:
    """Say where rows go.

    Args:
        hook: the account.
        kind: one of `KINDS`.
        timezone: IANA name; the zone of datetimes without one.
        preflight: read the attribute definitions before the first row, and refuse values of another type than the defined one.

    Raises:
        ValueError: there is no such kind or zone, or the connection is unusable.
    """
    check = _make_check(hook) if preflight else None
    if kind not in KINDS:
        raise ValueError(f"target must be one of {', '.join(KINDS)}, got {kind!r:.60}")
    endpoint, _ = _WRITES[kind]
    find, delete = _OBJECTS.get(kind, (None, None))
    return Target(
        what=kind,
        destination={"base_url": hook.get_config().base_url},
        make_call=_make_call(kind, timezone, check),
        reader=lambda _request: endpoint.read,
        accept=_accept,
        find=find,
        delete=delete,
        gone=_is_gone,
    )


def _make_call(kind: str, timezone: str | None, check: Check | None) -> MakeCall:
    endpoint, body_of = _WRITES[kind]
    zone = find_zone(timezone)

    def make_call(row: Any) -> RowCalls:
        body = body_of(row, timezone=zone)
        if check is not None:
            check(kind, body)
        return RowCalls(body.get("id"), (endpoint.call(json=body),))

    return make_call


def _is_gone(error: NotFound) -> bool:
    """Say whether Userflow itself knows no such object; a wrong base URL is answered by somebody else, or by "Unrecognized URL"."""
    problem = error.problem
    return problem.code is not None and not (problem.text or "").startswith("Unrecognized URL")


def _get_user(key: str) -> Call[Any]:
    return api.GET_USER.call(user_id=key)


def _get_group(key: str) -> Call[Any]:
    return api.GET_GROUP.call(group_id=key)


def _delete_user(key: str) -> Call[Any]:
    return api.DELETE_USER.call(user_id=key)


def _delete_group(key: str) -> Call[Any]:
    return api.DELETE_GROUP.call(group_id=key)


_WRITES: Final[Mapping[str, tuple[Endpoint[Any], Callable[..., dict[str, Any]]]]] = {
    "users": (api.UPSERT_USER, check_user_body),
    "groups": (api.UPSERT_GROUP, check_group_body),
    "events": (api.TRACK_EVENT, check_event_body),
}
_OBJECTS: Final = {"users": (_get_user, _delete_user), "groups": (_get_group, _delete_group)}


def _make_check(hook: UserflowHook) -> Check:
    known: list[Definitions] = []

    def check(kind: str, body: Mapping[str, Any]) -> None:
        if not known:  # with the first row, so that a plan that is there already costs no request
            known.append(read_definitions(hook))
        wrong = check_types(kind, body, known[0])
        if wrong is not None:
            raise ValueError(wrong)

    return check
