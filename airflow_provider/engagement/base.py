"""What the vendors' hooks share: from an Airflow connection to a client, and from an API error to a task's end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowFailException, AirflowTaskTimeout

from airflow_provider.engagement.connection import ConnectionFields
from airflow_provider.engagement.wire.config import ClientConfig
from airflow_provider.engagement.wire.errors import ApiError, NotFound, Rejected, Unauthorized, Unreachable
from airflow_provider.engagement.wire.message import Call, Query, Request, encode_json, encode_query
from airflow_provider.engagement.wire.pace import Pace

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
        self._pace: Pace | None = None

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

            config = self.get_config()
            self._client = Client(config, self._shared_pace(config))
        return self._client

    def get_async_client(self) -> AsyncClient:
        """Make an asynchronous client for bulk work on a worker; the caller closes it.

        It shares the pace of the synchronous one, so that all requests of a task together stay within the limit; the two take turns.
        """
        from airflow_provider.engagement.wire.clients import AsyncClient

        config = self.get_config()
        return AsyncClient(config, self._shared_pace(config))

    async def aget_async_client(self) -> AsyncClient:
        """Make an asynchronous client inside a triggerer, without blocking its event loop; the caller closes it."""
        from airflow.providers.common.compat.connection import get_async_connection

        from airflow_provider.engagement.wire.clients import AsyncClient

        connection = await get_async_connection(self.conn_id, hook=type(self))
        return AsyncClient(self.make_config(ConnectionFields.of(connection)))

    def _shared_pace(self, config: ClientConfig) -> Pace:
        if self._pace is None:
            self._pace = Pace(config.requests_per_minute, config.concurrency)
        return self._pace

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

    def get_webhook_secret(self) -> str:
        """Give the webhook secret kept in the connection's extra `webhook_secret`, masked in logs.

        Raises:
            ValueError: there is none.
        """
        connection = self.get_connection(self.conn_id)
        secret = connection.extra_dejson.get("webhook_secret")
        if not secret:
            raise ValueError(f"connection {self.conn_id!r}: extra webhook_secret is empty")
        return str(secret)

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


def rendered_boolean(name: str, value: bool | str | None) -> bool | None:
    """Read a boolean that a template may have rendered to text; None where there is none.

    Raises:
        ValueError: neither a boolean nor one of the texts true and false.
    """
    if value is None or value == "" or isinstance(value, bool):
        return value if isinstance(value, bool) else None
    text = value.strip().lower() if isinstance(value, str) else value
    if text not in ("true", "false"):
        raise ValueError(f"{name} must be true or false, got {value!r:.60}")
    return text == "true"


def rendered_texts(name: str, value: Iterable[str] | str | None) -> tuple[str, ...] | None:
    """Read a list of texts, or a single text, of an argument that may be a template; None where there is none.

    Raises:
        TypeError: neither text nor a list.
        ValueError: a list that a template rendered to text, which would pass for one very long id.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        if value.strip()[:1] in ("[", "("):
            raise ValueError(
                f"{name} is a list that a template turned into text, {value!r:.60}; pass the upstream task's output itself, "
                "or set render_template_as_native_obj=True on the DAG"
            )
        return (value,)
    if isinstance(value, bytes | Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a list of texts or one text, got {type(value).__name__}")
    return tuple(value)


def check_secret_variable(key: Any) -> str:
    """Check the key of the Variable that is to hold a webhook's secret.

    Raises:
        ValueError: Airflow would not mask the Variable's value, because its key does not hold the word `secret`.
    """
    if not isinstance(key, str) or "secret" not in key.lower():
        raise ValueError(f"secret_variable must hold the word 'secret', so that Airflow masks it, got {key!r}")
    return key


def store_secret(key: str, secret: str, description: str, undo: Callable[[], Any] | None, remedy: str) -> None:
    """Store a webhook's secret as an Airflow Variable, or undo what gave it.

    Args:
        key: the Variable's key.
        secret: the secret.
        description: the Variable's description.
        undo: called where it cannot be stored; None where there is nothing to undo.
        remedy: what is left to a person where that fails too.

    Raises:
        AirflowFailException: it could neither be stored nor undone; a retry would make it worse.
        Exception: it could not be stored, and was undone.
    """
    from airflow.sdk import Variable

    try:
        Variable.set(key, secret, description=description)
    except (Exception, AirflowTaskTimeout) as unstored:  # the timeout is no Exception, and a retry would make another one
        if undo is None:
            unstored.add_note(f"the secret of {description} could not be stored. {remedy}")
            raise
        try:
            undo()
        except ApiError as error:
            raise AirflowFailException(
                f"the secret of {description} could not be stored, nor could that be undone: {error}. {remedy}"
            ) from error
        unstored.add_note(f"the secret of {description} could not be stored, so it was undone")
        raise


def run_beside(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in an event loop beside the main thread, which only waits for it.

    `execution_timeout` is an exception that a signal raises wherever the main thread stands. In an event loop that may be a
    callback or the loop itself: it would be logged and forgotten, or leave the loop waiting for ever.

    Raises:
        BaseException: what the coroutine raised; or what struck the main thread, after the coroutine was cancelled and has ended.
    """
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = Future()
    ended: Future[None] = Future()

    async def main() -> None:
        if not begun.set_running_or_notify_cancel():
            return
        task = asyncio.ensure_future(work)
        begun.set_result((asyncio.get_running_loop(), task))
        await task

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            ended.set_exception(error)
        else:
            ended.set_result(None)

    thread = threading.Thread(target=copy_context().run, args=(run,), name="engagement-loop", daemon=True)
    try:
        thread.start()
        ended.result()
    finally:
        if begun.cancel():  # struck before the loop ran
            work.close()
        elif not ended.done():
            loop, task = begun.result()
            with suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(task.cancel)
            wait([ended])


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
def never_twice(what: str) -> Iterator[None]:
    """End the task without a retry where its `execution_timeout` passed while something was sent that must not go twice.

    Args:
        what: what was being sent, for the message.

    Raises:
        AirflowFailException: the timeout struck; Airflow would retry the task after it.
    """
    try:
        yield
    except AirflowTaskTimeout as error:
        raise AirflowFailException(f"execution_timeout passed while {what} was sent; it is in doubt, so the task is not retried") from error


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
