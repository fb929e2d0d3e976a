"""People who walk through an emulated vendor's content at a given pace.

Nothing runs in the background: each request first lets happen what is due by the clock. A walk sends users through one content
object; each gets a session, goes on step by step, answers the questions on the way, and completes it or gives up. Walks and
sessions are kept like all other objects, so people who walk go on after a restart. What a session is, a vendor says.
"""

from __future__ import annotations

import hashlib
import heapq
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from airflow_provider.engagement.emulator.state import Clock, Collection, Document, timestamp

_CHOICES = ("Colleague", "Search engine", "Social media")


@dataclass(frozen=True, slots=True)
class Shown:
    """What people walk through.

    Attributes:
        kind: the content's type.
        version_id: the version that is shown.
        steps: steps to the end, unless a walk says otherwise.
        questions: the version's questions, each with `cvid`, `name` and `type`.
    """

    kind: str
    version_id: str
    steps: int
    questions: Sequence[Document] = ()


@dataclass(frozen=True, slots=True)
class Where:
    """Where the people and what they do are kept.

    Attributes:
        lock: held while anything is read or written.
        clock: the time they live in.
        users: who can walk.
        sessions: what a walk makes, by the user's id and the content's.
        walks: the walks.
        arrivals: called with each new user.
    """

    lock: threading.RLock
    clock: Clock
    users: Collection
    sessions: Collection
    walks: Collection
    arrivals: list[Callable[[Document], None]]


class Walkers(ABC):
    """The people of one account.

    Args:
        where: where they are kept.
    """

    def __init__(self, where: Where) -> None:
        self._where = where
        self._due: list[tuple[datetime, int, str, str, int]] = []
        self._sequence = 0
        where.arrivals.append(self._arrive)
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
        with self._where.lock:
            shown = self.shown(content_id, preview=preview)
            _check_pace(steps, seconds_per_step, completion_rate)
            unasked = set(answers or ()) - {question["cvid"] for question in shown.questions}
            if unasked:
                raise ValueError(f"answers: the version has no question with the cvid {', '.join(sorted(unasked))}")
            starting = self._starting(users)
            walk = self.keep(
                {
                    "id": str(uuid4()),
                    "content_id": content_id,
                    "version_id": shown.version_id,
                    "type": shown.kind,
                    "steps": steps or shown.steps,
                    "seconds_per_step": seconds_per_step,
                    "completion_rate": completion_rate,
                    "answers": dict(answers or {}),
                    "delay": delay,
                    "spread": spread,
                    "joining": joining,
                    "preview": preview,
                    "seed": seed,
                    "started_at": timestamp(self._where.clock.now()),
                    "waiting": starting,
                }
            )
            for user_id in starting:
                self._schedule_start(walk, user_id, datetime.fromisoformat(walk["started_at"]))
            return walk

    def stop(self) -> None:
        """Let nobody go on, and nobody join."""
        with self._where.lock:
            self._due.clear()
            for walk in self._where.walks.values():
                self._where.walks.delete(walk["id"])

    def advance(self) -> None:
        """Let happen what is due by the clock, in the order in which it was due."""
        with self._where.lock:
            now = self._where.clock.now()
            while self._due and self._due[0][0] <= now:
                due, _, walk_id, user_id, step = heapq.heappop(self._due)
                walk, user = self._where.walks.get(walk_id), self._where.users.get(user_id)
                if walk is None or user is None:
                    continue
                session = self._begin(walk, user, due) if step == 0 else self._go_on(walk, user, step, due)
                if session is not None and step < session["last_step"]:
                    self._schedule(due + timedelta(seconds=walk["seconds_per_step"]), walk_id, user_id, step + 1)

    # --- what a vendor says ----------------------------------------------------------------------------------------------

    @abstractmethod
    def shown(self, content_id: str, *, preview: bool) -> Shown:
        """Find what is shown of a content object: the published version, or in a preview the draft.

        Raises:
            ValueError: there is none.
        """

    @abstractmethod
    def find(self, user_id: str) -> Document | None:
        """Find a user by the id that a walk is told."""

    @abstractmethod
    def begin(self, walk: Document, user: Document, way: Document, due: datetime) -> Document:
        """Make and keep a user's session.

        Args:
            walk: the walk.
            user: the user.
            way: fields that every session keeps for its walk.
            due: when it begins.
        """

    @abstractmethod
    def go_on(self, walk: Document, user: Document, session: Document, due: datetime) -> Document:
        """Keep a session that came to its next step; `session["step"]` is that step's number already."""

    def keep(self, walk: Document) -> Document:
        """Keep a walk."""
        return self._where.walks.put(walk)

    # --- the pace --------------------------------------------------------------------------------------------------------

    def _begin(self, walk: Document, user: Document, due: datetime) -> Document:
        completes = share(walk, user["id"], "completes") < walk["completion_rate"]
        last_step = walk["steps"] if completes else int(walk["steps"] * share(walk, user["id"], "gives up"))
        return self.begin(walk, user, {"walk_id": walk["id"], "step": 0, "last_step": last_step}, due)

    def _go_on(self, walk: Document, user: Document, step: int, due: datetime) -> Document | None:
        sessions = self._where.sessions.by("user_id", user["id"])
        session = next((item for item in sessions if _is_of(item, walk)), None)
        return None if session is None else self.go_on(walk, user, {**session, "step": step}, due)

    def _starting(self, users: Sequence[str] | Literal["all"]) -> list[str]:
        if users == "all":
            return [user["id"] for user in self._where.users.values()]
        found = []
        for user_id in users:
            user = self.find(user_id)
            if user is None:
                raise ValueError(f"there is no user with the id {user_id!r}")
            found.append(user["id"])
        return found

    def _arrive(self, user: Document) -> None:
        for walk in self._where.walks.values():
            if walk["joining"]:
                self._schedule_start(walk, user["id"], datetime.fromisoformat(user["created_at"]))

    def _resume(self) -> None:
        """Take up again the walks that a file kept."""
        for walk in self._where.walks.values():
            started, pace = datetime.fromisoformat(walk["started_at"]), timedelta(seconds=walk["seconds_per_step"])
            begun = {item["user_id"]: item for item in self._where.sessions.by("content_id", walk["content_id"]) if _is_of(item, walk)}
            for user_id, session in begun.items():
                if session["step"] < session["last_step"]:
                    due = datetime.fromisoformat(session["created_at"]) + pace * (session["step"] + 1)
                    self._schedule(due, walk["id"], user_id, session["step"] + 1)
            waiting = set(walk["waiting"])
            for user in self._where.users.values():
                created = datetime.fromisoformat(user["created_at"])
                if user["id"] in begun:
                    continue
                if user["id"] in waiting:
                    self._schedule_start(walk, user["id"], started)
                elif walk["joining"] and created >= started:
                    self._schedule_start(walk, user["id"], created)

    def _schedule_start(self, walk: Document, user_id: str, since: datetime) -> None:
        wait = walk["delay"] + walk["spread"] * share(walk, user_id, "start")
        self._schedule(since + timedelta(seconds=wait), walk["id"], user_id, 0)

    def _schedule(self, due: datetime, walk_id: str, user_id: str, step: int) -> None:
        self._sequence += 1
        heapq.heappush(self._due, (due, self._sequence, walk_id, user_id, step))


def upcoming(walk: Document, questions: Sequence[Document], step: int) -> Sequence[Document]:
    """The questions that come up at a step: one each, all that are left at the last."""
    return questions[step - 1 :] if step == walk["steps"] else questions[step - 1 : step]


def said(walk: Document, user_id: str, question: Document, *, scales: Mapping[str, tuple[int, int]], choice: str) -> Any:
    """What a user answers: as the walk was told, or made up.

    Args:
        walk: the walk.
        user_id: the user's id, to make up the same every time.
        question: the question.
        scales: the least and the greatest number by type of question.
        choice: the type of question that has choices.
    """
    told = walk["answers"].get(question["cvid"])
    if told is not None:
        return told
    drawn = share(walk, user_id, question["cvid"])
    if question["type"] in scales:
        low, high = scales[question["type"]]
        return low + int(drawn * (high - low + 1))
    if question["type"] == choice:
        return [_CHOICES[int(drawn * len(_CHOICES))]]
    return f"{question['name']}: fine, says {user_id}"


def share(walk: Document, user_id: str, purpose: str) -> float:
    """A number from 0 to 1 that is the same for the same person and purpose every time."""
    digest = hashlib.sha256(f"{walk['seed']}\0{walk['content_id']}\0{user_id}\0{purpose}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def _is_of(session: Document, walk: Document) -> bool:
    return bool(session.get("walk_id") == walk["id"])


def _check_pace(steps: int | None, seconds_per_step: float, completion_rate: float) -> None:
    if not 0 <= completion_rate <= 1 or seconds_per_step < 0 or (steps is not None and steps < 1):
        raise ValueError("completion_rate must be from 0 to 1, seconds_per_step at least 0, steps at least 1")
