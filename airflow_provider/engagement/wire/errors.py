"""What can go wrong, as one small tree.

```
ApiError
├── Unreachable        no answer: connection refused or lost, timeout, TLS
├── Rejected           a final no (4xx but 408, 425, 429)
│   ├── Unauthorized   401, 403: the key
│   ├── NotFound       404
│   ├── Conflict       409
│   └── Invalid        400, 422: with the vendor's issues
├── RateLimited        429
├── ServerFailed       5xx, 408, 425
└── BadAnswer          an answer that is not what was promised
```

Messages hold the vendor's code and text, the request id, method and path: never a header, a key or a body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider.engagement.wire.message import Request, Response

_MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class Problem:
    """What a vendor's error object says."""

    code: str | None = None
    text: str | None = None
    request_id: str | None = None
    issues: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between vendors in how an answer is judged.

    Attributes:
        vendor: the vendor's name, for messages.
        read_problem: reads the vendor's error object out of an answer, as far as there is one.
        not_processed: whether the vendor documents that such an answer means "your request was not processed".
        hint: what to do about an answer, in words for the person who reads the task's log, or None.
        status: the HTTP status an answer stands for, where a vendor reports failures in an answer of 200.
    """

    vendor: str
    read_problem: Callable[[Response], Problem]
    not_processed: Callable[[Response], bool]
    hint: Callable[[Request, Response], str | None] = field(default=lambda _request, _response: None)
    status: Callable[[Response], int] = field(default=lambda response: response.status)


class ApiError(Exception):
    """A call to a vendor's API failed.

    Attributes:
        status: HTTP status, or None where there was no answer.
        problem: the vendor's code, text, request id and issues.
        method: HTTP method of the call.
        path: path of the call, without its query.
        not_processed: the request certainly had no effect.
        in_doubt: the request may or may not have been processed, and repeating it could double it.
        retry_after: seconds the server asked to wait, or None.
    """

    def __init__(
        self,
        text: str,
        *,
        request: Request,
        status: int | None = None,
        problem: Problem | None = None,
        not_processed: bool = False,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.problem = problem or Problem()
        self.method = request.method
        self.path = request.path
        self.not_processed = not_processed
        self.in_doubt = not (request.repeatable or not_processed)
        self.retry_after = retry_after
        doubt = "; whether it was processed is in doubt, so it was not sent again" if self.in_doubt else ""
        super().__init__(f"{request.method} {request.path}: {text[:_MAX_TEXT]}{doubt}")

    def __reduce__(self) -> tuple[Any, ...]:
        # The plain way would call __init__ with the message alone.
        return _restore, (type(self), self.args, self.__dict__)


class Unreachable(ApiError):
    """No answer came: the connection was refused or lost, timed out, or TLS failed."""


class Rejected(ApiError):
    """The server gave a final no; the same request would get it again."""


class Unauthorized(Rejected):
    """The key is missing, wrong, or not allowed to do this (401, 403)."""


class NotFound(Rejected):
    """There is no such object or call (404)."""


class Conflict(Rejected):
    """The request contradicts the object's state (409)."""


class Invalid(Rejected):
    """The server refused the content of the request (400, 422); `problem.issues` may say where."""


class RateLimited(ApiError):
    """Too many requests (429)."""


class ServerFailed(ApiError):
    """The server failed or asked to come back later (5xx, 408, 425)."""


class BadAnswer(ApiError):
    """The answer is not what the API promises: no JSON, too large, or of the wrong shape."""


_BY_STATUS: dict[int, type[Rejected]] = {
    400: Invalid,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: Conflict,
    422: Invalid,
}
_TEMPORARY = (408, 425)


def error_from(dialect: Dialect, request: Request, response: Response, retry_after: float | None, scrub: Callable[[str], str]) -> ApiError:
    """Make the error that an answer outside 2xx stands for.

    Args:
        dialect: how this vendor's answers are read.
        request: what was sent.
        response: what came back.
        retry_after: seconds the server asked to wait, if it did.
        scrub: takes the client's secrets out of a text; a server may echo the key it refuses.

    Returns:
        The error, free of secrets and line breaks.
    """
    problem = _clean(dialect.read_problem(response), scrub)
    said = " ".join(part for part in (problem.code, problem.text) if part) or "no explanation given"
    text = f"{dialect.vendor} answered {response.status}: {said}"
    if problem.request_id:
        text += f" (request {problem.request_id})"
    hint = dialect.hint(request, response)
    if hint:
        text += f". {hint}"
    status = response.status
    if 300 <= status < 400:
        text = f"{dialect.vendor} answered {status}, a redirect, which is not followed; check the connection's base URL"
    kind: type[ApiError]
    if status == 429:
        kind = RateLimited
    elif status >= 500 or status in _TEMPORARY:
        kind = ServerFailed
    else:
        kind = _BY_STATUS.get(status, Rejected)
    untouched = status == 429 or issubclass(kind, Rejected) or dialect.not_processed(response)
    return kind(text, request=request, status=status, problem=problem, not_processed=untouched, retry_after=retry_after)


def _clean(problem: Problem, scrub: Callable[[str], str]) -> Problem:
    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return scrub(" ".join("".join(char if char.isprintable() else " " for char in value).split()))
        if isinstance(value, Mapping):
            return {plain(key): plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    # A server may put anything anywhere, numbers for codes among it.
    code, text, request_id = (None if said is None else plain(str(said)) for said in (problem.code, problem.text, problem.request_id))
    return Problem(code, text, request_id, tuple(plain(issue) for issue in problem.issues))


def _restore(kind: type[ApiError], args: tuple[Any, ...], state: dict[str, Any]) -> ApiError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
