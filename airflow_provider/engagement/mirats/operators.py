"""Mirats Quanto's operators."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider.engagement.base import failing_fast

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook


class MiratsQuantoSurveyLinkOperator(BaseOperator):
    """Make the links by which people enter a survey (https://docs.publisher.miratsquanto.com/api-reference/endpoint/generate-link).

    Args:
        survey_number: the survey: an integer, a text of digits (whose template may render it), or an upstream task's output.
        mirats_quanto_conn_id: id of a connection of type `mirats_quanto`.
        **kwargs: as for every operator.

    Returns:
        `live_link`, `test_link`, and `survey_number` as text: it may exceed what a browser's numbers can hold.

    Raises:
        AirflowFailException: no such survey, a wrong key, or an unusable number.
        ApiError: a temporary failure.
    """

    template_fields: Sequence[str] = ("survey_number", "mirats_quanto_conn_id")
    ui_color = "#e3f2fd"

    def __init__(self, *, survey_number: int | str | XComArg, mirats_quanto_conn_id: str = "mirats_quanto_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.survey_number = survey_number
        self.mirats_quanto_conn_id = mirats_quanto_conn_id

    @cached_property
    def hook(self) -> MiratsQuantoHook:
        """The hook."""
        from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook

        return MiratsQuantoHook(self.mirats_quanto_conn_id)

    def execute(self, context: Context) -> dict[str, str]:
        """Ask for the links."""
        from airflow_provider.engagement.mirats.bodies import survey_path_number

        with failing_fast():
            number = survey_path_number(self.survey_number)
            link = self.hook.get_survey_link(number)
        return {"survey_number": number, "live_link": link.live_link, "test_link": link.test_link}
