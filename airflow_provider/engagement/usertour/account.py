"""Which account, by which version of the API: finds the endpoint of a call and fills in the ids its path wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from airflow_provider.engagement.connection import ConnectionFields
from airflow_provider.engagement.usertour import api
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.message import Call, Query, encode_segment
from airflow_provider.engagement.wire.page import Page

_PREFIXES: Mapping[str, api.Version] = {"ak_": "v1", "utp_": "v2"}
_USE_V2 = (
    "use a connection for API v2: a personal token (utp_…) as password, and the extras project_id and environment_id "
    "(Settings > API in Usertour)"
)


class NotInVersion(ValueError):
    """The version of the API that the connection names has no such call, or none with such a parameter."""


@dataclass(frozen=True, slots=True)
class Account:
    """One environment of one account.

    Attributes:
        version: `v1` or `v2`.
        project_id: v2's project; v1's key knows its own.
        environment_id: v2's environment; likewise.
    """

    version: api.Version
    project_id: str = ""
    environment_id: str = ""

    @classmethod
    def of(cls, fields: ConnectionFields) -> Account:
        """Read a connection: the extra `api_version` decides, or else how the key begins.

        Raises:
            ValueError: neither tells, they contradict each other, or v2 lacks its ids.
        """
        key = fields.secret("API key or token")
        by_key = next((version for prefix, version in _PREFIXES.items() if key.startswith(prefix)), None)
        said = fields.text("api_version")
        if said is not None and said not in api.ENDPOINTS:
            raise fields.wrong("api_version", f"must be {' or '.join(api.ENDPOINTS)}")
        version = cast("api.Version | None", said) or by_key
        if version is None:
            raise fields.wrong("api_version", "must be v1 or v2: the key begins neither with ak_ (v1) nor with utp_ (v2)")
        if by_key not in (None, version):
            raise fields.wrong("api_version", f"says {version}, but the password is of {by_key}; correct one of them")
        if version == "v1":
            return cls(version)
        ids = {name: fields.text(name) for name in ("project_id", "environment_id")}
        for name, value in ids.items():
            if value is None:
                raise fields.wrong(name, "is empty; API v2 names it in every path (Settings > API in Usertour shows it)")
        return cls(version, str(ids["project_id"]), str(ids["environment_id"]))

    def endpoint(self, name: str, **ids: str) -> Endpoint[Any]:
        """Find a call by name, all ids of its path filled in.

        Args:
            name: the call's name, the same in both versions.
            **ids: the ids in the path, unencoded; those the path does not have are not needed there.

        Raises:
            NotInVersion: this version has no such call.
            ValueError: an id is missing or unusable.
        """
        found = api.ENDPOINTS[self.version].get(name)
        if found is None:
            raise NotInVersion(f"Usertour's API {self.version} has no call {name}; {_USE_V2}")
        path = found.path
        for key, value in {"project_id": self.project_id, "environment_id": self.environment_id, **ids}.items():
            if f"{{{key}}}" in path:
                path = path.replace(f"{{{key}}}", encode_segment(key, value))
        return replace(found, path=path)

    def call(self, name: str, query: Query | None = None, body: Mapping[str, Any] | None = None, **ids: str) -> Call[Any]:
        """Make a call; arguments and errors as for `endpoint` and `Endpoint.call`."""
        return self.endpoint(name, **ids).call(query, body)

    def listing(self, name: str, query: Query, **ids: str) -> tuple[Endpoint[Page[Any]], Query]:
        """Find a list and check its query, so that a parameter of the other version is named before anything is sent.

        Raises:
            NotInVersion: this version has no such list, or the list no such parameter.
        """
        found = self.endpoint(name, **ids)
        given = {key: value for key, value in query.items() if value is not None}
        for key in given:
            if key not in found.query:
                remedy = _USE_V2 if self.version == "v1" else "leave it out, or use a connection for API v1"
                raise NotInVersion(f"Usertour's API {self.version} has no parameter {key} in {name}; {remedy}")
        found.call(given)
        return found, given
