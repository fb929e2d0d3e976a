"""Where rows come from: lists, XComs, mapped upstream tasks, generators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Rows = Iterable[Row | Iterable[Row]]
"""An iterable of rows, or of lists of rows (what mapped upstream tasks return)."""


@dataclass(frozen=True, slots=True)
class ApiRow:
    """A row that is in the API's own shape already, whatever the mapping of the other rows: a reject that is replayed.

    Attributes:
        row: the row.
    """

    row: Row


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row that its source or mapping found unusable; planning makes it a reject.

    Attributes:
        row: the row as the source gave it.
        key: its key, if it can be told.
        error: what is wrong with it.
    """

    row: Any
    key: str | None
    error: ValueError | TypeError


@dataclass(slots=True)
class MappedRow:
    """A row that a mapping brought into the API's own shape.

    Attributes:
        row: the row in the API's own shape.
        source: the row as the source gave it, or a list of those it was joined from; a reject shows it, and is mapped when replayed.
    """

    row: Row
    source: Any


class UnusableSource(ValueError):
    """The source is not one of rows at all, or its columns do not fit: a retry would not change that."""


class UnshownRows:
    """Rows that do not show themselves: Airflow keeps what a templated field was rendered to, and shows it in its UI.

    Args:
        rows: the rows.
    """

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        return iterate_rows(self._rows)

    def __repr__(self) -> str:
        count = f"{len(self._rows)} rows" if isinstance(self._rows, list | tuple) else "rows"
        return f"<{count}, not shown because they may be personal data>"


def iterate_rows(source: Rows | None) -> Iterator[Any]:
    """Yield the rows of a source one by one, whatever form it has.

    Args:
        source: see `Rows`.

    Raises:
        UnusableSource: the source is no iterable of rows; the message says what it is and what it should be.
    """
    if source is None:
        raise UnusableSource("rows is None: the upstream task returned nothing; return a list of rows, empty if there are none")
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        raise UnusableSource("rows is a DataFrame, whose iteration gives column names; pass frame.to_dict('records')")
    if isinstance(source, str | bytes | Mapping) or not isinstance(source, Iterable):
        hint = " (a template renders to text: pass the upstream task's output instead)" if isinstance(source, str) else ""
        raise UnusableSource(f"rows must be a list or another iterable of dicts, got {type(source).__name__}{hint}")
    for item in source:
        if isinstance(item, Mapping | str | bytes) or not isinstance(item, Iterable):
            yield item
        else:
            yield from item
