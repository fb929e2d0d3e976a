"""The connection form: what it asks for is what the hook reads."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider.engagement.connection import ConnectionFields
from airflow_provider.engagement.provider_info import get_provider_info
from airflow_provider.engagement.usertour import api
from airflow_provider.engagement.usertour.hooks import UsertourHook

INFO: Any = get_provider_info()
(FORM,) = (entry for entry in INFO["connection-types"] if entry["connection-type"] == "usertour")


def test_the_form_belongs_to_the_hook() -> None:
    assert FORM["hook-class-name"] == f"{UsertourHook.__module__}.{UsertourHook.__qualname__}"
    assert FORM["hook-name"] == UsertourHook.hook_name
    assert api.BASE_URL in FORM["ui-field-behaviour"]["placeholders"]["host"]


def test_the_form_has_a_field_for_every_extra() -> None:
    assert set(FORM["conn-fields"]) == {
        "api_version",
        "project_id",
        "environment_id",
        "requests_per_minute",
        "timeout",
        "concurrency",
        "verify",
        "proxies",
        "allow_http",
        "webhook_secret",
    }
    pattern = FORM["conn-fields"]["api_version"]["schema"]["pattern"]
    assert all(re.fullmatch(pattern, version) for version in api.ENDPOINTS)


def test_defaults_the_form_shows_are_those_of_the_hook() -> None:
    shown = {name: field["schema"]["default"] for name, field in FORM["conn-fields"].items() if "default" in field["schema"]}
    bare = UsertourHook().make_config(ConnectionFields("c", password="ak_1"))
    filled = UsertourHook().make_config(ConnectionFields("c", password="ak_1", extras=shown))
    assert filled == bare
    assert bare.base_url == api.BASE_URL


def test_every_extra_may_be_empty() -> None:
    extras = dict.fromkeys(FORM["conn-fields"], "")
    assert UsertourHook().make_config(ConnectionFields("c", password="ak_1", extras=extras)).timeout == 30.0
