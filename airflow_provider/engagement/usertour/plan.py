"""Where rows of a bulk write to Usertour go, and what becomes of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from airflow_provider.engagement.bulk.plan import MakeCall, RowCalls, Target
from airflow_provider.engagement.usertour.account import Account
from airflow_provider.engagement.usertour.api import ENDPOINTS
from airflow_provider.engagement.usertour.hook import GONE
from airflow_provider.engagement.usertour.preflight import Definitions, check_types, read_definitions
from airflow_provider.engagement.usertour.rows import company_calls, dropped, event_call, user_calls
from airflow_provider.engagement.wire.message import Request, decode_json, encode_json
from airflow_provider.engagement.wire.values import find_zone

if TYPE_CHECKING:
    from airflow_provider.engagement.usertour.hooks import UsertourHook

KINDS: Final = ("users", "companies", "events")
Check = Callable[[str, Mapping[str, Any]], None]
"""Looks at a checked body of a kind; raises `ValueError` where Usertour would refuse it or drop a part of it."""

_CALLS: Final[Mapping[str, tuple[str, ...]]] = {
    "users": ("upsert_user", "upsert_company", "upsert_membership"),
    "companies": ("upsert_company",),
    "events": ("track_event",),
}
_ONE: Final = {"users": "user", "companies": "company"}


def make_target(
    hook: UsertourHook, kind: str, *, timezone: str | None = None, check_dropped: bool = True, preflight: bool = False
) -> Target:
    """Say where rows go.

    Args:
        hook: the account.
        kind: one of `KINDS`.
        timezone: IANA name; the zone of datetimes without one.
        check_dropped: compare what v1 answers with what was sent.
        preflight: read the attribute definitions before the first row, and refuse values of another type than the defined one; not
            where v1 may drop them.

    Raises:
        NotInVersion: the version has no such call.
        ValueError: there is no such kind or zone, or the connection is unusable.
    """
    if kind not in KINDS:
        raise ValueError(f"target must be one of {', '.join(KINDS)}, got {kind!r:.60}")
    account = hook.account
    check = _make_check(hook) if preflight and (check_dropped or account.version == "v2") else None
    one = _ONE.get(kind)
    return Target(
        what=kind,
        destination={
            "base_url": hook.get_config().base_url,
            "version": account.version,
            "project_id": account.project_id,
            "environment_id": account.environment_id,
        },
        make_call=_make_event_call(account, timezone, check) if one is None else _make_call(kind, account, timezone, check),
        reader=_reader(kind, account),
        check=_find_dropped if one is not None and check_dropped and account.version == "v1" else None,
        find=None if one is None else lambda key: account.call(f"get_{one}", None, None, **{f"{one}_id": key}),
        delete=None if one is None else lambda key: account.call(f"delete_{one}", None, None, **{f"{one}_id": key}),
        gone=lambda error: error.problem.code in GONE,
    )


def _make_event_call(account: Account, timezone: str | None, check: Check | None) -> MakeCall:
    account.endpoint("track_event")
    zone = find_zone(timezone)

    def make_call(row: Any) -> RowCalls:
        call = event_call(account, row, timezone=zone)
        if check is not None:
            check("events", decode_json(call.request.body or b"{}"))
        return RowCalls(None, (call,))

    return make_call


def _make_call(kind: str, account: Account, timezone: str | None, check: Check | None) -> MakeCall:
    zone = find_zone(timezone)
    make = user_calls if kind == "users" else company_calls

    def make_call(row: Any) -> RowCalls:
        key, calls, body = make(account, row, timezone=zone)
        if check is not None:
            check(kind, body)
        return RowCalls(key, calls, None if account.version == "v1" else encode_json(body))

    return make_call


def _reader(kind: str, account: Account) -> Callable[[Request], Callable[[Any], Any]]:
    known = ENDPOINTS[account.version]  # v1 has no call for a membership
    endpoints = [known[name] for name in _CALLS[kind] if name in known]
    first = endpoints[0].read
    if account.version == "v1" or len(endpoints) == 1:
        return lambda _request: first

    def read(request: Request) -> Callable[[Any], Any]:  # in v2 a row may be several calls
        return next(endpoint.read for endpoint in endpoints if endpoint.match(request.method, request.path) is not None)

    return read


def _find_dropped(request: Request, answer: Any) -> str | None:
    return dropped(decode_json(request.body or b"{}").get("attributes", {}), answer)


def _make_check(hook: UsertourHook) -> Check:
    known: list[Definitions] = []

    def check(kind: str, body: Mapping[str, Any]) -> None:
        if not known:  # with the first row, so that a plan that is there already costs no request
            known.append(read_definitions(hook))
        wrong = check_types(kind, body, known[0])
        if wrong is not None:
            raise ValueError(wrong)

    return check
