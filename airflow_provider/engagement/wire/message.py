"""Requests, responses and calls as plain values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

T = TypeVar("T")

Query = Mapping[str, Any]
"""Query parameters by name: text, number, boolean, a list or tuple of those, or None for "not sent"."""

_PATH = re.compile(r"(?!.*/(?:\.|%2[eE]){1,2}(?:/|$))/(?!/)[!-\"$->@-~]*")
"""One leading slash, then visible ASCII but `#` and `?`, no dot segments: nothing that could lead to another host or path."""

_encoder = msgspec.json.Encoder(decimal_format="number", order="deterministic")
_decoder = msgspec.json.Decoder()
_DOTS = re.compile(r"\.{1,2}")


class Request(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request, complete but for the base URL and the credentials, which only a client knows.

    Attributes:
        method: HTTP method.
        path: path below the base URL, percent-encoded.
        query: query parameters, unencoded, in order.
        body: the body, encoded JSON.
        repeatable: whether sending it twice does the same as sending it once.

    Raises:
        ValueError: the path could lead elsewhere than below the base URL.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    repeatable: bool = True

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path):
            raise ValueError(
                f"a path is percent-encoded, begins with one '/', has no '?', '#', '.' or '..' segment; got {self.path!r:.200}"
            )

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.path!r}, {self.query!r}, repeatable={self.repeatable})"  # not the body: it is a row

    @property
    def target(self) -> str:
        """Path and query, percent-encoded, as they stand in the request line."""
        return f"{self.path}?{urlencode(self.query, quote_via=quote)}" if self.query else self.path


class Response(msgspec.Struct, frozen=True):
    """One HTTP answer. Headers are looked up by names in lower case."""

    status: int
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Response({self.status})"  # neither headers nor the body

    def json(self) -> Any:
        """Decode the body.

        Raises:
            ValueError: the body is not JSON.
        """
        return decode_json(self.body)


class Call(msgspec.Struct, Generic[T], frozen=True):
    """A request and how to read its answer.

    Attributes:
        request: what is sent.
        read: is given the answer's decoded body, None if it is empty.
        raw: `read` is given the body's bytes instead.
    """

    request: Request
    read: Callable[[Any], T]
    raw: bool = False


def encode_json(value: Any) -> bytes:
    """Encode to JSON: integers of any size stay integers, `Decimal` becomes a number without loss, equal objects become equal bytes."""
    return _encoder.encode(value)


def splice(fields: bytes, body: bytes) -> bytes:
    """Put more fields at the front of an encoded JSON object, without decoding it.

    Args:
        fields: an encoded JSON object with at least one field.
        body: an encoded JSON object, as `encode_json` makes it.

    Raises:
        ValueError: the body is no object, so it has no room for fields.
    """
    if not body.startswith(b"{"):
        raise ValueError("the body must be a JSON object: the connection's own fields are sent in it")
    return fields[:-1] + (b"}" if body == b"{}" else b"," + body[1:])


def decode_json(body: bytes) -> Any:
    """Decode JSON.

    Raises:
        ValueError: the body is not JSON (`msgspec.DecodeError` is a `ValueError`).
    """
    return _decoder.decode(body)


def encode_query(query: Query) -> tuple[tuple[str, str], ...]:
    """Flatten query parameters: None is left out, one value goes as `name=a`, several as `name[]=a&name[]=b`.

    Raises:
        TypeError: a value is neither text nor a number nor a boolean nor a list of those.
    """
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        given = value if isinstance(value, list | tuple) else (value,)
        values = [_text(name, item) for item in given if item is not None]
        key = name if len(values) == 1 else f"{name}[]"
        pairs += [(key, text) for text in values]
    return tuple(pairs)


def encode_segment(name: str, value: object) -> str:
    """Percent-encode one path segment, `/` included.

    Raises:
        ValueError: the value is empty, not text, or `.` or `..`, which no server would read as an id.
    """
    if not isinstance(value, str) or not value or _DOTS.fullmatch(value):
        raise ValueError(f"{name} must be a non-empty text other than '.' and '..', got {value!r:.60}")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds half a character (a lone surrogate), which UTF-8 cannot carry; clean the text") from None


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float | Decimal):
        raise TypeError(f"query parameter {name} must be text, a number, a boolean or a list of those, got {type(value).__name__}")
    return str(value)
