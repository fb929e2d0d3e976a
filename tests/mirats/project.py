"""A Mirats Quanto project for tests: the served emulator, a connection to it, and sessions as told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.emulator.state import Document
from airflow_provider.engagement.mirats.emulator_people import zulu
from airflow_provider.engagement.mirats.hooks import MiratsQuantoHook
from airflow_provider.engagement.wire.config import ClientConfig, Patience

SURVEY = 17633744316785364
"""Above 2^53, as the real ones are."""
SALT = "a salt that is long enough"
PATH = "/api/v1/publisher"


class Project:
    """What a test needs of a project."""

    def __init__(self, server: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        self._monkeypatch = monkeypatch
        self.connect()
        server.mirats.seed({"surveys": [{"number": SURVEY}]})

    @property
    def hook(self) -> MiratsQuantoHook:
        """A hook on the connection `mirats_quanto_default`."""
        return MiratsQuantoHook()

    def connect(self, extra: dict[str, Any] | None = None, **fields: Any) -> None:
        """Make the connection `mirats_quanto_default`."""
        extras = {"web_api_key": "web_test", "ip_salt_secret": SALT, **(extra or {})}
        connection = {"conn_type": "mirats_quanto", "host": self.server.base_url, "password": "secret_test", **fields}
        self._monkeypatch.setenv("AIRFLOW_CONN_MIRATS_QUANTO_DEFAULT", json.dumps({**connection, "extra": extras}))

    def patience_is_short(self) -> None:
        """Let calls give up soon, so that a test of failures need not wait."""
        original = MiratsQuantoHook.make_config

        def make_config(hook: MiratsQuantoHook, fields: Any) -> ClientConfig:
            return replace(original(hook, fields), patience=Patience(attempts=2, first_wait=0.01))

        self._monkeypatch.setattr(MiratsQuantoHook, "make_config", make_config)

    def session(self, rid: str, at: datetime | None = None, **told: Any) -> Document:
        """Put in a session that began at a moment, now by default."""
        when = {} if at is None else {"startTime": zulu(at)}
        with self.server.emulation.store.lock:
            return self.server.mirats.seed({"sessions": [{"rid": rid, "surveyNumber": SURVEY, **when, **told}]})["sessions"][0]

    def asked(self) -> int:
        """How many requests came for user sessions."""
        return len(self.server.requests("POST", f"{PATH}/user-sessions"))
