"""The sessions of one question, as far as they were read; pure."""

from __future__ import annotations

from collections.abc import Iterable, ValuesView
from dataclasses import replace

from airflow_provider.engagement.watch.standing import Scope, Standing, WatchedSession, stand


class Roll:
    """Sessions by id, and how things stand among them: reckoned once for all who look at the same scope, until something changes.

    Attributes:
        revision: grows with every change.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._sessions: dict[str, WatchedSession] = {}
        self._standings: dict[Scope, Standing] = {}

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._sessions

    def get(self, session_id: str) -> WatchedSession | None:
        """Give a session, or None."""
        return self._sessions.get(session_id)

    def values(self) -> ValuesView[WatchedSession]:
        """Give all sessions."""
        return self._sessions.values()

    def put(self, session: WatchedSession) -> bool:
        """Take in a session as it is now.

        Returns:
            Whether it is new, or has moved in any way.
        """
        known = self._sessions.get(session.id)
        if known is not None and known.completed and session.completed and session.completed_at != known.completed_at:
            session = replace(session, completed_at=known.completed_at)  # it is completed once; where that is guessed, it stays
        if known == session:
            return False
        self._sessions[session.id] = session
        self.touch()
        return True

    def drop(self, session_ids: Iterable[str]) -> None:
        """Forget sessions that are no more."""
        for session_id in session_ids:
            if self._sessions.pop(session_id, None) is not None:
                self.touch()

    def standing(self, scope: Scope) -> Standing:
        """Say how things stand among the sessions of a scope."""
        found = self._standings.get(scope)
        if found is None:
            found = self._standings[scope] = stand(scope, self._sessions.values())
        return found

    def settle(self) -> None:
        """Forget how things stand; the sessions are kept."""
        self._standings.clear()

    def touch(self) -> None:
        """Note a change, in the sessions or in what is known beside them."""
        self.revision += 1
        self._standings.clear()
