"""Whether to send again, and when: decided here, slept elsewhere.

After a 429, or an answer that the vendor documents as "not processed", anything may be sent again. After a lost connection,
a timeout, another 5xx or an unreadable answer only a repeatable call may. How long to wait after a 429 is the pace's
business, because it holds for all requests of the account; all other failures back off here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from tenacity import RetryCallState

from airflow_provider.engagement.wire.config import Patience
from airflow_provider.engagement.wire.errors import ApiError, RateLimited, Rejected


def may_repeat(error: ApiError, repeatable: bool) -> bool:
    """Say whether a call that failed like this may be sent again.

    Args:
        error: how it failed.
        repeatable: whether sending the call twice does the same as sending it once.
    """
    if isinstance(error, Rejected):
        return False
    return repeatable or error.not_processed


class Persistence:
    """The retry policy of one call, in tenacity's terms; one object per failed call.

    Args:
        repeatable: whether the call may be sent twice.
        patience: how long to go on.
        clock: answers seconds.
        jitter: answers a number from 0 to 1; replaceable for tests.
    """

    def __init__(
        self,
        repeatable: bool,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._repeatable = repeatable
        self._patience = patience
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._began = clock()

    def arguments(self) -> dict[str, Any]:
        """Give the arguments that `tenacity.Retrying` and `tenacity.AsyncRetrying` share."""
        return {"retry": self._retry, "stop": self._stop, "wait": self._wait, "reraise": True}

    def _retry(self, state: RetryCallState) -> bool:
        error = _error(state)
        if error is None:
            return False
        if not isinstance(error, RateLimited):
            self._failures += 1
        return may_repeat(error, self._repeatable)

    def _stop(self, state: RetryCallState) -> bool:
        error = _error(state)
        asked = (error.retry_after if error is not None else None) or 0.0
        if isinstance(error, RateLimited):
            return self._clock() - self._began + asked > self._patience.limit_wait
        return self._failures >= self._patience.attempts or asked > self._patience.limit_wait

    def _wait(self, state: RetryCallState) -> float:
        error = _error(state)
        if error is None or isinstance(error, RateLimited):
            return 0.0
        if error.retry_after is not None:
            return error.retry_after
        longest = min(self._patience.longest_wait, self._patience.first_wait * 2.0 ** (self._failures - 1))
        return longest * (0.5 + 0.5 * self._jitter())


def _error(state: RetryCallState) -> ApiError | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error if isinstance(error, ApiError) else None
