"""A Usertour account for tests: the served emulator, and connections to it for both versions of the API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.usertour.hooks import UsertourHook
from airflow_provider.engagement.wire.config import ClientConfig, Patience

QUESTIONS = [
    {"cvid": "score", "name": "Score", "type": "nps"},
    {"cvid": "parts", "name": "Parts", "type": "multiple-choice"},
    {"cvid": "why", "name": "Why?", "type": "multi-line-text"},
]
ANSWERS = {"score": 9, "parts": ["docs", "ui"], "why": "Fine"}
FIELDS: dict[str, dict[str, Any]] = {
    "v1": {"password": "ak_test"},
    "v2": {"password": "utp_test", "extra": {"project_id": "p_test", "environment_id": "e_test"}},
}


class Account:
    """What a test needs of an account."""

    def __init__(self, server: EmulatorServer, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
        self.server = server
        self.version = version
        self._monkeypatch = monkeypatch
        self.connect()
        server.usertour.seed({"content": [{"id": "flow", "questions": QUESTIONS}, {"id": "other", "type": "checklist"}]})

    @property
    def hook(self) -> UsertourHook:
        """A hook on the connection `usertour_default`."""
        return UsertourHook()

    def connect(self, **fields: Any) -> None:
        """Make the connection `usertour_default`."""
        connection = {"conn_type": "usertour", "host": self.server.base_url, **FIELDS[self.version], **fields}
        self._monkeypatch.setenv("AIRFLOW_CONN_USERTOUR_DEFAULT", json.dumps(connection))

    def patience_is_short(self) -> None:
        """Let calls give up soon, so that a test of failures need not wait."""
        original = UsertourHook.make_config

        def make_config(hook: UsertourHook, fields: Any) -> ClientConfig:
            config = original(hook, fields)
            return ClientConfig(config.base_url, config.dialect, config.headers, patience=Patience(attempts=2, first_wait=0.01))

        self._monkeypatch.setattr(UsertourHook, "make_config", make_config)

    def begin(self, content_id: str, *user_ids: str, **told: Any) -> None:
        """Let users begin a flow."""
        self._put(content_id, user_ids, progress=40, **told)

    def dismiss(self, content_id: str, *user_ids: str, **told: Any) -> None:
        """Let users dismiss a flow half-way: ended, not completed."""
        self._put(content_id, user_ids, progress=66, endedAt=self._now(), **told)

    def complete(self, content_id: str, *user_ids: str, **told: Any) -> None:
        """Let users complete a flow."""
        answers = ANSWERS if content_id == "flow" else {}
        self._put(content_id, user_ids, progress=100, completedAt=self._now(), answers=answers, **told)

    def _now(self) -> str:
        return self.server.clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def _put(self, content_id: str, user_ids: tuple[str, ...], **told: Any) -> None:
        with self.server.emulation.store.lock:
            for user_id in user_ids:
                session_id = f"{content_id}-{user_id}"
                if self.server.usertour.objects.holder("user", "e_test", user_id) is None:
                    self.server.usertour.seed({"users": [{"id": user_id}]})
                known = self.server.usertour.objects.sessions.get(session_id)
                if known is not None:
                    told = {"createdAt": known["created_at"], **told}
                self.server.usertour.seed({"content_sessions": [{"id": session_id, "contentId": content_id, "userId": user_id, **told}]})
