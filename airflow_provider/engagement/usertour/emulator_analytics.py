"""The emulated Usertour v2's analytics: counts of sessions and answers by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider.engagement.emulator.state import Document
from airflow_provider.engagement.usertour.emulator_account import Account, Ask, Handler
from airflow_provider.engagement.usertour.emulator_errors import Invalid, missing
from airflow_provider.engagement.usertour.emulator_params import one

_DAYS = 30
_NPS_DAYS = 365
_STEP_COUNTS = (
    *("uniqueViews", "totalViews", "uniqueCompletions", "totalCompletions"),
    *("uniqueTooltipTargetMissing", "totalTooltipTargetMissing"),
)
_SCALES = ("scale", "star-rating")


def handlers(account: Account) -> dict[str, Handler]:
    """Give the calls by the names of their endpoints."""
    return {
        "get_content_analytics": lambda ask: Analytics(account, ask).content(),
        "list_question_analytics": lambda ask: {"results": Analytics(account, ask).questions()},
    }


class Analytics:
    """The counts of one content object, in one environment and range of days.

    Args:
        account: the account.
        ask: the request.

    Raises:
        Refused: no such content, or a parameter is missing or wrong.
    """

    def __init__(self, account: Account, ask: Ask) -> None:
        content = account.objects.content.get(ask.ids["content_id"])
        if content is None or content["project_id"] != ask.project_id:
            raise missing("content")
        self._environment_id = one(ask.incoming, "environmentId")
        if self._environment_id is None:
            raise Invalid([("environmentId", "Invalid input: expected string, received undefined")])
        self._objects = account.objects
        self._content = content
        self._zone = one(ask.incoming, "timezone") or "UTC"
        today = account.clock.now().astimezone(self._tz()).date()
        self._end = _day(one(ask.incoming, "endDate"), "endDate") or today
        self._start = _day(one(ask.incoming, "startDate"), "startDate") or self._end - timedelta(days=_DAYS)
        sessions = account.objects.sessions.by("content_id", content["id"])
        self._sessions = [item for item in sessions if item["environment_id"] == self._environment_id]

    def content(self) -> Document:
        """`GET …/content/:id/analytics`."""
        started = [item for item in self._sessions if self._inside(item["created_at"])]
        completed = [item for item in self._sessions if self._inside(item["completed_at"])]
        shown = {
            "object": "contentAnalytics",
            "contentId": self._content["id"],
            "environmentId": self._environment_id,
            "startDate": self._start.isoformat(),
            "endDate": self._end.isoformat(),
            "timezone": self._zone,
            "contentType": self._content["type"],
            **_counts(started, completed),
            "byDay": [
                {
                    "date": day.isoformat(),
                    **_counts(
                        [item for item in started if self._date(item["created_at"]) == day],
                        [item for item in completed if self._date(item["completed_at"]) == day],
                    ),
                }
                for day in self._days()
            ],
        }
        version = self._version()
        steps = version["steps"] if version else []
        zeros = dict.fromkeys(_STEP_COUNTS, 0)
        shown["steps"] = [
            {"name": step["name"], "cvid": step["cvid"], "stepIndex": place, "type": step["type"], **zeros}
            for place, step in enumerate(steps)
        ]
        return shown

    def questions(self) -> list[Document]:
        """`GET …/content/:id/analytics/questions`: of the questions that can be counted."""
        version = self._version()
        return [self._question(item) for item in (version["questions"] if version else ()) if "text" not in item["type"]]

    def _question(self, question: Document) -> Document:
        every = [
            (answer, self._date(answer["created_at"]))
            for session in self._sessions
            for answer in self._objects.answers.by("session_id", session["id"])
            if answer["question_cvid"] == question["cvid"]
        ]
        inside = [answer for answer, day in every if day is not None and self._start <= day <= self._end]
        counted = Counter(str(said) for answer in inside for said in _said(answer["value"]))
        options = [str(said) for answer, _day in every for said in _said(answer["value"])] if question["type"] == "multiple-choice" else []
        names = list(dict.fromkeys([*options, *counted]))
        return {
            "object": "questionAnalytics",
            "question": question,
            "totalResponses": len(inside),
            "distribution": [
                {"answer": name, "count": counted[name], "percentage": _percent(counted[name], len(inside))} for name in sorted(names)
            ],
            "nps": self._nps(every) if question["type"] == "nps" else None,
            "rating": _rating(inside) if question["type"] in _SCALES else None,
        }

    def _nps(self, answers: Sequence[tuple[Document, date | None]]) -> Document:
        def until(last: date) -> list[int]:
            first = last - timedelta(days=_NPS_DAYS)
            return [int(answer["value"]) for answer, day in answers if day is not None and first <= day <= last]

        values = until(self._end)
        groups = {
            "promoters": sum(value >= 9 for value in values),
            "passives": sum(7 <= value <= 8 for value in values),
            "detractors": sum(value <= 6 for value in values),
        }
        by_day = [{"date": day.isoformat(), "score": _score(until(day)), "total": len(until(day))} for day in self._days()]
        parts = {name: {"count": count, "percentage": _percent(count, len(values))} for name, count in groups.items()}
        return {"score": _score(values), **parts, "rollingWindowDays": _NPS_DAYS, "byDay": by_day}

    def _version(self) -> Document | None:
        published = self._content["published"].get(self._environment_id)
        return self._objects.versions.get(published["version_id"] if published else self._content["edited_version_id"])

    def _days(self) -> Iterable[date]:
        return (self._start + timedelta(days=count) for count in range((self._end - self._start).days + 1))

    def _inside(self, moment: str | None) -> bool:
        day = self._date(moment)
        return day is not None and self._start <= day <= self._end

    def _date(self, moment: str | None) -> date | None:
        return None if moment is None else datetime.fromisoformat(moment).astimezone(self._tz()).date()

    def _tz(self) -> ZoneInfo:
        try:
            return ZoneInfo(self._zone)
        except (KeyError, ValueError):
            raise Invalid([("timezone", "Invalid IANA timezone")]) from None


def _counts(started: Sequence[Document], completed: Sequence[Document]) -> dict[str, int]:
    return {
        "uniqueStarts": len({item["user_id"] for item in started}),
        "totalStarts": len(started),
        "uniqueCompletions": len({item["user_id"] for item in completed}),
        "totalCompletions": len(completed),
    }


def _score(values: Sequence[int]) -> int:
    if not values:
        return 0
    return round(100 * (sum(value >= 9 for value in values) - sum(value <= 6 for value in values)) / len(values))


def _rating(answers: Sequence[Document]) -> Document:
    values = [float(answer["value"]) for answer in answers]
    return {"average": sum(values) / len(values) if values else 0}


def _percent(count: int, total: int) -> int:
    return round(100 * count / total) if total else 0


def _said(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _day(text: str | None, name: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise Invalid([(name, "Invalid ISO date")]) from None
