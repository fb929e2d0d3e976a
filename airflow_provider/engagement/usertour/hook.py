"""What all calls of the Usertour hook share: the connection, and how a call is sent and a list is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, ClassVar, Final, cast

from airflow_provider.engagement.base import EngagementHook
from airflow_provider.engagement.connection import ConnectionFields
from airflow_provider.engagement.usertour import api, records
from airflow_provider.engagement.usertour.account import Account
from airflow_provider.engagement.usertour.walk import tolerant
from airflow_provider.engagement.wire.config import ClientConfig
from airflow_provider.engagement.wire.errors import NotFound
from airflow_provider.engagement.wire.message import Call, Query
from airflow_provider.engagement.wire.values import check_time

Names = str | Sequence[str] | None
"""One name or several, for `expand` and `order_by`."""
Attributes = Mapping[str, Any]
"""Attribute names with values; None removes the attribute."""
Moment = datetime | date | str | None
"""A date with time and zone, a date, or ISO 8601 text."""

GONE: Final = ("E1001", "E1002", "E1003", "E1004", api.NO_SESSION, "E0061")
"""Codes of a 404 that mean that the object does not exist; others mean a wrong address, project or environment."""


class UsertourBaseHook(EngagementHook):
    """Base of `UsertourHook`; use that.

    Args:
        usertour_conn_id: id of a connection of type `usertour`.
    """

    conn_name_attr: ClassVar[str] = "usertour_conn_id"
    default_conn_name: ClassVar[str] = "usertour_default"
    conn_type: ClassVar[str] = "usertour"
    hook_name: ClassVar[str] = "Usertour"

    def __init__(self, usertour_conn_id: str = default_conn_name) -> None:
        super().__init__(usertour_conn_id)
        self.usertour_conn_id = usertour_conn_id
        self._account: Account | None = None

    def make_config(self, fields: ConnectionFields) -> ClientConfig:
        """Turn the connection's fields into the client's settings.

        Raises:
            ValueError: a field is unusable; the message names it.
        """
        self._account = Account.of(fields)
        key = fields.secret("API key or token")
        return ClientConfig(
            base_url=fields.base_url(api.BASE_URL),
            dialect=api.DIALECT,
            headers=api.headers(key),
            secrets=(key, *fields.proxy_secrets()),
            **fields.traffic(),
        )

    @property
    def account(self) -> Account:
        """Which version, project and environment the connection names.

        Raises:
            ValueError: a field of the connection is unusable; the message names it.
        """
        if self._account is None:
            self._account = Account.of(ConnectionFields.of(self.get_connection(self.conn_id)))
        return self._account

    def probe(self) -> Call[Any]:
        """List one attribute definition (v1) or one session (v2, which proves project and environment too): real and harmless."""
        return self.account.call("list_attribute_definitions" if self.account.version == "v1" else "list_content_sessions", {"limit": 1})

    def _send(self, name: str, query: Query | None = None, /, **ids: str) -> Any:
        return self.get_conn().send(self.account.call(name, query, None, **ids))

    def _delete(self, name: str, query: Query | None = None, /, **ids: str) -> records.Deleted:
        try:
            return cast("records.Deleted", self._send(name, query, **ids))
        except NotFound as error:
            if error.problem.code not in GONE:
                raise
            return records.Deleted(raw={}, deleted=False)

    def _list(
        self,
        name: str,
        filters: Query,
        order_by: Names,
        expand: Names,
        cursor: str | None,
        page_size: int,
        allow_incomplete: bool = False,
        **ids: str,
    ) -> Iterator[Any]:
        empty = [key for key, value in {**filters, "cursor": cursor}.items() if value in ("", [], ())]
        if empty:  # a server may take an empty filter for none, and answer with everything; an empty list is not even sent
            raise ValueError(f"{name}: {', '.join(empty)} is empty; give a value, or None to leave it out")
        if not isinstance(page_size, int) or not 1 <= page_size <= api.MAX_PAGE:
            raise ValueError(f"page_size must be a whole number from 1 to {api.MAX_PAGE}, got {page_size!r}")
        more = {"orderBy": names("order_by", order_by), "expand": names("expand", expand), "cursor": cursor, "limit": page_size}
        endpoint, query = self.account.listing(name, {**filters, **more}, **ids)
        if allow_incomplete:
            endpoint = tolerant(endpoint)
        return (item for page in self.get_conn().pages(endpoint, query) for item in page.items)


def names(what: str, given: Names) -> Names:
    """Check names for `expand` or `order_by`; the server takes no list in one text.

    Raises:
        ValueError: names joined by commas.
    """
    for name in (given,) if isinstance(given, str) else given or ():
        if "," in name:
            raise ValueError(f"{what} takes several names as a list, not as one text with commas, got {name!r}")
    return given


def created(after: Moment, before: Moment) -> dict[str, str | None]:
    """Make the filters by creation.

    Raises:
        ValueError: not a moment, or one without a time zone.
        TypeError: neither a date nor text.
    """
    return {
        "createdAfter": None if after is None else check_time(after, "created_after"),
        "createdBefore": None if before is None else check_time(before, "created_before"),
    }
