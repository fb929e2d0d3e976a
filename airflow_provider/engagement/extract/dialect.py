"""What differs between the databases that rows are merged into: SQLite and PostgreSQL. Any other is refused until it is tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from airflow_provider.engagement.extract.table import Row, Table, Type
from airflow_provider.engagement.wire.message import decode_json, encode_json

MARK = "\0"
"""Stands for a parameter in a statement; it can be in no identifier."""
_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class Dialect:
    """A database's ways.

    Attributes:
        name: its name.
        types: its column types.
        placeholder: what its driver takes for a parameter.
        begin: begins a transaction that no other one of the same table runs beside; `MARK` is the table's name.
        exists: answers a row if the table `MARK` exists.
        longest: bytes of an identifier; 0 for any number.
        adapt: turns a value into what its driver takes, by the column's type.
    """

    name: str
    types: Mapping[Type, str]
    placeholder: str
    begin: str
    exists: str
    longest: int
    adapt: Mapping[Type, Callable[[Any], Any]]

    def quote(self, *parts: str) -> str:
        """Quote an identifier, or several to be joined by dots; empty ones are left out.

        Raises:
            ValueError: the database could not keep the name.
        """
        for part in parts:
            if "\0" in part or (self.longest and len(part.encode()) > self.longest):
                raise ValueError(f"{part[:80]!r} cannot be a name in {self.name}: at most {self.longest} bytes, and no NUL character")
        return ".".join('"' + part.replace('"', '""') + '"' for part in parts if part)

    def run(self, cursor: Any, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Execute a statement whose parameters are marked by `MARK`."""
        if not parameters:
            cursor.execute(statement)
            return
        if self.placeholder == "%s":
            statement = statement.replace("%", "%%")
        cursor.execute(statement.replace(MARK, self.placeholder), tuple(parameters))

    def insert(self, cursor: Any, name: str, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows, several in a statement.

        Args:
            cursor: the database's cursor.
            name: the quoted name of the table that gets them.
            table: whose columns they have.
            rows: the rows.
        """
        adapters = [self.adapt.get(column.type) for column in table.columns]
        pairs = [list(zip(adapters, row, strict=True)) for row in rows]
        adapted = [[value if adapt is None or value is None else adapt(value) for adapt, value in row] for row in pairs]
        one = f"({', '.join([MARK] * len(adapters))})"
        most = max(1, min(_AT_A_TIME, 30_000 // len(adapters)))
        for start in range(0, len(adapted), most):
            some = adapted[start : start + most]
            self.run(cursor, f"INSERT INTO {name} VALUES {', '.join([one] * len(some))}", [value for row in some for value in row])

    def columns(self, table: Table) -> str:
        """Write the definitions of a table's columns and of its key."""
        told = [
            f"{self.quote(column.name)} {self.types[column.type]}" + (" NOT NULL" if column.name in table.key else "")
            for column in table.columns
        ]
        return ", ".join([*told, f"PRIMARY KEY ({', '.join(map(self.quote, table.key))})"])


def _iso(moment: datetime) -> str:
    # One width for all, so that texts compare as moments do.
    return moment.isoformat(timespec="microseconds")


def _without_nul(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _json_without_nul(text: str) -> str:
    return encode_json(_replaced(decode_json(text.encode()))).decode() if "\\u0000" in text else text


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return _without_nul(value)
    if isinstance(value, list):
        return [_replaced(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _replaced(item) for key, item in value.items()}
    return value


def _decimal_text(number: Decimal) -> str:
    return format(number, "f")


SQLITE = Dialect(
    name="SQLite",
    types={"text": "TEXT", "boolean": "BOOLEAN", "integer": "INTEGER", "decimal": "NUMERIC", "moment": "TEXT", "json": "TEXT"},
    placeholder="?",
    begin="BEGIN IMMEDIATE",
    exists=f"SELECT 1 FROM sqlite_master WHERE lower(name) = lower({MARK})",
    longest=0,
    adapt={"decimal": _decimal_text, "moment": _iso},
)
POSTGRESQL = Dialect(
    name="PostgreSQL",
    types={"text": "TEXT", "boolean": "BOOLEAN", "integer": "BIGINT", "decimal": "NUMERIC", "moment": "TIMESTAMPTZ", "json": "JSONB"},
    placeholder="%s",
    # Runs beside each other would otherwise both create the table, or lock rows in different orders.
    begin=f"SELECT pg_advisory_xact_lock(hashtext({MARK}))",
    exists=f"SELECT 1 WHERE to_regclass({MARK}) IS NOT NULL",
    longest=63,
    # PostgreSQL's texts hold no NUL character; what the vendor lets through becomes U+FFFD.
    adapt={"text": _without_nul, "json": _json_without_nul},
)
_BY_NAME = {"sqlite": SQLITE, "postgresql": POSTGRESQL}


def find_dialect(name: str) -> Dialect:
    """Find a database's dialect by what its hook calls it.

    Raises:
        ValueError: it is neither SQLite nor PostgreSQL.
    """
    found = _BY_NAME.get(name)
    if found is None:
        raise ValueError(
            f"rows can be merged into SQLite and PostgreSQL, and this connection is for {name}; "
            "write files by …ToObjectStorageOperator and load those"
        )
    return found
