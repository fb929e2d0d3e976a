"""People who walk through the emulated Userflow's content: their sessions, answers, and the events Userflow itself tracks of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from airflow_provider.engagement.emulator.people import Shown, Walkers, Where, said, upcoming
from airflow_provider.engagement.emulator.state import Document, timestamp
from airflow_provider.engagement.userflow.emulator_account import Account

_LEAST_STEPS = 3
_SCALES: Mapping[str, tuple[int, int]] = {"nps": (0, 10), "stars": (1, 5)}


class People(Walkers):
    """The people of one account.

    Args:
        account: the account whose users they are.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._objects = objects = account.objects
        super().__init__(Where(account.lock, account.clock, objects.users, objects.sessions, objects.walks, account.arrivals))

    def shown(self, content_id: str, *, preview: bool) -> Shown:
        """Find what is shown of a content object."""
        content = self._objects.content.get(content_id)
        if content is None:
            raise ValueError(f"there is no content with the id {content_id!r}")
        version = self._objects.versions.get(content["draft_version_id"] if preview else content["published_version_id"])
        if version is None:
            raise ValueError(f"content {content_id!r} has no published version to walk through")
        return Shown(content["type"], version["id"], _steps(content["type"], version), version["questions"])

    def find(self, user_id: str) -> Document | None:
        """Find a user."""
        return self._objects.users.get(user_id)

    def begin(self, walk: Document, user: Document, way: Document, due: datetime) -> Document:
        """Make and keep a user's session."""
        membership = next(iter(self._objects.memberships.by("user_id", user["id"])), None)
        session = self._objects.sessions.put(
            {
                "id": str(uuid4()),
                "completed_at": None,
                "completed": False,
                "content_id": walk["content_id"],
                "created_at": timestamp(due),
                "group_id": membership["group_id"] if membership is not None else None,
                "is_preview": walk["preview"],
                "last_activity_at": None,
                "launcher_activated": False,
                "progress": "0",
                "user_id": user["id"],
                "version_id": walk["version_id"],
                **way,
            }
        )
        self._tell(walk, session, "seen" if walk["type"] == "launcher" else "started", due)
        return session

    def go_on(self, walk: Document, user: Document, session: Document, due: datetime) -> Document:
        """Keep a session that came to its next step."""
        at, step = timestamp(due), session["step"]
        done = step == walk["steps"]
        changed = {**session, "last_activity_at": at}
        if walk["type"] == "launcher":
            changed["launcher_activated"] = done
        else:
            changed |= {"progress": _progress(step, walk["steps"]), "completed": done, "completed_at": at if done else None}
        self._objects.sessions.put(changed)
        self._answer(walk, changed, at)
        if walk["type"] == "checklist":
            self._tell(walk, changed, "task_completed", due)
        if done:
            self._tell(walk, changed, "activated" if walk["type"] == "launcher" else "completed", due)
        return changed

    def _answer(self, walk: Document, session: Document, at: str) -> None:
        version = self._objects.versions.get(walk["version_id"])
        for question in upcoming(walk, version["questions"] if version is not None else [], session["step"]):
            value = said(walk, session["user_id"], question, scales=_SCALES, choice="multiple_choice")
            self._objects.answers.put({"id": str(uuid4()), "session_id": session["id"], **answer(question, value), "created_at": at})

    def _tell(self, walk: Document, session: Document, what: str, due: datetime) -> None:
        """Track the event that Userflow itself tracks; its attributes are of internal data types."""
        kind, at = walk["type"], timestamp(due)
        attributes = {
            f"{kind}_id": ("content", walk["content_id"]),
            f"{kind}_version_id": ("content_version", walk["version_id"]),
            f"{kind}_session_id": ("content_session", session["id"]),
        }
        for name, (data_type, _value) in attributes.items():
            self._account.define_attribute("event", name, data_type, created_at=at)
        values = {name: value for name, (_data_type, value) in attributes.items()}
        self._account.track(f"{kind}_{what}", session["user_id"], session["group_id"], values, time=at, created_at=at)


def answer(question: Mapping[str, Any], value: Any) -> Document:
    """Make an answer's fields from a question and what was said.

    Raises:
        TypeError: neither text nor number nor a list of texts.
    """
    kind: str
    told: str | list[str]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        kind, told = "list", value
    elif isinstance(value, str):
        kind, told = "text", value
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        kind, told = "number", str(value)
    else:
        raise TypeError(f"an answer must be text, a number or a list of texts, got {type(value).__name__}")
    return {"answer_type": kind, "answer_value": told, "question_cvid": question["cvid"], "question_name": question["name"]}


def _steps(kind: str, version: Mapping[str, Any]) -> int:
    if kind == "checklist" and version["tasks"]:
        return len(version["tasks"])
    return 1 if kind == "launcher" else max(_LEAST_STEPS, len(version["questions"]) + 1)


def _progress(step: int, steps: int) -> str:
    return "1" if step == steps else format((Decimal(step) / steps).quantize(Decimal("0.0001")).normalize(), "f")
