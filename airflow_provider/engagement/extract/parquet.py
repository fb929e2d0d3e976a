"""Parquet files of a table's rows: the schema is in the file, also where there are no rows. Needs pyarrow (extra `parquet`)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from airflow_provider.engagement.extract.table import Row, Table

DIGITS, SCALE = 38, 9
"""Of decimals; more digits behind the point than that are rounded."""
_ROWS_AT_A_TIME = 10_000
_STEP = Decimal(1).scaleb(-SCALE)
_CONTEXT = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN)


def check_installed() -> None:
    """Check that pyarrow is there.

    Raises:
        ValueError: it is not; the message says how to get it.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise ValueError("Parquet needs pyarrow: install airflow-provider-engagement[parquet], or write JSON Lines") from error


class ParquetFile:
    """A Parquet file; the same rows give the same bytes with the same version of pyarrow.

    Args:
        target: the local file.
        table: whose rows it takes.
    """

    def __init__(self, target: Path, table: Table) -> None:
        self._target = target
        self._table = table
        self._waiting: list[Row] = []
        self._decimals = [column.type == "decimal" for column in table.columns]

    def __enter__(self) -> Self:
        from pyarrow import parquet

        self._schema = _schema(self._table)
        self._writer: Any = parquet.ParquetWriter(self._target, self._schema)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        self._waiting += rows
        if len(self._waiting) >= _ROWS_AT_A_TIME:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        import pyarrow

        arrays = []
        for field, is_decimal, values in zip(self._schema, self._decimals, zip(*self._waiting, strict=True), strict=True):
            try:
                arrays.append(pyarrow.array([_rounded(value) for value in values] if is_decimal else values, field.type))
            except (pyarrow.ArrowException, ArithmeticError) as error:
                raise ValueError(f"{self._table.name}: a value of the column {field.name} does not fit into {field.type}") from error
        self._writer.write_batch(pyarrow.record_batch(arrays, schema=self._schema))
        self._waiting.clear()


def _schema(table: Table) -> Any:
    import pyarrow

    types = {
        "text": pyarrow.string(),
        "boolean": pyarrow.bool_(),
        "integer": pyarrow.int64(),
        "decimal": pyarrow.decimal128(DIGITS, SCALE),
        "moment": pyarrow.timestamp("us", tz="UTC"),
        "json": pyarrow.string(),
    }
    fields = [
        pyarrow.field(column.name, types[column.type], nullable=column.name not in table.key, metadata={"description": column.doc})
        for column in table.columns
    ]
    return pyarrow.schema(fields, metadata={"table": table.name, "description": table.doc, "key": ", ".join(table.key)})


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(_STEP, context=_CONTEXT)
