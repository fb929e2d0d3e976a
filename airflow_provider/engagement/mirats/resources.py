"""What can be read from Mirats Quanto, and the tables it becomes; pure. The reference of columns in the docs is made from this."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider.engagement.extract.resource import Resource
from airflow_provider.engagement.extract.table import Column, Table
from airflow_provider.engagement.mirats import api

SESSIONS = Table(
    "user_sessions",
    "One person's way through one survey",
    (
        Column("rid", "text", "Mirats Quanto's id"),
        Column("survey_number", "integer", "The survey; the number may exceed 2^53"),
        Column("completed", "boolean", "The client says that the survey was completed (`client_status_code` 10)"),
        Column("client_status_code", "integer", "The client's outcome", "client_status.code"),
        Column("client_status", "text", "The client's outcome in words", "client_status.title"),
        Column("mirats_status_code", "integer", "How far the person came as Mirats Quanto sees it", "mirats_status.code"),
        Column("mirats_status", "text", "The same in words", "mirats_status.title"),
        Column("reconciliation_status", "text", "What came of it afterwards; it changes after the session"),
        Column("duration_seconds", "integer", "How long it took"),
        Column("start_time", "moment", "When it began"),
        Column("end_time", "moment", "When it ended"),
        Column("timezone", "text", "The person's time zone"),
        Column("country", "text", "The person's country, two letters"),
        Column("device", "text", "For instance `Desktop`"),
        Column("os", "text", "The operating system"),
        Column("browser", "text", "The browser"),
        Column("ip", "text", "The address, hashed, or null where it was dropped; see the operator's argument `ip`"),
    ),
    ("rid",),
)
SURVEYS = Table(
    "surveys",
    "A live survey",
    (
        Column("survey_number", "integer", "Its number; it may exceed 2^53"),
        Column("country", "text", "The country's name"),
        Column("country_code", "text", "The country, two letters"),
        Column("length_of_interview", "decimal", "Minutes"),
        Column("incidence_rate", "decimal", "Percent"),
        Column("cpi", "decimal", "What one interview costs"),
        Column("cost_per_interview", "decimal", "The same in a currency", "cost_per_interview.value"),
        Column("currency_code", "text", "That currency", "cost_per_interview.currency_code"),
        Column("revenue_per_click", "decimal", "Revenue per click"),
        Column("required_completes", "integer", "How many are wanted"),
        Column("overall_completes", "integer", "How many there are"),
        Column("created_at", "moment", "When it was created", "survey_created_date"),
        Column("updated_at", "moment", "When it was last changed", "survey_last_updated_date"),
    ),
    ("survey_number",),
)

RESOURCES: Mapping[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource(
            "user_sessions",
            f"{api.DOCS}/user-sessions",
            api.UserSession.read,
            (SESSIONS,),
            windows={"created": "start_time"},
            counts=("sessions", "completed"),
        ),
        Resource("surveys", f"{api.DOCS}/get-all-surveys", api.Survey.read, (SURVEYS,), snapshot=True, counts=("surveys",)),
    )
}
"""By name."""
