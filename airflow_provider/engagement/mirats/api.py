"""Mirats Quanto's publisher API: its records, how its answers are read, and every call.

Every call is a POST, reads included, and all of them may be repeated. Two keys go with each: the Secret Key in a header, and
the Web API Key in the body, where the client puts it just before sending (`ClientConfig.json_fields`), so that no `Request`
holds it.

What the reference leaves open is decided here:

- the only documented error, `{"message", "code": 500, "success": false}`, has no HTTP status of its own: whatever the status,
  `success: false` is an error, and stands for its `code`; for 500 if that is none of an error;
- `pagination` has `totalDocument` in one list and `totalDocuments` in the other: both are read, in both;
- `pagination.rows` of the reference's example is not what was asked for, so it is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.errors import Dialect, Problem
from airflow_provider.engagement.wire.message import Request, Response
from airflow_provider.engagement.wire.record import Record, Secret, each, moment, reads

PREFIX = "/api/v1/publisher"
BASE_URL = f"https://api.publisher.miratsquanto.com{PREFIX}"
DOCS = "https://docs.publisher.miratsquanto.com/api-reference/endpoint"
KEY_HEADER = "publisher-authentication-key"
KEY_FIELD = "authorizationKey"
COMPLETED = 10
"""`clientStatus.code` of a completed survey, the only one the reference tells."""

R = TypeVar("R", bound=Record)


def headers(secret_key: str) -> dict[str, str]:
    """Make the headers of every request."""
    return {KEY_HEADER: secret_key}


# --- how values are read ---------------------------------------------------------------------------------------------


def whole(value: Any) -> int:
    """Read a survey number; it may exceed 2^53, so a number with a decimal point has already lost digits.

    Raises:
        ValueError: neither an integer nor a text of digits.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    raise ValueError(f"a survey number must be an integer or a text of digits, got {type(value).__name__} {value!r:.60}")


def seconds(text: Any) -> int | None:
    """Read a duration, `HH:MM:SS` with any number of hours; None for what is not one, which `raw` keeps."""
    found = re.fullmatch(r"(\d+):([0-5]?\d):([0-5]?\d)", text) if isinstance(text, str) else None
    return None if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])


def _time(text: Any) -> datetime | None:
    read = moment(text)
    return read.replace(tzinfo=UTC) if read is not None and read.tzinfo is None else read


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value))


# --- objects ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus(Record):
    """How far a session came, as the client or Mirats Quanto sees it (https://docs.publisher.miratsquanto.com)."""

    title: str | None = None
    description: str | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSession(Record):
    """One person's way through one survey (https://docs.publisher.miratsquanto.com/api-reference/endpoint/user-sessions).

    `duration` is the text as it came, `HH:MM:SS`, and `duration_seconds` the same as a number. `ip` is personal data and does not
    show itself in `repr`. `reconciliation_status` changes after the session has ended. A time without a zone is taken as UTC.
    """

    rid: str
    survey_number: int | None = reads(whole, key="surveyNumber")
    client_status: SessionStatus | None = reads(SessionStatus.read, key="clientStatus")
    mirats_status: SessionStatus | None = reads(SessionStatus.read, key="miratsStatus")
    os: str | None = reads(key="OS")
    ip: Secret | None = reads(Secret, key="IP")
    browser: str | None = None
    device: str | None = None
    duration: str | None = None
    duration_seconds: int | None = reads(seconds, key="duration")
    country: str | None = None
    timezone: str | None = None
    start_time: datetime | None = reads(_time, key="startTime")
    end_time: datetime | None = reads(_time, key="endTime")
    reconciliation_status: str | None = reads(key="reconciliationStatus")

    @property
    def completed(self) -> bool:
        """Whether the client says that the survey was completed."""
        return self.client_status is not None and self.client_status.code == COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost(Record):
    """What one interview costs."""

    value: Decimal | None = reads(_decimal)
    currency_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualification(Record):
    """Who qualifies for a survey, by one question (https://docs.publisher.miratsquanto.com/api-reference/endpoint/survey-qualification)."""

    question: str | None = None
    valid_options: list[Any] | None = reads(key="validOptions")
    display_options: list[Any] | None = reads(key="displayOptions")
    quotas: Mapping[str, Any] | None = None
    question_type: str | None = reads(key="questionType")
    pre_codes: list[str] | None = reads(key="preCodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey(Record):
    """A live survey (https://docs.publisher.miratsquanto.com/api-reference/endpoint/get-all-surveys).

    `length_of_interview` (minutes) and `incidence_rate` (percent) are numbers, whichever call they came by: one sends numbers, the
    other texts. The deprecated `loi` and `ir` are in `raw`. `qualification` is there only in the answer to `get_survey`.
    """

    survey_number: int = reads(whole, key="surveyNumber")
    id: str | None = reads(key="_id")
    length_of_interview: Decimal | None = reads(_decimal)
    incidence_rate: Decimal | None = reads(_decimal)
    cpi: Decimal | None = reads(_decimal)
    cost_per_interview: Cost | None = reads(Cost.read)
    country: str | None = None
    country_code: str | None = None
    required_completes: int | None = None
    overall_completes: int | None = None
    revenue_per_click: Decimal | None = reads(_decimal)
    survey_created_date: datetime | None = reads(_time)
    survey_last_updated_date: datetime | None = reads(_time)
    qualification: list[Qualification] | None = reads(each(Qualification.read))
    project_name: str | None = reads(key="projectName")
    project_number: int | None = reads(key="projectNumber")
    organisation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyQualification(Record):
    """The answer to `get_survey_qualification`."""

    survey_number: int | None = reads(whole, key="surveyNumber")
    qualification: list[Qualification] | None = reads(each(Qualification.read))
    project_name: str | None = reads(key="projectName")
    project_number: int | None = reads(key="projectNumber")
    organisation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyLink(Record):
    """Where people enter a survey (https://docs.publisher.miratsquanto.com/api-reference/endpoint/generate-link)."""

    test_link: str = reads(key="testLink")
    live_link: str = reads(key="liveLink")


@dataclass(frozen=True, slots=True)
class NumberedPage(Generic[R]):
    """One page of a list by page numbers.

    Attributes:
        items: the records, in the server's order.
        total: how many records there are in all, as far as it was said.
        pages: how many pages there are, as far as it was said.
        raw: everything beside the records.
    """

    items: list[R]
    total: int | None
    pages: int | None
    raw: Mapping[str, Any]


# --- how answers are read --------------------------------------------------------------------------------------------

_FAILED = re.compile(rb'"success"\s*:\s*false')


def _failure(response: Response) -> Mapping[str, Any] | None:
    if not _FAILED.search(response.body):  # looked for before decoding: large answers are decoded once, by their reader
        return None
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) and body.get("success") is False else None


def status(response: Response) -> int:
    """Say which status an answer stands for: `success: false` is an error whatever the HTTP status, its `code` says which."""
    if not 200 <= response.status < 300 or (failure := _failure(response)) is None:
        return response.status
    code = str(failure.get("code"))
    return int(code) if re.fullmatch(r"[45]\d\d", code) else 500


def read_problem(response: Response) -> Problem:
    """Read the documented error object, as far as there is one; its code only where it is not just the status again."""
    try:
        body = response.json()
    except ValueError:
        return Problem()
    if not isinstance(body, dict) or "success" not in body:
        return Problem()
    code = body.get("code")
    return Problem(None if code is None or str(code) == str(response.status) else str(code), body.get("message"))


def not_processed(response: Response) -> bool:
    """Say whether an answer means that the request was not processed; the documents promise that of none."""
    return False


def hint(request: Request, response: Response) -> str | None:
    """Say what to do about an answer."""
    both = "the Secret Key in the connection's password field and the Web API Key in its extra web_api_key, both of one project"
    if response.status in (401, 403):
        return f"Check {both}"
    if response.status == 500 and read_problem(response) != Problem():
        return f"This is the only error Mirats Quanto documents, so a wrong key may look like this too: if it stays, check {both}"
    if response.status == 404 and request.path in (LIST_USER_SESSIONS.path, LIST_SURVEYS.path):
        return f"Check the connection's base URL; Mirats Quanto's ends in {PREFIX}"
    return None


DIALECT = Dialect("Mirats Quanto", read_problem, not_processed, hint, status)


def _page(name: str, read: Callable[[Any], R]) -> Callable[[Any], NumberedPage[R]]:
    def read_page(raw: Any) -> NumberedPage[R]:
        pagination = raw["pagination"]
        total = pagination.get("totalDocument", pagination.get("totalDocuments"))
        pages = pagination.get("totalPages")
        beside = {key: value for key, value in raw.items() if key != name}
        return NumberedPage([read(item) for item in raw[name]], _count(total), _count(pages), beside)

    return read_page


def _count(value: Any) -> int | None:
    return None if value is None else whole(value)


def _link(raw: Any) -> SurveyLink:
    link = SurveyLink.read(raw)
    if not link.test_link or not link.live_link:
        raise ValueError("no links")
    return link


def _survey(raw: Any) -> Survey:
    survey = Survey.read(raw)
    if survey.survey_number is None:
        raise ValueError("a survey without a number")
    return survey


# --- calls -----------------------------------------------------------------------------------------------------------

LIST_USER_SESSIONS = Endpoint(
    "POST",
    "/user-sessions",
    _page("data", UserSession.read),
    "list_user_sessions",
    f"{DOCS}/user-sessions",
    fields=("rows", "page", "sessionType", "status", "startDate", "endDate"),
)
LIST_SURVEYS = Endpoint(
    "POST",
    "/surveys",
    _page("surveys", _survey),
    "list_surveys",
    f"{DOCS}/get-all-surveys",
    fields=(
        "country",
        "language",
        "lengthOfInterviewGTE",
        "lengthOfInterviewLTE",
        "incidenceRateGTE",
        "incidenceRateLTE",
        "CPIGTE",
        "CPILTE",
        "collectPII",
        "surveyGroupExists",
        "rows",
        "page",
    ),
)
GET_SURVEY = Endpoint("POST", "/surveys/one/{survey_number}", _survey, "get_survey", f"{DOCS}/get-single-survey")
GET_SURVEY_QUALIFICATION = Endpoint(
    "POST",
    "/surveys/{survey_number}/qualification",
    SurveyQualification.read,
    "get_survey_qualification",
    f"{DOCS}/survey-qualification",
)
GET_SURVEY_LINK = Endpoint("POST", "/surveys/{survey_number}/link", _link, "get_survey_link", f"{DOCS}/generate-link")

ENDPOINTS: tuple[Endpoint[Any], ...] = (LIST_USER_SESSIONS, LIST_SURVEYS, GET_SURVEY, GET_SURVEY_QUALIFICATION, GET_SURVEY_LINK)
