"""What the emulated Usertour answers when it refuses: codes and texts as its server gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from airflow_provider.engagement.emulator.state import Refused, Reply

DOC_URL = "https://docs.usertour.io"
USUAL: Mapping[int, tuple[str, str]] = {
    400: ("E1017", "Invalid request"),
    401: ("E1010", "Missing API key"),
    403: ("E1000", "Invalid API key provided"),
    404: ("E1033", "Unknown API route"),
    409: ("E1023", "A resource with this identifier already exists"),
    422: ("E1027", "The request cannot be processed"),
    429: ("E1013", "Too many requests"),
    500: ("E0000", "An unexpected error occurred"),
    502: ("E0000", "An unexpected error occurred"),
    503: ("E1014", "The server is busy, try again later"),
}
"""Code and text by status, for faults."""
_CHINESE = {"E1000": "提供的 API 密钥无效"}
_MISSING: Mapping[str, tuple[str, str]] = {
    "user": ("E1001", "User not found"),
    "company": ("E1002", "Company not found"),
    "membership": ("E1003", "Company membership not found"),
    "content": ("E1004", "Content not found"),
    "session": ("E1005", "Content session not found"),
    "environment": ("E1019", "Environment not found"),
    "segment": ("E1025", "Segment not found"),
    "webhook": ("E0061", "Webhook not found."),
}


class Invalid(Refused):
    """A request that v2 refuses, with where and why.

    Args:
        issues: path and message of each.
    """

    def __init__(self, issues: Sequence[tuple[str, str]]) -> None:
        super().__init__(400, "E1017", " | ".join(f"{path}: {message}" for path, message in issues))
        self.issues = [{"rule": "schema", "message": message, "path": path} for path, message in issues]


class Plain(Refused):
    """A request that the framework under the server refuses, in its own shape."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, "", text)


def invalid(text: str) -> Refused:
    """Refuse a request that is wrong."""
    return Refused(400, "E1017", text)


def missing(kind: str) -> Refused:
    """Refuse a request for something that does not exist."""
    return Refused(404, *_MISSING[kind])


def crashed() -> Refused:
    """Fail as the server does where it did not expect what it got."""
    return Refused(500, *USUAL[500])


def dead_cursor() -> Refused:
    """Refuse a cursor that leads nowhere, as v1 does."""
    return Refused(400, "E1007", "Invalid cursor parameter")


def reply(refused: Refused, language: str = "") -> Reply:
    """Make the answer.

    Args:
        refused: why.
        language: the request's `Accept-Language`.
    """
    if isinstance(refused, Plain):
        name = HTTPStatus(refused.status).phrase
        return Reply.of({"message": refused.text, "error": name, "statusCode": refused.status}, refused.status)
    text = _CHINESE.get(refused.code, refused.text) if language.startswith("zh") else refused.text
    error: dict[str, Any] = {"code": refused.code, "message": text}
    if isinstance(refused, Invalid):
        error["issues"] = refused.issues
    return Reply.of({"error": {**error, "doc_url": DOC_URL}}, refused.status)
