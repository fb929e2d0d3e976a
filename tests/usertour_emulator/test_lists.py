"""Filters, orders, pages, expansions and analytics."""

from __future__ import annotations

from typing import Any

import pytest

QUESTIONS = [{"cvid": "q-nps", "name": "How likely?", "type": "nps"}, {"cvid": "q-scale", "name": "How good?", "type": "scale"}]


@pytest.fixture
def account(usertour: Any) -> Any:
    days = [f"2026-02-{day:02}T00:00:00.000Z" for day in range(1, 13)]
    usertour.seed(
        {
            "users": [
                {"id": f"u{number:02}", "createdAt": at, "attributes": {"email": f"u{number}@example.com"}}
                for number, at in enumerate(days)
            ],
            "companies": [{"id": "c"}],
            "company_memberships": [{"userId": "u03", "companyId": "c"}],
            "content": [{"id": "flow", "questions": QUESTIONS, "steps": [{"name": "One", "cvid": "s1", "type": "modal"}]}, {"id": "other"}],
            "content_sessions": [
                {
                    "id": f"s{number:02}",
                    "contentId": "flow",
                    "userId": f"u{number:02}",
                    "createdAt": at,
                    "completedAt": at if number % 2 else None,
                    "answers": {"q-nps": number, "q-scale": 5} if number < 11 else {},
                }
                for number, at in enumerate(days)
            ],
        }
    )
    return usertour


def test_pages_lead_on_and_back(account: Any) -> None:
    first = account.get("E/users?limit=5")
    second = account.get(first["next"])
    third = account.get(second["next"])
    assert (first["previous"], third["next"]) == (None, None)
    assert account.get(second["previous"])["results"] == first["results"]
    assert account.get(third["previous"])["results"] == second["results"]
    assert account.walk("/v1/users?limit=5") == account.walk("E/users?limit=5") == [f"u{number:02}" for number in range(12)]


def test_filters(account: Any) -> None:
    assert account.ids("E/users?email=u3@example.com") == account.ids("/v1/users?email=u3@example.com") == ["u03"]
    assert account.ids("E/users?companyId=c") == account.ids("/v1/users?companyId=c") == ["u03"]
    assert account.ids("E/users?companyId=none") == []
    assert account.ids("E/users?createdAfter=2026-02-11&createdBefore=2026-02-12T00:00:00Z") == ["u10", "u11"]
    assert account.ids("E/sessions?userId=u02") == account.ids("/v1/content-sessions?contentId=flow&userId=u02") == ["s02"]
    assert account.ids("E/sessions?userId=none") == []
    assert account.ids("E/sessions?completed=yes&limit=2") == ["s01", "s03"]
    assert account.ids("E/sessions?contentId=other") == account.ids("/v1/content-sessions?contentId=other") == []
    assert account.refused("GET", "/v1/content-sessions?contentId=none") == (404, "E1004")
    assert account.refused("GET", "P/content/none/versions") == (404, "E1004")


def test_orders(account: Any) -> None:
    assert account.ids("E/users?orderBy=-createdAt&limit=2") == ["u11", "u10"]
    assert account.ids("/v1/users?orderBy[]=-createdAt&limit=2") == ["u11", "u10"]
    assert account.ids("P/event-definitions?orderBy=-displayName&limit=1") != account.ids("P/event-definitions?limit=1")


@pytest.mark.parametrize(
    "target",
    [
        "/v1/users?limit=0",
        "/v1/users?limit=101",
        "/v1/users?limit=x",
        "/v1/users?orderBy=name",
        "/v1/users?expand=companies,memberships",
        "/v1/users?email=x",
        "/v1/content-sessions",
        "/v1/content-sessions?contentId=flow&limit=1.5",
        "E/users?limit=0",
        "E/users?limit=101",
        "E/users?limit=1.5",
        "E/users?limit=x",
        "E/users?orderBy=name",
        "E/users?email=x",
        "E/users?createdAfter=2026-02-01T00:00:00",
        "E/sessions?completed=perhaps",
        "P/content/flow/analytics",
        "P/content/flow/analytics?environmentId=e_test&timezone=Nowhere",
        "P/content/flow/analytics?environmentId=e_test&startDate=x",
    ],
)
def test_what_is_refused(account: Any, target: str) -> None:
    assert account.refused("GET", target) == (400, "E1017")


def test_all_that_is_wrong_is_said_by_v2(account: Any) -> None:
    _, answer = account.ask("GET", "E/users?limit=0&email=x")
    assert [issue["path"] for issue in answer["error"]["issues"]] == ["limit", "email"]


def test_single_objects(account: Any) -> None:
    assert account.get("P/content/flow")["environments"][0]["published"] is True
    assert account.get("/v1/content/flow?expand=editedVersion")["editedVersion"]["questions"] == []
    version = account.get("P/content/flow/versions")["results"][0]["id"]
    assert account.get(f"/v1/content-versions/{version}?expand=questions")["questions"][0]["cvid"] == "q-nps"
    assert account.get(f"P/content/flow/versions/{version}?expand=steps")["steps"][0]["name"] == "One"
    for target in (f"P/content/other/versions/{version}", "P/content/none", "/v1/content/none", "P/content/none/analytics?environmentId=e"):
        assert account.refused("GET", target) == (404, "E1004")
    assert [item["name"] for item in account.get("P/segments")["results"]] == ["All users", "All companies"]


def test_analytics(account: Any) -> None:
    counted = account.get("P/content/flow/analytics?environmentId=e_test&startDate=2026-02-01&endDate=2026-02-04&timezone=Europe/Warsaw")
    assert [counted[name] for name in ("totalStarts", "uniqueStarts", "totalCompletions", "uniqueCompletions")] == [4, 4, 2, 2]
    assert [(day["date"], day["totalStarts"], day["totalCompletions"]) for day in counted["byDay"]] == [
        ("2026-02-01", 1, 0),
        ("2026-02-02", 1, 1),
        ("2026-02-03", 1, 0),
        ("2026-02-04", 1, 1),
    ]
    nps, scale = account.get("P/content/flow/analytics/questions?environmentId=e_test")["results"]
    assert (nps["totalResponses"], nps["nps"]["promoters"], nps["nps"]["detractors"]["count"]) == (11, {"count": 2, "percentage": 18}, 7)
    assert (scale["rating"], scale["nps"]) == ({"average": 5.0}, None)
