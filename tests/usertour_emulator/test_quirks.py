"""Each mistake of the server, and that it can be switched off."""

from __future__ import annotations

from typing import Any

import pytest

SESSIONS = "/v1/content-sessions?contentId=flow"


@pytest.fixture
def tied(usertour: Any) -> Any:
    """Sixty sessions of one moment."""
    usertour.seed(
        {
            "users": [{"id": f"u{number:02}"} for number in range(60)],
            "content": [{"id": "flow"}],
            "content_sessions": [
                {"id": f"s{number:02}", "contentId": "flow", "userId": f"u{number:02}", "createdAt": "2026-02-01T00:00:00.000Z"}
                for number in range(60)
            ],
        }
    )
    return usertour


@pytest.mark.parametrize("limit", [1, 5, 7, 20])
def test_ties_lose_rows_on_v1(tied: Any, limit: int) -> None:
    found = tied.walk(f"{SESSIONS}&limit={limit}")
    assert len(set(found)) == 59
    assert "s00" not in found


def test_ties_are_harmless_on_a_page_that_holds_half_of_them(tied: Any) -> None:
    assert tied.walk(f"{SESSIONS}&limit=30") == [f"s{number:02}" for number in range(60)]


def test_rows_that_change_go_to_the_back(tied: Any) -> None:
    tied.post("/v1/content-sessions/s10/end")
    assert tied.walk(f"{SESSIONS}&limit=40")[-1] == "s10"


@pytest.mark.parametrize("order", ["createdAt", "-createdAt"])
def test_without_ties_each_row_comes_once(tied: Any, order: str) -> None:
    tied.quirks.ties = False
    for limit in (1, 5, 7):
        assert sorted(tied.walk(f"{SESSIONS}&limit={limit}&orderBy={order}")) == [f"s{number:02}" for number in range(60)]


def test_v2_has_no_such_trouble(tied: Any) -> None:
    for limit in (1, 5, 7):
        assert tied.walk(f"E/sessions?limit={limit}") == [f"s{number:02}" for number in range(60)]


def test_a_dead_cursor_fails_on_v1_only(tied: Any) -> None:
    last = tied.ids(f"{SESSIONS}&limit=100")[-1]
    assert tied.refused("GET", f"{SESSIONS}&cursor={last}") == (400, "E1007")
    assert tied.refused("GET", f"{SESSIONS}&cursor=gone") == (400, "E1007")
    empty: dict[str, Any] = {"results": [], "next": None, "previous": None}
    assert tied.get("E/sessions?cursor=gone") == empty
    tied.quirks.dead_cursor_fails = False
    assert tied.get(f"{SESSIONS}&cursor=gone") == empty


def test_completed_means_ended_on_v1(usertour: Any) -> None:
    usertour.seed({"users": [{"id": "u"}], "content": [{"id": "flow"}]})
    told = {"contentId": "flow", "userId": "u", "progress": 66}
    usertour.seed({"content_sessions": [{"id": "s", **told, "endedAt": "2026-02-01T00:00:00.000Z"}]})
    first, second = usertour.get("/v1/content-sessions/s"), usertour.get("E/sessions/s")
    assert (first["completed"], first["completedAt"]) == (True, "2026-02-01T00:00:00.000Z")
    assert (second["completed"], second["completedAt"], second["endedAt"]) == (False, None, "2026-02-01T00:00:00.000Z")
    usertour.quirks.ended_is_completed = False
    assert usertour.get("/v1/content-sessions/s")["completed"] is False


def test_memberships_show_ids_of_the_servers_own_on_v1(usertour: Any) -> None:
    usertour.post("/v1/users", {"id": "u", "companies": [{"id": "c"}]})
    (member,) = usertour.get("/v1/users/u?expand=memberships")["memberships"]
    assert not {member["userId"], member["companyId"]} & {"u", "c"}
    usertour.quirks.internal_ids = False
    (member,) = usertour.get("/v1/users/u?expand=memberships")["memberships"]
    assert (member["userId"], member["companyId"]) == ("u", "c")


def test_wrong_types_are_dropped_on_v1(usertour: Any) -> None:
    usertour.post("/v1/users", {"id": "u", "attributes": {"age": 3}})
    assert usertour.ask("POST", "/v1/users", {"id": "u", "attributes": {"age": "four"}})[0] == 201
    assert usertour.get("/v1/users/u")["attributes"]["age"] == 3
    usertour.quirks.drops_wrong_types = False
    assert usertour.refused("POST", "/v1/users", {"id": "u", "attributes": {"age": "four"}}) == (400, "E1017")


def test_a_second_end_fails_on_v1_only(usertour: Any) -> None:
    usertour.seed(
        {"users": [{"id": "u"}], "content": [{"id": "flow"}], "content_sessions": [{"id": "s", "contentId": "flow", "userId": "u"}]}
    )
    assert usertour.ask("POST", "/v1/content-sessions/s/end")[0] == 201
    assert usertour.refused("POST", "/v1/content-sessions/s/end") == (404, "E1005")
    assert usertour.ask("POST", "E/sessions/s/end")[0] == 200
    usertour.quirks.second_end_fails = False
    assert usertour.ask("POST", "/v1/content-sessions/s/end")[0] == 201


def test_the_first_segment_filters_users_on_v1(restarted: Any) -> None:
    usertour = restarted()
    usertour.seed({"users": [{"id": "a"}, {"id": "b"}], "segments": [{"id": "some", "members": ["b"]}]})
    assert usertour.ids("/v1/users") == ["a", "b"]
    assert usertour.ids("/v1/users?segmentId=some") == usertour.ids("E/users?segmentId=some") == ["b"]
    assert usertour.ids("/v1/users?segmentId=none") == ["a", "b"]
    assert usertour.refused("GET", "E/users?segmentId=none") == (404, "E1025")
    for segment in usertour.emulator.objects.segments.values()[:-1]:
        usertour.emulator.objects.segments.delete(segment["id"])
    assert usertour.ids("/v1/users") == ["b"]
    assert usertour.ids("E/users") == ["a", "b"]
    usertour.quirks.first_segment_filters = False
    assert usertour.ids("/v1/users") == ["a", "b"]


def test_crashes(usertour: Any) -> None:
    without_company = {"id": "u", "memberships": [{"attributes": {}}]}
    with_nul = {"id": "u", "attributes": {"name": "a\0b"}}
    assert usertour.refused("POST", "/v1/users", without_company) == (500, "E0000")
    assert usertour.refused("POST", "/v1/users", with_nul) == (500, "E0000")
    assert usertour.refused("GET", "/v1/users/u") == (404, "E1001")
    usertour.quirks.crashes = False
    assert usertour.refused("POST", "/v1/users", without_company) == (400, "E1017")
    assert usertour.refused("POST", "/v1/users", with_nul) == (400, "E1017")


def test_an_older_server_cannot_track_events(usertour: Any) -> None:
    assert usertour.ask("POST", "E/events", {"name": "signed_up", "userId": "u"})[0] == 201
    usertour.quirks.events = False
    assert usertour.refused("POST", "E/events", {"name": "signed_up", "userId": "u"}) == (404, "E1033")


def test_quirks_are_as_before_after_a_reset(usertour: Any) -> None:
    usertour.quirks.ties = False
    usertour.emulator.reset()
    assert usertour.emulator.quirks.ties is True
