"""The recordings of a real Usertour server, and an emulator that holds what that server held when a line was recorded.

Nothing says in which order the lines were recorded, so each is asked of an account of its own: all objects that any answer shows,
as far as they were there at the time, and those in the line's own answer as that answer shows them. What a write found there is
told in `usertour_before.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from airflow_provider.engagement.emulator.state import Clock, Incoming, Reply, Store
from airflow_provider.engagement.usertour.emulator import UsertourEmulator

HERE = Path(__file__).parent
PROJECT, ENVIRONMENT, STAGING = "cmwrfq4ng0001047dzcsf34yr", "cmwrfq57r00ao047ddzd0peot", "cmwrfq57x00aq047dv8xss23h"
OTHER = "another"
HAND_PICKED = {"id": "cmwrfq5xc00nt047d1zzvz87d", "members": ["user-00", "user-01", "user-02"]}
TIES = "cmwrfxzuw00009u7dwgoyqhov"
LOST = "cmwrfxzyz00039u7dlostlost"
"""The sixtieth session of the content with ties: the recorded walk loses it, so its id is not known."""
BEFORE: Mapping[str, Any] = json.loads((HERE / "captures" / "usertour_before.json").read_text())

RECORDED = (
    ("v1/users_when_first_segment_row_is_manual/", "06:08"),
    ("v1/session", "06:08"),
    ("v1/auth/", "06:08"),
    ("v1/attribute-definitions/", "06:10"),
    ("v1/ties/", "06:14"),
    ("v1/", "06:09:57"),
    ("v2/attribute-definitions/", "06:12:28"),
    ("v2/event-definitions/", "06:12:28"),
    ("v2/webhooks/", "06:13"),
    ("v2/users/", "06:12:24.0"),
    ("v2/", "06:12:28"),
)
"""When the lines were recorded, by the beginning of their names; all on one day."""
GONE = {"user-11": "06:09", "cmwrfq62800p2047douzwwgvq": "06:09", "cmwrfq6cp00ro047d0bfbct05": "06:08", "new-2": "06:09:54"}
"""When objects were deleted that the account had before."""


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded request and its answer."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    status: int
    answer_headers: Mapping[str, str]
    answer: str

    @property
    def decoded(self) -> Any:
        return json.loads(self.answer) if self.answer else None

    @property
    def incoming(self) -> Incoming:
        return self.asked()

    @property
    def moment(self) -> str:
        return f"2026-11-22T{next(at for start, at in RECORDED if self.name.startswith(start))}"

    def asked(self, path: str | None = None, **headers: str) -> Incoming:
        parts = urlsplit(path or self.path)
        given = {name.lower(): value for name, value in {**self.headers, **headers}.items()}
        return Incoming(self.method, parts.path, tuple(parse_qsl(parts.query, keep_blank_values=True)), given, self.body.encode())


def read(name: str) -> list[Line]:
    """Read a file of recordings."""
    found = []
    for text in (HERE / "captures" / f"usertour-{name}.jsonl").read_text().splitlines():
        line = json.loads(text)
        asked, said = line["request"], line["response"]
        found.append(
            Line(
                line["name"], asked["method"], asked["path"], asked["headers"], asked["body"], said["status"], said["headers"], said["body"]
            )
        )
    return found


V1, V2 = read("v1"), read("v2")
LINES = [*V1, *V2]


def emulator_for(line: Line) -> UsertourEmulator:
    """Make an emulator that holds what the server held when a line was recorded."""
    clock = Clock()
    clock.stop(datetime(2026, 11, 22, 6, 12, 30, tzinfo=UTC))
    emulator = UsertourEmulator(Store(), clock)
    limit = line.answer_headers.get("X-RateLimit-Limit")
    if limit is not None:
        emulator.quirks.rate_limit = emulator.quirks.bad_token_limit = int(limit)
    # Straight to the seeds: the emulator's own project, environment and definitions are not wanted here.
    emulator.seeds.seed({**_settings(line), **_objects(line)})
    # Some objects were put straight into the server's database, so that their attributes have no definition.
    for definition in emulator.objects.attribute_definitions.values():
        if definition["id"] not in _everything()["attributeDefinition"]:
            emulator.objects.attribute_definitions.delete(definition["id"])
    return emulator


def ask(line: Line) -> Reply:
    """Ask the emulator what the server was asked, after as many requests as the server had counted."""
    emulator = emulator_for(line)
    if line.name.startswith("v2/ratelimit/") and "X-RateLimit-Limit" in line.answer_headers:
        limit, left = (int(line.answer_headers[f"X-RateLimit-{name}"]) for name in ("Limit", "Remaining"))
        counted = limit if line.status == 429 else limit - left - 1
        before = line.asked(line.path.replace(STAGING, ENVIRONMENT), **({"Authorization": "Bearer utp_bad0"} if "bad" in line.name else {}))
        for _ in range(counted):
            assert emulator.handle(before).status != 429
    return emulator.handle(line.incoming)


def _settings(line: Line) -> dict[str, Any]:
    environments = json.loads(next(item for item in V2 if item.name == "v2/environments/list").answer)["results"]
    mine = [{name: item[name] for name in ("id", "name", "isPrimary", "token", "createdAt", "updatedAt")} for item in environments]
    everyone = [{"id": "everyone"}]
    hand_picked = [HAND_PICKED]
    manual_first = "first_segment_row_is_manual" in line.name
    return {
        "environments": [*({**item, "projectId": PROJECT} for item in mine), {"id": OTHER, "projectId": OTHER}],
        "keys": [
            {"key": "<v1Key>", "environmentId": ENVIRONMENT},
            {"key": "<v1KeyExpired>", "environmentId": ENVIRONMENT},
            {"key": "<otherV1Key>", "environmentId": OTHER},
        ],
        "tokens": [
            {"token": "<v2Token>", "projectId": PROJECT},
            {"token": "<v2Throttle>", "projectId": PROJECT},
            {"token": "<v2Expired>", "projectId": PROJECT, "expired": True},
            {"token": "<v2ReadOnly>", "projectId": PROJECT, "scopes": ["session:read"]},
            {"token": "<v2Env2Only>", "projectId": PROJECT, "environments": [STAGING]},
            {"token": "<otherV2Token>", "projectId": OTHER},
        ],
        "segments": [
            {**item, "environmentId": ENVIRONMENT} for item in (hand_picked + everyone if manual_first else everyone + hand_picked)
        ],
    }


# --- objects, as all answers together show them --------------------------------------------------------------------------


def _objects(line: Line) -> dict[str, list[dict[str, Any]]]:
    """The objects that were there, as a seed."""
    shown = _shown(line) if line.method == "GET" else {}
    made = {} if line.method == "GET" else _shown(line)
    held: dict[str, dict[str, dict[str, Any]]] = {}
    for kind, found in _everything().items():
        mine = {key: {**item, **shown.get(kind, {}).get(key, {})} for key, item in found.items() if _there(line, key, item)}
        held[kind] = {key: item for key, item in mine.items() if line.method == "DELETE" or key not in _created(line, made, kind)}
    for kind, items in BEFORE.get(line.name, {}).items():
        for key, item in items.items():
            old = held[kind].pop(key, _everything()[kind].get(key, {}))
            if item is not None:
                held[kind][key] = {**old, "id": key, **item}
    if not line.name.startswith("v1/ties/"):
        held["content"].pop(TIES, None)
        held["contentSession"] = {key: item for key, item in held["contentSession"].items() if item["contentId"] != TIES}
    return _seed(held)


def _created(line: Line, made: Mapping[str, Any], kind: str) -> set[str]:
    """The ids of the objects that a write made: the account had none of them."""
    if kind == "content" or line.path.endswith("/end"):
        return set()
    return set(made.get(kind, {}))


def _there(line: Line, key: str, item: Mapping[str, Any]) -> bool:
    gone = GONE.get(key) or GONE.get(item.get("userId", ""))
    deleted = gone is not None and f"2026-11-22T{gone}" <= line.moment and line.method != "DELETE"
    return not deleted and (item.get("createdAt") or "") <= f"{line.moment}~"


@cache
def _everything() -> dict[str, dict[str, dict[str, Any]]]:
    held: dict[str, dict[str, dict[str, Any]]] = {}
    for line in LINES:
        for kind, items in _shown(line).items():
            for key, item in items.items():
                # What v2 says of an object goes before what v1 says; of what one version says, the first.
                first, second = held.setdefault(kind, {}).get(key, {}), item
                second = {**second, "inside": first["inside"]} if "inside" in first else second
                held[kind][key] = {**first, **second} if line.name.startswith("v2/") and not first.get("_v2") else {**second, **first}
                held[kind][key]["_v2"] = first.get("_v2", False) or line.name.startswith("v2/")
    held["content"][TIES] = {"id": TIES, "type": "flow", "versionId": "ties"}
    held["contentSession"][LOST] = {**held["contentSession"][_walked()[0]], "id": LOST}
    for definition in held["attributeDefinition"].values():
        definition.setdefault("predefined", False)
    return held


def _shown(line: Line) -> dict[str, dict[str, dict[str, Any]]]:
    """The objects that an answer shows, by kind and id."""
    try:
        answer = json.loads(line.answer)
    except ValueError:
        return {}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for item in _walk(answer):
        kind, key = item.get("object"), item.get("id")
        if kind is None or key is None or ("deleted" in item and kind != "content"):
            continue
        told = _told(kind, item, line.name[:2])
        found.setdefault(kind, {})[key] = {**found.get(kind, {}).get(key, {}), **told}
        for company in item.get("companies") or () if kind == "user" else ():
            found.setdefault("member", {})[f"{key} {company['id']}"] = {"userId": key, "companyId": company["id"]}
    query = dict(parse_qsl(urlsplit(line.path).query))
    if "companyId" in query and line.status == 200 and line.method == "GET":
        for user in answer["results"]:
            found.setdefault("member", {})[f"{user['id']} {query['companyId']}"] = {"userId": user["id"], "companyId": query["companyId"]}
    if isinstance(answer, dict) and answer.get("next") and "/content" not in line.path:
        last = answer["results"][-1]
        if last["object"] in ("user", "company"):
            following = dict(parse_qsl(urlsplit(answer["next"]).query))
            found[last["object"]][last["id"]]["internalId"] = following["cursor"]
    return found


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for key, item in value.items():
            if key == "memberships" and item:
                # Only beside whose they are do memberships say whose they are in the account's own ids.
                other = "company" if value["object"] == "user" else "user"
                for member in item:
                    ids = {f"{value['object']}Id": value["id"], f"{other}Id": member.get(other, {}).get("id")}
                    told = {name: item for name, item in member.items() if name not in ids}
                    yield {**told, "inside": {name: member[name] for name in ids}, **{name: item for name, item in ids.items() if item}}
                    yield from _walk(member.get(other))
            else:
                yield from _walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item)


def _told(kind: str, item: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Leave of an object what a seed can be told."""
    kept = {name: value for name, value in item.items() if name not in ("object", "isPreview", "user", "company", "content", "version")}
    if kind in ("user", "company"):
        return {name: kept[name] for name in ("id", "attributes", "createdAt")}
    if kind == "contentSession":
        if version == "v1":
            ended = kept["completedAt"]
            kept |= {"completedAt": ended if kept["progress"] == 100 else None, "endedAt": ended}
            kept["endReason"] = None if ended is None else "close_button_dismiss"
        if kept["answers"] is None:
            del kept["answers"]
        kept.pop("completed")
    if kind == "contentSessionAnswer" and version == "v1":
        kept["answerValue"] = _plain(kept["answerType"], kept["answerValue"])
    if kind in ("contentVersion",):
        kept = {name: value for name, value in kept.items() if value is not None}
    return kept


def _plain(kind: str, value: str) -> Any:
    return json.loads(value) if kind in ("multiple-choice", "nps") else value


def _walked() -> list[str]:
    pages = sorted((line for line in V1 if line.name.startswith("v1/ties/")), key=lambda line: int(line.name.split("_")[-1]))
    return [item["id"] for page in pages for item in json.loads(page.answer)["results"]]


def _seed(held: Mapping[str, Mapping[str, dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Make a seed; what ties is put in the order in which the server stored it."""
    place = {key: number for number, key in enumerate([LOST, *_walked()])}

    def all_of(kind: str, *names: str) -> list[dict[str, Any]]:
        found = sorted(
            held.get(kind, {}).values(),
            key=lambda item: (item.get("createdAt") or "", place.get(item.get("id", ""), 0), item.get("id", "")),
        )
        return [{name: item[name] for name in names if name in item} for item in found]

    own = {"environmentId": ENVIRONMENT}
    users, companies = all_of("user", *_HOLDER), all_of("company", *_HOLDER)
    known = ({item["id"] for item in users}, {item["id"] for item in companies})
    internal = _all_internal()
    owner = {inside: own_id for own_id, inside in internal.items()}
    members = all_of("companyMembership", "id", "attributes", "createdAt", "userId", "companyId", "inside")
    for member in members:
        for name, inside in member.pop("inside", {}).items():
            member.setdefault(name, owner.get(inside, "").partition(" ")[2])
    members = [item for item in members if _both(item, known)]
    joined = {(item["userId"], item["companyId"]) for item in members}
    more = [item for item in held.get("member", {}).values() if _both(item, known) and (item["userId"], item["companyId"]) not in joined]
    sessions = [item for item in all_of("contentSession", *_SESSION) if item["userId"] in known[0]]
    for session in sessions:
        session["answers"] = [_answer(item) for item in session.get("answers", [])]
        session["companyId"] = session["companyId"] if session["companyId"] in known[1] else None
    return {
        "attribute_definitions": all_of("attributeDefinition", *_DEFINITION, "dataType", "scope"),
        "event_definitions": all_of("eventDefinition", *_DEFINITION, "attributes"),
        "users": [{**item, **own, "internalId": internal.get(f"user {item['id']}")} for item in users],
        "companies": [{**item, **own, "internalId": internal.get(f"company {item['id']}")} for item in companies],
        "company_memberships": [{**item, **own} for item in [*members, *({k: v for k, v in item.items() if k != "_v2"} for item in more)]],
        "content": [_content(item, held["contentVersion"]) for item in all_of("content", *_CONTENT)],
        "content_sessions": [{**item, **own} for item in sessions],
        "webhooks": [{**item, **own} for item in all_of("webhook", "id", "createdAt", "url", "topics", "enabled", "description")],
    }


_HOLDER = ("id", "attributes", "createdAt")
_DEFINITION = ("id", "createdAt", "description", "displayName", "codeName", "predefined")
_CONTENT = ("id", "name", "type", "editedVersionId", "environments", "createdAt", "updatedAt", "versionId")
_SESSION = (
    *("id", "contentId", "userId", "companyId", "versionId", "completedAt", "endedAt", "endReason", "createdAt", "lastActivityAt"),
    *("progress", "answers"),
)


@cache
def _all_internal() -> dict[str, str]:
    found = {}
    for kind, items in _everything().items():
        for key, item in items.items():
            if "internalId" in item:
                found[f"{kind} {key}"] = item["internalId"]
            if kind == "companyMembership":
                for name, value in item.get("inside", {}).items():
                    if item.get(name) and re.fullmatch(r"cm[0-9a-z]{23}", value):
                        found[f"{name.removesuffix('Id')} {item[name]}"] = value
    return found


def _both(item: Mapping[str, Any], known: tuple[set[str], set[str]]) -> bool:
    return item.get("userId") in known[0] and item.get("companyId") in known[1]


def _answer(item: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in item.items() if name != "object"}
    value = kept["answerValue"]
    return {**kept, "answerValue": _plain(kept["answerType"], value) if isinstance(value, str) else value}


def _content(item: dict[str, Any], versions: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    told = dict(item)
    environments = told.pop("environments", [])
    version_id = told.pop("versionId", None) or told.pop("editedVersionId")
    told.pop("editedVersionId", None)
    version = {name: value for name, value in versions.get(version_id, {"id": version_id}).items() if name != "_v2"}
    version["questions"] = [{name: question[name] for name in ("cvid", "name", "type")} for question in version.get("questions") or []]
    at = environments[0]["publishedAt"] if environments else None
    return {**told, "projectId": PROJECT, "environmentId": ENVIRONMENT, "versions": [version], **({"publishedAt": at} if at else {})}
