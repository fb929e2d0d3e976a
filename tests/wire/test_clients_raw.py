"""Answers that are read as bytes, for readers that decode only what they need: in both clients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider.engagement.emulator.server import EmulatorServer
from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.wire.errors import BadAnswer, NotFound
from tests.wire.drivers import Driver


def refuse(_body: bytes) -> Any:
    raise ValueError("not what was promised")


def test_the_reader_gets_the_bytes_as_they_came(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.userflow.seed({"users": [{"id": "ann"}]})
    got: Any = driver.send(replace(api.GET_USER, read=lambda body: body, raw=True).call(user_id="ann"))
    assert isinstance(got, bytes)
    assert b'"id":"ann"' in got.replace(b" ", b"")


def test_errors_are_the_same(driver: Driver, engagement_emulator: EmulatorServer) -> None:
    engagement_emulator.userflow.seed({"users": [{"id": "ann"}]})
    with pytest.raises(BadAnswer, match="not what was promised: ValueError"):
        driver.send(replace(api.GET_USER, read=refuse, raw=True).call(user_id="ann"))
    with pytest.raises(NotFound):
        driver.send(replace(api.GET_USER, read=refuse, raw=True).call(user_id="bob"))
