"""People who walk through content, and what becomes of them in both versions."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider.engagement.emulator.keeper import SqliteKeeper
from airflow_provider.engagement.emulator.state import Store

QUESTIONS = [
    {"cvid": "q-nps", "name": "How likely?", "type": "nps"},
    {"cvid": "q-mc", "name": "Which parts?", "type": "multiple-choice"},
    {"cvid": "q-text", "name": "Why?", "type": "multi-line-text"},
]
CONTENT = [
    {"id": "flow", "questions": QUESTIONS},
    {"id": "list", "type": "checklist", "tasks": [{"name": "One"}, {"name": "Two"}]},
    {"id": "button", "type": "launcher"},
    {"id": "draft", "published": None},
]


@pytest.fixture
def account(usertour: Any) -> Any:
    usertour.seed({"users": [{"id": f"u{number}"} for number in range(4)], "content": CONTENT})
    return usertour


def events(usertour: Any) -> list[str]:
    return [event["code_name"] for event in usertour.emulator.objects.events.values()]


def test_people_walk_with_the_clock(account: Any) -> None:
    account.emulator.walk({"content_id": "flow", "users": ["u1"], "steps": 4, "seconds_per_step": 10, "delay": 5})
    assert account.ids("E/sessions") == []
    seen = []
    for wait in (5, 10, 10, 10, 10):
        account.clock.advance(wait)
        (session,) = account.get("E/sessions")["results"]
        seen.append((session["progress"], session["completed"], session["endReason"]))
    assert seen == [(0, False, None), (25, False, None), (50, False, None), (75, False, None), (100, True, "close_button_dismiss")]
    assert session["completedAt"] == session["endedAt"] == "2026-03-01T12:00:45.000Z"
    (first,) = account.get("/v1/content-sessions?contentId=flow&userId=u1")["results"]
    assert (first["completed"], first["progress"]) == (True, 100)
    assert events(account)[0] == "flow_started"
    assert events(account)[-1] == "flow_completed"


def test_answers_in_both_versions(account: Any) -> None:
    told = {"q-nps": 9, "q-mc": ["docs", "ui"], "q-text": "Because"}
    account.emulator.people.start("flow", ["u1"], answers=told)
    account.clock.advance(60)
    (second,) = account.get("E/sessions?expand=answers")["results"]
    assert {answer["questionCvid"]: answer["answerValue"] for answer in second["answers"]} == told
    (first,) = account.get("/v1/content-sessions?contentId=flow&expand[]=answers")["results"]
    assert [answer["answerValue"] for answer in first["answers"]] == ['["docs","ui"]', "9", "Because"]


def test_a_completed_checklist_stays_open(account: Any) -> None:
    account.emulator.people.start("list", ["u1"])
    account.clock.advance(60)
    (session,) = account.get("E/sessions?expand=answers")["results"]
    assert (session["completed"], session["endedAt"], session["answers"]) == (True, None, [])
    (first,) = account.get("/v1/content-sessions?contentId=list&expand[]=answers")["results"]
    assert (first["completed"], first["progress"], first["answers"]) == (False, 100, None)
    assert events(account) == ["checklist_started", *["checklist_task_completed"] * 2, "checklist_completed"]


def test_who_gives_up_and_who_is_ended(account: Any) -> None:
    account.emulator.people.start("flow", completion_rate=0.0, steps=10)
    account.clock.advance(3600)
    sessions = account.get("E/sessions")["results"]
    assert [session["completed"] for session in sessions] == [False] * 4
    assert all(session["progress"] < 100 and session["endedAt"] is None for session in sessions)


def test_an_ended_session_goes_no_further(account: Any) -> None:
    account.emulator.people.start("flow", ["u1"], steps=4, seconds_per_step=10)
    account.clock.advance(15)
    (session,) = account.get("E/sessions")["results"]
    ended = account.ask("POST", f"E/sessions/{session['id']}/end")[1]
    account.clock.advance(3600)
    assert account.get(f"E/sessions/{session['id']}") == ended
    assert ended["endReason"] == "admin_ended"


def test_launchers_and_people_who_join(account: Any) -> None:
    account.emulator.people.start("button", [], joining=True, delay=10)
    account.put("E/users/later")
    account.clock.advance(60)
    (session,) = account.get("E/sessions?contentId=button")["results"]
    assert (session["userId"], session["completed"]) == ("later", True)
    assert events(account) == ["launcher_seen", "launcher_activated"]


def test_people_go_on_after_a_restart(account: Any, restarted: Any, tmp_path: Any) -> None:
    keeper = SqliteKeeper(tmp_path / "usertour.sqlite")
    before = restarted(Store(keeper))
    before.seed({"users": [{"id": "u1"}], "content": CONTENT})
    before.emulator.people.start("flow", ["u1"], steps=2, seconds_per_step=10)
    before.clock.advance(15)
    assert before.get("E/sessions")["results"][0]["progress"] == 50
    keeper.commit()
    after = restarted(Store(keeper))
    after.clock.advance(60)
    (session,) = after.get("E/sessions")["results"]
    assert (session["progress"], session["completedAt"]) == (100, "2026-03-01T12:00:20.000Z")
    assert len(after.walk("P/event-definitions?limit=100")) == len(before.walk("P/event-definitions?limit=100"))
    keeper.close()


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({"content_id": "none"}, "no content"),
        ({"content_id": "draft"}, "no published version"),
        ({"content_id": "flow", "users": ["none"]}, "no user"),
        ({"content_id": "flow", "answers": {"q-none": 1}}, "q-none"),
        ({"content_id": "flow", "completion_rate": 2}, "completion_rate"),
        ({"content_id": "flow", "preview": True}, "previews"),
    ],
)
def test_bad_walks(account: Any, told: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        account.emulator.walk(told)


def test_stopping(account: Any) -> None:
    account.emulator.people.start("flow", joining=True)
    account.emulator.people.stop()
    account.put("E/users/later")
    account.clock.advance(3600)
    assert account.ids("E/sessions") == []
