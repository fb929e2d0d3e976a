"""What becomes of IP addresses."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_provider.engagement.mirats.privacy import check_handling, hash_ip, protect

SALT = "a salt that is long enough"
SESSION = {"rid": "r", "IP": "159.253.79.204", "OS": "Mac OS X"}


def test_drop() -> None:
    assert protect(SESSION, "drop", None) == {"rid": "r", "OS": "Mac OS X"}


def test_keep() -> None:
    assert protect(SESSION, "keep", None) == SESSION


def test_hash() -> None:
    hashed = protect(SESSION, "hash", SALT)
    assert list(hashed) == list(SESSION)
    assert re.fullmatch("[0-9a-f]{64}", hashed["IP"])
    assert hashed == protect(SESSION, "hash", SALT)
    assert hashed["IP"] != protect(SESSION, "hash", f"{SALT}!")["IP"]
    assert hashed["IP"] != protect({**SESSION, "IP": "159.253.79.205"}, "hash", SALT)["IP"]


@pytest.mark.parametrize("salt", [None, ""])
def test_no_hash_without_a_salt(salt: str | None) -> None:
    with pytest.raises(ValueError, match="salt"):
        protect(SESSION, "hash", salt)


@pytest.mark.parametrize("name", ["IP", "ip", "Ip"])
@pytest.mark.parametrize("handling", ["drop", "hash"])
def test_no_address_leaves_in_another_spelling_of_the_field(name: str, handling: Any) -> None:
    assert "159.253.79.204" not in repr(protect({name: "159.253.79.204"}, handling, SALT))


def test_no_address_is_no_hash() -> None:
    assert protect({"rid": "r", "IP": None}, "hash", SALT) == {"rid": "r", "IP": None}
    assert protect({"rid": "r"}, "hash", SALT) == {"rid": "r"}


@pytest.mark.parametrize(("one", "other"), [("::1", "0:0:0:0:0:0:0:1"), ("1.2.3.4", "::ffff:1.2.3.4"), ("1.2.3.4", " 1.2.3.4 ")])
def test_the_same_address_is_the_same_hash(one: str, other: str) -> None:
    assert hash_ip(one, SALT) == hash_ip(other, SALT)


def test_what_is_no_address_is_hashed_too() -> None:
    assert hash_ip("1.2.3.4, 5.6.7.8", SALT) != hash_ip("1.2.3.4", SALT)


@pytest.mark.parametrize("value", ["", "mask", "Hash", None])
def test_handlings_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match="ip must be drop, hash or keep"):
        check_handling(value)
