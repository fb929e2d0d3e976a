"""Everything one emulator is: vendors, clock, faults, a log of what came in, and its controls. The server only carries it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from airflow_provider.engagement.emulator.faults import Faults, Plan, fault_from
from airflow_provider.engagement.emulator.page import render
from airflow_provider.engagement.emulator.state import Clock, Document, Incoming, Keeper, Reply, Store, Vendor, timestamp
from airflow_provider.engagement.mirats.emulator import MiratsEmulator
from airflow_provider.engagement.userflow.emulator import UserflowEmulator
from airflow_provider.engagement.usertour.emulator import UsertourEmulator

CONTROLS = "/_emulator"
_LOG_SIZE = 100_000
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Received:
    """A request that came in; never its headers, and so never a key.

    Attributes:
        method: HTTP method.
        path: path, still percent-encoded.
        query: query as it came.
        status: status of the answer, or None where the connection was cut.
        processed: whether the vendor processed it.
        at: when it came, in seconds of `time.monotonic`.
        time: when it came, by the emulator's clock.
    """

    method: str
    path: str
    query: str
    status: int | None
    processed: bool
    at: float
    time: datetime


class Emulation:
    """The emulated vendors and their controls, without a network.

    Args:
        keeper: keeps the documents beyond the process; None for memory only.
        keys: API keys that are accepted.
        clock: the time the vendors live in.

    Attributes:
        received: what came in, oldest first.
        generation: how often it was reset; a request that waited meanwhile must not touch what came after.
    """

    def __init__(self, keeper: Keeper | None = None, keys: Sequence[str] | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.store = Store(keeper)
        self.faults = Faults()
        self.received: deque[Received] = deque(maxlen=_LOG_SIZE)
        self.generation = 0
        accepted = {} if keys is None else {"keys": tuple(keys)}
        self.userflow = UserflowEmulator(self.store, self.clock, **accepted)
        self.mirats = MiratsEmulator(self.store, self.clock, **accepted)
        self.usertour = UsertourEmulator(self.store, self.clock, **accepted)
        self.vendors: tuple[Vendor, ...] = (self.userflow, self.mirats, self.usertour)
        self._controls: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "/state"): lambda _body: self.state(),
            ("POST", "/faults"): self._set_faults,
            ("DELETE", "/faults"): lambda _body: self.faults.clear(),
            ("POST", "/clock"): self._set_clock,
            ("POST", "/seed"): self.seed,
            ("POST", "/people"): lambda body: self._vendor(body).walk(body),
            ("POST", "/reset"): lambda _body: self.reset(),
        }

    def vendor(self, path: str) -> Vendor:
        """Find the vendor that owns a path; the first one owns whatever no other does."""
        return next((vendor for vendor in self.vendors[1:] if vendor.owns(path)), self.vendors[0])

    def answer(self, incoming: Incoming, plan: Plan) -> Reply:
        """Answer a request as its plan says (waiting and cutting is the server's business)."""
        vendor = self.vendor(incoming.path)
        with self.store.lock:
            reply = vendor.handle(incoming) if plan.processed else None
            self.store.commit()
        if plan.problem is not None:
            reply = vendor.problem(*plan.problem)
        elif plan.reply is not None:
            reply = plan.reply
        elif reply is None:  # cut before processing
            reply = Reply(503)
        for change in () if plan.final else plan.changes:
            reply = change(reply)
        if plan.headers:
            reply = Reply(reply.status, {**reply.headers, **plan.headers}, reply.body)
        return reply

    def log(self, incoming: Incoming, query: str, status: int | None, processed: bool, at: float) -> None:
        """Remember a request."""
        self.received.append(Received(incoming.method, incoming.path, query, status, processed, at, self.clock.now()))

    def requests(self, method: str | None = None, path: str | None = None, *, processed: bool | None = None) -> list[Received]:
        """The requests received, oldest first (as far as the log reaches).

        Args:
            method: only this HTTP method.
            path: only this path and those below it.
            processed: only those that were processed, or that were not.
        """
        below = None if path is None else path.rstrip("/") + "/"
        with self.store.lock:
            return [
                item
                for item in self.received.copy()
                if (method is None or item.method == method)
                and (below is None or item.path == path or item.path.startswith(below))
                and (processed is None or item.processed is processed)
            ]

    def seed(self, data: Any) -> Document:
        """Put in objects of a vendor, that of `vendor` in the data or the first; answers what was made."""
        return self._vendor(data).seed(data)

    def reset(self) -> Document:
        """Forget all documents, faults and requests, set the clock right."""
        with self.store.lock:
            self.generation += 1
            self.store.clear()
            self.clock.reset()
            self.faults.clear()
            self.received.clear()
            for vendor in self.vendors:
                vendor.reset()
        return {"reset": True}

    def state(self) -> Document:
        """What it holds, for people: counts and latest documents, clock, faults, latest requests."""
        with self.store.lock:
            for vendor in self.vendors:
                vendor.advance()
            latest = list(self.received)[-_SHOWN:]
            return {
                "clock": {"now": timestamp(self.clock.now()), "stopped": self.clock.stopped},
                "faults": [fault.describe() for fault in self.faults.active],
                "vendors": {vendor.name: vendor.summary() for vendor in self.vendors},
                "requests": [{**asdict(item), "time": timestamp(item.time)} for item in reversed(latest)],
            }

    def control(self, incoming: Incoming) -> Reply:
        """Answer a request under `/_emulator`."""
        path = incoming.path.removeprefix(CONTROLS).rstrip("/")
        if incoming.method == "GET" and path == "":
            return Reply(200, {"Content-Type": "text/html; charset=utf-8"}, render(self.state()).encode())
        control = self._controls.get((incoming.method, path))
        if control is None:
            offered = ", ".join(f"{method} {CONTROLS}{name}" for method, name in self._controls)
            return Reply.of({"error": f"no such control; there are GET {CONTROLS}, {offered}"}, 404)
        # A page in a browser can post a form to loopback unasked, but not JSON.
        if incoming.method == "POST" and not incoming.headers.get("content-type", "").startswith("application/json"):
            return Reply.of({"error": "send Content-Type: application/json"}, 415)
        try:
            with self.store.lock:
                answer = control(incoming.json() if incoming.body else {})
                self.store.commit()
        except (ValueError, TypeError, KeyError) as error:
            return Reply.of({"error": f"{type(error).__name__}: {error}"}, 400)
        return Reply.of(answer if answer is not None else {"done": True})

    def _vendor(self, body: Any) -> Vendor:
        if not isinstance(body, dict):
            raise TypeError("send a JSON object")
        name = body.pop("vendor", self.vendors[0].name)
        for vendor in self.vendors:
            if vendor.name == name:
                return vendor
        raise ValueError(f"vendor must be one of {', '.join(vendor.name for vendor in self.vendors)}, got {name!r}")

    def _set_faults(self, body: Any) -> Document:
        faults = [fault_from(item) for item in (body if isinstance(body, list) else [body])]
        self.faults.add(*faults)
        return {"faults": [fault.describe() for fault in self.faults.active]}

    def _set_clock(self, body: Mapping[str, Any]) -> Document:
        known = {"advance", "set", "stop", "run"}
        if not body or not known.issuperset(body):
            raise ValueError("send one or more of advance (seconds), set (ISO 8601), stop (true), run (true)")
        if body.get("stop"):
            self.clock.stop()
        if "set" in body:
            self.clock.set(datetime.fromisoformat(body["set"]))
        if "advance" in body:
            self.clock.advance(float(body["advance"]))
        if body.get("run"):
            self.clock.run()
        return {"now": timestamp(self.clock.now()), "stopped": self.clock.stopped}
