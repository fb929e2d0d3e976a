"""The words of Userflow's API, for mappings of columns."""

from __future__ import annotations

from typing import Final

from airflow_provider.engagement.bulk.mapping import Shape
from airflow_provider.engagement.userflow.attributes import OPERATIONS, check_name

SHAPE: Final = Shape(
    vendor="Userflow",
    group="group",
    groups="groups",
    user_id="user_id",
    group_id="group_id",
    time="time",
    check_name=check_name,
    operations=OPERATIONS,
    typed=True,
    group_events=True,
)
