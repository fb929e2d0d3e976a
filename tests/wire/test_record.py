from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider.engagement.wire.record import Record, each, moment, reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel(Record):
    id: str
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Car(Record):
    id: str
    built_at: datetime | None = reads(moment)
    wheels: list[Wheel] | None = reads(each(Wheel.read))


def test_known_fields_are_typed_and_everything_is_kept() -> None:
    raw = {"id": "1", "built_at": "2022-10-17T12:34:56.000+00:00", "wheels": [{"id": "w", "size": 17}], "colour": "red"}
    car = Car.read(raw)
    assert car.built_at == datetime(2022, 10, 17, 12, 34, 56, tzinfo=UTC)
    assert car.wheels == [Wheel(raw={}, id="w", size=17)]
    assert car.extra == {"colour": "red"}
    assert car.raw is raw
    assert "colour" not in repr(car)


def test_absent_and_null_fields_are_none() -> None:
    assert Car.read({"id": "1", "built_at": None}) == Car(raw={}, id="1")


@pytest.mark.parametrize("raw", [None, [], "text", 5])
def test_what_is_no_object_is_a_type_error(raw: Any) -> None:
    with pytest.raises(TypeError, match="expected an object"):
        Car.read(raw)


def test_a_missing_id_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        Car.read({})


@pytest.mark.parametrize("text", ["2022-10-17T23:45:67Z", "yesterday", 5, None])
def test_an_impossible_moment_is_none(text: Any) -> None:
    assert moment(text) is None
