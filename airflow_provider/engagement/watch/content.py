"""Readings of content sessions: one session by its id, or all that matter of one content; pure.

Of a content everything is read once, newest first by creation and no further back than anybody asks for. After that a round reads
only what can have changed:

- where sessions can be listed by last activity, those that moved since the last round, the last one first;
- where they cannot, those that are new, and those that are still open and matter to somebody: each by its id, or by a walk back to
  the oldest of them, whichever takes fewer requests.

A few users and nobody else are each asked for by a list of their own, which is cheaper than the first walk over everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from airflow_provider.engagement.watch.condition import Condition, Facts, Failed, Verdict, Waiting, judge, judge_content
from airflow_provider.engagement.watch.listing import SessionList
from airflow_provider.engagement.watch.moved import MovedSessions
from airflow_provider.engagement.watch.reading import Completions, Reading, Round, Steps, read_pages
from airflow_provider.engagement.watch.source import PAGE, SessionSource
from airflow_provider.engagement.watch.standing import EVER, WatchedSession
from airflow_provider.engagement.wire.errors import NotFound, Rejected
from airflow_provider.engagement.wire.page import Page

Wanted = Condition | Completions

FEW_USERS = 5
"""So many users are asked for one by one."""
MOST_CHECKS = 10
"""So many users are looked up in a round to see whether they still exist; likewise sessions one by one for their answers."""


class OneSession(Reading[Condition]):
    """One session.

    Args:
        source: how sessions are read.
        session_id: which.
    """

    def __init__(self, source: SessionSource, session_id: str) -> None:
        super().__init__()
        self._source = source
        self._session_id = session_id

    def steps(self, round_: Round[Condition]) -> Steps[None]:
        """Read the session."""
        if round_.wanted():
            self.roll.put(self._source.view((yield self._source.get(self._session_id, False))))

    def knows(self, condition: Condition) -> bool:
        """Say whether the session was read."""
        return self._session_id in self.roll

    def decide(self, condition: Condition) -> Verdict:
        """Say whether it is completed."""
        return judge(condition, self.roll.values())

    def enrich(self, condition: Condition, detail: Mapping[str, Any]) -> Steps[dict[str, Any]]:
        """Read its answers, if they are wanted."""
        return (yield from with_answers(self._source, condition, detail))


class ContentSessions(Reading[Wanted]):
    """The sessions of one content.

    Args:
        source: how sessions are read.
        content_id: which content.
    """

    def __init__(self, source: SessionSource, content_id: str) -> None:
        super().__init__()
        self._source = source
        self._content_id = content_id
        self._list = SessionList(source, content_id, self.roll)
        self._moved = None if source.movements is None else MovedSessions(self._list, source.movements)
        self._known_since: datetime | None = None  # of sessions created from then on, all are known
        self._moved_since: datetime | None = None  # likewise of sessions that moved from then on
        self._users: set[str] = set()  # whose sessions are all known
        self._broken_off = False  # the last round did not come to its end, so there may be gaps
        self._gone_users: set[str] = set()
        self._checked: dict[str, None] = {}
        self._unpublished: str | None = None
        self._refused: str | None = None  # why nobody can be told about users or content

    # --- judging -----------------------------------------------------------------------------------------------------

    def knows(self, condition: Wanted) -> bool:
        """Say whether everything a condition needs was read."""
        if isinstance(condition, Completions):
            return self._moved_since is not None and (condition.after is None or self._moved_since <= condition.after)
        if self._known_since is not None and self._known_since <= (condition.scope.since or EVER):
            return True
        return bool(condition.users) and condition.users <= self._users

    def decide(self, condition: Wanted) -> Verdict:
        """Say whether a condition holds among the sessions read."""
        if isinstance(condition, Completions):
            return Waiting({})
        verdict = judge_content(condition, self.roll.standing(condition.scope), Facts(self._gone_users, self._unpublished))
        refused = self._refused if condition.fail_if_unpublished or condition.fail_if_user_deleted else None
        return Failed(refused) if refused is not None and isinstance(verdict, Waiting) else verdict

    def enrich(self, condition: Wanted, detail: Mapping[str, Any]) -> Steps[dict[str, Any]]:
        """Read the answers, if they are wanted."""
        if isinstance(condition, Completions):
            return dict(detail)
        return (yield from with_answers(self._source, condition, detail))

    # --- one round ---------------------------------------------------------------------------------------------------

    def steps(self, round_: Round[Wanted]) -> Steps[None]:
        """Read what the round's conditions need and may have changed."""
        wanted = round_.wanted()
        if not wanted:
            return
        users = self._few_users(wanted)
        if users is not None:
            yield from self._read_users(users, round_)
        elif self._must_walk(wanted, afresh=round_.afresh):
            yield from self._read_everything(round_)
        elif self._moved is not None:
            yield from self._read_moved(self._moved, round_)
        else:
            yield from self._read_open(round_)
        yield from self._look_around([condition for condition in round_.wanted() if isinstance(condition, Condition)])

    def _few_users(self, wanted: Sequence[Wanted]) -> list[str] | None:
        """The users still waited for, if they are few, nobody else matters and nothing else was read before; else None."""
        if self._known_since is not None or self._moved_since is not None:
            return None
        users: set[str] = set()
        for condition in wanted:
            if isinstance(condition, Completions) or not condition.user_ids:
                return None
            completed = self.roll.standing(condition.scope).completed
            users.update(user for user in condition.user_ids if user not in completed)
            if len(users) > FEW_USERS:
                return None
        return sorted(users)

    def _must_walk(self, wanted: Sequence[Wanted], *, afresh: bool) -> bool:
        if (afresh or self._broken_off) and self._known_since is not None:
            return True
        return any(not self.knows(condition) for condition in wanted if isinstance(condition, Condition) or self._moved is None)

    def _read_users(self, users: Sequence[str], round_: Round[Wanted]) -> Steps[None]:
        for user in users:
            if not (yield from self._list.read_user(user, lambda: bool(round_.wanted()))):
                return
            self._users.add(user)

    def _read_everything(self, round_: Round[Wanted]) -> Steps[None]:
        """Walk over the sessions, back to the earliest creation that anybody asks for.

        If there will be more rounds, a page of those that moved last is read before: what moves during the walk, moves after that.
        """
        edge = None
        if round_.lasting and self._moved is not None:
            edge, whole = yield from self._moved.look()
            if whole:
                self._known_since = self._moved_since = EVER
                self._moved.begin(edge, in_step=True)
                return
            if not round_.wanted():
                return
        back_to = yield from self._list.walk_back(lambda: self._start(round_.wanted()))
        if back_to is None:
            return
        self._known_since = back_to
        self._broken_off = False
        if self._moved is not None:
            self._moved.begin(edge or self._list.began, in_step=False)
        if back_to == EVER:
            self._moved_since = EVER

    def _start(self, wanted: Sequence[Wanted]) -> datetime | None:
        """From which creation on sessions matter to somebody; what event triggers miss in it, a list of moved sessions tells."""
        moments = [item.scope.since or EVER for item in wanted if isinstance(item, Condition)]
        if self._moved is None or self._moved.stuck:
            moments += [EVER for item in wanted if isinstance(item, Completions)]
        return min(moments, default=EVER) if wanted else None

    # --- what may have changed ---------------------------------------------------------------------------------------

    def _read_moved(self, moved: MovedSessions, round_: Round[Wanted]) -> Steps[None]:
        news = [condition for condition in round_.wanted() if isinstance(condition, Completions) and not self.knows(condition)]
        known_from = yield from moved.read(news, lambda: bool(round_.wanted()))
        if moved.lost:
            yield from self._read_everything(Round(round_.wanted))
        elif news and known_from is not None:
            self._moved_since = known_from

    def _read_open(self, round_: Round[Wanted]) -> Steps[None]:
        """Read what is new, and again what is open and matters to somebody."""
        self._broken_off = True
        still_open = self._open(round_.wanted())
        begun = [session.created_at for session in still_open if session.created_at is not None]
        oldest = min(begun, default=EVER)
        behind = sum(session.created_at is not None and session.created_at >= oldest for session in self.roll.values())
        if still_open and len(still_open) > behind // PAGE + 1:
            back_to = yield from self._list.walk_back(lambda: oldest if round_.wanted() else None)
            self._broken_off = back_to is None
        else:
            yield from self._list.read_new()
            self._broken_off = False
            yield from self._read_by_id(still_open, round_)

    def _read_by_id(self, sessions: Sequence[WatchedSession], round_: Round[Wanted]) -> Steps[None]:
        for session in sessions:
            if not round_.wanted():
                return  # those that are open are read again anyway
            try:
                self.roll.put(self._source.view((yield self._source.get(session.id, False))))
            except NotFound:
                self.roll.drop([session.id])

    def _open(self, wanted: Sequence[Wanted]) -> list[WatchedSession]:
        """The sessions that may still be completed and matter to one of these conditions."""
        users: set[str] | None = set()
        for condition in wanted:
            if isinstance(condition, Completions) or not condition.user_ids:
                users = None
                break
            users.update(condition.user_ids)  # type: ignore[union-attr]
        candidates = [session for session in self.roll.values() if not session.completed and not session.ended]
        if users is not None:
            candidates = [session for session in candidates if session.user_id in users]
        scopes = {condition.scope for condition in wanted}
        return list({session.id: session for scope in scopes for session in scope.among(candidates)}.values())

    # --- facts beside the sessions -------------------------------------------------------------------------------------

    def _look_around(self, wanted: Collection[Condition]) -> Steps[None]:
        """Look at the content and the users, as far as somebody asked to fail by what became of them.

        A final no concerns those who asked only: the key may well list sessions and not show users.
        """
        known = (self._unpublished, len(self._gone_users), self._refused)
        try:
            if any(condition.fail_if_unpublished for condition in wanted):
                yield from self._look_up_content()
            yield from self._look_up_users(wanted)
        except (Rejected, ValueError) as error:
            self._refused = f"{type(error).__name__}: {error}"
        if (self._unpublished, len(self._gone_users), self._refused) != known:
            self.roll.touch()

    def _look_up_content(self) -> Steps[None]:
        try:
            self._unpublished = self._source.unpublished((yield self._source.get_content(self._content_id)))
        except NotFound:
            self._unpublished = "was deleted"

    def _look_up_users(self, wanted: Collection[Condition]) -> Steps[None]:
        users: dict[str, None] = {}
        for condition in wanted:
            if condition.fail_if_user_deleted:
                begun = self.roll.standing(condition.scope).users
                users.update(dict.fromkeys(user for user in condition.user_ids if user not in begun))
        # Who has sessions exists. Of the others so many a round, the one looked up longest ago first.
        waiting = [user for user in users if user not in self._checked] + [user for user in self._checked if user in users]
        for user in list(islice(waiting, MOST_CHECKS)):
            self._checked.pop(user, None)
            self._checked[user] = None
            try:
                yield self._source.get_user(user)
                self._gone_users.discard(user)
            except NotFound:
                self._gone_users.add(user)


def with_answers(source: SessionSource, condition: Condition, detail: Mapping[str, Any]) -> Steps[dict[str, Any]]:
    """Add the survey answers of a result's sessions, where the condition asks for them.

    Args:
        source: how sessions are read.
        condition: what was waited for.
        detail: the result.

    Returns:
        The result, with `answers` by session id.
    """
    if not condition.include_answers:
        return dict(detail)
    answers: dict[str, list[dict[str, Any]]] = {}
    wanted = dict.fromkeys(detail["session_ids"])
    pages = 0

    def take(page: Page[Any]) -> bool:
        nonlocal pages
        pages += 1
        answers.update((record.id, source.answers(record)) for record in page.items if record.id in wanted)
        return len(answers) < len(wanted) and pages < len(wanted) // 2

    if condition.content_id is not None and len(wanted) > MOST_CHECKS:  # the list, for as long as it may take fewer requests
        yield from read_pages(source.listing, source.newest(condition.content_id, None, True), take)
    for session_id in wanted:
        if session_id not in answers:
            try:
                answers[session_id] = source.answers((yield source.get(session_id, True)))
            except NotFound:
                continue  # deleted meanwhile
    return {**detail, "answers": answers}
