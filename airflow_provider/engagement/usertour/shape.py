"""The words of Usertour's API, for mappings of columns."""

from __future__ import annotations

from typing import Any

from airflow_provider.engagement.bulk.mapping import Shape
from airflow_provider.engagement.usertour.bodies import check_attribute_name


def shape_of(version: str) -> Shape:
    """Give the words of a version of the API; they differ in what an attribute may be called.

    Args:
        version: `v1` or `v2`.
    """

    def check_name(name: Any, what: str) -> None:
        check_attribute_name(name, version, what)

    return Shape(
        vendor="Usertour",
        group="company",
        groups="companies",
        user_id="userId",
        group_id="companyId",
        time="occurredAt",
        check_name=check_name,
    )
