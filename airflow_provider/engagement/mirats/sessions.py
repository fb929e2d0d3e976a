"""How Mirats Quanto's user sessions are read when they are waited for; pure.

The list knows no order that can be relied on and no filter by session or survey, but it counts: a page tells how many sessions there
are in all. So a round reads page after page only until as many are known as there are, which is after the first one where nothing is
new. Sessions that leave the list (those older than its window) show in the count as well; only where as many leave as come at the same
time can a round miss that, until everything is read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider.engagement.mirats.api import GET_SURVEY, LIST_USER_SESSIONS, UserSession
from airflow_provider.engagement.mirats.bodies import MOST_ROWS, days_around, sessions_body
from airflow_provider.engagement.mirats.condition import SessionCondition, judge
from airflow_provider.engagement.mirats.walk import NumberedWalk
from airflow_provider.engagement.watch import reading
from airflow_provider.engagement.watch.condition import Verdict, Waiting
from airflow_provider.engagement.watch.reading import Completions, Reading, Round, Steps
from airflow_provider.engagement.watch.standing import WatchedSession
from airflow_provider.engagement.wire.errors import NotFound

Wanted = SessionCondition | Completions

MOST_CHECKS = 10
"""So many surveys are looked up in a round to see whether they still exist."""


def view(session: UserSession, status: str) -> WatchedSession:
    """Take from a session what conditions look at.

    Args:
        session: the session.
        status: the status that was asked for; what is in the list has it.
    """
    reached = session.completed if status == "all" else True
    return WatchedSession(
        id=session.rid,
        user_id=None,
        group_id=str(session.survey_number),
        completed=reached,
        created_at=session.start_time,
        preview=False,
        ended=session.end_time is not None,
        completed_at=session.end_time if reached else None,
    )


def body_of(condition: SessionCondition) -> dict[str, Any]:
    """Make the list's parameters for a condition; conditions with the same share a poll."""
    start, end = condition.window()
    days = days_around(start, end)
    return sessions_body(rows=MOST_ROWS, session_type=condition.session_type, status=condition.listed_status, **days)


class UserSessions(Reading[Wanted]):
    """The sessions of one list.

    Args:
        body: its parameters.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__()
        self._body = dict(body)
        self._status = str(self._body.get("status", "all"))
        self._whole = False
        self._gone_surveys: set[str] = set()

    def knows(self, condition: Wanted) -> bool:
        """Say whether the list was read to its end."""
        return self._whole

    def decide(self, condition: Wanted) -> Verdict:
        """Say whether a condition holds among the sessions read."""
        if isinstance(condition, Completions):
            return Waiting({})
        return judge(condition, self.roll.values(), self._gone_surveys)

    def steps(self, round_: Round[Wanted]) -> Steps[None]:
        """Read the list as far as it may have changed."""
        wanted = round_.wanted()
        if not wanted:
            return
        # A session that ends stays in a list of all sessions, and changes nothing in its count.
        restless = any(isinstance(condition, SessionCondition) and condition.fail_if_ended for condition in wanted)
        yield from self._read_list(round_, counting=self._whole and not round_.afresh and not restless)
        yield from self._look_up_surveys(round_.wanted())

    def _read_list(self, round_: Round[Wanted], *, counting: bool) -> Steps[None]:
        # A list that moves while it is read is not read again: what one round misses the next one finds.
        walk = NumberedWalk(LIST_USER_SESSIONS, self._body, lambda session: session.rid, settle=False)
        seen: set[str] = set()
        while (call := walk.next_call()) is not None:
            page = yield call
            for session in walk.take(page):
                seen.add(session.rid)
                self.roll.put(view(session, self._status))
            if (counting and page.total == len(self.roll.values())) or not round_.wanted():
                return
        self.roll.drop([session.id for session in list(self.roll.values()) if session.id not in seen])
        self._whole = True

    def _look_up_surveys(self, wanted: Sequence[Wanted]) -> Steps[None]:
        """Look whether the surveys still exist, as far as somebody asked to fail by it."""
        surveys = {item.survey_number: None for item in wanted if isinstance(item, SessionCondition) and item.fail_if_unpublished}
        for survey in list(surveys)[:MOST_CHECKS]:
            if survey is not None and survey not in self._gone_surveys:
                try:
                    yield GET_SURVEY.call(None, {}, survey_number=survey)
                except NotFound:
                    self._gone_surveys.add(survey)
                    self.roll.touch()


def ask(condition: SessionCondition) -> Steps[Verdict]:
    """Make one poll for a condition, shared with nobody."""
    return reading.ask(UserSessions(body_of(condition)), condition)
