"""Faults on request: what goes wrong between a client and a vendor, reproducible and without I/O.

A fault is added to `Faults` from Python (`faults.add(Drop(after=True, times=1))`) or over HTTP
(`POST /_emulator/faults {"kind": "drop", "after": true, "times": 1}`). For each request `Faults.plan` says what is to happen.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import ceil
from typing import Any, ClassVar, Literal

from airflow_provider.engagement.emulator.limits import WINDOWS, Window
from airflow_provider.engagement.emulator.state import Reply
from airflow_provider.engagement.wire.message import decode_json, encode_json

PROXY_PAGE = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center><hr><center>proxy</center></body></html>\n"


@dataclass(slots=True)
class Plan:
    """What is to happen to one request.

    Attributes:
        wait_before: seconds to wait before it is processed.
        problem: status and text of the vendor's error object to answer with, or None.
        reply: an answer of somebody else's, or None.
        processed: whether the vendor processes the request, even if another answer goes out.
        drop: close the connection without an answer.
        changes: what is done to the answer.
        headers: headers added to the answer.
        truncate: promise the whole body, send half of it and cut the connection.
        wait_after: seconds to wait after it was processed.
    """

    wait_before: float = 0.0
    problem: tuple[int, str | None] | None = None
    reply: Reply | None = None
    processed: bool = True
    drop: bool = False
    changes: list[Callable[[Reply], Reply]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    truncate: bool = False
    wait_after: float = 0.0

    @property
    def final(self) -> bool:
        """Whether it is settled that the vendor's own answer will not go out."""
        return self.drop or self.problem is not None or self.reply is not None


@dataclass(frozen=True, slots=True)
class Moment:
    """The time of a request: monotonic seconds, and the date."""

    seconds: float
    date: datetime


@dataclass(slots=True, kw_only=True)
class Fault:
    """Base of all faults: which requests it strikes.

    Attributes:
        method: HTTP method, or None for any.
        path: beginning of the path, or None for any.
        times: how many requests it strikes before it is over; None for no end.
        probability: share of the requests it strikes, from 0 to 1.
        seed: makes the choice repeatable.
    """

    kind: ClassVar[str] = ""
    method: str | None = None
    path: str | None = None
    times: int | None = None
    probability: float = 1.0
    seed: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be from 0 to 1, got {self.probability}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"times must be at least 1, got {self.times}")
        self._random = random.Random(self.seed)

    def strikes(self, method: str, path: str) -> bool:
        """Say whether it strikes this request, and count it."""
        if self.times == 0 or (self.method and self.method.upper() != method) or not path.startswith(self.path or "/"):
            return False
        if self.probability < 1 and self._random.random() >= self.probability:
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def apply(self, plan: Plan, now: Moment) -> None:
        """Put its effect into the plan of a request it strikes."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Its kind and settings, for people."""
        settings = {item.name: getattr(self, item.name) for item in fields(self) if not item.name.startswith("_")}
        return {"kind": self.kind, **{key: value for key, value in settings.items() if value is not None}}


@dataclass(slots=True, kw_only=True)
class RateLimit(Fault):
    """A limit per minute: beyond it, 429 and nothing processed.

    Attributes:
        per_minute: requests allowed per minute.
        window: `bucket` refills all the time, `fixed` counts by the minute, `sliding` counts the last 60 seconds.
        burst: size of the bucket; the limit itself by default.
        retry_after: send `Retry-After` as `seconds` or as `date`, or not at all.
        headers: send `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds to go) with every answer.
    """

    kind: ClassVar[str] = "rate_limit"
    per_minute: float
    window: Literal["bucket", "fixed", "sliding"] = "bucket"
    burst: float | None = None
    retry_after: Literal["seconds", "date"] | None = None
    headers: bool = False
    _window: Window = field(init=False, repr=False)

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        if self.per_minute <= 0:
            raise ValueError(f"per_minute must be above 0, got {self.per_minute}")
        if self.window not in WINDOWS:
            raise ValueError(f"window must be one of {', '.join(WINDOWS)}, got {self.window!r}")
        _one_of("retry_after", self.retry_after, "seconds", "date")
        self._window = WINDOWS[self.window](self.per_minute, self.burst)

    def apply(self, plan: Plan, now: Moment) -> None:
        """Count the request, refuse it if it is one too many."""
        admitted = self._window.admit(now.seconds)
        wait = self._window.wait(now.seconds)
        if self.headers:
            plan.headers["X-RateLimit-Limit"] = f"{self.per_minute:g}"
            plan.headers["X-RateLimit-Remaining"] = str(int(self._window.left(now.seconds)))
            plan.headers["X-RateLimit-Reset"] = str(ceil(wait))
        if admitted:
            return
        plan.problem, plan.processed = (429, None), False
        plan.headers |= retry_after(self.retry_after, wait, now)


@dataclass(slots=True, kw_only=True)
class Latency(Fault):
    """Waiting: before processing, as in a queue, or after it, so that a client gives up on something that was done.

    Attributes:
        seconds: how long.
        after: process first, then wait.
    """

    kind: ClassVar[str] = "latency"
    seconds: float
    after: bool = False

    def apply(self, plan: Plan, now: Moment) -> None:
        """Add to the waiting time."""
        if self.after:
            plan.wait_after += self.seconds
        else:
            plan.wait_before += self.seconds


@dataclass(slots=True, kw_only=True)
class Status(Fault):
    """An error answer.

    Attributes:
        status: HTTP status.
        html: a proxy's page instead of the vendor's error object.
        processed: the request is processed all the same.
        retry_after: send `Retry-After` as `seconds` or as `date`, or not at all.
        seconds: what `Retry-After` says.
        text: the vendor's message; a usual one by default.
    """

    kind: ClassVar[str] = "status"
    status: int = 500
    html: bool = False
    processed: bool = False
    retry_after: Literal["seconds", "date"] | None = None
    seconds: float = 1.0
    text: str | None = None

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        _one_of("retry_after", self.retry_after, "seconds", "date")

    def apply(self, plan: Plan, now: Moment) -> None:
        """Answer with the error."""
        plan.processed = self.processed
        plan.headers |= retry_after(self.retry_after, self.seconds, now)
        if self.html:
            plan.reply = Reply(self.status, {"Content-Type": "text/html"}, PROXY_PAGE % (self.status, self.status))
        else:
            plan.problem = (self.status, self.text)


@dataclass(slots=True, kw_only=True)
class Drop(Fault):
    """A lost connection.

    Attributes:
        after: the request is processed, only the answer is lost; else nothing is processed.
    """

    kind: ClassVar[str] = "drop"
    after: bool = False

    def apply(self, plan: Plan, now: Moment) -> None:
        """Cut the connection."""
        plan.drop, plan.processed = True, self.after


@dataclass(slots=True, kw_only=True)
class Truncate(Fault):
    """The request is processed, its answer breaks off in the middle."""

    kind: ClassVar[str] = "truncate"

    def apply(self, plan: Plan, now: Moment) -> None:
        """Send half of the body."""
        plan.truncate = True


@dataclass(slots=True, kw_only=True)
class NotJson(Fault):
    """Status 200 with a body that is not JSON.

    Attributes:
        body: what is sent.
        content_type: what it claims to be.
        processed: the request is processed all the same.
    """

    kind: ClassVar[str] = "not_json"
    body: str = "<html><body>Please sign in to the network</body></html>"
    content_type: str = "text/html"
    processed: bool = False

    def apply(self, plan: Plan, now: Moment) -> None:
        """Answer with something else."""
        plan.processed = self.processed
        plan.reply = Reply(200, {"Content-Type": self.content_type}, self.body.encode())


@dataclass(slots=True, kw_only=True)
class Huge(Fault):
    """The request is processed, the answer's body is enormous.

    Attributes:
        size: bytes.
    """

    kind: ClassVar[str] = "huge"
    size: int = 64 * 1024 * 1024

    def apply(self, plan: Plan, now: Moment) -> None:
        """Blow up the body."""
        plan.changes.append(lambda reply: replace(reply, body=encode_json({"object": "x" * self.size})))


@dataclass(slots=True, kw_only=True)
class Redirect(Fault):
    """A redirect instead of an answer; nothing is processed.

    Attributes:
        location: where to.
        status: 301, 302, 303, 307 or 308.
    """

    kind: ClassVar[str] = "redirect"
    location: str
    status: int = 302

    def apply(self, plan: Plan, now: Moment) -> None:
        """Point elsewhere."""
        plan.processed = False
        plan.reply = Reply(self.status, {"Location": self.location, "Content-Type": "text/html"})


@dataclass(slots=True, kw_only=True)
class HostileNext(Fault):
    """A list's link to the next page leads to another host, as if to collect keys there.

    Attributes:
        origin: scheme and host put before the link.
    """

    kind: ClassVar[str] = "hostile_next"
    origin: str

    def apply(self, plan: Plan, now: Moment) -> None:
        """Change the link."""
        plan.changes.append(self._divert)

    def _divert(self, reply: Reply) -> Reply:

        document = decode_json(reply.body)
        for key in ("next_page_url", "next"):
            if isinstance(document, dict) and isinstance(document.get(key), str):
                document[key] = self.origin + document[key]
        return replace(reply, body=encode_json(document))


KINDS: Mapping[str, type[Fault]] = {
    kind.kind: kind for kind in (RateLimit, Latency, Status, Drop, Truncate, NotJson, Huge, Redirect, HostileNext)
}


def fault_from(settings: Mapping[str, Any]) -> Fault:
    """Make a fault from `{"kind": …, settings…}`.

    Raises:
        ValueError: no such kind or setting, or a setting is missing or wrong.
    """
    given = dict(settings)
    kind = KINDS.get(given.pop("kind", None))
    if kind is None:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}")
    known = {item.name: item for item in fields(kind) if item.init}
    unknown = [key for key in given if key not in known]
    if unknown:
        raise ValueError(f"{kind.kind} takes no {', '.join(unknown)}; it takes {', '.join(known)}")
    missing = [key for key, item in known.items() if item.default is MISSING and key not in given]
    if missing:
        raise ValueError(f"{kind.kind} needs {', '.join(missing)}")
    return kind(**given)


class Faults:
    """The faults in force, in the order they were added.

    Args:
        monotonic: answers seconds, for limits; replaceable for tests.
        date: answers the date, for `Retry-After`; replaceable for tests.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, date: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._monotonic = monotonic
        self._date = date
        self.active: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Put faults in force."""
        self.active = [*self.active, *faults]

    def remove(self, fault: Fault) -> None:
        """Lift one fault."""
        self.active = [item for item in self.active if item is not fault]

    def clear(self) -> None:
        """Lift all."""
        self.active = []

    def plan(self, method: str, path: str) -> Plan:
        """Say what is to happen to a request. The first fault that settles the answer is the last one asked."""
        plan = Plan()
        for fault in self.active:
            if fault.strikes(method, path):
                fault.apply(plan, Moment(self._monotonic(), self._date()))
                if plan.final:
                    break
        return plan


def retry_after(form: str | None, seconds: float, now: Moment) -> dict[str, str]:
    """Make the `Retry-After` header, never shorter than `seconds`.

    Args:
        form: `seconds`, `date`, or None for no header.
        seconds: how long to wait.
        now: the time of the answer.
    """
    if form is None:
        return {}
    if form == "seconds":
        return {"Retry-After": str(ceil(seconds))}
    due = now.date + timedelta(seconds=ceil(seconds))
    if due.microsecond:
        due = due.replace(microsecond=0) + timedelta(seconds=1)
    return {"Retry-After": format_datetime(due, usegmt=True)}


def _one_of(name: str, value: str | None, *allowed: str) -> None:
    if value is not None and value not in allowed:
        raise ValueError(f"{name} must be {' or '.join(allowed)} or left out, got {value!r}")
