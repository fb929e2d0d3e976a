"""Ways to count requests per minute. No clock in here: times are monotonic seconds handed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

_MINUTE = 60.0


class Window(Protocol):
    """Counts requests."""

    def admit(self, now: float) -> bool:
        """Count a request if it is within the limit, and say whether it is."""

    def left(self, now: float) -> float:
        """How many more requests would be admitted now."""

    def wait(self, now: float) -> float:
        """Seconds until a request will be admitted, or the count starts anew."""


class Bucket:
    """A bucket of tokens, full at first, refilled all the time.

    Args:
        per_minute: tokens refilled per minute.
        burst: tokens it holds at the most; a minute's by default.
    """

    def __init__(self, per_minute: float, burst: float | None = None) -> None:
        self._rate = per_minute / _MINUTE
        self._size = max(1.0, per_minute if burst is None else burst)
        self._tokens = self._size
        self._at: float | None = None

    def admit(self, now: float) -> bool:
        """Take a token if there is one."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def left(self, now: float) -> float:
        """Whole tokens in the bucket."""
        self._refill(now)
        return self._tokens // 1

    def wait(self, now: float) -> float:
        """Seconds until there is a token."""
        self._refill(now)
        return max(0.0, 1 - self._tokens) / self._rate

    def _refill(self, now: float) -> None:
        if self._at is not None:
            # Rounding must not cost a token: what is a billionth short of one counts as one.
            self._tokens = round(min(self._size, self._tokens + (now - self._at) * self._rate), 9)
        self._at = now


class Fixed:
    """A count that starts anew every minute, as many servers do it.

    Args:
        per_minute: requests per minute.
        burst: not used; a fixed window has none.
    """

    def __init__(self, per_minute: float, burst: float | None = None) -> None:
        self._limit = per_minute
        self._window = float("-inf")
        self._count = 0

    def admit(self, now: float) -> bool:
        """Count the request in this minute."""
        self._turn(now)
        if self._count + 1 > self._limit:
            return False
        self._count += 1
        return True

    def left(self, now: float) -> float:
        """What is left of this minute's count."""
        self._turn(now)
        return max(0.0, self._limit - self._count)

    def wait(self, now: float) -> float:
        """Seconds until the next minute."""
        self._turn(now)
        return self._window + _MINUTE - now

    def _turn(self, now: float) -> None:
        window = now // _MINUTE * _MINUTE
        if window != self._window:
            self._window, self._count = window, 0


class Sliding:
    """At most so many in any 60 seconds.

    Args:
        per_minute: requests in 60 seconds.
        burst: not used; a sliding window has none.
    """

    def __init__(self, per_minute: float, burst: float | None = None) -> None:
        self._limit = per_minute
        self._times: deque[float] = deque()

    def admit(self, now: float) -> bool:
        """Count the request among the last 60 seconds'."""
        self._forget(now)
        if len(self._times) + 1 > self._limit:
            return False
        self._times.append(now)
        return True

    def left(self, now: float) -> float:
        """How many more the last 60 seconds may hold."""
        self._forget(now)
        return max(0.0, self._limit - len(self._times))

    def wait(self, now: float) -> float:
        """Seconds until the oldest counted request is a minute old; 0 if one more is admitted now."""
        if self.left(now) >= 1 or not self._times:
            return 0.0
        return self._times[0] + _MINUTE - now

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] <= now - _MINUTE:
            self._times.popleft()


WINDOWS: Mapping[str, Callable[[float, float | None], Window]] = {"bucket": Bucket, "fixed": Fixed, "sliding": Sliding}
