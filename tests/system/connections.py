"""Airflow connections as the REST API takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


def userflow_connection(connection_id: str, base_url: str, api_key: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Make a connection to Userflow; with the port in its field, because the UI's *Test* button needs one there (Airflow 3.3.0-3.3.2)."""
    address = urlsplit(base_url)
    return {
        "connection_id": connection_id,
        "conn_type": "userflow",
        "host": address._replace(netloc=address.hostname or "").geturl(),
        "port": address.port,
        "password": api_key,
        "extra": json.dumps(dict(extra or {})),
    }


def mirats_connection(connection_id: str, base_url: str, secret_key: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Make a connection to Mirats Quanto."""
    return {**userflow_connection(connection_id, base_url, secret_key, extra), "conn_type": "mirats_quanto"}


def usertour_connection(connection_id: str, base_url: str, key: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Make a connection to Usertour; the key and the extras say to which version of its API."""
    return {**userflow_connection(connection_id, base_url, key, extra), "conn_type": "usertour"}


def postgres_connection(connection_id: str, folder: str, user: str, database: str) -> dict[str, Any]:
    """Make a connection to a PostgreSQL that listens on a Unix socket in a folder."""
    return {"connection_id": connection_id, "conn_type": "postgres", "host": folder, "login": user, "schema": database}
