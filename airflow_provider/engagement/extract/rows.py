"""From gathered objects to the rows of their tables, one object in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from airflow_provider.engagement.extract.resource import Resource
from airflow_provider.engagement.extract.table import Row, RowReader
from airflow_provider.engagement.wire.message import decode_json


class Sink(Protocol):
    """What takes a table's rows."""

    def write(self, rows: Sequence[Row]) -> None:
        """Take rows."""


def pour(bodies: Iterable[bytes], resource: Resource, sinks: Sequence[Sink]) -> dict[str, int]:
    """Make rows of objects and give each table's to its sink.

    Args:
        bodies: encoded objects.
        resource: what they are.
        sinks: one for each of the resource's tables, in their order.

    Returns:
        How many rows each table got.

    Raises:
        ValueError: an object does not fit its columns; the message names it.
    """
    ways = [(RowReader(table), sink) for table, sink in zip(resource.tables, sinks, strict=True)]
    counts = {table.name: 0 for table in resource.tables}
    for body in bodies:
        record = resource.read(decode_json(body))
        for reader, sink in ways:
            if rows := reader(record):
                sink.write(rows)
                counts[reader.table.name] += len(rows)
    return counts
