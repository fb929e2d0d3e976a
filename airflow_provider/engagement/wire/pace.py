"""How fast an account may be asked: one gate that all requests of a client pass, driven by the caller's clock.

With a stated limit the gate is a GCRA limiter: requests leave evenly, and idling earns a burst of half a second's worth. No
sliding minute ever holds more than the limit.

Without one, or when a stated limit proves too high, the rate is found by what the server refuses (429):

- Until the first refusal the rate grows by a tenth a second.
- What the server took between two refusals, divided by the time between them, is its limit: true of a token bucket (empty
  both times) and of a fixed window (used up both times). So a refusal cuts the rate to that, by 8 % at least and by half at
  most. When the server goes on refusing for ten seconds or longer, the time of silence counts as well.
- Between refusals the rate grows by 5 % a period, and four times as fast after each quiet period. A period is 300 requests, but
  one minute at least and two at most. A refusal in some hundred requests is what it costs to know the limit.
- After a refusal everybody pauses: as long as `Retry-After` says, else 1, 2, 4, … at most 10 seconds. Then one request goes
  ahead, and the others follow when it is accepted, or a quarter of a second later.

`Retry-After` and `X-RateLimit-*` hold back every request in either case. Server failures and lost connections halve the number
of requests under way; it grows again by one with each success.

No I/O and no clock in here: times are monotonic seconds handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf

_MINUTE = 60.0
_MARGIN = 0.005
"""Share of a stated limit left unused, so that requests bunched up by the network stay within it."""
_SLACK = 0.1
"""Seconds by which a late request may catch up while the rate is being found; a sleeping program never wakes on time."""
_EPOCH = 1e9
"""`X-RateLimit-Reset` above this is a date in Unix seconds, below it seconds to go."""


class Pace:
    """The gate.

    Args:
        requests_per_minute: the account's limit; None to find it.
        concurrency: requests under way at once at the most.

    Attributes:
        concurrency: how many requests may be under way now.
        waited: seconds that requests were held back so far; kept by the clients.
    """

    FIRST_RATE = 10.0
    """Requests a second before anything is known."""
    LOWEST_RATE = 0.1
    FIRST_GROWTH = 1.1
    """Factor per second until the first refusal."""
    GROWTH = 1.05
    """Factor per period after it."""
    LONGEST_PAUSE = 10.0
    """Seconds of pause at the most where the server does not say how long."""
    PROBE = 0.25
    """Seconds that the others wait for the first request after a refusal."""
    SILENCE = 10.0
    """A refusal that lasts this many seconds is a window used up, not a bucket to be filled."""
    TELLING = 20
    """Accepted requests without which a silence says little: somebody else may have used the limit up."""

    def __init__(self, requests_per_minute: float | None = None, concurrency: int = 16) -> None:
        if requests_per_minute is not None and not 0 < requests_per_minute < inf:
            raise ValueError(f"requests_per_minute must be above 0, got {requests_per_minute}")
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, got {concurrency}")
        self._most_concurrency = concurrency
        self.concurrency = concurrency
        self.waited = 0.0
        if requests_per_minute is None:
            self._most_rate = inf
            self._rate = self.FIRST_RATE
            self._tolerance = _SLACK
        else:
            # At most burst + 60 / interval requests pass in any minute, both ends included: the limit less the margin, and one.
            burst = max(1, int(requests_per_minute / 2 / _MINUTE))
            usable = max(requests_per_minute * (1 - _MARGIN) - burst + 1, requests_per_minute / 2)
            self._most_rate = self._rate = usable / _MINUTE
            self._tolerance = (burst - 1) / self._rate
        self._found = requests_per_minute is not None
        self._next = -inf
        self._paused_until = -inf
        self._probe_until = -inf
        self._held_back = False
        self._grown_at = -inf
        self._failed_at = -inf
        self._refusals = 0
        self._refused_first = -inf
        self._refused_at = -inf
        self._cycle_began: float | None = None
        self._cycle_count = 0

    @property
    def requests_per_minute(self) -> float:
        """The rate in force now."""
        return self._rate * _MINUTE

    def delay(self, now: float) -> float:
        """Seconds until the next request may go; 0 if it may go now."""
        delay = max(self._paused_until, self._probe_until, self._next - self._tolerance) - now
        if delay <= 0:
            return 0.0
        self._held_back = True
        return delay

    def take(self, now: float) -> None:
        """Count a request that goes now; call it only when `delay` is 0."""
        if self._cycle_began is None:
            self._cycle_began = now
            self._next = now + self._tolerance  # a burst is earned by idling, not by starting again and again
        self._next = max(self._next, now) + 1.0 / self._rate
        if self._refusals:
            self._probe_until = now + self.PROBE

    def observe(self, sent: float, now: float, status: int | None, headers: Mapping[str, str]) -> None:
        """Learn from an answer, or from its absence.

        Args:
            sent: when the request went.
            now: when the answer came.
            status: HTTP status; None for no answer.
            headers: the answer's headers, to be looked up by names in lower case.
        """
        asked = retry_after(headers)
        if _header_number(headers, "x-ratelimit-remaining") == 0 and (reset := _reset(headers)) is not None:
            self._pause(now + reset)
        if status == 429:
            self._refused(sent, now, asked)
        elif status is None or status >= 500:
            if asked is not None:
                self._pause(now + asked)
            if sent > self._failed_at:
                self._failed_at = now
                self.concurrency = max(1, self.concurrency // 2)
        else:
            self._accepted(sent, now)

    def _refused(self, sent: float, now: float, asked: float | None) -> None:
        if asked is not None:
            self._pause(now + asked)
        if sent <= self._refused_at:  # it went before the last refusal came: nothing new
            return
        self._refused_at = now
        self._refusals += 1
        if asked is None:
            self._pause(now + min(self.LONGEST_PAUSE, 2.0 ** (self._refusals - 1)))
        if self._refusals == 1:
            self._refused_first = now
            self._found = True
            self._set_rate(min(0.92 * self._rate, max(self._cycle_rate(now), 0.5 * self._rate)))

    def _accepted(self, sent: float, now: float) -> None:
        if self._refusals and sent > self._refused_at:
            self._resume(sent)
        self._cycle_count += 1
        if self.concurrency < self._most_concurrency and now - self._failed_at > 1.0:
            self.concurrency += 1
        if self._held_back and now - self._grown_at >= 1.0:
            self._grow(now)

    def _resume(self, sent: float) -> None:
        self._refusals = 0
        self._probe_until = -inf
        self._next = max(self._next, sent + self._tolerance)  # no burst out of a pause
        silent = sent - self._refused_first >= self.SILENCE
        if silent:
            least = 0.5 * self._rate if self._cycle_count < self.TELLING else 0.0
            self._set_rate(min(self._rate, max(self._cycle_rate(sent), least)))
        self._cycle_began = sent if silent else self._refused_first
        self._cycle_count = 0

    def _grow(self, now: float) -> None:
        passed = min(now - self._grown_at, max(1.0, 1.0 / self._rate))
        self._held_back = False
        self._grown_at = now
        growth = self.FIRST_GROWTH
        if self._found:
            period = min(max(_MINUTE, 300.0 / self._rate), 2 * _MINUTE)
            quiet = min(5.0, (now - self._refused_at) // period)
            growth = min(growth, self.GROWTH ** (4.0**quiet * passed / period))
        self._set_rate(self._rate * growth)

    def _cycle_rate(self, now: float) -> float:
        began = now if self._cycle_began is None else self._cycle_began
        return self._cycle_count / max(now - began, 0.001)

    def _set_rate(self, rate: float) -> None:
        self._rate = min(self._most_rate, max(self.LOWEST_RATE, rate))

    def _pause(self, until: float) -> None:
        self._paused_until = max(self._paused_until, until)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read `Retry-After`: seconds to wait, whether it came as seconds or as a date (measured by the answer's own `Date`).

    Args:
        headers: looked up by names in lower case.

    Returns:
        Seconds, never negative; None if absent or unreadable.
    """
    text = headers.get("retry-after")
    if text is None:
        return None
    number = _number(text)
    if number is not None:
        return number
    due = _date(text)
    if due is None:
        return None
    return max(0.0, (due - (_date(headers.get("date", "")) or datetime.now(UTC))).total_seconds())


def _reset(headers: Mapping[str, str]) -> float | None:
    reset = _header_number(headers, "x-ratelimit-reset")
    if reset is None or reset < _EPOCH:
        return reset
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, reset - now.timestamp())


def _header_number(headers: Mapping[str, str], name: str) -> float | None:
    text = headers.get(name)
    return None if text is None else _number(text)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < inf else None


def _date(text: str) -> datetime | None:
    try:
        value = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
