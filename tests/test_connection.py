"""A connection's fields: extras arrive as values or as text, and every unusable one is named."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider.engagement.connection import ConnectionFields

DEFAULT = "https://api.example.com"


def fields(**values: Any) -> ConnectionFields:
    return ConnectionFields("acme", **values)


def test_of_reads_an_airflow_connection() -> None:
    connection = SimpleNamespace(conn_id="c", host="h", schema=None, port=1, password="p", extra='{"timeout": "5"}')
    assert ConnectionFields.of(connection) == ConnectionFields("c", "h", None, 1, "p", {"timeout": "5"})


@pytest.mark.parametrize("extra", ["{", "[1]", '"text"'])
def test_an_extra_that_is_no_object_is_refused(extra: str) -> None:
    connection = SimpleNamespace(conn_id="c", host=None, schema=None, port=None, password=None, extra=extra)
    with pytest.raises(ValueError, match="connection 'c': the extra field must be a JSON object"):
        ConnectionFields.of(connection)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, DEFAULT),
        ({"host": "  "}, DEFAULT),
        ({"host": "api.eu.example.com"}, "https://api.eu.example.com"),
        ({"host": "https://self.hosted/api/"}, "https://self.hosted/api"),
        ({"host": "self.hosted", "port": 8443}, "https://self.hosted:8443"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8787}, "http://127.0.0.1:8787"),
        ({"host": "http://localhost:8787"}, "http://localhost:8787"),
        ({"host": "http://intranet", "extras": {"allow_http": "true"}}, "http://intranet"),
        ({"host": "http://localhost:8787", "port": 8787}, "http://localhost:8787"),
        ({"host": "https://self.hosted/api", "port": 8443}, "https://self.hosted:8443/api"),
        ({"port": 443}, f"{DEFAULT}:443"),
        ({"port": 0}, DEFAULT),
    ],
)
def test_base_url(values: dict[str, Any], expected: str) -> None:
    assert fields(**values).base_url(DEFAULT) == expected


@pytest.mark.parametrize("host", ["http://intranet", "ftp://host", "https://user:pw@host", "https://host?x=1"])
def test_an_unusable_host_is_refused_by_name(host: str) -> None:
    with pytest.raises(ValueError, match="connection 'acme': host cannot be used") as caught:
        fields(host=host).base_url(DEFAULT)
    assert "pw" not in str(caught.value)


def test_two_ports_are_refused() -> None:
    with pytest.raises(ValueError, match="its port is 8787, but the field port says 443"):
        fields(host="http://localhost:8787", port=443).base_url(DEFAULT)


@pytest.mark.parametrize(("value", "expected"), [(None, None), ("", None), (600, 600.0), ("600", 600.0), (1.5, 1.5)])
def test_numbers(value: Any, expected: float | None) -> None:
    assert fields(extras={"timeout": value}).number("timeout", least=1) == expected


@pytest.mark.parametrize("value", ["fast", 0, -1, True, "nan", "inf", [], {}])
def test_an_unusable_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match="connection 'acme': timeout must be a number of at least 1"):
        fields(extras={"timeout": value}).number("timeout", least=1)


@pytest.mark.parametrize(
    ("value", "expected"), [(None, True), ("", True), (False, False), ("false", False), ("0", False), ("No", False), ("TRUE", True)]
)
def test_booleans(value: Any, expected: bool) -> None:
    assert fields(extras={"x": value}).boolean("x", default=True) is expected


def test_an_unusable_boolean_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="connection 'acme': x must be true or false"):
        fields(extras={"x": "perhaps"}).boolean("x", default=True)


@pytest.mark.parametrize(("value", "expected"), [(None, True), ("False", False), ("/etc/ca.pem", "/etc/ca.pem"), (True, True)])
def test_verify(value: Any, expected: bool | str) -> None:
    assert fields(extras={"verify": value}).verify() == expected


def test_proxies_as_object_text_and_single_url() -> None:
    proxies = {"https": "http://user:hidden@proxy:3128"}
    assert fields(extras={"proxies": proxies}).proxies() == proxies
    assert fields(extras={"proxies": json.dumps(proxies)}).proxies() == proxies
    assert fields(extras={"proxies": "http://proxy:3128"}).proxies() == {"http": "http://proxy:3128", "https": "http://proxy:3128"}
    assert fields(extras={"proxies": proxies}).proxy_secrets() == ("hidden",)
    assert fields().proxies() is None


@pytest.mark.parametrize("value", [["a"], {"https": 1}, "[1]"])
def test_unusable_proxies_are_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match="connection 'acme': proxies must be"):
        fields(extras={"proxies": value}).proxies()


@pytest.mark.parametrize("password", [None, "", "  ", "ak_1 2", "ak_é", "ak_\n1"])
def test_an_unusable_secret_is_refused_without_showing_it(password: str | None) -> None:
    with pytest.raises(ValueError, match="connection 'acme': password") as caught:
        fields(password=password).secret("API key")
    assert "ak_" not in str(caught.value)


def test_a_pasted_secret_loses_its_blanks_and_stays_out_of_repr() -> None:
    pasted = fields(password=" ak_1\n", extras={"webhook_secret": "whsec_1"})
    assert pasted.secret("API key") == "ak_1"
    assert "ak_1" not in repr(pasted)
    assert "whsec_1" not in repr(pasted)


@pytest.mark.parametrize(("name", "value", "most"), [("concurrency", 1e12, 256), ("timeout", "1e9", 600)])
def test_the_limits_of_the_form_hold_for_every_connection(name: str, value: object, most: int) -> None:
    with pytest.raises(ValueError, match=f"connection 'acme': {name} must be at most {most}"):
        fields(extras={name: value}).traffic()
