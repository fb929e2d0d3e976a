"""The one table of `make bench`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure beside its target.

    Attributes:
        name: what was measured.
        measured: the value with its unit.
        target: what it must be; empty where the figure is only shown for comparison.
        met: whether it is that.
        note: the parts a ratio is made of, or where the measurement departs from the plain thing.
    """

    name: str
    measured: str
    target: str
    met: bool
    note: str = ""


def table_of(figures: Sequence[Figure], width: int = 54) -> str:
    """Draw the table; a figure's note stands below it.

    Args:
        figures: the rows, in order.
        width: characters of the first column; longer names are broken.
    """
    measured = max([len("measured"), *(len(figure.measured) for figure in figures)])
    target = max([len("target"), *(len(figure.target) for figure in figures)])
    lines = [f"{'figure':<{width}}  {'measured':>{measured}}  {'target':<{target}}  met"]
    lines.append("-" * len(lines[0]))
    for figure in figures:
        name, *more = textwrap.wrap(figure.name, width) or [""]
        met = ("yes" if figure.met else "NO") if figure.target else ""
        lines.append(f"{name:<{width}}  {figure.measured:>{measured}}  {figure.target:<{target}}  {met}".rstrip())
        lines += more
        lines += [f"    {line}" for line in textwrap.wrap(figure.note, len(lines[0]) - 4)]
    return "\n".join(lines)
