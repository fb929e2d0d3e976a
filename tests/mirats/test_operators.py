"""The survey link."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.mirats.operators import MiratsQuantoSurveyLinkOperator
from tests.mirats.project import PATH, SURVEY, Project


def run(survey_number: Any) -> dict[str, str]:
    return MiratsQuantoSurveyLinkOperator(task_id="link", survey_number=survey_number).execute({})


@pytest.mark.parametrize("number", [SURVEY, str(SURVEY)])
def test_both_links(project: Project, number: Any) -> None:
    links = run(number)
    assert links["survey_number"] == str(SURVEY)
    assert f"sn={SURVEY}&t=0" in links["live_link"]
    assert f"sn={SURVEY}&t=1" in links["test_link"]
    assert [request.path for request in project.server.requests()] == [f"{PATH}/surveys/{SURVEY}/link"]


def test_an_unknown_survey_fails_at_once(project: Project) -> None:
    with pytest.raises(AirflowFailException, match=r"NotFound: POST /surveys/5/link: .*there is no survey with the number 5"):
        run(5)
    assert len(project.server.requests()) == 1


@pytest.mark.parametrize("number", ["", None, 1.5, "{{ x }}"])
def test_an_unusable_number_fails_before_anything_is_sent(project: Project, number: Any) -> None:
    with pytest.raises(AirflowFailException, match="survey_number"):
        run(number)
    assert project.server.requests() == []
