"""What an emulated vendor is made of: a clock, documents in collections, what came in and what goes out. All plain values."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from airflow_provider.engagement.wire.message import decode_json, encode_json

Document = dict[str, Any]
"""A JSON object. Documents in a collection are replaced, never changed in place."""

JSON_TYPE = "application/json; charset=utf-8"


class Refused(Exception):
    """A request the vendor answers with an error.

    Args:
        status: HTTP status.
        code: the vendor's machine-readable code.
        text: what is wrong, for people.
    """

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


class Clock:
    """A clock that can be moved and stopped.

    Args:
        real: answers the real time; replaceable for tests.
    """

    def __init__(self, real: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._real = real
        self._offset = timedelta()
        self._stopped_at: datetime | None = None

    def now(self) -> datetime:
        """Tell the time (aware, UTC)."""
        if self._stopped_at is not None:
            return self._stopped_at
        return self._real() + self._offset

    def advance(self, by: float | timedelta) -> datetime:
        """Move by seconds (or a timedelta), back if negative; answers the new time."""
        return self.set(self.now() + (by if isinstance(by, timedelta) else timedelta(seconds=by)))

    def set(self, to: datetime) -> datetime:
        """Move to a time; it goes on running from there unless stopped.

        Raises:
            ValueError: the time has no zone.
        """
        if to.tzinfo is None:
            raise ValueError(f"the clock needs a time with a zone, got {to.isoformat()}")
        to = to.astimezone(UTC)
        if self._stopped_at is not None:
            self._stopped_at = to
        else:
            self._offset = to - self._real()
        return to

    def stop(self, at: datetime | None = None) -> datetime:
        """Stop, at a given time or where it stands: it then moves only when told to."""
        self._stopped_at = self.now()
        return self.set(at) if at is not None else self._stopped_at

    def run(self) -> None:
        """Go on from where it was stopped."""
        if self._stopped_at is not None:
            at, self._stopped_at = self._stopped_at, None
            self.set(at)

    def reset(self) -> None:
        """Show the real time again."""
        self._offset = timedelta()
        self._stopped_at = None

    @property
    def stopped(self) -> bool:
        """Whether it stands still."""
        return self._stopped_at is not None


def timestamp(moment: datetime) -> str:
    """Write a time as the references do: `2022-10-17T12:34:56.000+00:00`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


class Keeper(Protocol):
    """Keeps what a store holds beyond the process."""

    def load(self) -> Iterable[tuple[str, str, Document]]:
        """Read collection, id and document of everything kept, in the order of creation."""

    def put(self, collection: str, key: str, document: Document) -> None:
        """Keep a document; one with the same id keeps its place."""

    def delete(self, collection: str, key: str) -> None:
        """Forget a document."""

    def clear(self) -> None:
        """Forget everything."""

    def commit(self) -> None:
        """Make all of it durable."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A collection's documents in some order, and where each id stands in it."""

    documents: list[Document]
    positions: dict[str, int]


class Collection:
    """Documents by id, in order of creation.

    Args:
        name: the collection's name.
        keeper: where its documents are kept beyond the process.
        indexes: fields to find documents by with `by`.

    Attributes:
        revision: grows with every write.
    """

    def __init__(self, name: str, keeper: Keeper | None = None, indexes: Iterable[str] = ()) -> None:
        self.name = name
        self.revision = 0
        self._keeper = keeper
        self._documents: dict[str, Document] = {}
        self._indexes: dict[str, dict[Any, dict[str, None]]] = {item: {} for item in indexes}
        self._orders: dict[Hashable, Ordered] = {}

    def __len__(self) -> int:
        return len(self._documents)

    def __contains__(self, key: object) -> bool:
        return key in self._documents

    def get(self, key: str | None) -> Document | None:
        """Get a document, or None."""
        return None if key is None else self._documents.get(key)

    def values(self) -> list[Document]:
        """All documents in order of creation."""
        return list(self._documents.values())

    def latest(self, count: int) -> list[Document]:
        """The documents created last, the newest first."""
        return [self._documents[key] for key in islice(reversed(self._documents), count)]

    def by(self, name: str, value: Any) -> list[Document]:
        """The documents whose indexed field has a value, in order of creation of that value."""
        return [self._documents[key] for key in self._indexes[name].get(value, ())]

    def put(self, document: Document) -> Document:
        """Insert a document or replace the one with its id, which keeps its place."""
        key = document["id"]
        old = self._documents.get(key)
        self._documents[key] = document
        for name, index in self._indexes.items():
            if old is not None and old.get(name) != document.get(name):
                self._drop(index, old.get(name), key)
            index.setdefault(document.get(name), {})[key] = None
        self._written()
        if self._keeper is not None:
            self._keeper.put(self.name, key, document)
        return document

    def delete(self, key: str) -> Document | None:
        """Remove a document; answers it, or None if there was none."""
        old = self._documents.pop(key, None)
        if old is None:
            return None
        for name, index in self._indexes.items():
            self._drop(index, old.get(name), key)
        self._written()
        if self._keeper is not None:
            self._keeper.delete(self.name, key)
        return old

    def ordered(self, order: Hashable, sort: Callable[[list[Document]], list[Document]]) -> Ordered:
        """Sort all documents, or answer the same as last time if nothing was written since.

        Args:
            order: names the order.
            sort: puts documents into it.
        """
        found = self._orders.get(order)
        if found is None:
            documents = sort(self.values())
            found = Ordered(documents, {document["id"]: place for place, document in enumerate(documents)})
            self._orders[order] = found
        return found

    def clear(self) -> None:
        """Forget all documents."""
        self._documents.clear()
        self._written()
        for index in self._indexes.values():
            index.clear()

    def _written(self) -> None:
        self.revision += 1
        self._orders.clear()

    @staticmethod
    def _drop(index: dict[Any, dict[str, None]], value: Any, key: str) -> None:
        keys = index.get(value, {})
        keys.pop(key, None)
        if not keys:
            index.pop(value, None)


class Store:
    """All collections of all vendors. `lock` is held while a request is handled and while state is seeded.

    Args:
        keeper: keeps everything beyond the process; what it kept is loaded when a collection is first asked for.
    """

    def __init__(self, keeper: Keeper | None = None) -> None:
        self.lock = threading.RLock()
        self._keeper = keeper
        self._collections: dict[str, Collection] = {}
        self._loaded: dict[str, list[Document]] = {}
        if keeper is not None:
            for name, _key, document in keeper.load():
                self._loaded.setdefault(name, []).append(document)

    def collection(self, name: str, indexes: Iterable[str] = ()) -> Collection:
        """Get a collection, made on first use with these indexes."""
        if name not in self._collections:
            unkept = Collection(name, None, indexes)
            for document in self._loaded.pop(name, ()):
                unkept.put(document)
            unkept._keeper = self._keeper
            self._collections[name] = unkept
        return self._collections[name]

    def names(self) -> list[str]:
        """The names of the collections in use."""
        return list(self._collections)

    def commit(self) -> None:
        """Make what was written durable."""
        if self._keeper is not None:
            self._keeper.commit()

    def clear(self) -> None:
        """Forget everything."""
        for collection in self._collections.values():
            collection.clear()
        self._loaded.clear()
        if self._keeper is not None:
            self._keeper.clear()


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came in.

    Attributes:
        method: HTTP method, upper case.
        path: the path, still percent-encoded.
        query: decoded pairs in the order they came.
        headers: names in lower case.
        body: the body's bytes.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def names(self) -> list[str]:
        """The query parameters' names, `[]` cut off."""
        return [key.removesuffix("[]") for key, _ in self.query]

    def many(self, name: str) -> list[str]:
        """All values of a parameter: `a=x`, `a[]=x&a[]=y` and `a=x&a=y` alike."""
        return [value for key, value in self.query if key in (name, f"{name}[]")]

    def one(self, name: str) -> str | None:
        """The value of a parameter, or None.

        Raises:
            Refused: it has several.
        """
        values = self.many(name)
        if len(values) > 1:
            raise Refused(400, "invalid_request", f"{name} was given {len(values)} times")
        return values[0] if values else None

    def json(self) -> Any:
        """Decode the body.

        Raises:
            ValueError: it is not JSON.
        """
        return decode_json(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        """Make an answer with a JSON body."""
        return cls(status, {"Content-Type": JSON_TYPE, **(headers or {})}, encode_json(value))


@dataclass(slots=True)
class Delivery:
    """A webhook notification on its way.

    Attributes:
        url: where it goes.
        topic: what it is about.
        body: what is sent.
        headers: the headers of its first attempt.
        sign: makes the headers of an attempt at a given time.
        timeout: seconds one attempt may take.
        waits: seconds to wait before each attempt; when they run out it is given up.
    """

    url: str
    topic: str
    body: bytes
    headers: Mapping[str, str]
    sign: Callable[[datetime], Mapping[str, str]] = field(repr=False)
    timeout: float = 15.0
    waits: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)


class Vendor(Protocol):
    """One emulated vendor, as the server knows it."""

    @property
    def name(self) -> str:
        """The vendor's short name."""

    def owns(self, path: str) -> bool:
        """Say whether a path is in this vendor's part of the server."""

    def handle(self, incoming: Incoming) -> Reply:
        """Answer a request."""

    def problem(self, status: int, text: str | None = None) -> Reply:
        """Make this vendor's error object for a status, for faults."""

    def advance(self) -> None:
        """Let happen what is due by the clock."""

    def seed(self, data: Mapping[str, Any]) -> Document:
        """Take in objects that the vendor's API cannot create; answers what was made."""

    def walk(self, data: Mapping[str, Any]) -> Document:
        """Send people through content; answers the walk."""

    def take_deliveries(self) -> list[Delivery]:
        """The webhook notifications not taken yet."""

    def summary(self) -> Document:
        """What it holds: by collection a count and the latest documents."""

    def reset(self) -> None:
        """Forget settings; the store is cleared by the server."""
