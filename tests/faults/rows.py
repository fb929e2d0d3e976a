"""The rows of a round: most of them good, a few that the plan must refuse, and a few that only the server refuses."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Fate = Literal["good", "invalid", "refused"]
Row = dict[str, Any]
EVENT_NAME = "order placed"
REFUSED_ATTRIBUTE = "amount"
"""Defined as a number on the server beforehand; a text in it is refused there."""
_SPOILED = 6
"""Rows of each kind that are spoiled."""
_PEOPLE = 400


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row, and what must become of it. Its attribute `n` is its position, wherever it has attributes.

    Attributes:
        row: as the source gives it.
        fate: `good`, `invalid` (unusable, never sent) or `refused` (by the server).
    """

    row: Row
    fate: Fate


def make_rows(kind: str, seed: str, count: int, *, repeats: bool = True) -> list[SourceRow]:
    """Make the rows of one task; the same ones for the same arguments.

    Args:
        kind: `users` or `events`.
        seed: makes the choices.
        count: how many.
        repeats: some users have several rows.
    """
    chance = random.Random(f"{kind} {seed}")
    spoiled = chance.sample(range(count), 2 * _SPOILED)
    invalid, refused = set(spoiled[:_SPOILED]), set(spoiled[_SPOILED:])
    spoil = _SPOIL_USER if kind == "users" else _SPOIL_EVENT
    rows = []
    for position in range(count):
        row = _user(position, chance, repeats=repeats) if kind == "users" else _event(position, chance)
        if position in invalid:
            chance.choice(spoil)(row)
        elif position in refused:
            row["attributes"][REFUSED_ATTRIBUTE] = "much"
        rows.append(SourceRow(row, "invalid" if position in invalid else "refused" if position in refused else "good"))
    return rows


def final_users(rows: Sequence[SourceRow]) -> dict[str, Row]:
    """Say which users the server must hold at the end, with which attributes: the good rows, one after the other."""
    users: dict[str, Row] = {}
    for source in rows:
        if source.fate == "good":
            held = users.setdefault(source.row["id"], {"seen": []})
            given = source.row["attributes"]
            held.update({**given, "seen": [*held["seen"], given["seen"]["append"]]})
    return users


def _user(position: int, chance: random.Random, *, repeats: bool) -> Row:
    # One row in five is about a user of one of the rows before it: what comes last must win, however the requests overtake each other.
    number = max(0, position - chance.randrange(1, 40)) if repeats and chance.random() < 0.2 else position
    attributes = {"n": position, "name": f"Name {position}", "seen": {"append": f"{position:05}"}}
    return {"id": f"user-{number:05}", "attributes": attributes}


def _event(position: int, chance: random.Random) -> Row:
    return {"name": EVENT_NAME, "user_id": f"person-{chance.randrange(_PEOPLE)}", "attributes": {"n": position}}


def _put(name: str, value: Any) -> Any:
    def spoil(row: Row) -> None:
        row[name] = value

    return spoil


def _put_attribute(name: str, value: Any) -> Any:
    def spoil(row: Row) -> None:
        row["attributes"][name] = value

    return spoil


_NAIVE = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - that is what is wrong with it
_SPOIL_USER = (
    _put("id", None),
    _put("id", ""),
    _put("name", "in the wrong place"),
    _put_attribute("bad.name", 1),
    _put_attribute("at", _NAIVE),
    _put_attribute("share", float("inf")),
)
_SPOIL_EVENT = (
    _put("name", None),
    _put("name", "order: placed"),
    _put("user_id", None),
    _put("time", _NAIVE),
    _put_attribute("at", _NAIVE),
    _put_attribute("share", float("inf")),
)
