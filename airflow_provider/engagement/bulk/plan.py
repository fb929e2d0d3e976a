"""Rows become calls before the first one is sent: everything that can be known to be wrong is known then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from airflow_provider.engagement.bulk.rejects import Reject, as_json
from airflow_provider.engagement.bulk.rows import ApiRow, InvalidRow, MappedRow
from airflow_provider.engagement.wire.errors import NotFound
from airflow_provider.engagement.wire.message import Call, Request
from airflow_provider.engagement.wire.values import check_id

if TYPE_CHECKING:
    from airflow_provider.engagement.bulk.plan_file import PlanWriter


@dataclass(frozen=True, slots=True)
class RowCalls:
    """What a row becomes.

    Attributes:
        key: rows of one key are sent in order; None for none.
        calls: the calls, made one after the other.
        row: the row in the API's own shape, as JSON, where that is not the body of the first call; a reject shows it.
    """

    key: str | None
    calls: tuple[Call[Any], ...]
    row: bytes | None = None


MakeCall = Callable[[Any], RowCalls]
"""Checks a row in the API's own shape and says what it becomes.

Raises `ValueError` or `TypeError`, whose text is the reason the row is refused.
"""


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go: one kind of object of one account. Each vendor gives its own.

    Attributes:
        what: what the rows are, in the plural.
        destination: what tells this account from others, by name (base URL, project, …); no secret.
        make_call: what a row becomes.
        reader: how the answer to a planned request is read, deletions aside; it raises where the answer is not what was promised.
        accept: sees by the answer's bytes that it is what was promised, without making a record of it; used where there is no
            `check`, so that nobody looks at the record. None to use `reader`.
        check: looks at the answer to a row's first call and says what is wrong with it, or None: some servers accept a row
            and drop a part of it.
        find: the call that says whether a key exists (`NotFound` if not); None where there is none.
        delete: the call that deletes a key's object; None where there is none.
        gone: says of a `NotFound` answer to these two whether it means that the object does not exist, and not that the address
            is wrong.
    """

    what: str
    destination: Mapping[str, str]
    make_call: MakeCall
    reader: Callable[[Request], Callable[[Any], Any]]
    accept: Callable[[bytes], Any] | None = None
    check: Callable[[Request, Any], str | None] | None = None
    find: Callable[[str], Call[Any]] | None = None
    delete: Callable[[str], Call[Any]] | None = None
    gone: Callable[[NotFound], bool] = lambda _error: True


class PlannedCall(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A request as the plan keeps it."""

    method: str
    path: str
    body: bytes | None
    repeatable: bool

    @classmethod
    def of(cls, call: Call[Any]) -> PlannedCall:
        """Take a call's request; a write has no query."""
        request = call.request
        return cls(request.method, request.path, request.body, request.repeatable)

    @property
    def request(self) -> Request:
        """The request."""
        return Request(self.method, self.path, (), self.body, self.repeatable)


class PlannedRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A row that is ready to be sent.

    Attributes:
        position: its place in the source, from 0; of a deletion, the place behind all rows.
        key: its key, or None.
        calls: the calls to make, one after the other.
        fingerprint: 8 bytes that stand for all calls; empty for a deletion.
        row: see `RowCalls`.
        find: ask first whether the key exists, and leave it alone if not.
        delete: the call is a deletion.
    """

    position: int
    key: str | None
    calls: tuple[PlannedCall, ...]
    fingerprint: bytes = b""
    row: bytes | None = None
    find: bool = False
    delete: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether sending the row twice does the same as sending it once."""
        return all(call.repeatable for call in self.calls)

    def reject(self, kind: str, reason: str, code: str | None = None, request_id: str | None = None) -> Reject:
        """Make the row a reject; it shows the row in the API's own shape, of a deletion nothing: there is nothing to replay."""
        row = b"null" if self.delete else self.row or self.calls[0].body or msgspec.json.encode({"id": self.key})
        return Reject(self.position, self.key, kind, reason, code, request_id, row)


class KnownKeys(Protocol):
    """What planning asks of the state (`airflow_provider.engagement.bulk.state.State`)."""

    @property
    def first(self) -> bool:
        """Nothing was known before."""

    def fingerprint(self, key: str) -> bytes | None:
        """What the server has of a key; None if nothing is known."""

    def plan(self, key: str, fingerprint: bytes | None) -> bool:
        """This will be sent; None: the key will be deleted. Says whether something was planned for the key before."""

    def present(self, key: str) -> None:
        """The source has this key."""

    def missing(self) -> Iterable[str]:
        """Keys recorded as sent that the source did not have."""

    def known(self) -> int:
        """How many keys are recorded."""


@dataclass(slots=True)
class Planned:
    """What planning found.

    Attributes:
        read: rows in the source.
        unchanged: rows the server has already.
        invalid: rows that are unusable.
        planned: rows to send, deletions among them.
        deletions: rows to delete.
        finds: rows that cost a read first, because the state does not know their key.
        unrepeatable: rows that must not be sent twice.
        nameless: unusable rows whose key cannot be told.
        notes: what a person should know about the plan, in sentences.
    """

    read: int = 0
    unchanged: int = 0
    invalid: int = 0
    planned: int = 0
    deletions: int = 0
    finds: int = 0
    unrepeatable: int = 0
    nameless: int = 0
    notes: list[str] = field(default_factory=list)


class TooManyDeletions(ValueError):
    """A mirror would delete a larger part of the keys than is allowed."""


def make_plan(
    rows: Iterable[Any],
    target: Target,
    out: PlanWriter,
    refuse: Callable[[Reject], None],
    *,
    mode: str = "upsert",
    state: KnownKeys | None = None,
    first_of: Callable[[str, int], int] | None = None,
    max_delete_fraction: float = 0.1,
) -> Planned:
    """Read a source to its end and plan every row.

    Args:
        rows: the source.
        target: where they go.
        out: takes the planned rows.
        refuse: takes the unusable rows.
        mode: `upsert`, `update_only` or `mirror`.
        state: what the server has already; None to send everything.
        first_of: given where rows of one key are refused: says at which position a key stood first.
        max_delete_fraction: part of the known keys that a mirror may delete at the most.

    Raises:
        TooManyDeletions: it would delete more.
    """
    planned = Planned()
    planner = _Planner(target, out, mode, state, first_of, planned)
    for position, row in enumerate(rows):
        planned.read += 1
        try:
            if isinstance(row, InvalidRow):
                raise row.error
            made = target.make_call(row.row if isinstance(row, MappedRow | ApiRow) else row)
            planner.add(position, made)
        except (ValueError, TypeError) as error:
            given, key = _source_of(row)
            planned.invalid += 1
            if key is None:
                planned.nameless += 1
            elif state is not None and mode == "mirror":
                state.present(key)
            kind = "refused" if isinstance(row, ApiRow) else "invalid"  # a replayed row has its shape; no mapping must touch it again
            refuse(Reject(position, key and _whole(key), kind, _whole(str(error)) or type(error).__name__, row=as_json(given)))
    if mode == "mirror" and state is not None:
        planner.add_deletions(max_delete_fraction)
    return planned


class _Planner:
    """Decides what becomes of one row that is fit to be sent."""

    def __init__(
        self,
        target: Target,
        out: PlanWriter,
        mode: str,
        state: KnownKeys | None,
        first_of: Callable[[str, int], int] | None,
        planned: Planned,
    ) -> None:
        self._target, self._out, self._mode, self._state, self._first_of, self._planned = target, out, mode, state, first_of, planned

    def add(self, position: int, made: RowCalls) -> None:
        planned, state, key = self._planned, self._state, made.key
        calls = tuple(map(PlannedCall.of, made.calls))
        repeatable = all(call.repeatable for call in calls)
        if key is not None and self._first_of is not None and (first := self._first_of(key, position)) != position:
            raise ValueError(f"row {first} has the same key {key!r:.60}; keep one of them, or set duplicates='in_order' to send both")
        fingerprint = _fingerprint(calls)
        find = self._mode == "update_only"
        if key is not None and state is not None:
            if not repeatable:
                raise ValueError("add and subtract count anew each time and cannot be compared with what was sent; leave out state_path")
            known = state.fingerprint(key)
            if self._mode == "mirror":
                state.present(key)
            if known == fingerprint:
                planned.unchanged += 1
                return
            find = find and known is None
            # A later row of a key that may not exist must ask, too.
            if not find and state.plan(key, fingerprint):
                self._out.repeated[key] = planned.planned
        planned.finds += find
        planned.unrepeatable += not repeatable
        planned.planned += 1
        self._out.add(PlannedRow(position, key, calls, fingerprint, made.row, find))

    def add_deletions(self, max_fraction: float) -> None:
        planned, state, delete = self._planned, self._state, self._target.delete
        if state is None or delete is None:
            return
        if state.first or not planned.read or planned.nameless:
            why = "the state is new" if state.first else "the source is empty" if not planned.read else "some unusable rows have no key"
            planned.notes.append(f"Nothing is deleted, because {why}")
            return
        known = state.known()
        for key in state.missing():
            planned.deletions += 1
            if planned.deletions <= max_fraction * known:
                state.plan(key, None)
                self._out.add(PlannedRow(planned.read, key, (PlannedCall.of(delete(key)),), delete=True))
        if planned.deletions > max_fraction * known:
            raise TooManyDeletions(
                f"{planned.deletions} of {known} {self._target.what} are no longer in the source, more than max_delete_fraction="
                f"{max_fraction:g} allows to delete; nothing was sent. If they are to go, raise it for this run"
            )
        planned.planned += planned.deletions


def key_of(row: Any) -> str | None:
    """Say which object a row in the API's own shape is about, as far as that can be told."""
    with suppress(ValueError, TypeError):
        return check_id(row["id"]) if isinstance(row, Mapping) and "id" in row else None
    return None


def _source_of(row: Any) -> tuple[Any, str | None]:
    """Give an unusable row as its source gave it, and its key."""
    if isinstance(row, InvalidRow):
        return row.row, row.key
    if isinstance(row, MappedRow):
        return row.source, key_of(row.row)
    return (row.row, key_of(row.row)) if isinstance(row, ApiRow) else (row, key_of(row))


def _whole(text: str) -> str:
    """Write out half characters (lone surrogates), which UTF-8 cannot carry; they are why some rows are unusable."""
    return text.encode("utf-8", "backslashreplace").decode()


def _fingerprint(calls: tuple[PlannedCall, ...]) -> bytes:
    digest = blake2b(digest_size=8)
    for call in calls:
        digest.update(call.path.encode())
        digest.update(call.body or b"")
        digest.update(b"\0")
    return digest.digest()
