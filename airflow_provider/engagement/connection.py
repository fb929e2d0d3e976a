"""An Airflow connection's fields as checked values; no Airflow in here.

Extras may arrive as text (from a URI, an environment variable or the UI's test button), so every one is coerced.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict
from urllib.parse import urlsplit

from airflow_provider.engagement.wire.config import check_base_url

_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}


class Traffic(TypedDict):
    """How fast and by which way requests go; see `ClientConfig`."""

    requests_per_minute: float | None
    timeout: float
    concurrency: int
    verify: bool | str
    proxies: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class ConnectionFields:
    """What the person who made the connection typed in.

    Attributes:
        conn_id: the connection's id, for messages.
        host: base URL or host.
        schema: `http` or `https` where the host has no scheme.
        port: port, if any.
        password: the secret.
        extras: the decoded extra field.
    """

    conn_id: str
    host: str | None = None
    schema: str | None = None
    port: int | None = None
    password: str | None = field(default=None, repr=False)
    extras: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, connection: Any) -> ConnectionFields:
        """Take the fields from an Airflow `Connection`.

        Raises:
            ValueError: the extra field is not a JSON object.
        """
        try:
            extras = json.loads(connection.extra) if connection.extra else {}
        except ValueError:
            extras = None
        if not isinstance(extras, dict):
            raise ValueError(f"connection {connection.conn_id!r}: the extra field must be a JSON object")
        return cls(connection.conn_id, connection.host, connection.schema, connection.port, connection.password, extras)

    def secret(self, what: str) -> str:
        """Give the password field.

        Args:
            what: what belongs into it, for the message.

        Raises:
            ValueError: it is empty, or holds characters that a header cannot carry.
        """
        secret = (self.password or "").strip()
        if not secret:
            raise self.wrong("password", f"is empty; put the {what} there")
        if not secret.isascii() or not secret.isprintable() or " " in secret:
            raise self.wrong("password", f"holds characters that no {what} has; copy it again")
        return secret

    def base_url(self, default: str) -> str:
        """Give the checked base URL; `default` where no host is set.

        Raises:
            ValueError: see `check_base_url`.
        """
        url = (self.host or "").strip() or default
        if "://" not in url:
            url = f"{self.schema if self.schema in ('http', 'https') else 'https'}://{url}"
        try:
            return check_base_url(self._with_port(url), allow_http=self.boolean("allow_http", default=False))
        except ValueError as error:
            raise self.wrong("host", f"cannot be used: {error}") from None

    def _with_port(self, url: str) -> str:
        parts = urlsplit(url)
        if not self.port or parts.port == self.port:
            return url
        if parts.port is not None:
            raise ValueError(f"its port is {parts.port}, but the field port says {self.port}")
        return parts._replace(netloc=f"{parts.netloc}:{self.port}").geturl()

    def text(self, name: str) -> str | None:
        """Give a text extra; None where it is absent or empty."""
        value = self.extras.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise self.wrong(name, "must be text")
        return value.strip()

    def number(self, name: str, least: float, most: float = math.inf) -> float | None:
        """Give a number extra; None where it is absent or empty.

        Raises:
            ValueError: not a finite number from `least` to `most`.
        """
        value = self.extras.get(name)
        if value is None or value == "":
            return None
        try:
            number = float(value) if not isinstance(value, bool) else math.nan
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or number < least:
            raise self.wrong(name, f"must be a number of at least {least:g}")
        if number > most:
            raise self.wrong(name, f"must be at most {most:g}")
        return number

    def boolean(self, name: str, *, default: bool) -> bool:
        """Give a boolean extra.

        Raises:
            ValueError: neither a boolean nor one of the texts true, false, yes, no, on, off, 1, 0.
        """
        value = self.extras.get(name)
        if value is None or value == "":
            return default
        text = str(value).strip().lower()
        if text not in _TRUE | _FALSE:
            raise self.wrong(name, "must be true or false")
        return text in _TRUE

    def verify(self) -> bool | str:
        """Give the extra `verify`: whether to check TLS certificates, or the path of a CA bundle."""
        value = self.extras.get("verify")
        if isinstance(value, str) and value.strip().lower() not in _TRUE | _FALSE | {""}:
            return value.strip()
        return self.boolean("verify", default=True)

    def proxies(self) -> Mapping[str, str] | None:
        """Give the extra `proxies`: a JSON object (or its text) of scheme to proxy URL; None to use the environment's."""
        value = self.extras.get("proxies")
        if value is None or value == "":
            return None
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = {"http": value, "https": value}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise self.wrong("proxies", 'must be a JSON object like {"https": "http://proxy:3128"} or one URL')
        return value

    def proxy_secrets(self) -> tuple[str, ...]:
        """Give the passwords inside the extra `proxies`, to be kept out of messages."""
        return tuple(password for url in (self.proxies() or {}).values() if (password := urlsplit(url).password))

    def traffic(self) -> Traffic:
        """Give the extras that every vendor's connection takes, as arguments of a `ClientConfig`.

        Raises:
            ValueError: one is unusable; the message names it.
        """
        return {
            "requests_per_minute": self.number("requests_per_minute", least=1),
            "timeout": self.number("timeout", least=1, most=600) or 30.0,
            "concurrency": int(self.number("concurrency", least=1, most=256) or 16),
            "verify": self.verify(),
            "proxies": self.proxies(),
        }

    def wrong(self, name: str, what: str) -> ValueError:
        """Make the error that says which field of which connection is wrong, never showing its value."""
        return ValueError(f"connection {self.conn_id!r}: {name} {what}")
