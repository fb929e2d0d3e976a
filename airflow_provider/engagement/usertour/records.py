"""Usertour's objects as records with one meaning for both versions of the API (https://docs.usertour.io/api-reference)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from airflow_provider.engagement.wire.message import decode_json
from airflow_provider.engagement.wire.record import Record, Secret, each, moment, reads

_LISTS = ("multiple-choice",)
_NUMBERS = ("nps", "scale", "star-rating")
_DIGITS = 30
"""Before or behind the point; no answer on a scale has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Record):
    """A user (https://docs.usertour.io/api-reference/users/model)."""

    id: str
    attributes: Mapping[str, Any] | None = None
    created_at: datetime | None = reads(moment, key="createdAt")
    companies: list[Company] | None = reads(each(lambda raw: Company.read(raw)))
    memberships: list[CompanyMembership] | None = reads(each(lambda raw: CompanyMembership.read(raw)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Company(Record):
    """A company (https://docs.usertour.io/api-reference/companies/model)."""

    id: str
    attributes: Mapping[str, Any] | None = None
    created_at: datetime | None = reads(moment, key="createdAt")
    memberships: list[CompanyMembership] | None = reads(each(lambda raw: CompanyMembership.read(raw)))
    users: list[User] | None = reads(each(User.read))


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyMembership(Record):
    """A user's membership of a company.

    v1 gives ids of its own in `company_id` and `user_id`, v2 the ones you gave; `company` and `user`, where expanded, hold yours.
    """

    id: str
    attributes: Mapping[str, Any] | None = None
    created_at: datetime | None = reads(moment, key="createdAt")
    company: Company | None = reads(Company.read)
    company_id: str | None = reads(key="companyId")
    user: User | None = reads(User.read)
    user_id: str | None = reads(key="userId")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Record):
    """A tracked event (v2; https://docs.usertour.io/api-reference/events/track-an-event)."""

    id: str
    attributes: Mapping[str, Any] | None = None
    code_name: str | None = reads(key="codeName")
    company_id: str | None = reads(key="companyId")
    created_at: datetime | None = reads(moment, key="createdAt")
    event_definition_id: str | None = reads(key="eventDefinitionId")
    user_id: str | None = reads(key="userId")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Record):
    """A question of a content version; refer to it by `cvid`, which stays the same over versions."""

    cvid: str | None = None
    name: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentVersion(Record):
    """A version of a content object; `steps` and `theme_id` are v2's."""

    id: str
    created_at: datetime | None = reads(moment, key="createdAt")
    first_published_at: datetime | None = reads(moment, key="firstPublishedAt")
    number: int | None = None
    questions: list[Question] | None = reads(each(Question.read))
    steps: list[Mapping[str, Any]] | None = None
    theme_id: str | None = reads(key="themeId")
    updated_at: datetime | None = reads(moment, key="updatedAt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content(Record):
    """A flow, checklist, launcher, banner, tracker, resource center or announcement.

    v1 names the version published in the key's environment by `published_version_id`; v2 lists all environments in `environments`.
    """

    id: str
    build_url: str | None = reads(key="buildUrl")
    created_at: datetime | None = reads(moment, key="createdAt")
    deleted: bool | None = None
    edited_version: ContentVersion | None = reads(ContentVersion.read, key="editedVersion")
    edited_version_id: str | None = reads(key="editedVersionId")
    environments: list[Mapping[str, Any]] | None = None
    name: str | None = None
    published_version: ContentVersion | None = reads(ContentVersion.read, key="publishedVersion")
    published_version_id: str | None = reads(key="publishedVersionId")
    type: str | None = None
    updated_at: datetime | None = reads(moment, key="updatedAt")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentSessionAnswer(Record):
    """An answer to a survey question.

    `answer_value` has one meaning for both versions: a list of texts for a multiple choice, an `int` or `Decimal` for a number, a
    text for all else. v1 sends the first as JSON inside a text and the second as a text; `raw` keeps what it sent.
    """

    id: str
    answer_type: str | None = reads(key="answerType")
    answer_value: str | int | Decimal | list[Any] | None = reads(key="answerValue")
    created_at: datetime | None = reads(moment, key="createdAt")
    question_cvid: str | None = reads(key="questionCvid")
    question_name: str | None = reads(key="questionName")

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read an answer, its value decoded by its type."""
        if not isinstance(raw, Mapping):
            raise TypeError(f"expected an object, got {type(raw).__name__}")
        return cls(
            raw=raw,
            id=raw["id"],
            answer_type=raw.get("answerType"),
            answer_value=decode_answer(raw.get("answerType"), raw.get("answerValue")),
            created_at=moment(raw.get("createdAt")),
            question_cvid=raw.get("questionCvid"),
            question_name=raw.get("questionName"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentSession(Record):
    """One user's way through one content object (https://docs.usertour.io/api-reference/content-sessions/model).

    Attributes:
        completed: as the server says. In v1 that means *ended*: dismissed and admin-ended sessions are "completed". In v2 it is
            genuine completion.
        ended: the session is over, whatever the reason; the same meaning in both versions.
        finished: the user reached the end; the same meaning in both versions. v1 does not say so, but its `progress` reaches 1 in
            the same sessions that v2 calls completed.
        progress: a fraction from 0 to 1; the server's own number, 0 to 100, is `raw["progress"]`.
        ended_at: v2's moment of ending; v1's `completedAt` is the same.
        is_preview: always False in v1, absent in v2.
    """

    id: str
    answers: list[ContentSessionAnswer] | None = reads(each(ContentSessionAnswer.read))
    company: Company | None = reads(Company.read)
    company_id: str | None = reads(key="companyId")
    completed: bool | None = None
    completed_at: datetime | None = reads(moment, key="completedAt")
    content: Content | None = reads(Content.read)
    content_id: str | None = reads(key="contentId")
    created_at: datetime | None = reads(moment, key="createdAt")
    end_reason: str | None = reads(key="endReason")
    ended_at: datetime | None = reads(moment, key="endedAt")
    is_preview: bool | None = reads(key="isPreview")
    last_activity_at: datetime | None = reads(moment, key="lastActivityAt")
    progress: Decimal | None = reads(lambda number: Decimal(str(number)) / 100)
    user: User | None = reads(User.read)
    user_id: str | None = reads(key="userId")
    version: ContentVersion | None = reads(ContentVersion.read)
    version_id: str | None = reads(key="versionId")

    @property
    def ended(self) -> bool:
        """Whether the session is over, whatever the reason."""
        return self.ended_at is not None if "endedAt" in self.raw else bool(self.completed)

    @property
    def finished(self) -> bool:
        """Whether the user reached the end."""
        if "endedAt" in self.raw:
            return bool(self.completed)
        return self.progress is not None and self.progress >= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeDefinition(Record):
    """What is known of an attribute; `predefined` is v2's."""

    id: str
    code_name: str | None = reads(key="codeName")
    created_at: datetime | None = reads(moment, key="createdAt")
    data_type: str | None = reads(key="dataType")
    description: str | None = None
    display_name: str | None = reads(key="displayName")
    predefined: bool | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDefinition(Record):
    """What is known of an event's name; `attributes` and `predefined` are v2's."""

    id: str
    attributes: list[str] | None = None
    code_name: str | None = reads(key="codeName")
    created_at: datetime | None = reads(moment, key="createdAt")
    description: str | None = None
    display_name: str | None = reads(key="displayName")
    predefined: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Record):
    """A segment of users or companies (v2)."""

    id: str
    created_at: datetime | None = reads(moment, key="createdAt")
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment(Record):
    """An environment of a project (v2); `token` is the one that web pages carry."""

    id: str
    created_at: datetime | None = reads(moment, key="createdAt")
    in_token_scope: bool | None = reads(key="inTokenScope")
    is_primary: bool | None = reads(key="isPrimary")
    name: str | None = None
    token: Secret | None = reads(Secret)
    updated_at: datetime | None = reads(moment, key="updatedAt")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentAnalytics(Record):
    """Counts of a content in an environment (v2). Which there are follows `content_type`; all are in `raw`."""

    content_id: str | None = reads(key="contentId")
    content_type: str | None = reads(key="contentType")
    end_date: str | None = reads(key="endDate")
    environment_id: str | None = reads(key="environmentId")
    start_date: str | None = reads(key="startDate")
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAnalytics(Record):
    """Counts of the answers to one question (v2); all are in `raw`."""

    distribution: list[Mapping[str, Any]] | None = None
    question: Question | None = reads(Question.read)
    total_responses: int | None = reads(key="totalResponses")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSubscription(Record):
    """A webhook (v2). `secret` is there on creation and rotation, and for tokens with `webhook:manage`; `repr` hides it."""

    id: str
    auto_disabled_at: datetime | None = reads(moment, key="autoDisabledAt")
    consecutive_failures: int | None = reads(key="consecutiveFailures")
    cooldown_until: datetime | None = reads(moment, key="cooldownUntil")
    created_at: datetime | None = reads(moment, key="createdAt")
    description: str | None = None
    enabled: bool | None = None
    secret: Secret | None = reads(Secret)
    topics: list[str] | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted(Record):
    """The answer to a delete. v2 sends none, so all but `raw` is None there."""

    id: str | None = None
    object: str | None = None
    deleted: bool | None = None

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read the answer; nothing at all is fine."""
        return cls(raw={}) if raw is None else super(Deleted, cls).read(raw)


def decode_answer(kind: Any, value: Any) -> Any:
    """Give an answer's value the same type in both versions.

    Args:
        kind: the answer's type, e.g. `multiple-choice` or `nps`.
        value: as it came.

    Returns:
        A list, an int or `Decimal`, or the value as it is where it does not read as its type.
    """
    if not isinstance(value, str):
        return value
    if kind in _LISTS:
        try:
            decoded = decode_json(value.encode())
        except (ValueError, RecursionError):
            return [value]
        return decoded if isinstance(decoded, list) else [value]
    if kind in _NUMBERS:
        try:
            number = Decimal(value)
        except InvalidOperation:
            return value
        if not number.is_finite() or abs(number.adjusted()) > _DIGITS:  # no JSON, or an exponent that would fill the memory
            return value
        return int(number) if number == number.to_integral_value() else number
    return value
