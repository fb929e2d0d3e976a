"""What the vendors' hooks share: from an Airflow connection to a client, and from an API error to a task's end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider.engagement.connection import ConnectionFields
from airflow_provider.engagement.wire.config import ClientConfig
from airflow_provider.engagement.wire.errors import ApiError, NotFound, Rejected, Unauthorized, Unreachable
from airflow_provider.engagement.wire.message import Call, Query, Request, encode_json, encode_query

if TYPE_CHECKING:
    from airflow_provider.engagement.wire.clients import AsyncClient, Client


class EngagementHook(BaseHook):
    """Base of the vendors' hooks. No I/O before the first call.

    Args:
        conn_id: the connection's id.
    """

    conn_name_attr: ClassVar[str]
    default_conn_name: ClassVar[str]
    conn_type: ClassVar[str]
    hook_name: ClassVar[str]

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id
        self._client: Client | None = None

    def make_config(self, fields: ConnectionFields) -> ClientConfig:
        """Turn the connection's fields into the client's settings; each vendor says how."""
        raise NotImplementedError

    def probe(self) -> Call[Any]:
        """Make the real, harmless call that tests the connection; each vendor says which."""
        raise NotImplementedError

    def get_config(self) -> ClientConfig:
        """Read the connection.

        Raises:
            ValueError: a field of the connection is unusable; the message names it.
        """
        connection = self.get_connection(self.conn_id)
        _ = connection.extra_dejson  # reading it registers the extras' secrets with Airflow's masker
        return self.make_config(ConnectionFields.of(connection))

    def get_conn(self) -> Client:
        """Give the synchronous client, made at the first call and kept: one persistent session."""
        if self._client is None:
            from airflow_provider.engagement.wire.clients import Client

            self._client = Client(self.get_config())
        return self._client

    def get_async_client(self) -> AsyncClient:
        """Make an asynchronous client for bulk work on a worker; the caller closes it."""
        from airflow_provider.engagement.wire.clients import AsyncClient

        return AsyncClient(self.get_config())

    async def aget_async_client(self) -> AsyncClient:
        """Make an asynchronous client inside a triggerer, without blocking its event loop; the caller closes it."""
        from airflow.providers.common.compat.connection import get_async_connection

        from airflow_provider.engagement.wire.clients import AsyncClient

        connection = await get_async_connection(self.conn_id, hook=type(self))
        return AsyncClient(self.make_config(ConnectionFields.of(connection)))

    def request(self, method: str, path: str, *, params: Query | None = None, json: Any = None) -> Any:
        """Send a request that has no method of its own yet, with the same credentials, pace, retries and errors.

        Args:
            method: HTTP method.
            path: path below the base URL, percent-encoded.
            params: query parameters.
            json: the body.

        Returns:
            The decoded JSON.

        Raises:
            ValueError: the path does not begin with a single `/` or holds a query.
            ApiError: the call failed for good.
        """
        if not path.startswith("/") or path.startswith("//") or "?" in path or "#" in path:
            raise ValueError(f"path must begin with one '/' and hold no query (use params), got {path!r}")
        verb = method.upper()
        body = None if json is None else encode_json(json)
        request = Request(verb, path, encode_query(params or {}), body, repeatable=verb in ("GET", "HEAD", "PUT", "DELETE"))
        return self.get_conn().send(Call(request, lambda raw: raw))

    def test_connection(self) -> tuple[bool, str]:
        """Make one real call and say what came of it, for the UI's *Test* button.

        Returns:
            Whether it worked, and a sentence a person can act on.
        """
        try:
            config = self.get_config()
            with _impatient(config) as client:
                client.send(self.probe())
        except ValueError as error:
            return False, str(error)
        except ApiError as error:
            return False, advice(error, self.hook_name, config.base_url)
        return True, f"{self.hook_name} at {config.base_url} accepted the key"


def advice(error: ApiError, vendor: str, base_url: str) -> str:
    """Say what is wrong with a connection, and what to do about it."""
    if isinstance(error, Unauthorized):
        return f"Wrong key: {vendor} refused it. {error}"
    if isinstance(error, NotFound):
        return f"Wrong host: {base_url} answers, but not like {vendor}. {error}"
    if isinstance(error, Unreachable):
        said = str(error)
        if "CERTIFICATE" in said.upper() or "SSL" in said:
            return f"TLS: the certificate of {base_url} was not accepted; set the extra 'verify' to your CA bundle. {error}"
        return f"No network: {base_url} could not be reached; check host, port, DNS, firewall and proxy. {error}"
    if isinstance(error, Rejected):
        return f"{vendor} refused the call. {error}"
    return f"{base_url} does not answer like {vendor} now: wrong host, or a temporary failure. {error}"


@contextmanager
def _impatient(config: ClientConfig) -> Iterator[Client]:
    """Make a client that does not keep a person waiting in front of a form."""
    from dataclasses import replace

    from airflow_provider.engagement.wire.clients import Client
    from airflow_provider.engagement.wire.config import Patience

    quick = replace(config, timeout=min(config.timeout, 10.0), patience=Patience(attempts=1, limit_wait=5.0))
    with Client(quick) as client:
        yield client


@contextmanager
def failing_fast() -> Iterator[None]:
    """End the task at once, without a retry, on what a retry cannot mend: a final answer, or input that is wrong.

    Raises:
        AirflowFailException: for `Rejected` and `ValueError`/`TypeError` of checks made before sending, and for a call in
            doubt, which a retry of the task would send again.
    """
    try:
        yield
    except (Rejected, ValueError, TypeError) as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
    except ApiError as error:
        if error.in_doubt:
            raise AirflowFailException(f"{type(error).__name__}: {error}") from error
        raise
