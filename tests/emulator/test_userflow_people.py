from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

QUESTIONS = [
    {"cvid": "q-nps", "name": "How likely?", "type": "nps"},
    {"cvid": "q-why", "name": "Why?", "type": "multiline_text"},
    {"cvid": "q-how", "name": "How did you find us?", "type": "multiple_choice"},
    {"cvid": "q-stars", "name": "Stars?", "type": "stars"},
]


@pytest.fixture
def account(userflow: Any) -> Any:
    userflow.seed(
        {
            "users": [{"id": f"u{number}"} for number in range(4)],
            "content": [
                {"id": "flow", "questions": QUESTIONS},
                {"id": "short", "questions": QUESTIONS[:1]},
                {"id": "list", "type": "checklist", "tasks": [{"name": "One"}, {"name": "Two"}, {"name": "Three"}]},
                {"id": "button", "type": "launcher"},
                {"id": "unpublished", "published": None},
            ],
        }
    )
    return userflow


def sessions(userflow: Any, content_id: str, expand: str = "") -> list[dict[str, Any]]:
    more = f"&expand={expand}" if expand else ""
    found: list[dict[str, Any]] = userflow.get(f"/content_sessions?limit=100&content_id={content_id}{more}")["data"]
    return found


def events(userflow: Any) -> list[tuple[str, str]]:
    return [(event["name"], event["time"][14:19]) for event in userflow.emulator.objects.events.values()]


def test_people_walk_with_the_clock(account: Any) -> None:
    account.emulator.people.start("flow", ["u1"], steps=4, seconds_per_step=10, delay=5)
    assert sessions(account, "flow") == []
    account.clock.advance(5)
    (session,) = sessions(account, "flow")
    assert (session["progress"], session["last_activity_at"], session["completed"]) == ("0", None, False)
    assert session["created_at"] == "2026-03-01T12:00:05.000+00:00"
    seen = []
    for _ in range(4):
        account.clock.advance(10)
        (session,) = sessions(account, "flow")
        seen.append((session["progress"], session["completed"], session["last_activity_at"][14:19]))
    assert seen == [("0.25", False, "00:15"), ("0.5", False, "00:25"), ("0.75", False, "00:35"), ("1", True, "00:45")]
    assert session["completed_at"] == session["last_activity_at"]
    assert events(account) == [("flow_started", "00:05"), ("flow_completed", "00:45")]
    account.clock.advance(3600)
    assert sessions(account, "flow") == [session]


def test_long_silence_is_caught_up_with_the_right_times(account: Any) -> None:
    account.emulator.people.start("flow", ["u1", "u2"], steps=3, seconds_per_step=60)
    account.clock.advance(86400)
    first, second = sessions(account, "flow")
    assert (first["completed_at"], second["completed_at"]) == ("2026-03-01T12:03:00.000+00:00",) * 2
    assert [time for _, time in events(account)] == ["00:00", "00:00", "03:00", "03:00"]


def test_answers_as_told_or_made_up(account: Any) -> None:
    told = {"q-nps": 9, "q-why": "Because", "q-how": ["Radio", "Friends"]}
    account.emulator.people.start("flow", ["u1", "u2"], seconds_per_step=1, answers=told)
    account.clock.advance(100)
    for session in sessions(account, "flow", "answers"):
        answers = {answer["question_cvid"]: (answer["answer_type"], answer["answer_value"]) for answer in session["answers"]}
        kind, stars = answers.pop("q-stars")
        assert answers == {"q-nps": ("number", "9"), "q-why": ("text", "Because"), "q-how": ("list", ["Radio", "Friends"])}
        assert (kind, 1 <= Decimal(stars) <= 5) == ("number", True)
        assert [answer["question_name"] for answer in session["answers"]] == [question["name"] for question in QUESTIONS]


def test_answers_come_step_by_step(account: Any) -> None:
    account.emulator.people.start("flow", ["u1"], steps=3, seconds_per_step=1)
    counts = []
    for _ in range(4):
        counts.append(len(sessions(account, "flow", "answers")[0]["answers"]))
        account.clock.advance(1)
    assert counts == [0, 1, 2, 4]


def test_some_give_up(account: Any) -> None:
    account.seed({"users": [{"id": f"more{number}"} for number in range(96)]})
    walk = account.emulator.people.start("short", completion_rate=0.6, seconds_per_step=1)
    account.clock.advance(60)
    found = sessions(account, "short")
    completed = [session for session in found if session["completed"]]
    assert len(found) == 100
    assert 45 < len(completed) < 75
    assert all(session["progress"] in ("0", "0.3333", "0.6667") for session in found if not session["completed"])
    assert walk["steps"] == 3


def test_nobody_completes_at_a_rate_of_zero(account: Any) -> None:
    account.emulator.people.start("flow", completion_rate=0, seconds_per_step=1)
    account.clock.advance(60)
    assert [session["completed"] for session in sessions(account, "flow")] == [False] * 4


def test_users_who_come_later_join(account: Any) -> None:
    account.emulator.people.start("flow", [], steps=1, delay=10, joining=True)
    account.clock.advance(60)
    account.post("/users", {"id": "late", "groups": [{"id": "g"}]})
    account.post("/users", {"id": "late", "attributes": {"a": 1}})
    account.clock.advance(9)
    assert sessions(account, "flow") == []
    account.clock.advance(1)
    (session,) = sessions(account, "flow")
    assert (session["user_id"], session["group_id"], session["created_at"][14:19]) == ("late", "g", "01:10")


def test_checklists_complete_tasks(account: Any) -> None:
    account.emulator.people.start("list", ["u1"], seconds_per_step=1)
    account.clock.advance(2)
    assert (sessions(account, "list")[0]["progress"], sessions(account, "list")[0]["completed"]) == ("0.6667", False)
    account.clock.advance(1)
    assert (sessions(account, "list")[0]["progress"], sessions(account, "list")[0]["completed"]) == ("1", True)
    told = [name for name, _ in events(account)]
    assert told == ["checklist_started", *["checklist_task_completed"] * 3, "checklist_completed"]


def test_launchers_are_activated_and_never_completed(account: Any) -> None:
    account.emulator.people.start("button", ["u1"], seconds_per_step=5)
    assert [(item["launcher_activated"], item["completed"]) for item in sessions(account, "button")] == [(False, False)]
    account.clock.advance(5)
    assert [(item["launcher_activated"], item["completed"]) for item in sessions(account, "button")] == [(True, False)]
    assert [name for name, _ in events(account)] == ["launcher_seen", "launcher_activated"]


def test_events_bring_definitions_of_internal_types(account: Any) -> None:
    account.emulator.people.start("flow", ["u1"])
    definitions = account.get("/attribute_definitions?event_name=flow_started")["data"]
    types = {item["name"]: item["data_type"] for item in definitions}
    assert types == {"flow_id": "content", "flow_session_id": "content_session", "flow_version_id": "content_version"}
    body = {"name": "flow_started", "user_id": "u1", "attributes": {"flow_id": "x"}}
    assert "internal data type content" in account.refused("POST", "/events", body)


def test_previews_walk_through_the_draft(account: Any) -> None:
    account.emulator.people.start("unpublished", ["u1"], preview=True)
    (session,) = sessions(account, "unpublished")
    assert session["is_preview"] is True
    assert session["version_id"] == account.get("/content/unpublished")["draft_version_id"]


def test_deleted_people_do_not_come_back(account: Any) -> None:
    account.emulator.people.start("flow", ["u1", "u2"], steps=5, seconds_per_step=1, delay=1)
    account.clock.advance(2)
    account.delete("/users/u1")
    account.clock.advance(60)
    assert [session["user_id"] for session in sessions(account, "flow")] == ["u2"]


def test_stopped_people_stay_where_they_are(account: Any) -> None:
    account.emulator.people.start("flow", ["u1"], steps=2, seconds_per_step=1, joining=True)
    account.clock.advance(1)
    sessions(account, "flow")
    account.emulator.people.stop()
    account.post("/users", {"id": "late"})
    account.clock.advance(60)
    assert [session["progress"] for session in sessions(account, "flow")] == ["0.5"]


def test_first_steps_can_be_spread(account: Any) -> None:
    account.emulator.people.start("flow", spread=100, seconds_per_step=0, seed="x")
    account.clock.advance(100)
    assert len({session["created_at"] for session in sessions(account, "flow")}) == 4


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"content_id": "none"}, "there is no content with the id 'none'"),
        ({"content_id": "unpublished"}, "has no published version"),
        ({"content_id": "flow", "users": ["nobody"]}, "there is no user with the id 'nobody'"),
        ({"content_id": "flow", "answers": {"q": 1}}, "no question with the cvid q"),
        ({"content_id": "flow", "completion_rate": 2}, "completion_rate must be from 0 to 1"),
        ({"content_id": "flow", "seconds_per_step": -1}, "seconds_per_step at least 0"),
        ({"content_id": "flow", "steps": 0}, "steps at least 1"),
    ],
)
def test_wrong_walks_are_refused(account: Any, told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        account.emulator.walk(told)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"people": []}, "cannot seed people; there are users"),
        ({"content": [{"type": "banner"}]}, "type must be one of checklist, flow, launcher"),
        ({"content": [{"title": "x"}]}, "a content takes no title"),
        ({"content": [{"type": "launcher", "questions": [{}]}]}, "only flows can have questions"),
        ({"content": [{"questions": [{"type": "essay"}]}]}, "a question's type must be one of"),
        ({"content": [{"versions": [{"steps": 3}]}]}, "a content version takes no steps"),
        ({"content_sessions": [{"content_id": "flow", "user_id": "nobody"}]}, "content_id and user_id of objects that exist"),
        ({"content_sessions": [{"content_id": "flow", "user_id": "u1", "state": 1}]}, "a content session takes no state"),
        ({"content_sessions": [{"content_id": "flow", "user_id": "u1", "answers": {"q": 1}}]}, "no question with the cvid q"),
        ({"group_memberships": [{"user_id": "u1", "group_id": "none"}]}, "user_id and group_id of objects that exist"),
        ({"users": [{"id": "x", "name": "y"}]}, "a user takes no name"),
        ({"segments": [{"members": []}]}, "a segment takes no members"),
    ],
)
def test_wrong_seeds_are_refused(account: Any, data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        account.seed(data)


def test_a_question_keeps_its_cvid_from_version_to_version(userflow: Any) -> None:
    versions = [{"questions": [{"name": "Why?"}]}, {"questions": [{"name": "Why?"}, {"name": "How?"}]}]
    userflow.seed({"content": [{"id": "c", "versions": versions, "published": 1}]})
    first, second = userflow.get("/content_versions?content_id=c&expand=questions")["data"]
    assert first["questions"][0]["cvid"] == second["questions"][0]["cvid"]
    assert first["questions"][0]["id"] != second["questions"][0]["id"]
    content = userflow.get("/content/c")
    assert (content["published_version_id"], content["draft_version_id"]) == (first["id"], second["id"])
