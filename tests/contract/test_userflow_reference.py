"""Every request and answer in Userflow's reference, held against the emulator and the records.

`userflow_examples.jsonl` holds the reference's examples as they stand, numbered in its order. `note` says what is peculiar
about one, `mended` why one cannot be used as it stands; `MENDED` and `test_examples_that_do_not_stand` say what is done about it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from airflow_provider.engagement.emulator.state import Clock, Incoming, Reply, Store
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.userflow.emulator import UserflowEmulator

LINES = [json.loads(line) for line in (Path(__file__).parent / "userflow_examples.jsonl").read_text().splitlines()]
EXAMPLES = {line["number"]: line for line in LINES if line["kind"] != "http"}
EXAMPLE_KEY = "ak_2snys2ycbvetjeivbzs7m7btfm"
CREATED = "2022-10-17T12:34:56.000+00:00"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
SECRET = re.compile(r"whsec_[a-z2-7]{26}")


def decoded(number: int) -> Any:
    """Decode a JSON example; lines of `...` are cut out, and with them the commas they leave dangling."""
    lines = [line for line in EXAMPLES[number]["text"].splitlines() if not re.fullmatch(r"\s*(\.\.\.|// \.\.\..*),?", line)]
    return json.loads(without_trailing_commas("\n".join(lines)))


def without_trailing_commas(text: str) -> str:
    return re.sub(r",(\s*[}\]])", r"\1", text)


def incoming(number: int, *, url: str = "", body: str | None = None) -> Incoming:
    """Read a curl example; the placeholder of the key stands for the test key."""
    words = shlex.split(EXAMPLES[number]["text"].replace("<api-key>", "ak_test").replace("\\\n", " "))
    method, headers, sent, target = "GET", {}, "", ""
    position = iter(words[1:])
    for word in position:
        if word == "-H":
            name, _, value = next(position).partition(":")
            headers[name.lower()] = value.strip()
        elif word == "-d":
            sent = next(position)
        elif word.startswith("-X"):
            method = word.removeprefix("-X")
        else:
            target = word
    parts = urlsplit(url or target)
    assert target.startswith("https://api.userflow.com/")
    return Incoming(method, parts.path, tuple(parse_qsl(parts.query)), headers, (sent if body is None else body).encode())


def account(at: str = CREATED, /, **seeded: Any) -> UserflowEmulator:
    """Make an account in which it is `at` and stays so."""
    clock = Clock()
    clock.stop(datetime.fromisoformat(at))
    emulator = UserflowEmulator(Store(), clock, keys=("ak_test", EXAMPLE_KEY))
    emulator.seed(seeded)
    return emulator


def answered(reply: Reply, status: int = 200) -> Any:
    body = json.loads(reply.body)
    assert reply.status == status, body
    assert reply.headers["Content-Type"].startswith("application/json")
    return body


# --- what the examples presuppose ------------------------------------------------------------------------------------


def holders(number: int) -> list[Any]:
    """Users or groups to seed so that an example can answer with them: the ones shown and enough others around them."""
    shown = decoded(number)
    if shown["object"] != "list":
        return [seeded(shown)]
    first, last = shown["data"][0], shown["data"][-1]
    between = [{"id": str(place)} for place in range(2, 10)]
    return [seeded(first), *between, {"id": last["id"]}, {"id": "11"}]


def seeded(shown: dict[str, Any]) -> dict[str, Any]:
    return {key: shown[key] for key in ("id", "attributes", "created_at")}


def content(number: int) -> list[Any]:
    shown = decoded(number)
    if shown["object"] != "list":
        return [in_two_versions(shown)]
    rest = [{"name": f"Other {place}", "type": "flow"} for place in range(8)]
    return [in_two_versions(shown["data"][0]), *rest, {"id": shown["data"][-1]["id"]}, {"name": "One more"}]


def in_two_versions(shown: dict[str, Any]) -> dict[str, Any]:
    """The draft comes after the published version."""
    versions = [{"id": shown["published_version_id"]}, {"id": shown["draft_version_id"]}]
    return {"id": shown["id"], "name": shown["name"], "type": shown["type"], "versions": versions, "published": 1}


def numbered_versions(*shown: dict[str, Any]) -> list[Any]:
    """Content whose versions begin with the first shown and go on to the last shown and beyond."""
    first = {key: shown[0][key] for key in ("id", "created_at", "description", "edited_at", "number")}
    rest = [*({} for _ in range(8)), *({"id": item["id"]} for item in shown[1:]), {}]
    versions = [first, *({**item, "number": first["number"] + place} for place, item in enumerate(rest, 1))]
    return [{"id": "54bce034-1303-4200-a09a-780a2eee355d", "versions": versions, "published": first["number"]}]


def session(shown: dict[str, Any]) -> dict[str, list[Any]]:
    fixed = {key: value for key, value in shown.items() if value is not None and key != "object"}
    return {
        "users": [{"id": shown["user_id"]}],
        "content": [{"id": shown["content_id"], "versions": [{"id": shown["version_id"]}]}],
        "content_sessions": [fixed],
    }


def sessions(number: int) -> dict[str, list[Any]]:
    data = decoded(number)["data"]
    made = session(data[0])
    others = [{"content_id": data[0]["content_id"], "user_id": data[0]["user_id"]} for _ in range(8)]
    made["content_sessions"] += [*others, {**others[0], "id": data[-1]["id"]}, others[0]]
    return made


def definitions(number: int, name: str) -> dict[str, list[Any]]:
    """Definitions around the ones shown, in the default order, which is that of the display names."""
    data = decoded(number)["data"]
    kind = {"data_type": "string", "scope": "user"} if name == "attribute_definitions" else {}
    around = [{**kind, "name": f"z{place}", "display_name": f"Y{place}"} for place in range(8)]
    first = {key: value for key, value in data[0].items() if key != "object"}
    last = {**kind, "id": data[-1]["id"], "name": "last", "display_name": "Z1"}
    return {name: [{**kind, "name": "end", "display_name": "Z2"}, last, *around, first]}


def subscriptions(number: int, **changes: Any) -> list[Any]:
    shown = decoded(number)
    if shown["object"] == "list":
        other = {"topics": ["user"], "url": "https://example.com/"}
        last = {**other, "id": shown["data"][-1]["id"]}
        return [without_object(shown["data"][0]), *[other] * 8, last, other]
    return [{**without_object(shown), **changes}]


def without_object(shown: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if key != "object"}


# --- pairs of request and answer -------------------------------------------------------------------------------------


@dataclass
class Pair:
    """A curl example and the answer that follows it."""

    request: int
    answer: int
    made: Callable[[], UserflowEmulator]
    generated: dict[str, re.Pattern[str]] = field(default_factory=dict)
    mend_request: Callable[[Incoming], Incoming] = lambda request: request
    mend_answer: Callable[[Any], Any] = lambda shown: shown


def with_membership() -> UserflowEmulator:
    shown = decoded(6)
    membership = shown["memberships"][0]
    told = {key: membership[key] for key in ("id", "attributes", "created_at", "user_id", "group_id")}
    return account(users=[seeded(shown)], groups=[seeded(membership["group"])], group_memberships=[told])


def with_removable_membership() -> UserflowEmulator:
    told = {"id": decoded(65)["id"], "user_id": "123", "group_id": "456"}
    return account(users=[{"id": "123"}], groups=[{"id": "456"}], group_memberships=[told])


def add_to_next(shown: dict[str, Any], query: str) -> dict[str, Any]:
    path, _, cursor = shown["next_page_url"].partition("?")
    return {**shown, "next_page_url": f"{path}?{query}&{cursor}"}


def to_subscription(number: int, request: Incoming) -> Incoming:
    return Incoming(request.method, f"{request.path}/{decoded(number)['id']}", request.query, request.headers, request.body)


CONTENT_QUERY = "content_id=54bce034-1303-4200-a09a-780a2eee355d"
PAIRS = [
    Pair(5, 6, with_membership),
    Pair(43, 44, account),
    Pair(47, 48, lambda: account(users=holders(48))),
    Pair(49, 50, account),
    Pair(51, 52, lambda: account(users=holders(52))),
    Pair(51, 4, lambda: account(users=holders(52))),
    Pair(55, 56, account),
    Pair(57, 58, lambda: account(groups=holders(58))),
    Pair(59, 60, account),
    Pair(61, 62, lambda: account(groups=holders(62))),
    Pair(64, 65, with_removable_membership),
    Pair(67, 68, lambda: account("2022-11-29T12:34:56.000+00:00"), {"id": re.compile(r"\d+")}),
    Pair(70, 71, lambda: account(content=content(71))),
    Pair(72, 73, lambda: account(content=content(73))),
    Pair(78, 79, lambda: account(content=numbered_versions(decoded(79)))),
    Pair(
        80,
        81,
        lambda: account(content=numbered_versions(decoded(81)["data"][0], decoded(81)["data"][-1])),
        mend_answer=lambda shown: add_to_next(shown, CONTENT_QUERY),
    ),
    Pair(85, 86, lambda: account(**session(decoded(86)))),
    Pair(87, 88, lambda: account(**sessions(88)), mend_answer=lambda shown: add_to_next(shown, CONTENT_QUERY)),
    Pair(91, 92, lambda: account(**definitions(92, "attribute_definitions"))),
    Pair(96, 97, lambda: account(**definitions(97, "event_definitions"))),
    Pair(102, 103, account, {"id": UUID, "secret": SECRET}),
    Pair(
        104,
        105,
        lambda: account(webhook_subscriptions=subscriptions(105, id="72a63cf6-91bf-4260-8258-a45db633d611")),
        mend_answer=lambda shown: {**shown, "id": "72a63cf6-91bf-4260-8258-a45db633d611"},
    ),
    Pair(
        106,
        107,
        lambda: account(webhook_subscriptions=subscriptions(105)),
        mend_request=lambda request: to_subscription(107, request),
        mend_answer=lambda shown: {key: value for key, value in shown.items() if key != "secret"},
    ),
    Pair(108, 109, lambda: account(webhook_subscriptions=subscriptions(105))),
    Pair(110, 111, lambda: account(webhook_subscriptions=subscriptions(111))),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.request}-{pair.answer}")
def test_request_gets_the_answer_that_the_reference_shows(pair: Pair) -> None:
    got = answered(pair.made().handle(pair.mend_request(incoming(pair.request))))
    shown = pair.mend_answer(decoded(pair.answer))
    for name, form in pair.generated.items():
        assert form.fullmatch(got[name])
        assert form.fullmatch(shown[name])
        got[name] = shown[name]
    if shown["object"] == "list":
        assert_same_page(got, shown)
    else:
        assert got == shown


def assert_same_page(got: dict[str, Any], shown: dict[str, Any]) -> None:
    """The first object is shown as a whole, of the last one its id; what stands between them was cut out."""
    assert {**got, "data": None} == {**shown, "data": None}
    whole = shown["data"][0] if len(shown["data"][0]) > 2 else {key: got["data"][0][key] for key in shown["data"][0]}
    assert {key: got["data"][0][key] for key in whole} == whole
    assert len(shown["data"][0]) == 2 or got["data"][0].keys() == shown["data"][0].keys()
    assert got["data"][-1].items() >= shown["data"][-1].items()
    assert len(got["data"]) == 10


# --- requests without an answer in the reference ----------------------------------------------------------------------

SENT: dict[int, Callable[[], tuple[UserflowEmulator, list[str]]]] = {
    0: lambda: (account(users=[{"id": "1"}]), ["1"]),
    1: lambda: (account(users=[{"id": "1"}]), ["1"]),
    2: lambda: (account(users=[{"id": "1"}]), ["1"]),
    17: lambda: (account(users=[{"id": "1", "attributes": {"plan": "Pro"}}, {"id": "2", "attributes": {"plan": "Free"}}]), ["1"]),
    53: lambda: (
        account(users=[{"id": "1", "attributes": {"email": "bob@example.com"}}, {"id": "2", "attributes": {"email": "alice@example.com"}}]),
        ["2"],
    ),
    74: lambda: (account(content=[{"id": "a", "type": "flow"}, {"id": "b", "type": "checklist"}]), ["b"]),
    82: lambda: (account(content=numbered_versions(decoded(79))), ["152a63cc-0a49-475a-a8e4-5f89bee94fe6"]),
    93: lambda: (
        account(users=[{"id": "1"}], attribute_definitions=[{"id": "d1", "name": "a", "scope": "group", "data_type": "string"}]),
        [],
    ),
    94: lambda: (
        account(
            attribute_definitions=[{"id": f"d{name}", "name": name, "scope": "event", "data_type": "string"} for name in "abc"],
            events=[
                {"name": "flow_started", "user_id": "1", "attributes": {"b": "x"}},
                {"name": "flow_ended", "user_id": "1", "attributes": {"a": "x"}},
                {"name": "other", "user_id": "1", "attributes": {"c": "x"}},
            ],
        ),
        ["da", "db"],
    ),
}


@pytest.mark.parametrize("number", SENT)
def test_request_finds_what_it_asks_for(number: int) -> None:
    emulator, ids = SENT[number]()
    page = answered(emulator.handle(incoming(number)))
    assert [item["id"] for item in page["data"]] == ids


@pytest.mark.parametrize("line", [line for line in LINES if line["section"] == "Ordering"], ids=lambda line: line["text"])
def test_ordering(line: dict[str, Any]) -> None:
    method, _, target = line["text"].partition(" ")
    path, _, query = target.partition("?")
    people = [("1", "Bea", "2022-01-01"), ("2", "Ann", "2022-01-03"), ("3", "Ann", "2022-01-02")]
    emulator = account(
        users=[{"id": key, "attributes": {"name": name}, "created_at": f"{day}T00:00:00.000+00:00"} for key, name, day in people]
    )
    page = answered(emulator.handle(Incoming(method, path, tuple(parse_qsl(query)), {"authorization": "Bearer ak_test"})))
    expected = {"order_by=attributes.name": "231", "order_by[]=attributes.name&order_by[]=created_at": "321", "order_by=-created_at": "231"}
    assert "".join(item["id"] for item in page["data"]) == expected[query]


@pytest.mark.parametrize(("number", "role"), [(45, None), (46, "admin")])
def test_embedded_groups_and_memberships(number: int, role: str | None) -> None:
    emulator, as_it_stands = account(), incoming(number)
    assert answered(emulator.handle(as_it_stands), 400)["error"]["code"] == "invalid_json"
    answered(emulator.handle(incoming(number, body=without_trailing_commas(as_it_stands.body.decode()))))
    (membership,) = emulator.objects.memberships.values()
    assert membership["group_id"] == "ab82c312-b3a4-4feb-870c-53dd336f955e"
    assert membership["attributes"] == ({} if role is None else {"role": role})
    (group,) = emulator.objects.groups.values()
    assert group["attributes"] == {"name": "Acme Inc.", "billing_plan": "plus"}


# --- errors --------- ----------------------------------------------------------------------------------------------


def test_error_object() -> None:
    shown = decoded(3)["error"]
    request = incoming(0)
    got = answered(account().handle(Incoming("GET", "/users", (), {**request.headers, "authorization": "Bearer ak_wrong"})), 401)["error"]
    assert got["code"] == shown["code"]
    assert got["message"] == shown["message"].replace("...", "ak_wrong")
    assert got["doc_url"] == shown["doc_url"]
    assert got.keys() - shown.keys() == {"request_id"}


# --- nothing is left out in silence -----------------------------------------------------------------------------------

MENDED = {3, 4, 7, 21, 39, 45, 46, 52, 62, 73, 81, 88, 89, 92, 97, 105, 106, 107, 111}
"""Examples that contradict themselves or the rest, or hold placeholders; the data say how."""


def test_examples_that_do_not_stand() -> None:
    assert {number for number, example in EXAMPLES.items() if "mended" in example} == MENDED
    emulator = account(**session(decoded(86)))
    refused = answered(emulator.handle(incoming(89)), 400)
    assert "number" in refused["error"]["message"]
    without_number = incoming(89, url=re.sub("&number=3", "", "https://api.userflow.com" + shlex.split(EXAMPLES[89]["text"])[1][24:]))
    assert [item["id"] for item in answered(emulator.handle(without_number))["data"]] == [decoded(86)["id"]]
    assert answered(account().handle(incoming(106)), 405)["error"]["code"] == "method_not_allowed"


def test_every_example_is_covered() -> None:
    curls = {number for number, example in EXAMPLES.items() if example["kind"] == "curl"}
    answers = {number for number, example in EXAMPLES.items() if example["caption"] == "Response"}
    assert (len(curls), len(answers)) == (36, 24)
    covered = {number for pair in PAIRS for number in (pair.request, pair.answer)} | SENT.keys() | {45, 46, 89}
    # The list object is another answer to the first request; objects, conditions and the like are in test_userflow_objects.py.
    assert covered == curls | answers | {4}


def test_every_endpoint_has_a_handler_and_an_example() -> None:
    emulator = account()
    assert emulator.handlers.keys() == {endpoint.name for endpoint in api.ENDPOINTS}
    requests = [incoming(number) for number, example in EXAMPLES.items() if example["kind"] == "curl"]
    shown = {
        endpoint.name for endpoint in api.ENDPOINTS for request in requests if endpoint.match(request.method, request.path) is not None
    }
    # The example of the PATCH lacks the id in its URL.
    assert {endpoint.name for endpoint in api.ENDPOINTS} - shown == {"update_webhook_subscription"}
