"""What Airflow's UI is told about the provider and its connection, and what the *Test* button says."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.airflow_client import AirflowClient, ApiFailed
from tests.system.airflow_instance import RunningAirflow, free_port
from tests.system.connections import mirats_connection, userflow_connection, usertour_connection

if TYPE_CHECKING:
    from airflow_provider.engagement.emulator.server import EmulatorServer
    from tests.system.conftest import Marked


def test_airflow_knows_the_provider(client: AirflowClient) -> None:
    providers = client.call("GET", "/api/v2/providers", params={"limit": 200})["providers"]
    (provider,) = (one for one in providers if one["package_name"] == "airflow-provider-engagement")
    assert "Userflow" in provider["description"]


def test_the_form_of_a_connection(client: AirflowClient) -> None:
    forms = client.call("GET", "/ui/connections/hook_meta")
    (form,) = (one for one in forms if one["connection_type"] == "userflow")
    standard = form["standard_fields"]
    assert {name for name, field in standard.items() if field and field["hidden"]} == {"login", "url_schema"}
    assert standard["password"]["title"] == "API key"
    assert standard["host"]["title"] == "Base URL"
    assert "https://api.eu.userflow.com" in standard["host"]["placeholder"]
    extra = form["extra_fields"]
    assert set(extra) >= {"api_version", "requests_per_minute", "timeout", "webhook_secret"}
    assert extra["webhook_secret"]["schema"]["format"] == "password"
    assert extra["api_version"]["value"] == "2020-01-03"


def test_secrets_are_masked_in_answers(client: AirflowClient, marked: Marked) -> None:
    path = "/api/v2/connections/userflow_default"
    answer = client.call("GET", path)
    assert answer["password"] == "***"
    assert json.loads(answer["extra"])["webhook_secret"] == "***"
    for text in (client.text(path), client.text("/api/v2/connections?limit=100")):
        assert marked.api_key not in text
        assert marked.webhook_secret not in text


def make_connection(base_url: str, api_key: str) -> dict[str, Any]:
    return userflow_connection("tested", base_url, api_key, {"timeout": 5, "webhook_secret": "whsec_something"})


def test_a_right_connection(client: AirflowClient, emulator: EmulatorServer, marked: Marked) -> None:
    works, message = client.test_connection(make_connection(emulator.base_url, marked.api_key))
    assert works, message
    assert emulator.base_url in message


def test_the_button_in_the_list_of_connections(client: AirflowClient) -> None:
    """The UI sends what it was shown: texts for what is missing, and asterisks for the stored key."""
    shown = client.call("GET", "/api/v2/connections/userflow_default")
    del shown["team_name"]
    works, message = client.test_connection({**shown, "description": "", "login": "", "schema": "", "port": int(shown["port"] or 0)})
    assert works, message


def test_a_wrong_key_is_named_as_such(client: AirflowClient, emulator: EmulatorServer, marked: Marked) -> None:
    works, message = client.test_connection(make_connection(emulator.base_url, marked.wrong_key))
    assert not works
    assert message.startswith("Wrong key")
    assert marked.wrong_key not in message


VENDORS = ("usertour_v1", "usertour_v2", "mirats_quanto_default")


def vendor_connection(name: str, emulator: EmulatorServer, marked: Marked) -> dict[str, Any]:
    """Make the connection to another vendor that the tests' DAGs use."""
    if name == "mirats_quanto_default":
        extra = {"web_api_key": marked.web_api_key, "ip_salt_secret": marked.ip_salt}
        return mirats_connection(name, emulator.base_url, marked.api_key, extra)
    place = {"project_id": "p_test", "environment_id": "e_test"} if name == "usertour_v2" else {}
    return usertour_connection(name, emulator.base_url, marked.token if place else marked.api_key, place)


@pytest.mark.parametrize("name", VENDORS)
def test_a_right_connection_to_each_other_vendor(client: AirflowClient, emulator: EmulatorServer, marked: Marked, name: str) -> None:
    works, message = client.test_connection(vendor_connection(name, emulator, marked))
    assert works, message


@pytest.mark.parametrize("name", VENDORS)
def test_a_wrong_key_of_each_other_vendor(client: AirflowClient, emulator: EmulatorServer, marked: Marked, name: str) -> None:
    connection = vendor_connection(name, emulator, marked)
    wrong = "utp_" + marked.wrong_key if name == "usertour_v2" else marked.wrong_key
    works, message = client.test_connection(connection | {"password": wrong})
    assert not works
    assert message.startswith("Wrong key"), message
    assert wrong not in message


@pytest.mark.parametrize(
    ("name", "secret_fields"),
    [("usertour_v2", {"webhook_secret"}), ("mirats_quanto_default", {"web_api_key", "ip_salt_secret"})],
)
def test_the_forms_and_answers_of_each_other_vendor(client: AirflowClient, marked: Marked, name: str, secret_fields: set[str]) -> None:
    kind = name.removesuffix("_v2").removesuffix("_default")
    (form,) = (one for one in client.call("GET", "/ui/connections/hook_meta") if one["connection_type"] == kind)
    extra = form["extra_fields"]
    assert {field for field, told in extra.items() if told["schema"].get("format") == "password"} - {"proxies"} == secret_fields
    shown = client.text(f"/api/v2/connections/{name}")
    for secret in (marked.api_key, marked.token, marked.web_api_key, marked.ip_salt):
        assert secret not in shown


def test_a_host_that_is_not_userflow(client: AirflowClient, airflow: RunningAirflow, marked: Marked) -> None:
    works, message = client.test_connection(make_connection(f"{airflow.url}/api/v2", marked.api_key))
    assert not works
    assert "wrong host" in message.lower()


def test_a_port_where_nobody_listens(client: AirflowClient, marked: Marked) -> None:
    works, message = client.test_connection(make_connection(f"http://127.0.0.1:{free_port()}", marked.api_key))
    assert not works
    assert message.startswith("No network")


def test_plain_http_to_another_machine(client: AirflowClient, marked: Marked) -> None:
    works, message = client.test_connection(make_connection("http://192.0.2.1", marked.api_key))
    assert not works
    assert "allow_http" in message


@pytest.mark.parametrize("right", [True, False])
def test_on_a_worker(client: AirflowClient, emulator: EmulatorServer, marked: Marked, right: bool) -> None:
    """The test that a worker makes, since Airflow 3.3; before, there is no such call."""
    connection = make_connection(emulator.base_url, marked.api_key if right else marked.wrong_key)
    path = "/api/v2/connections/enqueue-test"
    try:
        token = client.call("POST", path, json=connection)["token"]
    except ApiFailed as failure:
        assert failure.status in (404, 405)  # noqa: PT017 - Airflow 3.2
        return
    deadline = time.monotonic() + 60
    while (answer := client.call("GET", path, headers={"Airflow-Connection-Test-Token": token}))["state"] not in ("success", "failed"):
        assert time.monotonic() < deadline, answer
        time.sleep(0.3)
    assert answer["state"] == ("success" if right else "failed")
    assert marked.wrong_key not in answer["result_message"]
    assert right or answer["result_message"].startswith("Wrong key")
