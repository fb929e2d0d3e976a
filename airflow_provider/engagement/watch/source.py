"""What a vendor says about reading its content sessions; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from airflow_provider.engagement.watch.standing import WatchedSession
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.message import Call, Query
from airflow_provider.engagement.wire.page import Page

PAGE = 100
"""Sessions on a page."""


@dataclass(frozen=True, slots=True)
class Movements:
    """How a content's sessions are listed by last activity.

    Attributes:
        last_first: makes the query that begins with the session that moved last.
        forwards: makes the query that ends with it, and begins behind a session (the second argument) if one is named. Where sessions
            that never moved come first in the one list, they come last in the other.
    """

    last_first: Callable[[str], Query]
    forwards: Callable[[str, str | None], Query]


@dataclass(frozen=True, slots=True)
class SessionSource:
    """How a vendor's sessions are read.

    Attributes:
        get: makes the call for one session by its id, with its answers if the second argument says so.
        listing: the endpoint that lists sessions.
        newest: makes the query for a content's sessions (the second argument: of one user; the third: with answers), newest first by
            creation, which never moves and is never null.
        view: takes from a record what conditions look at.
        answers: takes the answers from a record.
        get_content: makes the call for a content.
        unpublished: says of a content's record what became of it, or None while people can see it.
        get_user: makes the call for a user.
        movements: how sessions are listed by last activity; None where the vendor cannot order by it.
        unproved: moments of which the list may have kept sessions back, noted as its pages are read.
    """

    get: Callable[[str, bool], Call[Any]]
    listing: Endpoint[Page[Any]]
    newest: Callable[[str, str | None, bool], Query]
    view: Callable[[Any], WatchedSession]
    answers: Callable[[Any], list[dict[str, Any]]]
    get_content: Callable[[str], Call[Any]]
    unpublished: Callable[[Any], str | None]
    get_user: Callable[[str], Call[Any]]
    movements: Movements | None = None
    unproved: dict[str, None] | None = None


def plain_answers(answers: Iterable[Any] | None) -> list[dict[str, Any]]:
    """Give answers as JSON values; of an unexpanded or empty list, none."""
    return [
        {
            "question_cvid": answer.question_cvid,
            "question_name": answer.question_name,
            "answer_type": answer.answer_type,
            "answer_value": float(answer.answer_value) if isinstance(answer.answer_value, Decimal) else answer.answer_value,
        }
        for answer in answers or ()
    ]
