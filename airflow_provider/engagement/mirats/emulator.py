"""Mirats Quanto's publisher API emulated: its five calls on plain values, no network (https://docs.publisher.miratsquanto.com).

Strict, so that a mistake shows here and not on a real account: unknown paths, query parameters and body fields are refused.
What the reference leaves open is decided here:

- the HTTP status of an error is its `code`; `Quirks.errors_as_200` sends it with 200, as `success: false` would allow;
- a missing or wrong key, in header or body, is 401; an unusable body 400; an unknown survey or path 404; another method 405;
- sessions are listed newest first by `startTime`, and days are UTC's (`Quirks.day_offset_hours` moves them);
- a session without an outcome has no `clientStatus`, `endTime` and `duration`, and is listed under `all` only;
- `country` filters by the two-letter code; no session or survey tells its `language`, `collectPII` or group, so those are kept
  beside what is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from airflow_provider.engagement.emulator.state import Clock, Collection, Delivery, Document, Incoming, Refused, Reply, Store
from airflow_provider.engagement.mirats import bodies
from airflow_provider.engagement.mirats.api import ENDPOINTS, KEY_FIELD, KEY_HEADER, PREFIX
from airflow_provider.engagement.mirats.emulator_people import People, Seeds
from airflow_provider.engagement.wire.endpoint import Endpoint

PROJECT = {"projectName": "Example project", "projectNumber": 10_000_001, "organisation": "Example organisation"}
_SHOWN = 5
_PROBLEMS: Mapping[int, str] = {
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    429: "too many requests",
    500: "internal server error",
}
_RANGES: tuple[tuple[str, Callable[[Document], float]], ...] = (
    ("lengthOfInterview", lambda survey: survey["length_of_interview"]),
    ("incidenceRate", lambda survey: survey["incidence_rate"]),
    ("CPI", lambda survey: survey["cpi"]),
)

Handler = Callable[[Mapping[str, str], Mapping[str, Any]], Document]


@dataclass(slots=True)
class Quirks:
    """How the emulated API behaves where the reference is silent; each can be switched.

    Attributes:
        errors_as_200: errors come with HTTP status 200, their code in the body alone.
        day_offset_hours: how far the days it counts are ahead of UTC's.
    """

    errors_as_200: bool = False
    day_offset_hours: float = 0.0


class MiratsEmulator:
    """One emulated project of a publisher.

    Args:
        store: where its objects are.
        clock: the time it lives in.
        keys: Secret Keys it accepts.
        web_keys: Web API Keys it accepts.

    Attributes:
        name: `mirats`.
        sessions: the user sessions, to inspect; a document's `id` is its rid.
        surveys: the surveys, to inspect.
        people: sends people into surveys.
        quirks: its peculiarities, to be switched.
    """

    name = "mirats"

    def __init__(self, store: Store, clock: Clock, keys: Sequence[str] = ("secret_test",), web_keys: Sequence[str] = ("web_test",)) -> None:
        self._store = store
        self._clock = clock
        self._keys = tuple(keys)
        self.web_keys = tuple(web_keys)
        self.sessions: Collection = store.collection("mirats.sessions")
        self.surveys: Collection = store.collection("mirats.surveys")
        self.seeds = Seeds(self.sessions, self.surveys, clock)
        self.people = People(self.seeds, self.sessions, store.collection("mirats.outcomes"), clock)
        self.quirks = Quirks()
        self.handlers: Mapping[str, Handler] = {
            "list_user_sessions": self._list_user_sessions,
            "list_surveys": self._list_surveys,
            "get_survey": self._get_survey,
            "get_survey_qualification": self._get_survey_qualification,
            "get_survey_link": self._get_survey_link,
        }

    def owns(self, path: str) -> bool:
        """Say whether a path is below `/api/v1/publisher`."""
        return path == PREFIX or path.startswith(f"{PREFIX}/")

    def handle(self, incoming: Incoming) -> Reply:
        """Answer a request."""
        try:
            with self._store.lock:
                self._check_header(incoming)
                endpoint, ids = self._route(incoming)
                body = self._read_body(endpoint, incoming)
                self.advance()
                return Reply.of(self.handlers[endpoint.name](ids, body))
        except Refused as refused:
            return self.problem(refused.status, refused.text)

    def problem(self, status: int, text: str | None = None) -> Reply:
        """Make Mirats Quanto's error object for a status."""
        body = {"message": text or _PROBLEMS.get(status, f"error {status}"), "code": status, "success": False}
        return Reply.of(body, 200 if self.quirks.errors_as_200 else status)

    def advance(self) -> None:
        """Let happen what is due by the clock."""
        self.people.advance()

    def seed(self, data: Mapping[str, Any]) -> Document:
        """Put in surveys and sessions; see `Seeds.seed`."""
        with self._store.lock:
            return self.seeds.seed(data)

    def walk(self, data: Mapping[str, Any]) -> Document:
        """Send people into a survey; see `People.start`."""
        with self._store.lock:
            return self.people.start(**data)

    def take_deliveries(self) -> list[Delivery]:
        """Give no webhook notifications: callbacks are not documented."""
        return []

    def summary(self) -> Document:
        """Count and latest objects of each collection."""
        return {
            "surveys": {"count": len(self.surveys), "latest": [_list_item(item) for item in self.surveys.latest(_SHOWN)]},
            "sessions": {"count": len(self.sessions), "latest": [_session(item) for item in self.sessions.latest(_SHOWN)]},
        }

    def reset(self) -> None:
        """Forget switched quirks."""
        self.quirks = Quirks()

    # --- what every call is checked for ------------------------------------------------------------------------------

    def _check_header(self, incoming: Incoming) -> None:
        if incoming.headers.get(KEY_HEADER) not in self._keys:
            raise Refused(401, "unauthorized", f"the header {KEY_HEADER} is missing or not a known Secret Key")

    @staticmethod
    def _route(incoming: Incoming) -> tuple[Endpoint[Any], Mapping[str, str]]:
        path = incoming.path.removeprefix(PREFIX)
        for endpoint in ENDPOINTS:
            ids = endpoint.match("POST", path)
            if ids is not None:
                if incoming.method != "POST":
                    raise Refused(405, "method_not_allowed", f"{incoming.method} is not allowed here; POST is")
                return endpoint, ids
        raise Refused(404, "not_found", f"no such path: {incoming.path}")

    def _read_body(self, endpoint: Endpoint[Any], incoming: Incoming) -> Document:
        if incoming.query:
            raise Refused(400, "invalid", f"unknown query parameter {incoming.query[0][0]!r}: everything goes into the body")
        if incoming.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise Refused(415, "unsupported_media_type", "send Content-Type: application/json")
        try:
            body = incoming.json()
        except (ValueError, RecursionError):
            raise Refused(400, "invalid", "the body is not valid JSON") from None
        if not isinstance(body, dict):
            raise Refused(400, "invalid", "the body must be a JSON object")
        if body.pop(KEY_FIELD, None) not in self.web_keys:
            raise Refused(401, "unauthorized", f"{KEY_FIELD} is missing in the body or not a known Web API Key")
        unknown = [key for key in body if key not in endpoint.fields]
        if unknown:
            raise Refused(400, "invalid", f"unknown field {', '.join(unknown)}")
        return body

    # --- calls -------------------------------------------------------------------------------------------------------

    def _list_user_sessions(self, _ids: Mapping[str, str], body: Mapping[str, Any]) -> Document:
        rows, page = _paging(body, usual_rows=100)
        test = _one_of(body, "sessionType", (0, 1), 0) == 1
        status = _one_of(body, "status", bodies.STATUSES, "all")
        zone = timezone(timedelta(hours=self.quirks.day_offset_hours))
        today = self._clock.now().astimezone(zone).date()
        first = _date(body, "startDate", today - timedelta(days=30))
        last = _date(body, "endDate", today)

        def matches(session: Document) -> bool:
            began = datetime.fromisoformat(session["startTime"]).astimezone(zone).date()
            return session["test"] == test and status in ("all", session["status"]) and first <= began <= last

        found = sorted(filter(matches, self.sessions.values()), key=lambda session: str(session["startTime"]), reverse=True)
        shown, pagination = _cut(found, rows, page, "totalDocument")
        return {
            "success": True,
            "message": "User sessions fetched successfully",
            "data": [_session(session) for session in shown],
            "pagination": pagination,
            "organisation": PROJECT["organisation"],
            "project": PROJECT["projectName"],
        }

    def _list_surveys(self, _ids: Mapping[str, str], body: Mapping[str, Any]) -> Document:
        rows, page = _paging(body, usual_rows=100)
        wanted = {key: body[sent] for key, sent in _EQUAL.items() if sent in body}
        found = [
            survey
            for survey in self.surveys.values()
            if survey["live"] and all(survey[key] == value for key, value in wanted.items()) and _in_ranges(survey, body)
        ]
        shown, pagination = _cut(found, rows, page, "totalDocuments")
        return {
            "success": True,
            "surveys": [_list_item(survey) for survey in shown],
            "surveysCount": len(shown),
            "pagination": pagination,
            **PROJECT,
        }

    def _get_survey(self, ids: Mapping[str, str], _body: Mapping[str, Any]) -> Document:
        survey = self._survey(ids)
        return {
            "length_of_interview": str(survey["length_of_interview"]),
            "incidence_rate": str(survey["incidence_rate"]),
            "surveyNumber": survey["number"],
            "loi": survey["length_of_interview"],
            "ir": survey["incidence_rate"],
            "survey_created_date": survey["created"],
            "survey_last_updated_date": survey["updated"],
            "qualification": survey["qualification"],
            **PROJECT,
        }

    def _get_survey_qualification(self, ids: Mapping[str, str], _body: Mapping[str, Any]) -> Document:
        survey = self._survey(ids)
        return {"surveyNumber": survey["number"], "qualification": survey["qualification"], **PROJECT}

    def _get_survey_link(self, ids: Mapping[str, str], _body: Mapping[str, Any]) -> Document:
        number = self._survey(ids)["number"]
        start = f"https://api.publisher.miratsquanto.com/start?pid=example&org=example&sId=example&sn={number}"
        return {"testLink": f"{start}&t=1&r=xxxxx", "liveLink": f"{start}&t=0&r=xxxxx"}

    def _survey(self, ids: Mapping[str, str]) -> Document:
        survey = self.surveys.get(ids["survey_number"])
        if survey is None:
            raise Refused(404, "not_found", f"there is no survey with the number {ids['survey_number']}")
        return survey


_EQUAL: Mapping[str, str] = {
    "country_code": "country",
    "language": "language",
    "collect_pii": "collectPII",
    "grouped": "surveyGroupExists",
}


def _in_ranges(survey: Document, body: Mapping[str, Any]) -> bool:
    for name, value in _RANGES:
        least, most = (_number(body, f"{name}{end}") for end in ("GTE", "LTE"))
        if (least is not None and value(survey) < least) or (most is not None and value(survey) > most):
            return False
    return True


def _number(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise Refused(400, "invalid", f"{name} must be a number, got {value!r}")
    return value


def _paging(body: Mapping[str, Any], usual_rows: int) -> tuple[int, int]:
    rows, page = body.get("rows", usual_rows), body.get("page", 1)
    if isinstance(rows, bool) or not isinstance(rows, int) or not 1 <= rows <= bodies.MOST_ROWS:
        raise Refused(400, "invalid", f"rows must be an integer from 1 to {bodies.MOST_ROWS}, got {rows!r}")
    if isinstance(page, bool) or not isinstance(page, int) or page < 1:
        raise Refused(400, "invalid", f"page must be an integer of at least 1, got {page!r}")
    return rows, page


def _one_of(body: Mapping[str, Any], name: str, known: tuple[Any, ...], usual: Any) -> Any:
    value = body.get(name, usual)
    if isinstance(value, bool) or value not in known:
        raise Refused(400, "invalid", f"{name} must be one of {', '.join(map(str, known))}, got {value!r}")
    return value


def _date(body: Mapping[str, Any], name: str, usual: date) -> date:
    value = body.get(name)
    if value is None:
        return usual
    try:
        if isinstance(value, str) and len(value) == len("2025-11-24"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise Refused(400, "invalid", f"{name} must be a date as in 2025-11-24, got {value!r}")


def _cut(found: list[Document], rows: int, page: int, total: str) -> tuple[list[Document], Document]:
    pages = -(-len(found) // rows)
    return found[(page - 1) * rows : page * rows], {total: len(found), "rows": rows, "page": page, "totalPages": pages}


def _session(session: Document) -> Document:
    return {"rid": session["id"], **{key: value for key, value in session.items() if key not in ("id", "test", "status")}}


def _list_item(survey: Document) -> Document:
    return {
        "_id": f"{survey['number']:024x}",
        "surveyNumber": survey["number"],
        "length_of_interview": survey["length_of_interview"],
        "incidence_rate": survey["incidence_rate"],
        "cpi": survey["cpi"],
        "countryCode": survey["country_code"],
        "cost_per_interview": {"value": survey["cpi"], "currency_code": "USD"},
        "survey_number": survey["number"],
        "loi": survey["length_of_interview"],
        "ir": survey["incidence_rate"],
        "country": survey["country"],
        "country_code": survey["country_code"],
        "required_completes": survey["required_completes"],
        "overall_completes": survey["overall_completes"],
        "revenue_per_click": 0,
        "survey_created_date": survey["created"],
        "survey_last_updated_date": survey["updated"],
    }
