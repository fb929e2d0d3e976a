"""One description per endpoint: the hook sends it, the emulator routes by it, the docs list it."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic
from urllib.parse import unquote

from airflow_provider.engagement.wire.message import (
    Call,
    Query,
    Request,
    T,
    encode_json,
    encode_query,
    encode_segment,
)


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[T]):
    """One call of a vendor's API.

    Attributes:
        method: HTTP method.
        path: path with `{name}` for each id in it.
        read: turns the decoded answer into what the caller gets.
        name: the call's name; the hook's method is named after it.
        doc: the vendor's page that describes it.
        query: names of the query parameters it takes.
        fields: names of the keys its JSON body takes.
        required: names among `query` and `fields` that must be given.
        repeatable: whether sending it twice does the same as sending it once; a function of the body where it depends on it.
        next_query: for lists, the query of the next page, or None after the last.
        walk: for lists whose pages cannot simply be followed, their own way over them (see `wire.page.walk`).
        raw: `read` is given the answer's bytes, for a reader that decodes only what it needs.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    name: str
    doc: str
    query: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    repeatable: bool | Callable[[Mapping[str, Any]], bool] = True
    next_query: Callable[[T, Query], Query | None] | None = None
    walk: Callable[[Any, Query, int | None], Generator[Any, Any, None]] | None = None
    raw: bool = False

    def call(self, query: Query | None = None, json: Mapping[str, Any] | None = None, **ids: str) -> Call[T]:
        """Make the call.

        Args:
            query: query parameters by name; None values are left out.
            json: the body's keys and values.
            **ids: the ids in the path, unencoded.

        Raises:
            ValueError: an id is missing or unusable, a required name is missing, or a name is not one the endpoint takes.
        """
        sent = {key: value for key, value in (query or {}).items() if value is not None}
        self._check(sent, json or {})
        path = self.path
        if ids or "{" in path:
            self._check_ids(ids)
            path = path.format(**{key: encode_segment(key, value) for key, value in ids.items()})
        repeatable = self.repeatable if isinstance(self.repeatable, bool) else self.repeatable(json or {})
        body = None if json is None else encode_json(json)
        return Call(Request(self.method, path, encode_query(sent), body, repeatable), self.read, self.raw)

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Say whether a request line is for this endpoint: the decoded ids of its path, or None."""
        found = _pattern(self.path).fullmatch(path)
        if method != self.method or found is None:
            return None
        return {key: unquote(value) for key, value in found.groupdict().items()}

    def _check_ids(self, ids: Mapping[str, Any]) -> None:
        wanted = _pattern(self.path).groupindex
        if ids.keys() != wanted.keys():
            raise ValueError(f"the path of {self.name} needs {', '.join(wanted) or 'no id'}; it got {', '.join(ids) or 'none'}")

    def _check(self, query: Mapping[str, Any], json: Mapping[str, Any]) -> None:
        unknown = [key for key in query if key not in self.query] + [key for key in json if key not in self.fields]
        if unknown:
            raise ValueError(f"{self.name} takes no {', '.join(unknown)}; it takes {', '.join(self.query + self.fields) or 'nothing'}")
        missing = [key for key in self.required if key not in query and key not in json]
        if missing:
            raise ValueError(f"{self.name} needs {', '.join(missing)}")


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
