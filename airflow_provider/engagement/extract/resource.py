"""What can be read, as data: every vendor declares its resources by these values, and everything else follows from them; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider.engagement.extract.table import ATTRIBUTES, Table, Type, with_attributes
from airflow_provider.engagement.extract.window import Window

SNAPSHOT = "snapshot"
"""Read completely, as it is now, whatever the run's interval."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something to read.

    Attributes:
        name: its name; part of files' names.
        doc: the vendor's page.
        read: turns a gathered object back into the record that the tables' columns are read from.
        tables: its own table first, then those of its children.
        windows: the ways to read a window of it (`created`, `last_activity`), each with the column of its table that holds the moment.
        snapshot: it can be read completely; that is then the default.
        counts: what its objects, the completed ones among them, and their children are called in a task's result, as far as it has them.
        version: the column that tells which of two states of an object is the newer one; empty where nothing tells.
        scope: the column that a choice of contents restricts; empty where contents cannot be chosen.
    """

    name: str
    doc: str
    read: Callable[[Any], Any]
    tables: tuple[Table, ...]
    windows: Mapping[str, str] = field(default_factory=dict)
    snapshot: bool = False
    counts: tuple[str, ...] = ()
    version: str = ""
    scope: str = ""

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways to read it, the default first."""
        return ((SNAPSHOT,) if self.snapshot else ()) + tuple(self.windows)

    def choose_way(self, by: str | None) -> str:
        """Check the way to read it, or give the default.

        Raises:
            ValueError: it cannot be read that way.
        """
        if by and by not in self.ways:
            raise ValueError(f"{self.name} can be read by {' or '.join(map(repr, self.ways))}, not by {by!r}")
        return by or self.ways[0]

    def with_attributes(self, chosen: Mapping[str, Type] | Sequence[str]) -> Resource:
        """Give some attributes columns of their own in place of one column of JSON.

        Args:
            chosen: types by the attributes' names, or only names, for columns of text.

        Raises:
            ValueError: it has no attributes, or a type is none.
        """
        if isinstance(chosen, str):
            raise ValueError(f"attributes must be a list of names or a dict of types by name, got the text {chosen!r:.60}")
        types: Mapping[str, Type] = chosen if isinstance(chosen, Mapping) else dict.fromkeys(chosen, "text")
        if not any(ATTRIBUTES in table.names for table in self.tables):
            raise ValueError(f"{self.name} has no attributes to choose from")
        return replace(self, tables=tuple(with_attributes(table, types) if ATTRIBUTES in table.names else table for table in self.tables))


def choose_resource(resources: Mapping[str, Resource], name: str) -> Resource:
    """Find a resource.

    Raises:
        ValueError: there is none of that name.
    """
    found = resources.get(name)
    if found is None:
        raise ValueError(f"resource must be one of {', '.join(resources)}, got {name!r}")
    return found


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a resource.

    Attributes:
        resource: what is read.
        by: the way.
        windows: the windows, oldest first, without a gap; none for a snapshot.
    """

    resource: Resource
    by: str
    windows: tuple[Window, ...] = ()

    @property
    def window(self) -> Window | None:
        """All windows as one; None for a snapshot."""
        return Window(self.windows[0].start, self.windows[-1].end) if self.windows else None
