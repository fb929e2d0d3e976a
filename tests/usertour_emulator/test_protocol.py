"""Keys, limits, shapes of errors, sizes, methods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider.engagement.usertour import api
from airflow_provider.engagement.usertour.emulator import MORE


def test_every_endpoint_has_a_handler(usertour: Any) -> None:
    names = {endpoint.name for endpoint in (*api.V1.values(), *api.V2.values(), *MORE)}
    assert names == set(usertour.emulator.handlers)


def test_it_owns_its_paths_only(usertour: Any) -> None:
    assert [usertour.emulator.owns(path) for path in ("/v1/users", "/v2/projects/p", "/users", "/api/v1/publisher")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("target", ["/v1/users", "E/users"])
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", (401, "E1010")),
        ("Bearer", (401, "E1010")),
        ("Bearer ", (401, "E1010")),
        ("bearer ak_test", (401, "E1010")),
        ("Basic ak_test", (401, "E1010")),
        ("Bearer ak_other", (403, "E1000")),
    ],
)
def test_keys(usertour: Any, target: str, header: str, expected: tuple[int, str]) -> None:
    reply = usertour.reply("GET", target, headers={"authorization": header})
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == expected


def test_v1_and_v2_take_their_own_keys_only(usertour: Any) -> None:
    assert usertour.reply("GET", "/v1/users", headers={"authorization": "Bearer utp_test"}).status == 403
    assert usertour.reply("GET", "E/users", headers={"authorization": "Bearer ak_test"}).status == 403


@pytest.mark.parametrize(
    ("token", "target", "expected"),
    [
        ({"projectId": "other"}, "E/users", (403, "E1011")),
        ({"environments": ["other"]}, "E/users", (403, "E1029")),
        ({"environments": ["e_test"]}, "/v2/projects/p_test/environments/none/users", (404, "E1019")),
        ({"scopes": ["user:manage"]}, "E/users", (403, "E1012")),
        ({"scopes": ["user:read"]}, "E/users", None),
        ({"expired": True}, "E/users", (401, "E1020")),
    ],
)
def test_tokens(usertour: Any, token: dict[str, Any], target: str, expected: tuple[int, str] | None) -> None:
    usertour.seed({"tokens": [{"token": "utp_new", **token}]})
    reply = usertour.reply("GET", target, headers={"authorization": "Bearer utp_new"})
    assert (reply.status if expected is None else (reply.status, json.loads(reply.body)["error"]["code"])) == (expected or 200)


def test_environments_say_whether_the_token_may_act_on_them(usertour: Any) -> None:
    usertour.seed({"environments": [{"id": "second", "name": "Staging"}], "tokens": [{"token": "utp_new", "environments": ["second"]}]})
    answer = json.loads(usertour.reply("GET", "P/environments", headers={"authorization": "Bearer utp_new"}).body)
    assert [(item["id"], item["inTokenScope"]) for item in answer["results"]] == [("e_test", False), ("second", True)]


def test_environments_are_apart(usertour: Any) -> None:
    usertour.seed({"environments": [{"id": "second"}], "keys": [{"key": "ak_second", "environmentId": "second"}]})
    usertour.post("/v1/users", {"id": "u"})
    assert json.loads(usertour.reply("GET", "/v1/users", headers={"authorization": "Bearer ak_second"}).body)["results"] == []
    assert usertour.ids("/v2/projects/p_test/environments/second/users") == []


def test_the_two_shapes_of_errors(usertour: Any) -> None:
    assert usertour.ask("GET", "/v1/nothing") == (404, {"message": "Cannot GET /v1/nothing", "error": "Not Found", "statusCode": 404})
    status, answer = usertour.ask("GET", "/v2/nothing")
    assert (status, answer["error"]["code"]) == (404, "E1033")
    assert usertour.ask("POST", "/v1/users", b"{") == (
        400,
        {"message": "Unexpected end of JSON input", "error": "Bad Request", "statusCode": 400},
    )
    assert usertour.refused("PUT", "E/users/u", b"nonsense") == (400, "E1017")


def test_large_bodies(usertour: Any) -> None:
    fits, too_large = ({"id": "u", "attributes": {"text": "x" * size}} for size in (100_000, 103_000))
    assert usertour.ask("POST", "/v1/users", fits)[0] == 201
    status, answer = usertour.ask("POST", "/v1/users", too_large)
    assert (status, answer["statusCode"]) == (413, 413)


def test_options_and_head(usertour: Any) -> None:
    reply = usertour.reply("OPTIONS", "/v1/users")
    assert (reply.status, reply.body) == (204, b"")
    reply = usertour.reply("HEAD", "E/users")
    assert (reply.status, reply.body) == (200, b"")


def test_rate_limit_of_v2(usertour: Any) -> None:
    usertour.quirks.rate_limit = 2

    def said(target: str) -> tuple[int, dict[str, str]]:
        reply = usertour.reply("GET", target)
        return reply.status, {name: value for name, value in reply.headers.items() if name != "Content-Type"}

    assert said("E/users") == (200, {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "60"})
    usertour.clock.advance(10)
    assert said("E/users?limit=0") == (400, {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "50"})
    refused = {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "60", "Retry-After": "60"}
    assert said("E/users") == (429, refused)
    assert said("E/companies")[0] == 200
    assert said("/v2/nothing") == (404, {})
    usertour.clock.advance(59)
    assert said("E/users")[0] == 429
    usertour.clock.advance(1)
    assert said("E/users")[0] == 200


def test_no_rate_limit(usertour: Any) -> None:
    usertour.quirks.rate_limit = None
    assert "X-RateLimit-Limit" not in usertour.reply("GET", "E/users").headers
    assert "X-RateLimit-Limit" not in usertour.reply("GET", "/v1/users").headers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 503, 418])
def test_problems_for_faults(usertour: Any, status: int) -> None:
    reply = usertour.emulator.problem(status, "Because")
    assert (reply.status, json.loads(reply.body)["error"]["message"]) == (status, "Because")
