"""People who walk through the emulated Userflow's content at a given pace.

Nothing runs in the background: each request first lets happen what is due by the clock. A walk sends users through one content
object; each gets a session, goes on step by step, answers the questions on the way, and completes it or gives up. Walks,
sessions and answers are kept like all other objects, so people who walk go on after a restart.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import uuid4

from airflow_provider.engagement.emulator.state import Document, timestamp
from airflow_provider.engagement.userflow.emulator_account import Account

_LEAST_STEPS = 3
_SCALES: Mapping[str, tuple[int, int]] = {"nps": (0, 10), "stars": (1, 5)}
_CHOICES = ("Colleague", "Search engine", "Social media")


class People:
    """The people of one account.

    Args:
        account: the account whose users they are.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._objects = account.objects
        self._due: list[tuple[datetime, int, str, str, int]] = []
        self._sequence = 0
        account.arrivals.append(self._arrive)
        self._resume()

    def start(
        self,
        content_id: str,
        users: Sequence[str] | Literal["all"] = "all",
        *,
        steps: int | None = None,
        seconds_per_step: float = 1.0,
        completion_rate: float = 1.0,
        answers: Mapping[str, Any] | None = None,
        delay: float = 0.0,
        spread: float = 0.0,
        joining: bool = False,
        preview: bool = False,
        seed: str = "",
    ) -> Document:
        """Send people through a content object.

        Args:
            content_id: a flow, checklist or launcher.
            users: ids of the users who start now, or `all` there are.
            steps: steps to the end; by default as many as there are tasks, or one more than there are questions.
            seconds_per_step: seconds of the clock from one step to the next.
            completion_rate: share of the people who get to the end; the others give up on the way.
            answers: answer by question `cvid` (text, number or list of texts); made up where it is not given.
            delay: seconds from now, or from a user's creation, to their first step.
            spread: the first steps are spread over so many seconds more.
            joining: users created later join, `delay` seconds after they were created.
            preview: their sessions are a team member's previews.
            seed: another text makes other people give up and answer.

        Returns:
            The walk.

        Raises:
            ValueError: there is no such content, user or question, or a number makes no sense.
        """
        with self._account.lock:
            content, version = self._shown(content_id, preview)
            _check_pace(steps, seconds_per_step, completion_rate)
            unasked = set(answers or ()) - {question["cvid"] for question in version["questions"]}
            if unasked:
                raise ValueError(f"answers: the version has no question with the cvid {', '.join(sorted(unasked))}")
            starting = self._starting(users)
            kind = content["type"]
            walk = self._objects.walks.put(
                {
                    "id": str(uuid4()),
                    "content_id": content_id,
                    "version_id": version["id"],
                    "type": kind,
                    "steps": steps or _steps(kind, version),
                    "seconds_per_step": seconds_per_step,
                    "completion_rate": completion_rate,
                    "answers": dict(answers or {}),
                    "delay": delay,
                    "spread": spread,
                    "joining": joining,
                    "preview": preview,
                    "seed": seed,
                    "started_at": timestamp(self._account.clock.now()),
                    "waiting": starting,
                }
            )
            for user_id in starting:
                self._schedule_start(walk, user_id, datetime.fromisoformat(walk["started_at"]))
            return walk

    def stop(self) -> None:
        """Let nobody go on, and nobody join."""
        with self._account.lock:
            self._due.clear()
            for walk in self._objects.walks.values():
                self._objects.walks.delete(walk["id"])

    def advance(self) -> None:
        """Let happen what is due by the clock, in the order in which it was due."""
        with self._account.lock:
            now = self._account.clock.now()
            while self._due and self._due[0][0] <= now:
                due, _, walk_id, user_id, step = heapq.heappop(self._due)
                walk, user = self._objects.walks.get(walk_id), self._objects.users.get(user_id)
                if walk is None or user is None:
                    continue
                session = self._begin(walk, user_id, due) if step == 0 else self._go_on(walk, user_id, step, due)
                if session is not None and step < session["last_step"]:
                    self._schedule(due + timedelta(seconds=walk["seconds_per_step"]), walk_id, user_id, step + 1)

    def _shown(self, content_id: str, preview: bool) -> tuple[Document, Document]:
        """Find the content and its version that is shown: the published one, or in a preview the draft."""
        content = self._objects.content.get(content_id)
        if content is None:
            raise ValueError(f"there is no content with the id {content_id!r}")
        version = self._objects.versions.get(content["draft_version_id"] if preview else content["published_version_id"])
        if version is None:
            raise ValueError(f"content {content_id!r} has no published version to walk through")
        return content, version

    def _starting(self, users: Sequence[str] | Literal["all"]) -> list[str]:
        if users == "all":
            return [user["id"] for user in self._objects.users.values()]
        for user_id in users:
            if user_id not in self._objects.users:
                raise ValueError(f"there is no user with the id {user_id!r}")
        return list(users)

    def _arrive(self, user: Document) -> None:
        for walk in self._objects.walks.values():
            if walk["joining"]:
                self._schedule_start(walk, user["id"], datetime.fromisoformat(user["created_at"]))

    def _resume(self) -> None:
        """Take up again the walks that a file kept."""
        for walk in self._objects.walks.values():
            started, pace = datetime.fromisoformat(walk["started_at"]), timedelta(seconds=walk["seconds_per_step"])
            begun = {item["user_id"]: item for item in self._objects.sessions.by("content_id", walk["content_id"]) if _is_of(item, walk)}
            for user_id, session in begun.items():
                if session["step"] < session["last_step"]:
                    due = datetime.fromisoformat(session["created_at"]) + pace * (session["step"] + 1)
                    self._schedule(due, walk["id"], user_id, session["step"] + 1)
            waiting = set(walk["waiting"])
            for user in self._objects.users.values():
                created = datetime.fromisoformat(user["created_at"])
                if user["id"] in begun:
                    continue
                if user["id"] in waiting:
                    self._schedule_start(walk, user["id"], started)
                elif walk["joining"] and created >= started:
                    self._schedule_start(walk, user["id"], created)

    def _schedule_start(self, walk: Document, user_id: str, since: datetime) -> None:
        wait = walk["delay"] + walk["spread"] * _share(walk, user_id, "start")
        self._schedule(since + timedelta(seconds=wait), walk["id"], user_id, 0)

    def _schedule(self, due: datetime, walk_id: str, user_id: str, step: int) -> None:
        self._sequence += 1
        heapq.heappush(self._due, (due, self._sequence, walk_id, user_id, step))

    def _begin(self, walk: Document, user_id: str, due: datetime) -> Document:
        completes = _share(walk, user_id, "completes") < walk["completion_rate"]
        last_step = walk["steps"] if completes else int(walk["steps"] * _share(walk, user_id, "gives up"))
        membership = next(iter(self._objects.memberships.by("user_id", user_id)), None)
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
                "user_id": user_id,
                "version_id": walk["version_id"],
                "walk_id": walk["id"],
                "step": 0,
                "last_step": last_step,
            }
        )
        self._tell(walk, session, "seen" if walk["type"] == "launcher" else "started", due)
        return session

    def _go_on(self, walk: Document, user_id: str, step: int, due: datetime) -> Document | None:
        sessions = self._objects.sessions.by("user_id", user_id)
        session = next((item for item in sessions if _is_of(item, walk)), None)
        if session is None:
            return None
        at, done = timestamp(due), step == walk["steps"]
        changed = {**session, "step": step, "last_activity_at": at}
        if walk["type"] == "launcher":
            changed["launcher_activated"] = done
        else:
            changed |= {"progress": _progress(step, walk["steps"]), "completed": done, "completed_at": at if done else None}
        self._objects.sessions.put(changed)
        self._answer(walk, changed, step, at)
        if walk["type"] == "checklist":
            self._tell(walk, changed, "task_completed", due)
        if done:
            self._tell(walk, changed, "activated" if walk["type"] == "launcher" else "completed", due)
        return changed

    def _answer(self, walk: Document, session: Document, step: int, at: str) -> None:
        """Answer the questions that come up at a step: one each, all that are left at the last."""
        version = self._objects.versions.get(walk["version_id"])
        questions = version["questions"] if version is not None else []
        upcoming = questions[step - 1 :] if step == walk["steps"] else questions[step - 1 : step]
        for question in upcoming:
            value = walk["answers"].get(question["cvid"])
            if value is None:
                value = _made_up(walk, session["user_id"], question)
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


def _is_of(session: Document, walk: Document) -> bool:
    return bool(session.get("walk_id") == walk["id"])


def _check_pace(steps: int | None, seconds_per_step: float, completion_rate: float) -> None:
    if not 0 <= completion_rate <= 1 or seconds_per_step < 0 or (steps is not None and steps < 1):
        raise ValueError("completion_rate must be from 0 to 1, seconds_per_step at least 0, steps at least 1")


def answer(question: Mapping[str, Any], value: Any) -> Document:
    """Make an answer's fields from a question and what was said.

    Raises:
        TypeError: neither text nor number nor a list of texts.
    """
    kind: str
    said: str | list[str]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        kind, said = "list", value
    elif isinstance(value, str):
        kind, said = "text", value
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        kind, said = "number", str(value)
    else:
        raise TypeError(f"an answer must be text, a number or a list of texts, got {type(value).__name__}")
    return {"answer_type": kind, "answer_value": said, "question_cvid": question["cvid"], "question_name": question["name"]}


def _made_up(walk: Document, user_id: str, question: Mapping[str, Any]) -> Any:
    share = _share(walk, user_id, question["cvid"])
    if question["type"] in _SCALES:
        low, high = _SCALES[question["type"]]
        return low + int(share * (high - low + 1))
    if question["type"] == "multiple_choice":
        return [_CHOICES[int(share * len(_CHOICES))]]
    return f"{question['name']}: fine, says {user_id}"


def _steps(kind: str, version: Mapping[str, Any]) -> int:
    if kind == "checklist" and version["tasks"]:
        return len(version["tasks"])
    return 1 if kind == "launcher" else max(_LEAST_STEPS, len(version["questions"]) + 1)


def _progress(step: int, steps: int) -> str:
    return "1" if step == steps else format((Decimal(step) / steps).quantize(Decimal("0.0001")).normalize(), "f")


def _share(walk: Document, user_id: str, purpose: str) -> float:
    """A number from 0 to 1 that is the same for the same person and purpose every time."""
    digest = hashlib.sha256(f"{walk['seed']}\0{walk['content_id']}\0{user_id}\0{purpose}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
