"""When Airflow is to retry a task, and after how long: a retry policy for tasks that talk to these platforms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider.engagement.wire.errors import ApiError, Rejected

if TYPE_CHECKING:
    from airflow.sdk import RetryPolicy

LONGEST_WAIT = timedelta(hours=1)
"""Whatever a server asks for, a retry does not wait longer."""


def retry_policy(longest_wait: timedelta = LONGEST_WAIT) -> dict[str, Any]:
    """Give the arguments that make Airflow retry sensibly: `default_args={"retries": 3, **retry_policy()}`.

    A refused key, a row or call that got a final no, and a call in doubt are not retried: a retry would get the same answer, or
    do the same twice. Where the server said how long to wait, or another task holds the state until a known time, the retry waits
    that long. Everything else is left to the task's own `retry_delay`. It judges what hooks raise in tasks of your own, too.

    Args:
        longest_wait: a retry does not wait longer, whatever the server asks for.

    Returns:
        `retry_policy` from Airflow 3.3 on (see `airflow.sdk.RetryPolicy`); nothing before, where there is no such argument.
    """
    try:
        policy = _policy_class()
    except ImportError:
        return {}
    return {"retry_policy": policy(longest_wait)}


@cache
def _policy_class() -> type[Any]:
    from airflow.sdk import RetryDecision, RetryPolicy

    class EngagementRetryPolicy(RetryPolicy):
        """Decides by the errors of this provider (see `retry_policy`)."""

        def __init__(self, longest_wait: timedelta) -> None:
            self.longest_wait = longest_wait

        def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
            """Decide about a failure."""
            judged = judge(exception, self.longest_wait)
            if judged is None:
                return RetryDecision.default()
            reason, wait = judged
            return RetryDecision.fail(reason) if wait is None else RetryDecision.retry(wait, reason)

        def serialize(self) -> dict[str, Any]:
            """Write it as JSON."""
            return {"longest_wait_seconds": self.longest_wait.total_seconds()}

        @classmethod
        def deserialize(cls, data: dict[str, Any]) -> RetryPolicy:
            """Read what `serialize` wrote."""
            return cls(timedelta(seconds=data["longest_wait_seconds"]))

    return EngagementRetryPolicy


def judge(exception: BaseException, longest_wait: timedelta = LONGEST_WAIT) -> tuple[str, timedelta | None] | None:
    """Say what is to become of a task that failed; the first error of this provider in the chain of causes decides.

    Args:
        exception: what the task raised.
        longest_wait: a retry does not wait longer.

    Returns:
        A reason, and how long a retry has to wait, or None where there must be none; nothing at all to leave it to the task.
    """
    for error in _causes(exception):
        name = type(error).__name__
        if isinstance(error, ApiError) and (isinstance(error, Rejected) or error.in_doubt):
            return f"{name}: {'a retry could do it twice' if error.in_doubt else 'a retry would get the same answer'}", None
        if hasattr(error, "retry_after") or hasattr(error, "expires"):
            wait = _asked(error)
            if wait is None:
                return None
            wait = min(wait, longest_wait)
            return f"{name}: asked to wait {wait.total_seconds():.0f} s", wait
    return None


def _causes(exception: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    error: BaseException | None = exception
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _asked(error: BaseException) -> timedelta | None:
    """Say how long an error asks to wait: a server's `Retry-After`, or a lease's end."""
    seconds, expires = getattr(error, "retry_after", None), getattr(error, "expires", None)
    if isinstance(seconds, int | float):
        return timedelta(seconds=max(1.0, seconds))
    if isinstance(expires, datetime):
        return max(timedelta(seconds=1), expires - datetime.now(UTC))
    return None
