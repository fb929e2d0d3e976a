"""What a row becomes in a bulk write to Usertour."""

from __future__ import annotations

from functools import partial
from typing import Any

from airflow_provider.engagement.bulk.plan import MakeCall, RowCalls
from airflow_provider.engagement.usertour.account import Account
from airflow_provider.engagement.usertour.rows import company_calls, dropped, event_call, user_calls
from airflow_provider.engagement.wire.values import find_zone


def make_row_calls(kind: str, account: Account, *, timezone: str | None = None, check_dropped: bool = True) -> MakeCall:
    """Give what a row becomes in a bulk write.

    Args:
        kind: `user`, `company` or `event`.
        account: where it goes.
        timezone: the zone of datetimes without one.
        check_dropped: compare what v1 answers with what was sent.

    Raises:
        NotInVersion: the version has no such call.
        ValueError: there is no such zone.
    """
    zone = find_zone(timezone)
    if kind == "event":
        account.endpoint("track_event")
        return lambda row: RowCalls(None, (event_call(account, row, timezone=zone),))
    make = user_calls if kind == "user" else company_calls

    def row_calls(row: Any) -> RowCalls:
        key, calls, attributes = make(account, row, timezone=zone)
        check = partial(dropped, attributes) if check_dropped and account.version == "v1" else None
        return RowCalls(key, calls, check)

    return row_calls
