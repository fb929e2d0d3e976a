"""From an Airflow connection to a database that rows can be merged into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from airflow_provider.engagement.extract.dialect import find_dialect
from airflow_provider.engagement.extract.merge import Target


@dataclass(frozen=True, slots=True)
class Database:
    """A database.

    Attributes:
        hook: its hook (`airflow.providers.common.sql.hooks.sql.DbApiHook`).
        connection: its connection.
        target: where the rows go in it.
    """

    hook: Any
    connection: Any
    target: Target

    @classmethod
    def find(cls, conn_id: str, schema: str | None, prefix: str, *, delete_missing: bool) -> Self:
        """Find the hook and the dialect of a connection.

        Raises:
            ValueError: the connection is for no database, or for one that rows cannot be merged into; the message names it.
        """
        from airflow.sdk import BaseHook

        connection: Any = BaseHook.get_connection(conn_id)
        hook = connection.get_hook()
        try:
            from airflow.providers.common.sql.hooks.sql import DbApiHook
        except ImportError as error:
            raise ValueError("tables need Airflow's common SQL provider: install apache-airflow-providers-common-sql") from error
        if not isinstance(hook, DbApiHook):
            raise ValueError(f"connection {conn_id!r} is of type {connection.conn_type}, which is no database")
        name = "Redshift" if connection.extra_dejson.get("redshift") else hook.dialect_name
        return cls(hook, connection, Target(find_dialect(name), schema or "", prefix, delete_missing))

    def connect(self) -> Any:
        """Open a connection."""
        return self.hook.get_conn()
