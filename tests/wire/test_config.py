from __future__ import annotations

import pytest

from airflow_provider.engagement.wire.config import ClientConfig, check_base_url
from airflow_provider.engagement.wire.errors import Dialect, Problem

DIALECT = Dialect("Vendor", lambda _: Problem(), lambda _: False)


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://api.userflow.com", "https://api.userflow.com"),
        ("https://api.userflow.com/", "https://api.userflow.com"),
        (" https://api.userflow.com//  ", "https://api.userflow.com"),
        ("api.eu.userflow.com", "https://api.eu.userflow.com"),
        ("api.example.com:8443/v1/", "https://api.example.com:8443/v1"),
        ("HTTPS://api.example.com", "https://api.example.com"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("http://[::1]:8787/prefix", "http://[::1]:8787/prefix"),
        ("http://localhost:8787", "http://localhost:8787"),
    ],
)
def test_good_urls_are_normalised(url: str, checked: str) -> None:
    assert check_base_url(url) == checked


@pytest.mark.parametrize("url", ["http://api.example.com", "http://10.0.0.1:80", "http://127.0.0.1.evil.example", "http://localhost.evil"])
def test_plain_http_to_another_machine_is_refused_with_the_remedy(url: str) -> None:
    with pytest.raises(ValueError, match=r"in the clear.*allow_http"):
        check_base_url(url)
    assert check_base_url(url, allow_http=True) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "https://api.example.com\\@evil.example",
        "https://api.example.com /",
        "https://bücher.example",
        "https://api.example.com:port",
        "https://api.example.com:0",
        "https://api.example.com:99999",
        "https://api.example.com/a/../b",
        "https://[::1",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        check_base_url(url)


@pytest.mark.parametrize(
    "url", ["https://user:pw_secret@host", "https://host?key=pw_secret", "https://host#pw_secret", "https://pw_secret@host"]
)
def test_credentials_do_not_belong_there_and_are_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="must not hold credentials") as caught:
        check_base_url(url)
    assert "pw_secret" not in str(caught.value)


def test_a_config_shows_no_secret() -> None:
    config = ClientConfig(
        "https://host", DIALECT, {"Authorization": "Bearer ak_secret"}, ("ak_secret",), proxies={"https": "http://u:ak_secret@proxy"}
    )
    assert "ak_secret" not in repr(config)


def test_scrubbing_takes_the_longest_secret_first() -> None:
    config = ClientConfig("https://host", DIALECT, secrets=("abc", "abcdef", ""))
    assert config.scrub("key abcdef and abc") == "key *** and ***"


def test_what_goes_into_bodies_is_secret_too() -> None:
    config = ClientConfig("https://host", DIALECT, json_fields={"key": "web_secret", "version": 2})
    assert "web_secret" not in repr(config)
    assert config.scrub("key web_secret of 2") == "key *** of 2"
