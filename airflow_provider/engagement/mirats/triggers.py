"""Mirats Quanto's triggers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider.engagement.mirats.bodies import session_type_number, survey_path_number
from airflow_provider.engagement.mirats.condition import SessionCondition
from airflow_provider.engagement.mirats.sessions import UserSessions, body_of
from airflow_provider.engagement.watch.event import CompletionEventTrigger
from airflow_provider.engagement.watch.reading import Reading
from airflow_provider.engagement.watch.shared import Question
from airflow_provider.engagement.watch.standing import Scope
from airflow_provider.engagement.watch.trigger import WatchTrigger, ask_through

if TYPE_CHECKING:
    from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook


class MiratsQuantoUserSessionTrigger(WatchTrigger):
    """Wait for Mirats Quanto's user sessions until a `SessionCondition` holds.

    Source: https://docs.publisher.miratsquanto.com/api-reference/endpoint/user-sessions

    Arguments as in `WatchTrigger`, with `mirats_quanto_conn_id` for the connection.
    """

    conn_id_name: ClassVar[str] = "mirats_quanto_conn_id"

    @classmethod
    def read_condition(cls, values: Mapping[str, Any]) -> SessionCondition:
        """Make a `SessionCondition`."""
        return SessionCondition.from_dict(values)

    @classmethod
    def subject(cls, condition: SessionCondition) -> Hashable:
        """Name the list: its parameters."""
        return tuple(body_of(condition).items())

    @classmethod
    def reading(cls, condition: SessionCondition) -> Reading[Any]:
        """Make a reading of the list."""
        return UserSessions(body_of(condition))

    def hook(self) -> MiratsQuantoHook:
        """Make the hook."""
        from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook

        return MiratsQuantoHook(self.conn_id)


class MiratsQuantoUserSessionEventTrigger(CompletionEventTrigger):
    """Fire when sessions of a Mirats Quanto survey were completed, for an `AssetWatcher`.

    Source: https://docs.publisher.miratsquanto.com/api-reference/endpoint/user-sessions. What an event tells and what is kept: see
    `CompletionEventTrigger`. Sessions that began in the last 30 days are looked at, which is the API's own window.

    Args:
        survey_number: the survey: an integer or a text of digits.
        session_type: `live` or `test`, or 0 or 1.
        mirats_quanto_conn_id: id of a connection of type `mirats_quanto`.
        poke_interval: seconds between two polls, at the most.
    """

    conn_id_name: ClassVar[str] = "mirats_quanto_conn_id"

    def __init__(
        self,
        *,
        survey_number: int | str,
        session_type: str | int = "live",
        mirats_quanto_conn_id: str = "mirats_quanto_default",
        poke_interval: float = 60.0,
    ) -> None:
        super().__init__(conn_id=mirats_quanto_conn_id, poke_interval=poke_interval)
        self.survey_number = survey_path_number(survey_number)
        self.session_type = session_type_number(session_type)

    @property
    def subject(self) -> Mapping[str, Any]:
        """What is watched."""
        return {"survey_number": self.survey_number, "session_type": self.session_type}

    @property
    def scope(self) -> Scope:
        """Which sessions count; a survey's number stands where other vendors' sessions have a group."""
        return Scope(self.survey_number)

    async def question(self) -> Question[Any]:
        """Make the question."""
        from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook

        trigger, condition = MiratsQuantoUserSessionTrigger, SessionCondition(**self.subject)
        return ask_through(MiratsQuantoHook(self.conn_id), trigger.subject(condition), lambda: trigger.reading(condition))
