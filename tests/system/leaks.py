"""Looks for a secret in everything that an Airflow keeps or tells: its files, its metadata database and its API's answers."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import chain

from cryptography.fernet import Fernet
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from tests.system.airflow_client import AirflowClient
from tests.system.airflow_instance import METADATA, RunningAirflow

TEXT_TYPES = ("text", "character varying", "character", "json", "jsonb", "bytea", "ARRAY", "USER-DEFINED")
COLUMNS = """
    SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND data_type = ANY(%s)
    ORDER BY table_schema, table_name, ordinal_position
"""


def spellings(secret: str) -> list[bytes]:
    """List how a secret may be written: as it is, and inside something that was encoded in base 64 (at each of three offsets)."""
    raw = secret.encode()
    # The characters at both ends also depend on what stands around the secret.
    encoded = [b64encode(b"\0" * offset + raw)[4 if offset else 0 : -4] for offset in range(3)]
    return [raw, *encoded]


def find_in_files(airflow: RunningAirflow, secrets: Iterable[str], *, ignore: bytes | None = None) -> list[str]:
    """Name the lines of files under Airflow's home that hold a secret.

    Args:
        airflow: Whose home.
        secrets: What to look for.
        ignore: A regular expression of lines that may hold one.
    """
    needles = list(chain.from_iterable(map(spellings, secrets)))
    found = []
    for path in sorted(airflow.home.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if any(needle in line for needle in needles) and not (ignore and re.search(ignore, line)):
                found.append(f"{path.relative_to(airflow.home)}:{number}: {line[:2000]!r}")
    return found


def find_in_database(airflow: RunningAirflow, secrets: Iterable[str]) -> list[str]:
    """Name the columns of the metadata database that hold a secret; what Airflow encrypts is none, so nothing is left out."""
    needles = list(chain.from_iterable(map(spellings, secrets)))
    connection = airflow.postgres.connect(METADATA)
    try:
        return list(_columns_with(connection, needles))
    finally:
        connection.close()


def _columns_with(connection: Connection, needles: list[bytes]) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, (list(TEXT_TYPES),))
        for schema, table, column, data_type in cursor.fetchall():
            value = sql.Identifier(column)
            if data_type != "bytea":
                value = sql.SQL("convert_to({}::text, 'UTF8')").format(value)
            query = sql.SQL("SELECT count(*) FROM {} WHERE position(%s::bytea IN {}) > 0").format(sql.Identifier(schema, table), value)
            for needle in needles:
                cursor.execute(query, (needle,))
                (count,) = cursor.fetchone() or (0,)
                if count:
                    yield f"{table}.{column} holds {needle!r} in {count} rows"


def read_triggers(airflow: RunningAirflow) -> list[str]:
    """Return the arguments of all triggers there are, decrypted where Airflow encrypted them."""
    fernet = Fernet(airflow.environment["AIRFLOW__CORE__FERNET_KEY"])
    connection = airflow.postgres.connect(METADATA)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT kwargs FROM trigger")
            stored = [text for (text,) in cursor.fetchall()]
        return [text if text.startswith("{") else fernet.decrypt(text.encode()).decode() for text in stored]
    finally:
        connection.close()


def find_in_answers(client: AirflowClient, secrets: Iterable[str]) -> Iterator[str]:
    """Name the answers of the API, about everything that ran, that hold a secret, one after the other."""
    needles = list(chain.from_iterable(map(spellings, secrets)))
    for path in _paths(client):
        answer = client.text(path).encode()
        yield from (f"GET {path} holds {needle!r}" for needle in needles if needle in answer)


def _paths(client: AirflowClient) -> Iterator[str]:
    yield from ("/api/v2/connections?limit=100", "/api/v2/variables?limit=100", "/api/v2/eventLogs?limit=100", "/api/v2/importErrors")
    yield from ("/api/v2/providers?limit=200", "/api/v2/plugins", "/ui/connections/hook_meta", "/ui/config")
    for connection in client.call("GET", "/api/v2/connections", params={"limit": 100})["connections"]:
        yield f"/api/v2/connections/{connection['connection_id']}"
    for dag in client.dags():
        runs = f"/api/v2/dags/{dag['dag_id']}/dagRuns"
        yield from (f"/api/v2/dags/{dag['dag_id']}/details", f"/api/v2/dags/{dag['dag_id']}/tasks", f"{runs}?limit=100")
        for run in client.call("GET", runs, params={"limit": 100})["dag_runs"]:
            instances = f"{runs}/{run['dag_run_id']}/taskInstances"
            yield f"{instances}?limit=100"
            for instance in client.task_instances(dag["dag_id"], run["dag_run_id"]):
                one, index = f"{instances}/{instance['task_id']}", instance["map_index"]
                itself, which = (one, "") if index < 0 else (f"{one}/{index}", f"map_index={index}")
                yield from (itself, f"{itself}/tries", f"{one}/links?{which}", f"{one}/xcomEntries?{which}")
                for entry in client.call("GET", f"{one}/xcomEntries?{which}")["xcom_entries"]:
                    yield f"{one}/xcomEntries/{entry['key']}?{which}"
                for attempt in range(1, instance["try_number"] + 1):
                    yield f"{one}/logs/{attempt}?full_content=true&{which}"
