"""Arguments are checked before anything is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider.engagement.bulk.options import Options


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mode": "insert"}, "mode must be one of upsert, update_only, mirror, got 'insert'"),
        ({"mode": None}, "mode must be one of"),
        ({"delivery": "exactly_once"}, "delivery must be one of at_least_once, at_most_once, got 'exactly_once'"),
        ({"duplicates": "drop"}, "duplicates must be one of in_order, refuse, got 'drop'"),
        ({"mode": "mirror"}, "so it needs state_path"),
        ({"full_refresh": True}, "so they need state_path"),
        ({"max_state_age": timedelta(days=1)}, "so they need state_path"),
        ({"max_delete_fraction": 1.01}, "max_delete_fraction must be a part from 0 to 1, got 1.01"),
        ({"max_delete_fraction": -0.1}, "max_delete_fraction must be a part from 0 to 1"),
        ({"max_delete_fraction": float("nan")}, "max_delete_fraction must be a part from 0 to 1"),
        ({"max_rejects": -1}, "max_rejects must be a whole number of rows or a part below 1, got -1"),
        ({"max_rejects": 1.0}, "max_rejects must be a whole number of rows or a part below 1"),
        ({"max_rejects": float("nan")}, "max_rejects must be a whole number of rows or a part below 1"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Options(**arguments)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"max_rejects": "5"}, "max_rejects must be a number, got str"),
        ({"max_rejects": True}, "max_rejects must be a number, got bool"),
        ({"max_delete_fraction": False}, "max_delete_fraction must be a number, got bool"),
        ({"max_delete_fraction": None}, "max_delete_fraction must be a number, got NoneType"),
        ({"max_state_age": 30, "state_path": "x"}, "max_state_age must be a timedelta, got int"),
    ],
)
def test_what_is_of_the_wrong_type_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as caught:
        Options(**arguments)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("allowed", "rejects", "read", "too_many"),
    [
        (0, 0, 0, False),
        (0, 1, 100, True),
        (5, 5, 5, False),
        (5, 6, 1_000_000, True),
        (0.1, 10, 100, False),
        (0.1, 11, 100, True),
        (0.5, 0, 0, False),
        (0.0, 1, 10, True),
        (0, 0, 10, False),
    ],
)
def test_max_rejects_is_a_number_or_a_part_of_the_rows(allowed: float, rejects: int, read: int, too_many: bool) -> None:
    assert Options(max_rejects=allowed).too_many(rejects, read) is too_many


@pytest.mark.parametrize("arguments", [{"mode": "update_only"}, {"state_path": "x"}, {"duplicates": "refuse"}])
def test_rows_without_keys_take_nothing_that_needs_keys(arguments: dict[str, Any]) -> None:
    Options().check_keyless("events")
    with pytest.raises(ValueError, match="events have no key, so there is no mode, state_path or duplicates for them"):
        Options(**arguments).check_keyless("events")
