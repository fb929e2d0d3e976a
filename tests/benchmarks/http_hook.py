"""What people do without this package: Airflow's HttpHook, one `run` for each row."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from airflow.providers.http.hooks.http import HttpHook

from airflow_provider.engagement.userflow.bodies import check_user_body
from airflow_provider.engagement.wire.message import encode_json


def post_each(base_url: str, users: Iterable[Any]) -> None:
    """Post users one by one, encoded the same way as the engine's."""
    connection = {"conn_type": "http", "host": base_url, "extra": {"Authorization": "Bearer ak_test", "Userflow-Version": "2020-01-03"}}
    os.environ["AIRFLOW_CONN_USERFLOW_HTTP"] = json.dumps(connection)
    hook = HttpHook("POST", http_conn_id="userflow_http")
    for user in users:
        hook.run("/users", encode_json(check_user_body(user)), {"Content-Type": "application/json"}).json()
