"""People who walk through the emulated Usertour's content: their sessions, answers, and the events Usertour itself tracks of them.

A flow that is completed ends with it; a checklist that is completed stays open, as its panel does, until somebody ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_provider.engagement.emulator.people import Shown, Walkers, Where, said, upcoming
from airflow_provider.engagement.emulator.state import Document
from airflow_provider.engagement.usertour.emulator_account import Account, stamp

_LEAST_STEPS = 3
_SCALES: Mapping[str, tuple[int, int]] = {"nps": (0, 10), "scale": (1, 10), "star-rating": (1, 5)}
_STARTED = {"launcher": "launcher_seen", "banner": "banner_seen", "announcement": "announcement_seen"}
_DONE = {"flow": "flow_completed", "checklist": "checklist_completed", "launcher": "launcher_activated"}
_STEP = {"flow": "flow_step_seen", "checklist": "checklist_task_completed"}
_ENDING = ("flow", "launcher")


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
        """Find what is shown of a content object; Usertour keeps no session of a preview."""
        content = self._objects.content.get(content_id)
        if content is None:
            raise ValueError(f"there is no content with the id {content_id!r}")
        if preview:
            raise ValueError("Usertour keeps no sessions of previews")
        published = next(iter(content["published"].values()), None)
        version = self._objects.versions.get(published["version_id"]) if published else None
        if version is None:
            raise ValueError(f"content {content_id!r} has no published version to walk through")
        return Shown(content["type"], version["id"], _steps(content["type"], version), version["questions"])

    def find(self, user_id: str) -> Document | None:
        """Find a user by the id you gave, in any environment."""
        return next((user for user in self._objects.users.values() if user["own_id"] == user_id), None)

    def keep(self, walk: Document) -> Document:
        """Keep a walk."""
        return self._account.put(self._objects.walks, walk)

    def begin(self, walk: Document, user: Document, way: Document, due: datetime) -> Document:
        """Make and keep a user's session."""
        membership = next(iter(self._objects.memberships.by("user_id", user["id"])), None)
        at = stamp(due)
        session = self._account.put(
            self._objects.sessions,
            {
                "id": self._account.new_id(),
                "environment_id": user["environment_id"],
                "content_id": walk["content_id"],
                "version_id": walk["version_id"],
                "user_id": user["id"],
                "company_id": membership["company_id"] if membership is not None else None,
                "completed_at": None,
                "ended_at": None,
                "end_reason": None,
                "created_at": at,
                "last_activity_at": at,
                "progress": 0,
                **way,
            },
        )
        kind = walk["type"]
        self._tell(user, session, _STARTED.get(kind, f"{kind.replace('-', '_')}_started"), at)
        return session

    def go_on(self, walk: Document, user: Document, session: Document, due: datetime) -> Document:
        """Keep a session that came to its next step, unless it was ended meanwhile."""
        if session["ended_at"] is not None:
            return {**session, "last_step": 0}
        at, step, kind = stamp(due), session["step"], walk["type"]
        done = step == walk["steps"]
        changed = {**session, "last_activity_at": at, "progress": 100 * step // walk["steps"]}
        if done:
            changed["completed_at"] = at
            if kind in _ENDING:
                changed |= {"ended_at": at, "end_reason": "close_button_dismiss"}
        self._account.put(self._objects.sessions, changed)
        self._answer(walk, user, changed, at)
        if kind in _STEP:
            self._tell(user, changed, _STEP[kind], at)
        if done and kind in _DONE:
            self._tell(user, changed, _DONE[kind], at)
        return changed

    def _answer(self, walk: Document, user: Document, session: Document, at: str) -> None:
        version = self._objects.versions.get(walk["version_id"])
        for question in upcoming(walk, version["questions"] if version is not None else [], session["step"]):
            value = said(walk, user["own_id"], question, scales=_SCALES, choice="multiple-choice")
            self._account.put(
                self._objects.answers,
                {
                    "id": self._account.new_id(),
                    "session_id": session["id"],
                    "type": question["type"],
                    "value": value,
                    "question_cvid": question["cvid"],
                    "question_name": question["name"],
                    "created_at": at,
                },
            )
            said_as = "list" if isinstance(value, list) else "text" if isinstance(value, str) else "number"
            asked = {f"question_{name}": question[name] for name in ("cvid", "name", "type")}
            self._tell(user, session, "question_answered", at, {**asked, f"{said_as}_answer": value})

    def _tell(self, user: Document, session: Document, name: str, at: str, more: Mapping[str, Any] | None = None) -> None:
        content = self._objects.content.get(session["content_id"])
        kind = name.partition("_")[0] if more is None else "flow"
        attributes = {f"{kind}_id": session["content_id"], f"{kind}_name": content["name"] if content else None, **(more or {})}
        self._account.track(user, name, attributes, session["company_id"], at)


def _steps(kind: str, version: Mapping[str, Any]) -> int:
    if kind == "checklist" and version["tasks"]:
        return len(version["tasks"])
    if kind == "flow":
        return len(version["steps"]) or max(_LEAST_STEPS, len(version["questions"]) + 1)
    return 1
