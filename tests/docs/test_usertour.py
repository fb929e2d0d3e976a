"""The code of docs/how-to/usertour.md."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.usertour.webhook import sign

SESSION = {"contentId": "cm9f6vw", "userId": "42", "createdAt": "2026-03-01T10:00:00.000Z"}


# [start connection]
@pytest.fixture(params=["v1", "v2"])
def usertour(request: pytest.FixtureRequest, engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """An empty Usertour, behind the connection `usertour_default`; every test runs against both versions."""
    fields: dict[str, Any] = {"password": "ak_test"}
    if request.param == "v2":
        fields = {"password": "utp_test", "extra": {"project_id": "p_test", "environment_id": "e_test"}}
    connection = {"conn_type": "usertour", "host": engagement_emulator.base_url, **fields}
    monkeypatch.setenv("AIRFLOW_CONN_USERTOUR_DEFAULT", json.dumps(connection))
    return engagement_emulator


# [end connection]


def test_push(usertour: EmulatorServer) -> None:
    # [start push]
    from airflow_provider.engagement.usertour.operators import UsertourUpsertUsersOperator

    push = UsertourUpsertUsersOperator(
        task_id="push_users",
        rows=[
            {
                "id": "42",
                "attributes": {"name": "Ada", "signed_up_at": "2026-03-01T09:30:00Z", "trial": True, "tags": ["beta"]},
                "memberships": [{"company": {"id": "acme", "attributes": {"plan": "pro"}}, "attributes": {"role": "admin"}}],
            },
            {"id": "43", "attributes": {"name": "Bob", "trial": None}, "companies": [{"id": "acme"}]},
        ],
    )
    # [end push]
    assert push.execute({})["sent"] == 2
    with pytest.raises(AirflowFailException, match="row 0"):
        UsertourUpsertUsersOperator(task_id="again", rows=[{"id": "44", "attributes": {"trial": "yes"}}]).execute({})


def test_wait(usertour: EmulatorServer) -> None:
    usertour.usertour.seed({"users": [{"id": "42"}], "content": [{"id": "cm9f6vw"}]})
    usertour.usertour.seed({"content_sessions": [{**SESSION, "endedAt": "2026-03-01T10:05:00.000Z", "progress": 66}]})
    # [start wait]
    from airflow_provider.engagement.usertour.sensors import UsertourContentSessionSensor

    wait = UsertourContentSessionSensor(task_id="wait", content_id="cm9f6vw", user_ids=["42"], deferrable=True, poke_interval=60)
    # [end wait]
    assert not wait.poke({})
    usertour.usertour.seed({"content_sessions": [{**SESSION, "completedAt": "2026-03-01T10:05:00.000Z"}]})
    assert wait.poke({})


def test_hook(usertour: EmulatorServer) -> None:
    usertour.usertour.seed({"users": [{"id": "42"}], "content": [{"id": "cm9f6vw"}]})
    usertour.usertour.seed({"content_sessions": [{**SESSION, "endedAt": "2026-03-01T10:05:00.000Z", "progress": 66}]})
    # [start hook]
    from airflow_provider.engagement.usertour.hooks import UsertourHook

    hook = UsertourHook()
    for session in hook.list_content_sessions(content_id="cm9f6vw", expand=["answers", "user"], order_by="-createdAt"):
        print(session.user_id, session.progress, session.finished, session.answers)
    # [end hook]
    assert (session.user_id, str(session.progress), session.ended, session.finished) == ("42", "0.66", True, False)


def test_export(usertour: EmulatorServer, tmp_path: Path) -> None:
    usertour.usertour.seed({"users": [{"id": "42"}], "content": [{"id": "cm9f6vw"}]})
    usertour.usertour.seed({"content_sessions": [SESSION]})
    # [start export]
    from airflow_provider.engagement.usertour.transfers import UsertourToObjectStorageOperator

    export = UsertourToObjectStorageOperator(task_id="export", path="s3://analytics/usertour")
    # [end export]
    export.path = str(tmp_path)
    said = export.execute({"data_interval_start": datetime(2026, 3, 1, tzinfo=UTC), "data_interval_end": datetime(2026, 3, 2, tzinfo=UTC)})
    assert said["sessions"] == 1


def test_webhook(engagement_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"project_id": "p_test", "environment_id": "e_test"}
    connection = {"conn_type": "usertour", "host": engagement_emulator.base_url, "password": "utp_test", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_USERTOUR_DEFAULT", json.dumps(connection))
    variables: dict[str, str] = {}
    monkeypatch.setattr(Variable, "set", lambda key, value, description=None: variables.update({key: value}))
    # [start webhook]
    from airflow_provider.engagement.usertour.operators import UsertourCreateWebhookSubscriptionOperator

    create = UsertourCreateWebhookSubscriptionOperator(
        task_id="create_webhook",
        url="https://hooks.example.com/usertour",
        topics=["user", "event.tracked.flow_completed"],
        secret_variable="usertour_webhook_secret",
    )
    # [end webhook]
    create.execute({})
    body = b'{"id": "whmsg_1", "object": "webhookMessage", "type": "user.created", "data": {"user": {"id": "42"}}}'
    secret = variables["usertour_webhook_secret"]
    moment = int(datetime.now(UTC).timestamp())

    class Incoming:
        def __init__(self, headers: dict[str, str], body: bytes) -> None:
            self.headers, self.body = headers, body

    request = Incoming({"X-Usertour-Signature": sign(secret, body, moment)}, body)
    # [start verify]
    from airflow_provider.engagement.usertour.webhook import read_notification, verify

    verify(request.body, request.headers.get("X-Usertour-Signature"), secret)
    message = read_notification(request.body)
    print(message.id, message.topic, message.object)
    # [end verify]
    assert message.topic == "user.created"
