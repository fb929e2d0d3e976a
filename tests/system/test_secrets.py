"""The whole flow has run, at the log level DEBUG, with keys and secrets that are found nowhere else: now they are looked for.

The tests of this file run after all others (see `conftest.py`), so that whatever any of them did is searched.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.airflow_client import AirflowClient
from tests.system.airflow_instance import METADATA, RunningAirflow
from tests.system.leaks import find_in_answers, find_in_database, find_in_files, read_triggers

if TYPE_CHECKING:
    from airflow_provider.engagement.emulator.server import EmulatorServer
    from tests.system.conftest import Marked

DAG_ID = "handles_secrets"
PLANTED = "planted_where_it_must_be_found_8d1f"
AIRFLOW_SETS_A_VARIABLE = rb"Received message from task runner.*msg=PutVariable\(key='userflow_webhook_secret'"
"""At DEBUG, Airflow's supervisor logs each message of a task as it is, also the one that sets a Variable, whatever its name."""
EXPECTED_STATES = {
    "subscribe": "success",
    "shows_objects": "success",
    "prints_secrets": "success",
    "refused_key": "failed",
    "refused_key_rows": "failed",
    "refused_key_deferred": "failed",
    "refused_port": "failed",
    "plain_http": "failed",
}


@pytest.fixture(scope="module")
def run_id(client: AirflowClient) -> str:
    """A run that does everything that could show a secret."""
    client.wait_for_dag(DAG_ID, 60)
    client.unpause(DAG_ID)
    run_id = client.trigger(DAG_ID)
    client.wait_for_run(DAG_ID, run_id, seconds=120)
    assert client.states(DAG_ID, run_id) == EXPECTED_STATES
    return run_id


@pytest.fixture(scope="module")
def secrets(run_id: str, marked: Marked, emulator: EmulatorServer) -> list[str]:
    """Everything that must not be seen: keys, what else the connections hold, and the secret that Userflow made."""
    made = [subscription["secret"] for subscription in emulator.userflow.objects.subscriptions.values()]
    assert len(made) == 1
    return [marked.api_key, marked.wrong_key, marked.webhook_secret, marked.web_api_key, marked.ip_salt, marked.token, *made]


@pytest.fixture
def planted(airflow: RunningAirflow) -> Iterator[str]:
    """A text in a file, a text column, a JSON column and a binary column, there also inside of something in base 64."""
    file = airflow.home / "logs" / "planted.log"
    file.write_bytes(b"before " + b64encode(f"Bearer {PLANTED} after".encode()))
    connection = airflow.postgres.connect(METADATA)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE planted (plain text, document json, binary_value bytea)")
        cursor.execute("INSERT INTO planted VALUES (%s, %s, %s)", (PLANTED, f'{{"a": ["{PLANTED}"]}}', b"\0" + PLANTED.encode() + b"\xff"))
    yield PLANTED
    with connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE planted")
    connection.close()
    file.unlink()


def test_the_search_finds_what_is_there(airflow: RunningAirflow, client: AirflowClient, run_id: str, planted: str) -> None:
    assert len(find_in_files(airflow, [planted])) == 1
    assert {line.split()[0] for line in find_in_database(airflow, [planted])} == {
        "planted.plain",
        "planted.document",
        "planted.binary_value",
    }
    assert any(find_in_answers(client, [run_id]))  # any text that is certainly told


def test_a_task_log_masks_the_secrets_of_the_connection(client: AirflowClient, run_id: str, marked: Marked) -> None:
    log = client.log(DAG_ID, run_id, "prints_secrets")
    assert "password ***" in log
    assert "extra ***" in log
    assert marked.printed not in log
    assert marked.printed[::-1] not in log


def test_logs_and_all_other_files_hold_no_secret(airflow: RunningAirflow, secrets: list[str]) -> None:
    assert "[debug" in (airflow.logs / "scheduler.log").read_text()
    assert find_in_files(airflow, secrets, ignore=AIRFLOW_SETS_A_VARIABLE) == []


def test_of_the_ignored_lines_none_holds_a_secret_of_the_connection(airflow: RunningAirflow, marked: Marked) -> None:
    assert (
        find_in_files(airflow, [marked.api_key, marked.wrong_key, marked.webhook_secret, marked.web_api_key, marked.ip_salt, marked.token])
        == []
    )


def test_the_database_holds_no_secret(airflow: RunningAirflow, secrets: list[str]) -> None:
    assert find_in_database(airflow, secrets) == []


def test_a_waiting_trigger_holds_no_secret(
    airflow: RunningAirflow, emulator: EmulatorServer, client: AirflowClient, secrets: list[str]
) -> None:
    flow, person = "flow-of-the-trigger", "person-of-the-trigger"
    emulator.userflow.seed({"users": [{"id": person}], "content": [{"id": flow}]})
    client.unpause("sensors_in_time")
    run_id = client.trigger("sensors_in_time", conf={"content_id": flow})
    client.wait_for_states("sensors_in_time", run_id, {"deferred": "deferred"}, seconds=60)
    triggers = read_triggers(airflow)
    assert [trigger for trigger in triggers if flow in trigger]
    assert not [secret for secret in secrets if secret in str(triggers)]
    assert find_in_database(airflow, secrets) == []
    emulator.userflow.walk({"content_id": flow, "users": [person], "seconds_per_step": 0})
    assert client.wait_for_run("sensors_in_time", run_id, seconds=60) == "success"


def test_no_answer_of_the_api_holds_a_secret(client: AirflowClient, secrets: list[str]) -> None:
    assert list(find_in_answers(client, secrets)) == []


def test_xcoms_and_rendered_fields_hold_no_secret(client: AirflowClient, run_id: str, secrets: list[str]) -> None:
    for instance in client.task_instances(DAG_ID, run_id):
        rendered: dict[str, Any] = instance["rendered_fields"]
        assert not [secret for secret in secrets if secret in str(rendered)]
    assert client.xcom(DAG_ID, run_id, "subscribe") not in secrets
