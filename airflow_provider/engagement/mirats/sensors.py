"""Mirats Quanto's sensor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider.engagement.mirats.condition import SessionCondition
from airflow_provider.engagement.mirats.triggers import MiratsQuantoUserSessionTrigger
from airflow_provider.engagement.watch.sensor import WatchSensor, number
from airflow_provider.engagement.watch.trigger import WatchTrigger

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook


class MiratsQuantoUserSessionSensor(WatchSensor):
    """Wait until a session, or so many sessions of a survey, have a status.

    The API cannot be asked for one session or one survey (https://docs.publisher.miratsquanto.com/api-reference/endpoint/user-sessions):
    each poll reads the sessions with the status within the window, 500 to a request, until enough were found. A narrow window and
    a `poke_interval` of minutes keep that small.

    Args:
        rid: wait for this session alone; the window only says where to look for it.
        survey_number: wait for sessions of this survey: an integer or a text of digits.
        min_sessions: at least so many of them; 1 by default.
        status: `completed`, `overquota`, `terminated`, `securityDrop`, `prescreen`, or `all` for any.
        session_type: `live` or `test`, or 0 or 1.
        start: only sessions that began at or after this: a datetime with a time zone, a date (its first moment in UTC), or either as
            ISO 8601 text; the server's last 30 days by default.
        end: only sessions that began before this.
        fail_if_ended: fail without a retry when the session `rid` has ended with another status than `completed`. Sessions of every
            status are read then.
        fail_if_unpublished: fail without a retry when the survey does not exist any more; a request more a poll.
        mirats_quanto_conn_id: id of a connection of type `mirats_quanto`.
        **kwargs: as for every sensor: `deferrable`, `max_consecutive_failures`, `poke_interval`, `timeout`, `mode`, `soft_fail`, …

    Returns:
        `sessions` (how many were found; counting ends when there are enough), `wanted`, `status`, `rids` of the sessions found, and when
        they ended in `ended_at`. Of more than 1,000 sessions the rest is only counted, as `rids_left_out`.
    """

    template_fields: Sequence[str] = (
        "rid",
        "survey_number",
        "min_sessions",
        "status",
        "session_type",
        "start",
        "end",
        "mirats_quanto_conn_id",
    )
    trigger_class: ClassVar[type[WatchTrigger]] = MiratsQuantoUserSessionTrigger

    def __init__(
        self,
        *,
        rid: str | XComArg | None = None,
        survey_number: int | str | XComArg | None = None,
        min_sessions: int | str | None = None,
        status: str = "completed",
        session_type: str | int = "live",
        start: datetime | date | XComArg | str | None = None,
        end: datetime | date | XComArg | str | None = None,
        fail_if_ended: bool = False,
        fail_if_unpublished: bool = False,
        mirats_quanto_conn_id: str = "mirats_quanto_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rid = rid
        self.survey_number = survey_number
        self.min_sessions = min_sessions
        self.status = status
        self.session_type = session_type
        self.start = start
        self.end = end
        self.fail_if_ended = fail_if_ended
        self.fail_if_unpublished = fail_if_unpublished
        self.mirats_quanto_conn_id = mirats_quanto_conn_id

    @cached_property
    def hook(self) -> MiratsQuantoHook:
        """The hook."""
        from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook

        return MiratsQuantoHook(self.mirats_quanto_conn_id)

    def make_condition(self) -> SessionCondition:
        """Make the condition of the rendered arguments."""
        return SessionCondition.of(
            rid=cast("str | None", self.rid),
            survey_number=cast("int | str | None", self.survey_number),
            min_sessions=number("min_sessions", self.min_sessions, int),
            status=self.status,
            session_type=self.session_type,
            start=cast("datetime | date | str | None", self.start),
            end=cast("datetime | date | str | None", self.end),
            fail_if_ended=self.fail_if_ended,
            fail_if_unpublished=self.fail_if_unpublished,
        )
