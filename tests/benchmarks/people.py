"""The rows that are measured: users with an id and eight attributes, bodies of about 376 bytes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

_ODD = 0x9E3779B97F4A7C15F39CC0605CEDC835
_FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def person(number: int, *, changed: bool = False) -> dict[str, Any]:
    """Make a user as a row of a table: text, numbers, booleans, a date with time and a `Decimal`."""
    return {
        "id": _scattered(number),
        "email": f"person.{number}@customer-{number % 997}.example.com",
        "name": f"Annabelle Theodora Wilhelmina Terry, {number}th of her name",
        "job_title": f"Head of customer education and onboarding programmes, sales region {number % 7}",
        "project_count": number % 50 + changed,
        "score": number % 1000 / 8,
        "email_verified": number % 3 != 0,
        "signed_up_at": _FIRST + timedelta(seconds=number * 7, milliseconds=number % 1000),
        "revenue": Decimal(number % 100_000) / 100,
    }


def _scattered(number: int) -> str:
    """Make an id as databases give them: like a UUID, all different, in no order."""
    digits = f"{number * _ODD % 2**128:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def user(number: int, *, changed: bool = False) -> dict[str, Any]:
    """Make the same user in the shape of Userflow's API."""
    row = person(number, changed=changed)
    return {"id": row.pop("id"), "attributes": row}


def users(count: int) -> Iterator[dict[str, Any]]:
    """Make users one by one."""
    return map(user, range(count))


ANSWERED_USER = {
    "id": "34907ae0-24e0-4261-ac31-3c7299a354c0",
    "object": "user",
    "attributes": {
        "email": "annabelle@example.com",
        "email_verified": True,
        "name": "Annabelle Terry",
        "plan": "business",
        "project_count": 17,
        "revenue": 199.5,
        "score": 12.5,
        "signed_up_at": "2022-09-29T12:34:56.000+00:00",
    },
    "created_at": "2022-10-17T12:34:56.000+00:00",
    "groups": None,
    "memberships": None,
}
"""What the server says to every upsert (https://userflow.com/docs/api#the-user-object)."""
