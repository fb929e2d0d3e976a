"""What is read for a content's conditions, in the first round and in those after it; counted by the requests received."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_provider.engagement.emulator.faults import Status
from airflow_provider.engagement.userflow.sessions import SESSIONS
from airflow_provider.engagement.usertour.sessions import UsertourCondition, UsertourContentSessions
from airflow_provider.engagement.watch.condition import Condition, Done, Failed, Verdict, Waiting
from airflow_provider.engagement.watch.content import ContentSessions
from airflow_provider.engagement.watch.poll import poll
from airflow_provider.engagement.watch.reading import Completions, Reading, Round
from airflow_provider.engagement.watch.standing import EVER, Scope
from tests.userflow.account import QUESTIONS, Account
from tests.usertour.account import Account as Tour


class Rounds:
    """Makes rounds of a reading, and tells what each asked for."""

    def __init__(self, account: Any, reading: Reading[Any]) -> None:
        self.account = account
        self.reading = reading
        self.client = account.hook.get_conn()

    def make(self, *conditions: Any, lasting: bool = True, afresh: bool = False) -> list[str]:
        """Make a round; answers the requests it made."""
        self.account.server.received.clear()
        poll(self.client, self.reading.steps(Round(lambda: self.left(conditions), lasting, afresh)))
        return [f"{request.path}?{request.query}" for request in self.account.server.requests()]

    def left(self, conditions: Sequence[Any]) -> list[Any]:
        return [condition for condition in conditions if not isinstance(self.reading.judge(condition), Done)]

    def verdict(self, condition: Any) -> Verdict:
        return self.reading.judge(condition)


def of(**values: Any) -> Condition:
    return Condition(content_id="flow", **values)


@pytest.fixture
def flow(account: Account) -> Rounds:
    return Rounds(account, ContentSessions(SESSIONS, "flow"))


@pytest.fixture
def tour_flow(tour: Tour) -> Rounds:
    return Rounds(tour, UsertourContentSessions(tour.hook.account, "flow"))


def crowd(count: int, prefix: str = "u") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def spread(account: Any, people: Sequence[str], *, every: float = 60.0, begun: bool = False) -> None:
    """Let people complete (or begin) the flow one after the other."""
    for person in people:
        account.server.clock.advance(every)
        (account.begin if begun else account.complete)("flow", person)


# --- Userflow: sessions can be listed by last activity -----------------------------------------------------------------


def test_a_content_of_one_page_takes_one_request(account: Account, flow: Rounds) -> None:
    account.begin("flow", *crowd(3))
    condition = of(min_completion_rate=0.5)
    assert len(flow.make(condition)) == 1
    assert flow.verdict(condition) == Waiting({"completed": 0, "users": 3, "sessions": 3})
    account.complete("flow", "u0", "u1")
    assert len(flow.make(condition)) == 1
    assert isinstance(flow.verdict(condition), Done)


def test_a_poll_reads_one_page_more_for_each_that_changed(account: Account, flow: Rounds) -> None:
    spread(account, crowd(500))
    spread(account, ["late"], begun=True)
    condition = of(min_completion_rate=1.0)
    assert len(flow.make(condition)) == 1 + 6
    assert len(flow.make(condition)) == 1
    assert len(flow.make(condition)) == 1
    spread(account, crowd(99), every=1.0)
    assert len(flow.make(condition)) == 2, "99 moved, and the one that never moved comes before them"
    spread(account, crowd(250), every=1.0)
    assert len(flow.make(condition)) == 3
    account.complete("flow", "late")
    assert len(flow.make(condition)) == 1
    assert isinstance(flow.verdict(condition), Done)


def test_what_moves_without_being_completed_hides_nothing_behind_it(account: Account, flow: Rounds) -> None:
    spread(account, crowd(300), begun=True)
    spread(account, crowd(150))
    condition = of(min_completed=299)
    flow.make(condition)
    flow.make(condition)
    spread(account, ["u200"])
    spread(account, crowd(150), every=1.0)  # they completed before; now they only move
    assert len(flow.make(condition)) >= 2
    assert flow.verdict(condition) == Waiting({"completed": 151, "users": 300, "sessions": 300})


def test_a_poll_that_broke_off_is_made_up_for(account: Account, flow: Rounds) -> None:
    spread(account, crowd(400))
    condition = of(min_completed=401)
    flow.make(condition)
    flow.make(condition)
    spread(account, ["new0"])
    spread(account, crowd(150), every=1.0)
    broken_off = flow.reading.steps(Round(lambda: [condition], lasting=True))
    broken_off.send(flow.client.send(next(broken_off)))
    broken_off.close()  # the second page could not be had
    flow.make(condition)
    assert isinstance(flow.verdict(condition), Done), "the first page had been read already; what stood behind it had not"


def never_moved(account: Account, *people: str) -> None:
    """Let people begin the flow and do nothing: they come before all who moved, and no page can begin behind one of them."""
    account.begin("flow", *people)


def test_people_who_never_moved_are_read_around(account: Account, flow: Rounds) -> None:
    spread(account, crowd(300, "done"))
    never_moved(account, *crowd(250))
    condition = of(min_completion_rate=0.55)
    first = flow.make(condition)
    assert len(first) == 1 + 6
    assert len(flow.make(condition)) == 2, "one page of new sessions, one of what moved"
    spread(account, ["u1", "u2"])
    never_moved(account, "new1", "new2")
    assert len(flow.make(condition)) == 2
    assert flow.verdict(condition) == Waiting({"completed": 302, "users": 552, "sessions": 552})
    spread(account, crowd(150, "done"), every=1.0)  # they move again
    spread(account, ["u3"])
    assert len(flow.make(condition)) == 3
    assert flow.verdict(condition) == Waiting({"completed": 303, "users": 552, "sessions": 552})
    spread(account, ["u4"])
    flow.make(condition)
    assert isinstance(flow.verdict(condition), Done)
    assert all(request.status == 200 for request in account.server.requests())


def test_a_session_to_read_on_from_that_has_moved_itself_is_noticed(account: Account, flow: Rounds) -> None:
    spread(account, crowd(20, "done"))
    never_moved(account, *crowd(150))
    condition = of(min_completed=23)
    flow.make(condition)
    assert len(flow.make(condition)) == 2
    behind = flow.make(condition)[-1].rpartition("starting_after=flow-")[2]
    spread(account, ["u1", behind, "u2"])
    flow.make(condition)
    assert flow.verdict(condition) == Waiting({"completed": 22, "users": 170, "sessions": 170})
    behind = flow.make(condition)[-1].rpartition("starting_after=flow-")[2]
    account.hook.delete_user(behind)
    spread(account, ["u3", "u4"])
    flow.make(condition)
    assert isinstance(flow.verdict(condition), Done)


def test_where_nobody_moved_yet_the_first_to_move_are_found(account: Account, flow: Rounds) -> None:
    never_moved(account, *crowd(250))
    condition = of(min_completed=2)
    flow.make(condition)
    flow.make(condition)
    account.server.clock.advance(1)
    account.complete("flow", "u7", "u8")
    assert len(flow.make(condition)) <= 3
    assert isinstance(flow.verdict(condition), Done)


def test_an_event_trigger_reads_everything_where_people_who_never_moved_are_in_the_way(account: Account, flow: Rounds) -> None:
    spread(account, crowd(150, "done"))
    never_moved(account, *crowd(150))
    news = Completions(Scope(), account.server.clock.now() - timedelta(minutes=30))
    flow.make(news)
    assert flow.reading.knows(news)
    spread(account, ["u1"])
    flow.make(news)
    session = flow.reading.roll.get("flow-u1")
    assert session is not None
    assert session.completed


def test_since_bounds_the_walk_and_an_earlier_one_extends_it(account: Account, flow: Rounds) -> None:
    spread(account, crowd(500), begun=True)
    now = account.server.clock.now()
    recent, earlier = of(since=(now - timedelta(minutes=30)).isoformat()), of(since=(now - timedelta(minutes=250)).isoformat())
    assert len(flow.make(recent, lasting=False)) == 1
    assert flow.reading.knows(recent)
    assert not flow.reading.knows(earlier)
    assert len(flow.make(recent, earlier, lasting=False)) == 3
    assert flow.reading.knows(earlier)
    assert not flow.reading.knows(of())


def test_reading_afresh_notices_who_was_deleted(account: Account, flow: Rounds) -> None:
    spread(account, crowd(150))
    condition = of(min_completion_rate=1.0, min_completed=500)
    flow.make(condition)
    for user in crowd(20):
        account.hook.delete_user(user)
    flow.make(condition)
    flow.make(condition, afresh=True)
    assert flow.verdict(condition) == Waiting({"completed": 130, "users": 130, "sessions": 130})


def test_an_event_trigger_reads_back_to_where_it_left_off(account: Account, flow: Rounds) -> None:
    spread(account, crowd(500))
    from_now = Completions(Scope())
    assert len(flow.make(from_now)) == 1
    assert flow.reading.knows(from_now)
    earlier = Completions(Scope(), account.server.clock.now() - timedelta(minutes=150))
    assert not flow.reading.knows(earlier)
    assert len(flow.make(earlier)) == 2
    assert flow.reading.knows(earlier)
    assert len(flow.make(earlier)) == 1
    assert len(flow.make(Completions(Scope(), EVER))) == 5


def test_sensors_and_an_event_trigger_share_a_reading(account: Account, flow: Rounds) -> None:
    spread(account, crowd(300))
    today, news = of(since=account.server.clock.now().isoformat()), Completions(Scope(), account.server.clock.now() - timedelta(hours=1))
    flow.make(today, news)
    flow.make(today, news)
    assert flow.reading.knows(today)
    assert flow.reading.knows(news)
    assert len(flow.make(today, news)) == 1


# --- Usertour: sessions cannot be listed by last activity --------------------------------------------------------------


def test_few_open_sessions_are_read_by_id(tour: Tour, tour_flow: Rounds) -> None:
    spread(tour, ["early", "earlier"], begun=True)
    spread(tour, crowd(250))
    condition = UsertourCondition(content_id="flow", min_completion_rate=1.0)
    assert len(tour_flow.make(condition)) == 3
    again = [line.partition("?")[0].rpartition("/")[2] for line in tour_flow.make(condition)]
    assert sorted(again[1:]) == ["flow-earlier", "flow-early"]
    tour.complete("flow", "early")
    tour_flow.make(condition)
    assert len(tour_flow.make(condition)) == 2
    tour.complete("flow", "earlier")
    tour_flow.make(condition)
    assert isinstance(tour_flow.verdict(condition), Done)


def test_many_open_sessions_are_read_by_a_walk(tour: Tour, tour_flow: Rounds) -> None:
    spread(tour, crowd(150))
    spread(tour, crowd(150, "open"), begun=True)
    condition = UsertourCondition(content_id="flow", min_completed=152)
    tour_flow.make(condition)
    asked = tour_flow.make(condition)
    assert len(asked) <= 3
    assert all("createdAt" in line for line in asked)
    for user in ("open0", "open100"):
        tour.complete("flow", user)
    tour_flow.make(condition)
    assert isinstance(tour_flow.verdict(condition), Done)


def test_only_open_sessions_that_matter_are_read_again(tour: Tour, tour_flow: Rounds) -> None:
    spread(tour, crowd(150, "open"), begun=True)
    cohort = UsertourCondition(content_id="flow", user_ids=tuple(crowd(10, "open")))
    tour_flow.make(cohort)
    tour.dismiss("flow", *crowd(8, "open"))
    tour_flow.make(cohort)
    asked = tour_flow.make(cohort)
    assert sum("flow-open" in line.split("?")[0] for line in asked) == 2
    tour.complete("flow", "open8")
    tour_flow.make(cohort)
    assert tour_flow.verdict(cohort) == Waiting({"completed": 1, "users": 10, "sessions": 10, "wanted": 10})


def test_an_open_session_that_was_deleted_is_forgotten(tour: Tour, tour_flow: Rounds) -> None:
    spread(tour, crowd(3, "open"), begun=True)
    condition = UsertourCondition(content_id="flow", min_completion_rate=1.0)
    tour_flow.make(condition)
    tour.hook.delete_content_session("flow-open1")
    spread(tour, crowd(120))
    tour_flow.make(condition)
    tour_flow.make(condition)
    assert tour_flow.verdict(condition).detail["users"] == 122  # type: ignore[union-attr]


# --- both ------------------------------------------------------------------------------------------------------------


def happen(account: Any, chance: random.Random, known: list[str]) -> None:
    """Let some people begin, go on and complete the flow, now all at once, now over minutes."""
    for _ in range(chance.choice((0, 1, 5, 120))):
        account.server.clock.advance(chance.choice((0.001, 0.5, 90.0)))
        what = chance.random()
        if what < 0.4 or not known:
            known.append(f"p{len(known)}")
            account.begin("flow", known[-1])
        else:
            account.complete("flow", chance.choice(known))


def compare(rounds: Rounds, fresh: Callable[[], Reading[Any]], condition: Any, seed: int, most: float) -> None:
    """Make rounds while things happen; each must end with what reading everything anew says, at a fraction of the requests."""
    chance, known = random.Random(seed), [f"p{number}" for number in range(260)]
    spread(rounds.account, known, begun=seed % 2 == 0)
    rounds.make(condition)
    cost = anew = 0
    for _ in range(8):
        happen(rounds.account, chance, known)
        if chance.random() < 0.2:  # a round that breaks off
            steps = rounds.reading.steps(Round(lambda: [condition], lasting=True))
            with suppress(StopIteration):  # it took one request only
                steps.send(rounds.client.send(next(steps)))
            steps.close()
        cost += len(rounds.make(condition))
        reading = fresh()
        rounds.account.server.received.clear()
        poll(rounds.client, reading.steps(Round(lambda: [condition])))
        anew += len(rounds.account.server.requests())
        assert rounds.verdict(condition) == reading.judge(condition)
    assert cost <= most * anew


@pytest.mark.parametrize("seed", range(4))
def test_rounds_know_what_a_fresh_walk_knows(account: Account, flow: Rounds, seed: int) -> None:
    compare(flow, lambda: ContentSessions(SESSIONS, "flow"), of(min_completion_rate=1.0, min_completed=5000), seed, 0.9)


@pytest.mark.parametrize("seed", range(2))
def test_rounds_know_what_a_fresh_walk_knows_of_usertour(tour: Tour, tour_flow: Rounds, seed: int) -> None:
    condition = UsertourCondition(content_id="flow", min_completion_rate=1.0, min_completed=5000)
    compare(tour_flow, lambda: UsertourContentSessions(tour.hook.account, "flow"), condition, seed, 1.3)


# --- failing fast ------------------------------------------------------------------------------------------------------


def test_a_content_that_is_published_no_more_fails_who_asked_for_it(account: Account, flow: Rounds) -> None:
    account.begin("flow", "ann")
    asks, does_not = of(fail_if_unpublished=True), of()
    assert len(flow.make(asks, does_not)) == 2
    assert isinstance(flow.verdict(asks), Waiting)
    account.server.userflow.seed({"content": [{"id": "flow", "published": None}]})
    revision = flow.reading.roll.revision
    flow.make(asks, does_not)
    assert flow.verdict(asks) == Failed("content flow is not published, with 0 completed")
    assert isinstance(flow.verdict(does_not), Waiting)
    assert flow.reading.roll.revision > revision
    account.server.userflow.seed({"content": [{"id": "flow", "questions": QUESTIONS}]})
    flow.make(asks)
    assert isinstance(flow.verdict(asks), Waiting)


def test_a_usertour_content_that_is_published_no_more(tour: Tour, tour_flow: Rounds) -> None:
    tour.begin("flow", "ann")
    condition = UsertourCondition(content_id="flow", fail_if_unpublished=True)
    tour_flow.make(condition)
    assert isinstance(tour_flow.verdict(condition), Waiting)
    content = tour.server.usertour.objects.content.get("flow")
    assert content is not None
    tour.server.usertour.objects.content.put({**content, "published": {}})
    tour_flow.make(condition)
    assert tour_flow.verdict(condition) == Failed("content flow is not published, with 0 completed")


def test_users_who_do_not_exist_fail_who_asked_for_it(account: Account, flow: Rounds) -> None:
    account.begin("flow", "ann", "bob")
    account.complete("flow", "bob")
    every, most = of(user_ids=("ann", "bob"), fail_if_user_deleted=True), of(user_ids=("ann", "bob"), min_completed=1)
    flow.make(every, most)
    assert isinstance(flow.verdict(every), Waiting)
    account.hook.delete_user("ann")
    flow.make(every, most)
    assert flow.verdict(every) == Failed("of the 2 users waited for, 1 do not exist (deleted, or never created): ann")
    assert isinstance(flow.verdict(most), Done)


def test_who_may_not_see_users_fails_alone(account: Account, flow: Rounds) -> None:
    account.begin("flow", "ann")
    asks, does_not = of(user_ids=("nobody",), fail_if_user_deleted=True), of(user_ids=("nobody",))
    account.server.faults.add(Status(status=403, path="/users"))
    flow.make(asks, does_not)
    verdict = flow.verdict(asks)
    assert isinstance(verdict, Failed)
    assert verdict.reason.startswith("Unauthorized: GET /users/nobody")
    assert isinstance(flow.verdict(does_not), Waiting)


def test_users_are_looked_up_a_few_at_a_time(account: Account, flow: Rounds) -> None:
    account.begin("flow", "ann")
    account.server.userflow.seed({"users": [{"id": user} for user in crowd(24)]})
    condition = of(user_ids=(*crowd(25), "ann"), fail_if_user_deleted=True)
    looked_up = [line for _ in range(2) for line in flow.make(condition) if line.startswith("/users/")]
    assert len(set(looked_up)) == 20
    assert isinstance(flow.verdict(condition), Waiting)
    flow.make(condition)
    assert isinstance(flow.verdict(condition), Failed)


def test_sessions_that_ended_without_completion_fail_who_asked_for_it(tour: Tour, tour_flow: Rounds) -> None:
    tour.begin("flow", "ann", "bob")
    tour.complete("flow", "bob")
    condition = UsertourCondition(content_id="flow", user_ids=("ann", "bob"), fail_if_ended=True)
    tour_flow.make(condition)
    assert isinstance(tour_flow.verdict(condition), Waiting)
    tour.dismiss("flow", "ann")
    tour_flow.make(condition)
    assert tour_flow.verdict(condition) == Failed("of the 2 users waited for, 1 ended it without completing it: ann")


def test_moments_are_the_vendors(account: Account, flow: Rounds) -> None:
    account.complete("flow", "ann")
    condition = of()
    flow.make(condition)
    verdict = flow.verdict(condition)
    assert isinstance(verdict, Done)
    at = datetime.fromisoformat(verdict.detail["completed_at"]["flow-ann"])
    assert abs(at - account.server.clock.now()) < timedelta(minutes=1)
