"""Text and other values of a source as the data type an attribute is to have."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from airflow_provider.engagement.bulk.data_types import DATA_TYPES, as_data_type, is_missing


class Scalar:
    """What numpy's scalars look like from outside."""

    ndim = 0

    def __init__(self, value: Any) -> None:
        self._value = value

    def item(self) -> Any:
        return self._value

    def __ne__(self, other: object) -> bool:
        return bool(self._value != other._value) if isinstance(other, Scalar) else True

    __hash__ = None  # type: ignore[assignment]


NaT = type("NaTType", (), {})()
NA = type("NAType", (), {"__ne__": lambda self, other: self})()


@pytest.mark.parametrize(
    ("value", "data_type", "expected"),
    [
        ("12", "number", 12),
        (" -7 ", "number", -7),
        ("1.50", "number", Decimal("1.50")),
        (".5", "number", Decimal("0.5")),
        ("1e3", "number", Decimal(1000)),
        ("90071992547409930000001", "number", 90071992547409930000001),
        (3.5, "number", 3.5),
        (Decimal(2), "number", Decimal(2)),
        (Scalar(4), "number", 4),
        ("true", "boolean", True),
        ("F", "boolean", False),
        ("Yes", "boolean", True),
        ("0", "boolean", False),
        (1, "boolean", True),
        (False, "boolean", False),
        ("2026-01-02", "datetime", date(2026, 1, 2)),
        ("2026-01-02T03:04:05Z", "datetime", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (date(2026, 1, 2), "datetime", date(2026, 1, 2)),
        ('["a", "b"]', "list", ["a", "b"]),
        (["a"], "list", ["a"]),
        (("a",), "list", ("a",)),
        (12345678, "string", "12345678"),
        (12345678.0, "string", "12345678"),
        (1.5, "string", "1.5"),
        (True, "string", "true"),
        (Decimal("1.20"), "string", "1.20"),
        (UUID(int=1), "string", "00000000-0000-0000-0000-000000000001"),
        ("", "string", ""),
        (date(2026, 1, 2), "string", date(2026, 1, 2)),
    ],
)
def test_what_is_no_guess(value: Any, data_type: str, expected: Any) -> None:
    made = as_data_type(value, data_type, "column 'x'")
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    ("value", "data_type", "said"),
    [
        ("12,5", "number", "text that is no number"),
        ("1_000", "number", "text that is no number"),
        ("inf", "number", "text that is no number"),
        ("٣", "number", "text that is no number"),
        ("9" * 1001, "number", "text that is no number"),
        ("", "number", "empty text"),
        (" ", "boolean", "empty_as_null=True"),
        (True, "number", "type bool"),
        (2, "boolean", "type int"),
        ("on", "boolean", "text that is no boolean"),
        (1767225600, "datetime", "type int"),
        ("yesterday", "datetime", "text that is no ISO 8601"),
        ("a,b", "list", "text that is no JSON array"),
        ('{"a": 1}', "list", "text that is no JSON array"),
        ("[1", "list", "text that is no JSON array"),
        (7, "list", "type int"),
        (b"x", "string", "type bytes"),
        ({}, "number", "type dict"),
    ],
)
def test_a_guess_is_refused_and_the_value_not_shown(value: Any, data_type: str, said: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        as_data_type(value, data_type, "column 'x'")
    assert said in str(caught.value)
    assert "column 'x'" in str(caught.value)
    assert "yesterday" not in str(caught.value)


@pytest.mark.parametrize("value", [None, float("nan"), Decimal("nan"), Decimal("sNaN"), NaT, NA, Scalar(float("nan"))])
def test_missing_stays_missing_in_every_type(value: Any) -> None:
    assert is_missing(value)
    assert [as_data_type(value, data_type, "x") for data_type in DATA_TYPES] == [None] * len(DATA_TYPES)


@pytest.mark.parametrize("value", ["", 0, False, "nan", [], float("inf"), Decimal("inf"), datetime(2026, 1, 1, tzinfo=UTC), Scalar(0)])
def test_what_is_not_missing(value: Any) -> None:
    assert not is_missing(value)
