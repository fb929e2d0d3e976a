"""What both clients need to know about networks: which proxy, which authorities, and what an error of the layers below means."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests.utils
import urllib3.exceptions

from airflow_provider.engagement import __version__

USER_AGENT = f"airflow-provider-engagement/{__version__}"


def find_proxy(base_url: str, proxies: Mapping[str, str] | None) -> str | None:
    """Choose the proxy for an account: the configured one, or by `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` and the like.

    Raises:
        ValueError: neither an http nor an https proxy.
    """
    if proxies is None:
        proxies = requests.utils.get_environ_proxies(base_url)
    proxy = requests.utils.select_proxy(base_url, dict(proxies))
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(proxy)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"the proxy must be http://host:port or https://host:port, got {without_credentials(proxy)}")
    return proxy


def find_ca(verify: bool | str) -> bool | str:
    """Choose the certificate authorities: True becomes a path by `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE`, else the usual bundle's.

    Raises:
        ValueError: there is no such file or folder.
    """
    if verify is False:
        return False
    if verify is True:
        verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or requests.utils.DEFAULT_CA_BUNDLE_PATH
    if not Path(verify).exists():
        raise ValueError(f"the CA bundle {verify} does not exist on this machine")
    return verify


@lru_cache(maxsize=16)
def tls_context(verify: bool | str) -> ssl.SSLContext | bool:
    """Make the TLS settings of an aiohttp connector; kept, because reading a bundle takes a loop's time.

    Raises:
        OSError: the bundle cannot be read.
    """
    if not isinstance(verify, str):
        return verify
    return ssl.create_default_context(capath=verify) if Path(verify).is_dir() else ssl.create_default_context(cafile=verify)


def without_credentials(url: str) -> str:
    """Take user and password out of a URL, for messages."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def innermost(error: BaseException) -> str:
    """Say what an error of requests, urllib3 or aiohttp is about, without the URL that the outer layers repeat, query included."""
    cause: object = error
    for _ in range(5):
        deeper = getattr(cause, "reason", None) or (cause.args[0] if isinstance(cause, BaseException) and cause.args else None)
        if not isinstance(deeper, BaseException):
            break
        cause = deeper
    text = str(cause)
    if isinstance(cause, urllib3.exceptions.HTTPError):
        text = text.rpartition("): ")[2]  # "HTTPSConnection(host='…', port=443): Failed to …"
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__


def never_connected(error: requests.exceptions.ConnectionError) -> bool:
    """Tell a refused connection, an unknown host or an untrusted certificate (nothing was sent) from a lost connection."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, urllib3.exceptions.SSLError):
        return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in (*reason.args, reason.__cause__))
    return isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError)
