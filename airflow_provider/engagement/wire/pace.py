"""How fast an account may be asked: one gate that all requests of a client pass, driven by the caller's clock.

With a stated limit the gate is a GCRA limiter: requests leave evenly, and idling earns a burst of half a second's worth. No
sliding minute ever holds more than the limit.

Without one, or when a stated limit proves too high, the limit is found by what the server refuses (429):

- *Search.* The rate begins at ten a second and grows by a fifth a second. Two requests may be under way at once, and one more
  for every fifty accepted, so that meeting the limit costs little whatever the latency.
- *Refusal.* Everybody pauses, just long enough for a limit counted evenly to let two requests in; then one request asks.
- *It is accepted*: a bucket of tokens, empty at this refusal as at the last. Since then the server took its limit (at the very
  first refusal: its limit and at most a minute's worth saved up); and the limit is below the rate that was refused. The rate
  goes on a fifth of the way from the one bound to the other.
- *It is refused*: a window that is used up. What it took in its minute is the limit and becomes the rate. Until it opens, a
  request asks now and then: the first time at last after a minute, later a minute after it opened or, if that is over, soon.
- *Growth.* Between refusals the rate grows slowly at first and ever faster: it is back where it was refused after 5 seconds,
  then after 20, then after a minute, or the time of six hundred requests if that is longer, but six minutes at the most.

What it costs, alone on an account whose answers take 50 ms, in five minutes: at 100 a minute three to five refusals (one in a
hundred is five), at 600 up to 24 of 3,000, at 3,000 up to 75 of 15,000; later one to three in six hundred. Slow answers cost
more, because more is under way when the limit is met. No client finds a limit without a refusal, so at 20 a minute it is two to
five of the first hundred. A bucket of a single token is used only in part, since the network bunches requests up. A limit that
falls is followed within a minute or two; one that is doubled within ten minutes at 300 a minute, within half an hour at 100.
Clients that share an account stay within it together, but a newcomer gets its part slowly; to share evenly, state each one's.

`Retry-After` and `X-RateLimit-*` hold back every request in either case. Server failures and lost connections halve the number
of requests under way; it grows again by one with each success.

No I/O and no clock in here: times are monotonic seconds handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import exp, inf, log

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

    Raises:
        ValueError: the limit is not a positive number, or the concurrency is less than 1.
    """

    FIRST_RATE = 10.0
    """Requests a second before anything is known."""
    FIRST_CONCURRENCY = 2
    """Requests under way at once before anything is known."""
    ONE_MORE_PER = 50
    """Accepted requests for each further one under way, while the limit is not stated."""
    PROBE = 0.25
    """Seconds that the others wait for the request that asks after a refusal, besides twice the time the refusal took."""

    def __init__(self, requests_per_minute: float | None = None, concurrency: int = 16) -> None:
        if requests_per_minute is not None and not 0 < requests_per_minute < inf:
            raise ValueError(f"requests_per_minute must be above 0, got {requests_per_minute}")
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, got {concurrency}")
        self.waited = 0.0
        self._most_concurrency = concurrency
        if requests_per_minute is None:
            self._limit = _Limit(self.FIRST_RATE, inf)
            self._tolerance = _SLACK
            self._one_more_per = self.ONE_MORE_PER
            self.concurrency = min(self.FIRST_CONCURRENCY, concurrency)
        else:
            # At most burst + 60 / interval requests pass in any minute, both ends included: the limit less the margin, and one.
            burst = max(1, int(requests_per_minute / 2 / _MINUTE))
            usable = max(requests_per_minute * (1 - _MARGIN) - burst + 1, requests_per_minute / 2)
            self._limit = _Limit(usable / _MINUTE, usable / _MINUTE)
            self._tolerance = (burst - 1) / self._limit.rate
            self._one_more_per = 0
            self.concurrency = concurrency
        self._begun = False
        self._next = -inf
        self._paused_until = -inf
        self._probe = self.PROBE
        self._probe_until = -inf
        self._held_back = False
        self._accepted_count = 0
        self._failed_at = -inf
        self._refused_at = -inf

    @property
    def requests_per_minute(self) -> float:
        """The rate in force now."""
        return self._limit.rate * _MINUTE

    def delay(self, now: float) -> float:
        """Seconds until the next request may go; 0 if it may go now."""
        delay = max(self._paused_until, self._probe_until, self._next - self._tolerance) - now
        if delay <= 0:
            return 0.0
        self._held_back = True
        return delay

    def take(self, now: float) -> None:
        """Count a request that goes now; call it only when `delay` is 0."""
        if not self._begun:
            self._begun = True
            self._limit.begin(now)
            self._next = now + self._tolerance  # a burst is earned by idling, not by starting again and again
        self._next = max(self._next, now) + 1.0 / self._limit.rate
        if self._limit.refusals:
            self._probe_until = now + self._probe

    def observe(self, sent: float, now: float, status: int | None, headers: Mapping[str, str]) -> None:
        """Learn from an answer, or from its absence.

        Args:
            sent: when the request went.
            now: when the answer came.
            status: HTTP status; None for no answer.
            headers: the answer's headers, to be looked up by names in lower case.
        """
        asked = retry_after(headers)
        failed = status is None or status >= 500
        if asked is not None and (failed or status == 429):
            self._pause(now + asked)
        if _header_number(headers, "x-ratelimit-remaining") == 0 and (reset := _reset(headers)) is not None:
            self._pause(now + reset)
        if status == 429:
            self._refused(sent, now, asked)
        elif not failed:
            self._accepted(sent, now)
        elif sent > self._failed_at:
            self._failed_at = now
            self.concurrency = max(1, self.concurrency // 2)

    def _refused(self, sent: float, now: float, asked: float | None) -> None:
        if sent <= self._refused_at:  # it went before the last refusal came: nothing new
            return
        self._refused_at = now
        self._probe = self.PROBE + 2 * (now - sent)
        pause = self._limit.refused(sent, now, asked)
        if asked is None:
            self._pause(now + pause)

    def _accepted(self, sent: float, now: float) -> None:
        if self._limit.refusals and sent > self._refused_at:
            self._limit.reopened(sent, now)
            self._probe_until = -inf
            self._next = max(self._next, sent + self._tolerance)  # no burst out of a pause
        self._limit.accepted(sent, now, held_back=self._held_back)
        self._held_back = False
        self._accepted_count += 1
        if self.concurrency < self._most_concurrency and now - self._failed_at > 1.0:
            earned = self.FIRST_CONCURRENCY + self._accepted_count // self._one_more_per if self._one_more_per else inf
            if self.concurrency < earned:
                self.concurrency += 1

    def _pause(self, until: float) -> None:
        self._paused_until = max(self._paused_until, until)


class _Limit:
    """What accepted and refused requests tell of the limit, and the rate that follows from it.

    A cycle goes from one refusal, or the opening of a window, to the next; requests are counted in it by when they were sent.

    Args:
        rate: requests a second before anything is known.
        most: requests a second that are never exceeded.

    Attributes:
        rate: requests a second now.
        refusals: refusals in a row so far.
    """

    LOWEST_RATE = 0.02
    GROWTH = 0.2
    """Growth of the rate per second in the search, and at the most later."""
    MARGIN = 0.015
    """How far below the limit found the rate goes on."""
    RETURNS = (5.0, 20.0)
    """Seconds until the rate is back where it was refused, after the first refusal and after the second."""
    RETURN_REQUESTS = 600
    """Later: the time that so many requests take …"""
    LATER_RETURNS = (60.0, 360.0)
    """… but these seconds at the least and at the most."""
    LONGEST_TEST = 5.0
    """Seconds in which a bucket has tokens again; what is closed for longer is a window."""
    ASKING = 200
    """In the time that so many requests take at the limit one asks whether the window is open, while nothing is known of it."""
    TELLING = 15
    """Accepted requests without which a closed window says little: somebody else may have used it up."""

    def __init__(self, rate: float, most: float) -> None:
        self.rate = rate
        self.refusals = 0
        self._most = most
        # The cycle.
        self._began = -inf
        self._first = True
        self._count = 0
        # The refusals in a row.
        self._empty_at = -inf
        self._refused_first = -inf
        self._low = rate
        self._closed = False
        self._opened = -inf
        self._window = 0
        # Growth: by the logarithm of this factor in these seconds.
        self._cuts = 0
        self._factor, self._seconds = inf, 1.0
        self._age = 0.0
        self._grown_at = -inf

    def begin(self, now: float) -> None:
        """Begin the first cycle."""
        self._began = self._grown_at = now

    def accepted(self, sent: float, now: float, *, held_back: bool) -> None:
        """Count an accepted request, and grow the rate if it is what holds requests back.

        Args:
            sent: when the request went.
            now: when the answer came.
            held_back: whether a request had to wait for the rate since the last answer.
        """
        if sent >= self._began:
            self._count += 1
        if not held_back:
            return
        passed = min(now - self._grown_at, max(1.0, 1.0 / self.rate))
        self._grown_at = now
        self._age += passed
        growth = min(self.GROWTH, 2 * self._factor * self._age / self._seconds**2)
        self._set_rate(self.rate * exp(min(0.5, growth * passed)))

    def refused(self, sent: float, now: float, asked: float | None) -> float:
        """Learn from a refusal.

        Args:
            sent: when the request went.
            now: when the answer came.
            asked: seconds that the server asked to wait for, if it did.

        Returns:
            Seconds to wait before one request asks again.
        """
        self.refusals += 1
        if self.refusals > 1:
            self._closed = True
            return self._until_asking(now)
        if self._began == -inf:
            self.begin(sent)
        self._empty_at, self._refused_first = sent, now
        self._closed = asked is not None and asked > self.LONGEST_TEST
        self._cut()
        opens = self._opened + _MINUTE - now
        if opens > self.LONGEST_TEST and 2 * self._count > self._window > 0:  # no need to ask: it is used up
            self._closed = True
            return opens
        return min(self.LONGEST_TEST, max(0.1, 2.0 / self._low))

    def reopened(self, sent: float, now: float) -> None:
        """End the cycle: the first request after a refusal was accepted.

        Args:
            sent: when the request went.
            now: when the answer came.
        """
        self._window = 0
        if self._closed:
            passed = (self._empty_at if self._first else sent) - self._began
            rate = self._count / max(_MINUTE, passed)
            if self._count >= self.TELLING:
                self._window = self._count
            else:
                rate = max(rate, self.rate / 2)
            self._cuts = len(self.RETURNS)
            self._go_on(rate, rate)
        self._began = sent if self._closed else self._empty_at
        self._opened = now
        self._first = False
        self._count = 0
        self.refusals = 0

    def _cut(self) -> None:
        passed = max(0.001, self._empty_at - self._began)
        saved_up = _MINUTE if self._first else 0.0
        searching = self._first and self._count and self._most == inf
        least = 0.0 if searching else self.rate / 2  # a short cycle says little, and a stray refusal nothing of a limit that was stated
        self._low = min(self.rate, max(least, self._count / (passed + saved_up)))
        self._go_on(self._low**0.8 * self.rate**0.2, self.rate)

    def _go_on(self, rate: float, high: float) -> None:
        rate *= 1 - self.MARGIN
        if self._cuts < len(self.RETURNS):
            seconds = self.RETURNS[self._cuts]
        else:
            shortest, longest = self.LATER_RETURNS
            seconds = min(max(shortest, self.RETURN_REQUESTS / rate), longest)
        self._cuts += 1
        self._seconds = max(seconds, min(20, self._count) / rate)  # time enough to learn something at a low rate
        self._factor = log(max(1 + 2 * self.MARGIN, high / rate))
        self._age = 0.0
        self._set_rate(rate)

    def _until_asking(self, now: float) -> float:
        minute = self._refused_first + _MINUTE - now
        if minute <= 0:  # it counts by the hour or by the day
            return _MINUTE
        taken = max(1, self._count) / max(_MINUTE, self._empty_at - self._began)
        asking = min(max(1.0, self.ASKING / taken), _MINUTE)
        if self._count < self.TELLING:  # somebody else may have used the window up: it may open any moment
            asking = min(asking, self.LONGEST_TEST * 2.0 ** (self.refusals - 2))
        if self._first:
            return min(asking, minute)
        opens = self._opened + _MINUTE - now
        if opens <= 0:  # the rate is hardly above the limit, so the window is nearly over
            return min(minute, max(0.5, asking / 12))
        if self._window:  # somebody else uses it too
            asking = max(1.0, asking / 4)
        return min(asking, minute, opens)

    def _set_rate(self, rate: float) -> None:
        self.rate = min(self._most, max(self.LOWEST_RATE, rate))


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
