"""Surveys and sessions for the emulated Mirats Quanto: put in as told, or by people who answer at a given pace."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from airflow_provider.engagement.emulator.state import Clock, Collection, Document
from airflow_provider.engagement.mirats.api import COMPLETED, whole

OUTCOMES: Mapping[str, Document] = {
    "completed": {"title": "Survey completed", "description": "A survey has been completed by a user", "code": COMPLETED},
    "overquota": {"title": "Over quota", "description": "The quota was full", "code": 40},
    "terminated": {"title": "Terminated", "description": "The client ended the survey", "code": 20},
    "securityDrop": {"title": "Security drop", "description": "The user was refused for security", "code": 30},
    "prescreen": {"title": "Prescreen", "description": "The user did not qualify", "code": 50},
}
"""Status by name. The reference tells only the first one's code; the others are this emulator's own."""

REDIRECTED: Document = {
    "title": "Redirected to client survey",
    "description": "The user has been redirected to the client survey",
    "code": 3,
}
_AGE: Document = {
    "question": "AGE",
    "validOptions": [{"from": 18, "to": 65}],
    "displayOptions": [],
    "quotas": {},
    "questionType": "Numeric - Open-end",
    "preCodes": ["18", "65"],
}


def zulu(moment: datetime) -> str:
    """Write a time as the reference does: `2025-10-01T04:11:21.819Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Seeds:
    """Makes surveys and sessions out of what is told about them; what is not told gets a default."""

    def __init__(self, sessions: Collection, surveys: Collection, clock: Clock) -> None:
        self._sessions = sessions
        self._surveys = surveys
        self._clock = clock

    def seed(self, data: Mapping[str, Any]) -> Document:
        """Make `surveys` and `sessions`; answers them as they are kept.

        Raises:
            ValueError: no such collection, or something is wrong with an object.
        """
        makers = {"surveys": self.survey, "sessions": self.session}
        if unknown := set(data) - set(makers):
            raise ValueError(f"cannot seed {', '.join(sorted(unknown))}; there are {', '.join(makers)}")
        return {name: [make(told) for told in data[name]] for name, make in makers.items() if name in data}

    def survey(self, told: Mapping[str, Any]) -> Document:
        """Make a survey.

        Args:
            told: `number`, and any of `length_of_interview`, `incidence_rate`, `cpi`, `country`, `country_code`, `language`,
                `collect_pii`, `grouped`, `live`, `required_completes`, `overall_completes`, `created`, `updated`, `qualification`.

        Raises:
            ValueError: no number, or an unknown field.
        """
        now = zulu(self._clock.now())
        usual: Document = {
            "length_of_interview": 10,
            "incidence_rate": 30,
            "cpi": 1.25,
            "country": "United States of America",
            "country_code": "US",
            "language": "English",
            "collect_pii": False,
            "grouped": False,
            "live": True,
            "required_completes": 100,
            "overall_completes": 0,
            "created": now,
            "updated": now,
            "qualification": [_AGE],
        }
        _check(told, usual, "number")
        number = whole(told["number"])
        return self._surveys.put({"id": str(number), **usual, **told, "number": number})

    def session(self, told: Mapping[str, Any]) -> Document:
        """Make a user session as it stands; nobody moves it.

        Args:
            told: `surveyNumber`, and any of `rid`, `status` (`completed` by default, None for one without an outcome), `test`,
                and the fields of a session.

        Raises:
            ValueError: no survey number, or an unknown field or status.
        """
        usual: Document = {
            "OS": "Mac OS X",
            "IP": "192.0.2.1",
            "browser": "Chrome",
            "device": "Desktop",
            "country": "GB",
            "timezone": "Europe/London",
            "startTime": zulu(self._clock.now()),
            "reconciliationStatus": "Pending",
        }
        outcome: Document = dict.fromkeys(("clientStatus", "miratsStatus", "duration", "endTime"))
        _check(told, {**usual, **outcome, "rid": None, "status": None, "test": None}, "surveyNumber")
        given = dict(told)
        rid, status, test = given.pop("rid", None) or uuid4().hex, given.pop("status", "completed"), given.pop("test", False)
        if status is not None and status not in OUTCOMES:
            raise ValueError(f"status must be one of {', '.join(OUTCOMES)} or null, got {status!r}")
        given["surveyNumber"] = whole(given["surveyNumber"])
        began = datetime.fromisoformat(str(given.get("startTime", usual["startTime"])))
        outcome["miratsStatus"] = REDIRECTED
        if status is not None:
            outcome |= ended(began, began + timedelta(minutes=10), status)
        return self._sessions.put({"id": rid, "test": test, "status": status, **usual, **outcome, **given})


class People:
    """People who enter surveys and come out again by the clock; kept like all other objects, so they go on after a restart.

    Args:
        seeds: makes their sessions.
        sessions: where those are.
        outcomes: where it is kept what becomes of them, and when.
        clock: the time they live in.
    """

    def __init__(self, seeds: Seeds, sessions: Collection, outcomes: Collection, clock: Clock) -> None:
        self._seeds = seeds
        self._sessions = sessions
        self._outcomes = outcomes
        self._clock = clock

    def start(
        self,
        survey_number: int,
        people: int = 10,
        *,
        every: float = 1.0,
        seconds: float = 5.0,
        outcomes: Sequence[str] = ("completed",),
        test: bool = False,
    ) -> Document:
        """Send people into a survey.

        Args:
            survey_number: the survey.
            people: how many.
            every: seconds of the clock from one to the next; the first enters now.
            seconds: how long each takes.
            outcomes: what becomes of them, one after the other, over and over.
            test: by the test link.

        Returns:
            The rids of their sessions, in the order in which they enter.

        Raises:
            ValueError: an unknown outcome, or a number that makes no sense.
        """
        if unknown := set(outcomes) - set(OUTCOMES):
            raise ValueError(f"outcomes must be among {', '.join(OUTCOMES)}, got {', '.join(sorted(unknown))}")
        if people < 1 or every < 0 or seconds < 0 or not outcomes:
            raise ValueError("people must be at least 1, every and seconds at least 0, and there must be an outcome")
        now, rids = self._clock.now(), []
        for place in range(people):
            rid = uuid4().hex
            rids.append(rid)
            begins = now + timedelta(seconds=place * every)
            self._outcomes.put(
                {
                    "id": rid,
                    "surveyNumber": whole(survey_number),
                    "begins": begins.isoformat(),
                    "ends": (begins + timedelta(seconds=seconds)).isoformat(),
                    "status": outcomes[place % len(outcomes)],
                    "test": test,
                }
            )
        self.advance()
        return {"rids": rids}

    def advance(self) -> None:
        """Let those enter and come out whose time has come."""
        now = self._clock.now()
        for due in self._outcomes.values():
            begins, ends = datetime.fromisoformat(due["begins"]), datetime.fromisoformat(due["ends"])
            if now < begins:
                continue
            rid = due["id"]
            session = self._sessions.get(rid) or self._seeds.session(
                {
                    "rid": rid,
                    "surveyNumber": due["surveyNumber"],
                    "status": None,
                    "test": due["test"],
                    "startTime": zulu(begins),
                    "IP": f"192.0.2.{int(hashlib.sha256(rid.encode()).hexdigest()[:2], 16)}",
                }
            )
            if now >= ends:
                self._sessions.put({**session, "status": due["status"], **ended(begins, ends, due["status"])})
                self._outcomes.delete(rid)


def ended(begins: datetime, ends: datetime, status: str) -> Document:
    """Make the fields that a session has once it has an outcome."""
    passed = int((ends - begins).total_seconds())
    return {
        "clientStatus": OUTCOMES[status],
        "duration": f"{passed // 3600:02}:{passed // 60 % 60:02}:{passed % 60:02}",
        "endTime": zulu(ends),
    }


def _check(told: Mapping[str, Any], known: Mapping[str, Any], needed: str) -> None:
    if told.get(needed) is None:
        raise ValueError(f"{needed} is missing")
    if unknown := set(told) - set(known) - {needed}:
        raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}; there are {needed}, {', '.join(known)}")
