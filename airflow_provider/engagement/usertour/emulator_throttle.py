"""How the emulated Usertour v2 counts requests: per token and endpoint, in a minute that begins with the first of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

_MINUTE = timedelta(seconds=60)


@dataclass(slots=True)
class _Count:
    began: datetime
    hits: int = 0
    blocked_until: datetime | None = None


class Throttle:
    """Counts requests by a key."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def hit(self, key: str, limit: int, now: datetime) -> tuple[bool, dict[str, str]]:
        """Count a request.

        Args:
            key: what is counted together.
            limit: requests a minute.
            now: the time.

        Returns:
            Whether it is admitted, and the headers of its answer.
        """
        count = self._counts.get(key)
        if count is None or now >= (count.blocked_until or count.began + _MINUTE) or now < count.began:
            count = self._counts[key] = _Count(now)
        count.hits += 1
        if count.hits > limit and count.blocked_until is None:
            count.blocked_until = now + _MINUTE
        left = max(0, limit - count.hits)
        end = count.blocked_until or count.began + _MINUTE
        seconds = str(ceil((end - now).total_seconds()))
        headers = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": seconds}
        if count.blocked_until is None:
            return True, headers
        return False, {**headers, "Retry-After": seconds}

    def clear(self) -> None:
        """Forget all counts."""
        self._counts.clear()
