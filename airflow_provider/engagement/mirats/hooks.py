"""The Airflow hook for Mirats Quanto: a connection becomes a client, and every call has a method."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlsplit

from airflow_provider.engagement.base import EngagementHook
from airflow_provider.engagement.connection import ConnectionFields
from airflow_provider.engagement.mirats import api
from airflow_provider.engagement.mirats.api import NumberedPage, R
from airflow_provider.engagement.mirats.bodies import Day, sessions_body, survey_path_number, surveys_body
from airflow_provider.engagement.mirats.privacy import LEAST_SALT
from airflow_provider.engagement.mirats.walk import NumberedWalk
from airflow_provider.engagement.wire.config import ClientConfig
from airflow_provider.engagement.wire.endpoint import Endpoint
from airflow_provider.engagement.wire.message import Call, Query

Number = int | float | Decimal | None


class MiratsQuantoHook(EngagementHook):
    """Call Mirats Quanto's publisher API (https://docs.publisher.miratsquanto.com) with the credentials of an Airflow connection.

    The connection's password is the project's Secret Key, its extra `web_api_key` the Web API Key; its host the base URL (default
    `https://api.publisher.miratsquanto.com/api/v1/publisher`; that path is added where the host has none). Further extras:
    `ip_salt_secret`, `requests_per_minute`, `timeout` (seconds), `concurrency`, `verify`, `proxies`, `allow_http`.

    All methods raise `ValueError` or `TypeError` for unusable arguments before anything is sent, and a subclass of
    `airflow_provider.engagement.wire.errors.ApiError` when a call failed for good. Lists are lazy: they ask for the next page when
    it is wanted. They give each record once, though the API's page numbers are positions in a list that moves; see
    `airflow_provider.engagement.mirats.walk`.

    Args:
        mirats_quanto_conn_id: id of a connection of type `mirats_quanto`.
    """

    conn_name_attr: ClassVar[str] = "mirats_quanto_conn_id"
    default_conn_name: ClassVar[str] = "mirats_quanto_default"
    conn_type: ClassVar[str] = "mirats_quanto"
    hook_name: ClassVar[str] = "Mirats Quanto"

    def __init__(self, mirats_quanto_conn_id: str = default_conn_name) -> None:
        super().__init__(mirats_quanto_conn_id)
        self.mirats_quanto_conn_id = mirats_quanto_conn_id

    def make_config(self, fields: ConnectionFields) -> ClientConfig:
        """Turn the connection's fields into the client's settings.

        Raises:
            ValueError: a field is unusable; the message names it.
        """
        key = fields.secret("Secret Key")
        web_key = fields.text("web_api_key")
        if not web_key:
            raise fields.wrong("web_api_key", "is empty; put the project's Web API Key into this extra")
        base_url = fields.base_url(api.BASE_URL)
        return ClientConfig(
            base_url=base_url if urlsplit(base_url).path else base_url + api.PREFIX,
            dialect=api.DIALECT,
            headers=api.headers(key),
            json_fields={api.KEY_FIELD: web_key},
            secrets=(key, web_key, *fields.proxy_secrets()),
            **fields.traffic(),
        )

    def probe(self) -> Call[Any]:
        """List one user session: real, harmless, and it takes both keys."""
        return api.LIST_USER_SESSIONS.call(None, sessions_body(rows=1))

    def get_ip_salt(self) -> str:
        """Give the salt that IP addresses are hashed with, kept in the connection's extra `ip_salt_secret`, masked in logs.

        Raises:
            ValueError: there is none, or it is so short that it could be found by trying.
        """
        connection = self.get_connection(self.conn_id)
        salt = str(connection.extra_dejson.get("ip_salt_secret") or "")
        if len(salt) < LEAST_SALT:
            what = f"is shorter than {LEAST_SALT} characters" if salt else "is empty"
            raise ValueError(
                f"connection {self.conn_id!r}: extra ip_salt_secret {what}, so IP addresses cannot be hashed; "
                'put a long random text there and keep it, or use ip="drop"'
            )
        return salt

    def list_user_sessions(
        self,
        *,
        start_date: Day | None = None,
        end_date: Day | None = None,
        status: str = "all",
        session_type: str | int = "live",
        first_page: int = 1,
        page_size: int = 500,
    ) -> Iterator[api.UserSession]:
        """List user sessions (https://docs.publisher.miratsquanto.com/api-reference/endpoint/user-sessions).

        There is no filter by survey or rid. The server counts whole days, in a time zone it does not tell: ask for a day more on
        each side and look at `start_time` where the edges matter.

        Args:
            start_date: first day, a date, a datetime with a time zone (its day in UTC) or ISO 8601 text; 30 days ago by default.
            end_date: last day, which belongs to it; today by default.
            status: `all`, `completed`, `overquota`, `terminated`, `securityDrop` or `prescreen`.
            session_type: `live` (0) or `test` (1).
            first_page: the page to begin with.
            page_size: sessions a request, 1 to 500.
        """
        body = sessions_body(
            rows=page_size, page=first_page, session_type=session_type, status=status, start_date=start_date, end_date=end_date
        )
        return self._walk(api.LIST_USER_SESSIONS, body, lambda session: session.rid)

    def list_surveys(
        self,
        *,
        country: str | None = None,
        language: str | None = None,
        length_of_interview_gte: Number = None,
        length_of_interview_lte: Number = None,
        incidence_rate_gte: Number = None,
        incidence_rate_lte: Number = None,
        cpi_gte: Number = None,
        cpi_lte: Number = None,
        collect_pii: bool | None = None,
        survey_group_exists: bool | None = None,
        first_page: int = 1,
        page_size: int = 500,
    ) -> Iterator[api.Survey]:
        """List live surveys (https://docs.publisher.miratsquanto.com/api-reference/endpoint/get-all-surveys).

        Args:
            country: two-letter code, as in `US`.
            language: its English name, as in `English`.
            length_of_interview_gte: minutes at least.
            length_of_interview_lte: minutes at the most.
            incidence_rate_gte: percent at least.
            incidence_rate_lte: percent at the most.
            cpi_gte: cost per interview at least.
            cpi_lte: cost per interview at the most.
            collect_pii: only surveys that collect personal data, or only those that do not.
            survey_group_exists: only surveys that are in a group, or only those that are not.
            first_page: the page to begin with.
            page_size: surveys a request, 1 to 500.
        """
        body = surveys_body(
            country=country,
            language=language,
            length_of_interview=(length_of_interview_gte, length_of_interview_lte),
            incidence_rate=(incidence_rate_gte, incidence_rate_lte),
            cpi=(cpi_gte, cpi_lte),
            collect_pii=collect_pii,
            survey_group_exists=survey_group_exists,
            rows=page_size,
            page=first_page,
        )
        return self._walk(api.LIST_SURVEYS, body, lambda survey: survey.survey_number)

    def get_survey(self, survey_number: int | str) -> api.Survey:
        """Get a survey with its qualification (https://docs.publisher.miratsquanto.com/api-reference/endpoint/get-single-survey).

        Args:
            survey_number: an integer or a text of digits; a float has lost digits already and is refused.
        """
        return self.get_conn().send(api.GET_SURVEY.call(None, {}, survey_number=survey_path_number(survey_number)))

    def get_survey_qualification(self, survey_number: int | str) -> api.SurveyQualification:
        """Get who qualifies for a survey (https://docs.publisher.miratsquanto.com/api-reference/endpoint/survey-qualification)."""
        return self.get_conn().send(api.GET_SURVEY_QUALIFICATION.call(None, {}, survey_number=survey_path_number(survey_number)))

    def get_survey_link(self, survey_number: int | str) -> api.SurveyLink:
        """Get a survey's test and live link (https://docs.publisher.miratsquanto.com/api-reference/endpoint/generate-link)."""
        return self.get_conn().send(api.GET_SURVEY_LINK.call(None, {}, survey_number=survey_path_number(survey_number)))

    def request(self, method: str, path: str, *, params: Query | None = None, json: Any = None) -> Any:
        """Send a request that has no method of its own yet; see `EngagementHook.request`.

        The Web API Key is put into the body by itself; a POST without `json` has that body alone. What a POST that has no method
        does is not known here, so it is not sent again after an answer that was lost.

        Raises:
            ValueError: `json` is no object, or holds a key, which belongs into the connection.
            ApiError: the call failed for good.
        """
        body = {} if json is None and method.upper() != "GET" else json
        if body is not None and not isinstance(body, Mapping):
            raise ValueError(f"json must be an object, because {api.KEY_FIELD} is sent in it, got {type(body).__name__}")
        if body and api.KEY_FIELD in body:
            raise ValueError(f"json must not hold {api.KEY_FIELD}: the Web API Key comes from the connection's extra web_api_key")
        return super().request(method, path, params=params, json=body)

    def _walk(self, endpoint: Endpoint[NumberedPage[R]], body: Mapping[str, Any], key: Callable[[R], Hashable]) -> Iterator[R]:
        walk = NumberedWalk(endpoint, body, key)  # made here: unusable arguments fail at the call, not at the first record
        return self._records(walk)

    def _records(self, walk: NumberedWalk[R]) -> Iterator[R]:
        while (call := walk.next_call()) is not None:
            yield from walk.take(self.get_conn().send(call))
