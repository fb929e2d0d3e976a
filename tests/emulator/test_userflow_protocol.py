from __future__ import annotations

from typing import Any

import pytest

from airflow_provider.engagement.userflow.api import ENDPOINTS
from airflow_provider.engagement.userflow.emulator import UserflowEmulator
from airflow_provider.engagement.wire.message import Response


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_endpoint_is_served(userflow: Any, endpoint: Any) -> None:
    ids = dict.fromkeys(("user_id", "group_id", "content_id", "version_id", "session_id", "webhook_subscription_id"), "none")
    query = "&".join(f"{name}=x" for name in endpoint.required if name in endpoint.query)
    body = None if endpoint.method in ("GET", "DELETE") else {"id": "x", "name": "x", "user_id": "x", "topics": ["*"], "url": "http://x"}
    body = body and {key: value for key, value in body.items() if key in endpoint.fields}
    status, answer = userflow.ask(endpoint.method, f"{endpoint.path.format(**ids)}?{query}", body)
    assert status in (200, 404)
    if status == 404:
        assert "with the id 'none'" in answer["error"]["message"]
    else:
        endpoint.read(answer)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "missing_api_key"),
        ("Bearer", "missing_api_key"),
        ("Bearer ", "missing_api_key"),
        ("Basic ak_test", "missing_api_key"),
        ("ak_test", "missing_api_key"),
        ("Bearer ak_wrong", "invalid_api_key"),
        ("Bearer AK_TEST", "invalid_api_key"),
    ],
)
def test_a_key_is_asked_for_first(userflow: Any, header: str, code: str) -> None:
    for path in ("/users", "/nowhere"):
        status, answer = userflow.ask("GET", path, headers={"authorization": header, "accept": "text/html"})
        assert (status, answer["error"]["code"]) == (401, code)


def test_error_object(userflow: Any) -> None:
    status, answer = userflow.ask("GET", "/users/nobody")
    assert status == 404
    error = answer["error"]
    assert error.keys() == {"code", "message", "doc_url", "request_id"}
    assert (error["code"], error["doc_url"]) == ("not_found", "https://userflow.com/docs/api")
    _, other = userflow.ask("GET", "/users/nobody")
    assert other["error"]["request_id"] != error["request_id"]


@pytest.mark.parametrize("path", ["/", "/nowhere", "/users/", "/users/a/b", "/v2/users", "//users", "/user", "users"])
def test_unknown_urls(userflow: Any, path: str) -> None:
    status, answer = userflow.ask("GET", path)
    assert (status, answer["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/users", "POST, GET"),
        ("PATCH", "/users/1", "GET, DELETE"),
        ("GET", "/events", "POST"),
        ("POST", "/content", "GET"),
        ("HEAD", "/users", "POST, GET"),
        ("GET", "/group_memberships", "DELETE"),
        ("POST", "/attribute_definitions", "GET"),
    ],
)
def test_methods_that_are_not_allowed(userflow: Any, method: str, path: str, allowed: str) -> None:
    status, answer = userflow.ask(method, path, {})
    assert (status, answer["error"]["code"]) == (405, "method_not_allowed")
    assert f"{allowed} is" in answer["error"]["message"]


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html, application/json;q=0.9", "application/*", ""])
def test_json_is_acceptable(userflow: Any, accept: str) -> None:
    assert userflow.ask("GET", "/users", headers={"accept": accept})[0] == 200


def test_other_formats_are_not(userflow: Any) -> None:
    status, answer = userflow.ask("GET", "/users", headers={"accept": "text/html, application/xml"})
    assert (status, answer["error"]["code"]) == (406, "not_acceptable")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_must_be_declared_as_json(userflow: Any, kind: str) -> None:
    for method, path in (("POST", "/users"), ("PATCH", "/webhook_subscriptions/x")):
        status, answer = userflow.ask(method, path, {"id": "1"}, {"content-type": kind})
        assert (status, answer["error"]["code"]) == (415, "unsupported_media_type")
    assert userflow.ask("POST", "/users", {"id": "1"}, {"content-type": "application/json; charset=utf-8"})[0] == 200


def test_version_header(userflow: Any) -> None:
    assert userflow.ask("GET", "/users", headers={"userflow-version": "2020-01-03"})[0] == 200
    status, answer = userflow.ask("GET", "/users", headers={"userflow-version": "2019-01-01"})
    assert (status, answer["error"]["code"]) == (400, "invalid_version")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"id"', b"null", b'{"id": "1",}', b"\xff", b"[" * 100_000, b'{"id": NaN}'])
def test_bodies_that_are_no_json_object(userflow: Any, body: bytes) -> None:
    status, answer = userflow.ask("POST", "/users", body)
    assert (status, answer["error"]["code"]) == (400, "invalid_json")
    assert userflow.ids("/users") == []


@pytest.mark.parametrize(
    ("method", "target", "body", "message"),
    [
        ("GET", "/users?page=2", None, "unknown query parameter 'page'"),
        ("GET", "/users?email[]=a", None, "unknown query parameter 'email[]'"),
        ("GET", "/users?limit=1&limit=2", None, "limit was given 2 times"),
        ("GET", "/users/1?limit=1", None, "unknown query parameter 'limit'"),
        ("POST", "/users", {"id": "1", "name": "x"}, "unknown field name"),
        ("POST", "/users", {}, "id is required"),
        ("POST", "/users", {"id": None}, "id is required"),
        ("POST", "/users", {"id": 1}, "id must be a non-empty string"),
        ("POST", "/users", {"id": ""}, "id must be a non-empty string"),
        ("POST", "/groups", {"id": ["g"]}, "id must be a non-empty string"),
        ("POST", "/events", {"user_id": "1"}, "name is required"),
        ("GET", "/content_versions", None, "content_id is required"),
        ("DELETE", "/group_memberships?user_id=1", None, "group_id is required"),
        ("POST", "/webhook_subscriptions", {"topics": ["*"]}, "url is required"),
    ],
)
def test_what_is_unknown_or_missing_is_named(userflow: Any, method: str, target: str, body: Any, message: str) -> None:
    assert message in userflow.refused(method, target, body)


def test_ids_are_percent_decoded(userflow: Any) -> None:
    strange = "a/b %+ü?&#"
    userflow.post("/users", {"id": strange})
    assert userflow.get("/users/a%2Fb%20%25%2B%C3%BC%3F%26%23")["id"] == strange
    assert userflow.delete("/users/a%2Fb%20%25%2B%C3%BC%3F%26%23") == {"id": strange, "object": "user", "deleted": True}
    assert userflow.ids("/users") == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 415, 429, 500, 502, 503, 418])
def test_faults_speak_userflow(userflow: Any, status: int) -> None:
    emulator: UserflowEmulator = userflow.emulator
    reply = emulator.problem(status, "as told")
    error = Response(reply.status, {}, reply.body).json()["error"]
    assert (reply.status, error["message"]) == (status, "as told")
    assert error["code"]
    assert Response(status, {}, emulator.problem(status).body).json()["error"]["message"]
