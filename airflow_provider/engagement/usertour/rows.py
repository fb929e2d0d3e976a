"""How a user, company or event becomes calls; pure, used by the hook and by bulk writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import isclose
from typing import Any

from airflow_provider.engagement.usertour.account import Account
from airflow_provider.engagement.usertour.bodies import check_company, check_event, check_user
from airflow_provider.engagement.wire.message import Call

Calls = tuple[Call[Any], ...]


def user_calls(account: Account, body: Any, *, timezone: Any = None) -> tuple[str, Calls, Mapping[str, Any]]:
    """Make the calls that upsert a user: one in v1; in v2 the user's, then its companies' and memberships', each repeatable.

    Returns:
        The user's id, the calls (the user's own first), and the body that was checked.

    Raises:
        ValueError: the user cannot be sent (`TypeError` likewise).
    """
    user = check_user(body, account.version, timezone=timezone)
    if account.version == "v1":
        return user["id"], (account.call("upsert_user", None, user),), user
    calls = [account.call("upsert_user", None, _rest(user), user_id=user["id"])]
    memberships = [*user.get("memberships", ()), *({"company": company} for company in user.get("companies", ()))]
    for membership in memberships:
        calls += membership_calls(account, user["id"], membership)
    return user["id"], tuple(calls), user


def membership_calls(account: Account, user_id: str, membership: Mapping[str, Any]) -> Calls:
    """Make the calls that put a user of v2 into a company: the company's, then the membership's."""
    company = membership["company"]
    ids = {"user_id": user_id, "company_id": company["id"]}
    return (
        account.call("upsert_company", None, _rest(company), company_id=company["id"]),
        account.call("upsert_membership", None, _rest(membership), **ids),
    )


def company_calls(account: Account, body: Any, *, timezone: Any = None) -> tuple[str, Calls, Mapping[str, Any]]:
    """Make the call that upserts a company; result and errors as for `user_calls`."""
    company = check_company(body, account.version, timezone=timezone)
    if account.version == "v1":
        call = account.call("upsert_company", None, company)
    else:
        call = account.call("upsert_company", None, _rest(company), company_id=company["id"])
    return company["id"], (call,), company


def event_call(account: Account, body: Any, *, timezone: Any = None) -> Call[Any]:
    """Make the call that tracks an event.

    Raises:
        NotInVersion: v1 has no such call.
        ValueError: the event cannot be sent (`TypeError` likewise).
    """
    account.endpoint("track_event")
    return account.call("track_event", None, check_event(body, timezone=timezone))


def dropped(sent: Mapping[str, Any], answer: Any) -> str | None:
    """Say which of the attributes sent did not come back: v1 drops a value of the wrong type and answers 201 all the same.

    Args:
        sent: the attributes as they were sent.
        answer: the `User` or `Company` that came back.

    Returns:
        A sentence that names them, or None.
    """
    kept = answer.attributes or {}
    names = [name for name, value in sent.items() if not _same(value, kept.get(name))]
    if not names:
        return None
    return (
        f"Usertour accepted the rest but dropped {', '.join(repr(name) for name in names)} without a word: the value's type is not the "
        "one the attribute was defined with (see list_attribute_definitions)"
    )


def _same(sent: Any, kept: Any) -> bool:
    if isinstance(sent, bool) or isinstance(kept, bool) or sent is None:
        return sent is kept
    if isinstance(sent, int | float | Decimal):  # the server keeps some sixteen digits of a number
        try:
            return isinstance(kept, int | float | Decimal) and isclose(sent, kept, rel_tol=1e-14)
        except OverflowError:  # beyond what the server's numbers can hold
            return bool(sent == kept)
    if isinstance(sent, list):
        return isinstance(kept, list) and len(sent) == len(kept) and all(map(_same, sent, kept))
    return sent == kept or (isinstance(kept, str) and _moment(sent) is not None and _moment(sent) == _moment(kept))


def _moment(text: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _rest(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"attributes": body["attributes"]} if "attributes" in body else {}
