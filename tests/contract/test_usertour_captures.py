"""What a real Usertour server was recorded answering, held against the emulator and against what this package reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider.engagement.emulator.state import Incoming, Reply
from airflow_provider.engagement.usertour import api, records, webhook
from airflow_provider.engagement.usertour.emulator_account import signed
from airflow_provider.engagement.wire.errors import (
    ApiError,
    Conflict,
    Invalid,
    NotFound,
    RateLimited,
    ServerFailed,
    Unauthorized,
    error_from,
)
from airflow_provider.engagement.wire.message import Request, Response
from airflow_provider.engagement.wire.page import Page
from airflow_provider.engagement.wire.record import Record
from tests.contract.usertour_recordings import ENVIRONMENT, HERE, LINES, PROJECT, TIES, V1, V2, Line, ask, emulator_for

TIMES = {"createdAt", "updatedAt", "completedAt", "endedAt", "lastActivityAt", "publishedAt", "last_seen_at", "first_seen_at"}
MADE = {"companyMembership", "webhook", "attributeDefinition", "eventDefinition"}
RATE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After")
UNMATCHED: dict[str, str] = {}
"""Lines that the emulator answers otherwise, and why."""


def blurred(value: Any) -> Any:
    """Leave out what a write makes up anew: times, the ids of objects that the server names itself, secrets."""
    if isinstance(value, list):
        return [blurred(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {"id"} if value.get("object") in MADE else set()
    return {key: type(item).__name__ if key in TIMES | {"secret"} | made else blurred(item) for key, item in value.items()}


def compared(line: Line, status: int, headers: dict[str, str], body: str) -> dict[str, Any]:
    """What must be the same. A read: everything. A write: everything but what it makes up anew.

    Ignored: what is left of the rate limit, and for how long, where the line is not about it, for that counts earlier lines.
    """
    decoded = json.loads(body) if body else None
    rate = {name: headers.get(name) for name in RATE}
    if not line.name.startswith("v2/ratelimit/") and rate["X-RateLimit-Limit"] is not None:
        rate |= {"X-RateLimit-Remaining": "some", "X-RateLimit-Reset": "some"}
    return {
        "status": status,
        "type": headers.get("Content-Type"),
        "rate": rate,
        "body": decoded if line.method == "GET" else blurred(decoded),
    }


def said(line: Line, reply: Reply) -> dict[str, Any]:
    return compared(line, reply.status, dict(reply.headers), reply.body.decode())


@pytest.mark.parametrize("line", [line for line in LINES if line.name not in UNMATCHED], ids=lambda line: line.name)
def test_the_emulator_answers_as_recorded(line: Line) -> None:
    assert said(line, ask(line)) == compared(line, line.status, dict(line.answer_headers), line.answer)


def test_every_line_of_both_files_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    asked = {line.name for line in LINES} - UNMATCHED.keys()
    with capsys.disabled():
        print(f"\nUsertour's recordings: {len(V1)} lines of v1 and {len(V2)} of v2 are used; not matched: {len(UNMATCHED)}")
    assert (len(V1), len(V2)) == (286, 167)
    assert len(LINES) == len({(line.name, line.path) for line in LINES}) == len(asked) + len(UNMATCHED)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_the_answer_is_read(line: Line) -> None:
    """A good answer becomes the record of its call, a bad one the error of its status with the server's code."""
    request = Request(line.method, line.incoming.path, repeatable=line.method != "POST") if line.method != "OPTIONS" else None
    if line.status >= 300:
        assert request is not None
        error = error_from(api.DIALECT, request, Response(line.status, line.answer_headers, line.answer.encode()), None, str)
        assert type(error) is ERRORS[line.status]
        said = line.decoded.get("error")
        assert error.problem.code == (said["code"] if isinstance(said, dict) else None)
        assert error.problem.text
        assert list(error.problem.issues) == (said.get("issues", []) if isinstance(said, dict) else [])
        return
    endpoint = next(
        (item for item in (*api.V1.values(), *api.V2.values()) if item.match(line.method, line.incoming.path) is not None), None
    )
    if endpoint is None:
        assert line.name in NOT_CALLED
        return
    check(endpoint.read(line.decoded), line.decoded)


NOT_CALLED = {
    "v1/misc/options": "answers no record",
    "v2/attribute-definitions/create": "the hook has no method for it; its `request` answers the JSON",
    "v2/event-definitions/create": "the hook has no method for it; its `request` answers the JSON",
}
KINDS: dict[str, type[Record]] = {
    "attributeDefinition": records.AttributeDefinition,
    "company": records.Company,
    "companyMembership": records.CompanyMembership,
    "content": records.Content,
    "contentAnalytics": records.ContentAnalytics,
    "contentSession": records.ContentSession,
    "contentSessionAnswer": records.ContentSessionAnswer,
    "contentVersion": records.ContentVersion,
    "environment": records.Environment,
    "eventDefinition": records.EventDefinition,
    "question": records.Question,
    "questionAnalytics": records.QuestionAnalytics,
    "user": records.User,
    "webhook": records.WebhookSubscription,
}
ERRORS: dict[int, type[ApiError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
    500: ServerFailed,
}


def check(read: Any, raw: Any) -> None:
    """Check that a record, or a page or list of them, is of the kinds that the objects say they are, and says what they say."""
    if isinstance(raw, dict) and "results" in raw:
        items = read.items if isinstance(read, Page) else read
        assert len(items) == len(raw["results"])
        if isinstance(read, Page):
            assert (read.cursor is None) is (raw["next"] is None)
            assert read.cursor is None or read.cursor in raw["next"]
        for item, shown in zip(items, raw["results"], strict=True):
            check(item, shown)
    elif raw is None or raw.get("deleted") is True:
        assert isinstance(read, records.Deleted)
    else:
        assert type(read) is KINDS[raw["object"]]
        assert read.raw == raw
        assert raw["object"] == "contentSession" or not set(read.extra) - {"object", "byDay", "steps", "nps", "rating"} - COUNTS
        for key, value in raw.items():
            if isinstance(value, dict) and "object" in value:
                check(getattr(read, key.replace("V", "_v")), value)
            if isinstance(read, records.ContentSession) and key == "progress":
                assert read.progress == Decimal(value) / 100


COUNTS = {"uniqueStarts", "totalStarts", "uniqueCompletions", "totalCompletions"}


def test_both_versions_say_the_same_of_a_session() -> None:
    """v1 calls 20 of the 22 sessions completed that v2 has, v2 13; the records agree on which are over and which are finished."""
    found: dict[str, dict[str, records.ContentSession]] = {"v1": {}, "v2": {}}
    for line in LINES:
        if "/sessions/" in line.name and line.status == 200 and line.method == "GET":
            for raw in line.decoded["results"]:
                found[line.name[:2]].setdefault(raw["id"], records.ContentSession.read(raw))
    both = [(first, found["v2"][key]) for key, first in found["v1"].items() if key in found["v2"]]
    ended_since = "cmwrfq60d00oh047d6ien5s55"
    assert len(both) == 22
    assert sum(bool(second.completed) for _, second in both) == 13
    assert sum(bool(first.completed) for first, _ in both if first.id != ended_since) == 19
    for first, second in both:
        assert (first.finished, first.progress) == (second.finished, second.progress)
        assert first.ended == second.ended or first.id == ended_since


def test_the_walk_over_ties_loses_a_row() -> None:
    """What the recorded pages do, the emulator's pages do: 59 of 60 rows, whichever page size is asked for."""
    line = next(line for line in V1 if line.name == "v1/ties/limit5_desc_1")
    emulator = emulator_for(line)
    for limit in (5, 7, 20):
        path: str | None = line.path.replace("limit=5", f"limit={limit}")
        seen: list[str] = []
        while path is not None:
            page = json.loads(emulator.handle(line.asked(path)).body)
            seen += [item["id"] for item in page["results"]]
            path = page["next"]
        assert (len(set(seen)), len(emulator.objects.sessions.by("content_id", TIES))) == (59, 60), limit


def test_recorded_deliveries_are_verified_and_read() -> None:
    deliveries = json.loads((HERE / "captures" / "usertour-webhook-deliveries.json").read_text())
    topics = []
    for delivery in deliveries:
        body, header = delivery["body"].encode(), delivery["header"]
        at = signed_at(header)
        webhook.verify(body, header, delivery["secret"], now=at)
        with pytest.raises(webhook.SignatureError):
            webhook.verify(body + b" ", header, delivery["secret"], now=at)
        message = webhook.Notification.read(json.loads(body))
        assert isinstance(message.object, records.User)
        assert message.object.id == "hook-user"
        topics.append((message.topic, message.previous_attributes))
    assert topics == [("user.created", None), ("user.updated", {"name": "H"}), ("user.deleted", None)]


def test_the_emulators_deliveries_are_the_recorded_ones() -> None:
    """Create, change and delete the user that the recorded deliveries are about: the same messages, signed the same way."""
    deliveries = json.loads((HERE / "captures" / "usertour-webhook-deliveries.json").read_text())
    emulator = emulator_for(next(line for line in V2 if line.name == "v2/users/get"))
    secret = deliveries[0]["secret"]
    emulator.seed({"webhooks": [{"url": "http://127.0.0.1:9/", "secret": secret, "environmentId": ENVIRONMENT}]})
    for method, body in (("PUT", {"attributes": {"name": "H"}}), ("PUT", {"attributes": {"name": "H2"}}), ("DELETE", None)):
        path = f"/v2/projects/{PROJECT}/environments/{ENVIRONMENT}/users/hook-user"
        sent = json.dumps(body).encode() if body else b""
        assert emulator.handle(Incoming(method, path, (), {"authorization": "Bearer <v2Token>"}, sent)).status in (200, 204)
    made = emulator.take_deliveries()
    assert [plain(json.loads(item.body)) for item in made] == [plain(json.loads(item["body"])) for item in deliveries]
    for item, recorded in zip(made, deliveries, strict=True):
        webhook.verify(item.body, item.headers[webhook.HEADER], secret, now=signed_at(item.headers[webhook.HEADER]))
        at = signed_at(recorded["header"])
        again = signed({"url": item.url, "secret": secret}, item.topic, recorded["body"].encode(), datetime.fromtimestamp(at, UTC))
        assert again.headers[webhook.HEADER] == recorded["header"]


def plain(message: dict[str, Any]) -> Any:
    """A message without what is new in each: its id and times."""
    return {key: item for key, item in blurred(message).items() if key != "id"}


def signed_at(header: str) -> int:
    return int(dict(part.split("=", 1) for part in header.split(","))["t"])
