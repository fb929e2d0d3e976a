"""A Userflow account for tests: the served emulator, a connection to it, and people who do as they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.emulator.state import timestamp
from airflow_provider.engagement.userflow.hooks import UserflowHook
from airflow_provider.engagement.wire.config import ClientConfig, Patience

QUESTIONS = [{"cvid": "feedback", "name": "Feedback", "type": "text"}, {"cvid": "score", "name": "Score", "type": "nps"}]


class Account:
    """What a test needs of an account."""

    key = "ak_test"

    def __init__(self, server: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        self._monkeypatch = monkeypatch
        self.connect()
        server.userflow.seed({"content": [{"id": "flow", "questions": QUESTIONS}, {"id": "other", "type": "checklist"}]})

    @property
    def hook(self) -> UserflowHook:
        """A hook on the connection `userflow_default`."""
        return UserflowHook()

    def connect(self, **fields: Any) -> None:
        """Make the connection `userflow_default`."""
        connection = {"conn_type": "userflow", "host": self.server.base_url, "password": self.key, **fields}
        self._monkeypatch.setenv("AIRFLOW_CONN_USERFLOW_DEFAULT", json.dumps(connection))

    def patience_is_short(self) -> None:
        """Let calls give up soon, so that a test of failures need not wait."""
        original = UserflowHook.make_config

        def make_config(hook: UserflowHook, fields: Any) -> ClientConfig:
            config = original(hook, fields)
            return ClientConfig(config.base_url, config.dialect, config.headers, patience=Patience(attempts=2, first_wait=0.01))

        self._monkeypatch.setattr(UserflowHook, "make_config", make_config)

    def begin(self, content_id: str, *user_ids: str) -> None:
        """Let users begin a flow."""
        self._put(content_id, user_ids, progress="0.4")

    def complete(self, content_id: str, *user_ids: str) -> None:
        """Let users complete a flow, those who began it and those who did not."""
        answers = {"feedback": "Fine"} if content_id == "flow" else {}
        self._put(content_id, user_ids, completed_at=timestamp(self.server.clock.now()), answers=answers)

    def _put(self, content_id: str, user_ids: tuple[str, ...], **state: Any) -> None:
        with self.server.emulation.store.lock:
            for user_id in user_ids:
                session_id = f"{content_id}-{user_id}"
                known = self.server.userflow.objects.sessions.get(session_id)
                kept = {} if known is None else {"created_at": known["created_at"]}
                session = {"id": session_id, "content_id": content_id, "user_id": user_id, **kept, **state}
                self.server.userflow.seed({"users": [{"id": user_id}], "content_sessions": [session]})
