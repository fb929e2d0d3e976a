"""Reading Mirats Quanto's user sessions of a window, and its surveys."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider.engagement.extract.gather import Gathering, Item
from airflow_provider.engagement.extract.window import Window
from airflow_provider.engagement.mirats.api import LIST_SURVEYS, LIST_USER_SESSIONS, UserSession
from airflow_provider.engagement.mirats.bodies import MOST_ROWS, days_around, sessions_body, surveys_body
from airflow_provider.engagement.mirats.privacy import IpHandling, protect
from airflow_provider.engagement.mirats.walk import NumberedWalk
from airflow_provider.engagement.wire.message import encode_json

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient

_log = logging.getLogger(__name__)


async def export_sessions(
    client: AsyncClient,
    window: Window,
    gathering: Gathering,
    *,
    status: str,
    session_type: str | int,
    ip: IpHandling,
    salt: str | None,
) -> None:
    """Gather the sessions that began within a window.

    A session without a `startTime` that can be read belongs to no window; it is left out, and the log says how many were.

    Args:
        client: the account.
        window: which sessions.
        gathering: where they go.
        status: which of them; `all` for all.
        session_type: `live` or `test`, or 0 or 1.
        ip: what becomes of IP addresses.
        salt: what they are hashed with.

    Raises:
        ValueError: an unusable argument.
        ApiError: a call failed for good, or the list did not stand still.
    """
    timeless: set[str] = set()

    def began_within(session: UserSession) -> bool:
        if session.start_time is None:
            timeless.add(session.rid)
        return session.start_time is not None and session.start_time in window

    body = sessions_body(rows=MOST_ROWS, status=status, session_type=session_type, **days_around(window.start, window.end))
    walk = NumberedWalk(LIST_USER_SESSIONS, body, lambda session: session.rid, wanted=began_within)
    while (call := walk.next_call()) is not None:
        sessions = walk.take(await client.send(call))
        gathering.add(
            Item(session.rid, session.start_time.timestamp(), line(session, ip, salt), session.completed)
            for session in sessions
            if session.start_time is not None
        )
    if timeless:
        _log.warning("%d sessions came without a startTime that can be read; they are in no window and were left out", len(timeless))


async def export_surveys(client: AsyncClient, gathering: Gathering) -> None:
    """Gather all live surveys.

    Args:
        client: the account.
        gathering: where they go.

    Raises:
        ApiError: a call failed for good, or the list did not stand still.
    """
    walk = NumberedWalk(LIST_SURVEYS, surveys_body(rows=MOST_ROWS), lambda survey: survey.survey_number)
    while (call := walk.next_call()) is not None:
        surveys = walk.take(await client.send(call))
        gathering.add(Item(f"{survey.survey_number:020}", None, encode_json(survey.raw)) for survey in surveys)


def line(session: UserSession, ip: IpHandling, salt: str | None) -> bytes:
    """Make a session's line: as it came, the address protected, and `durationSeconds` beside `duration`."""
    return encode_json({**protect(session.raw, ip, salt), "durationSeconds": session.duration_seconds})
