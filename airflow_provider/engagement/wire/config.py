"""What a client needs to know: where, as whom, how fast, how patient. Checked before anything is sent."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from airflow_provider.engagement.wire.errors import Dialect

_URL = re.compile(r"[A-Za-z]+://[A-Za-z0-9.\-_:\[\]]+(?!.*/\.{1,2}(?:/|$))(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a failing call is tried.

    Attributes:
        attempts: how often a call is sent at the most, answers of 429 not counted.
        first_wait: seconds before the second attempt; doubled each time, with jitter.
        longest_wait: seconds between two attempts at the most.
        limit_wait: seconds a call waits in all for a rate limit to open before it gives up.
    """

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 30.0
    limit_wait: float = 900.0


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Everything about one account, as values.

    Attributes:
        base_url: scheme and host, and a path prefix if there is one; no trailing slash.
        dialect: how this vendor's answers are read.
        headers: sent with every request, credentials among them.
        json_fields: put into every JSON body just before it is sent, credentials among them, so that no `Request` holds them.
        secrets: texts that must not appear in a message; those among `json_fields` are secret anyway.
        requests_per_minute: the account's limit, or None to find it by the server's answers.
        timeout: seconds for one attempt, from connecting to the last byte.
        concurrency: requests under way at once at the most.
        verify: check TLS certificates: True, False, or the path of a CA bundle.
        proxies: proxy URL by scheme (`http`, `https`); None to take the environment's.
        max_body: bytes of an answer that are read at the most.
        patience: how long a failing call is tried.
    """

    base_url: str
    dialect: Dialect
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    requests_per_minute: float | None = None
    timeout: float = 30.0
    concurrency: int = 16
    verify: bool | str = True
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    max_body: int = 32 * 1024 * 1024
    patience: Patience = field(default_factory=Patience)
    json_fields: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def scrub(self, text: str) -> str:
        """Take this account's secrets out of a text."""
        in_bodies = (value for value in self.json_fields.values() if isinstance(value, str))
        for secret in sorted({*self.secrets, *in_bodies}, key=len, reverse=True):
            if secret:
                text = text.replace(secret, "***")
        return text


def check_base_url(url: str, *, allow_http: bool = False) -> str:
    """Check and normalise a base URL.

    Args:
        url: `https://host[:port][/prefix]`; without a scheme, https is meant.
        allow_http: also take plain http to a host that is not loopback.

    Returns:
        The URL without a trailing slash.

    Raises:
        ValueError: not an http(s) URL, one with credentials, query or fragment, or plain http to another machine.
    """
    text = url.strip()
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"the base URL cannot be read: {error}") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("the base URL must not hold credentials, a query or a fragment; put the key in the password field")
    if parts.scheme not in ("http", "https") or not host or port == 0 or not _URL.fullmatch(text):
        raise ValueError(f"the base URL must look like https://host, in ASCII without spaces, got {parts.scheme}://{host or ''}")
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        raise ValueError(
            f"plain http to {host} would send the key in the clear; use https, "
            'or set the connection extra "allow_http": true if you accept that'
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
