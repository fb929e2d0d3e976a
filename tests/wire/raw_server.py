"""A server that does exactly as told, byte for byte, for what no well-behaved server does."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"id":"1"}'

Answer = Callable[[bytes, socket.socket], None]


def reply(raw: bytes) -> Answer:
    """Answer every request with these bytes."""
    return lambda _request, connection: connection.sendall(raw)


class HangUp(Exception):
    """Close the connection."""


class RawServer:
    """Listens on loopback; `answer` gets each request as it came and the connection to write to; `OK` by default.

    Attributes:
        requests: every request, head and body.
        connections: how many were accepted.
        most_at_once: how many requests were being answered at once, at the most.
    """

    def __init__(self, answer: Answer | None = None, context: ssl.SSLContext | None = None) -> None:
        self.answer = answer or reply(OK)
        self.requests: list[bytes] = []
        self.connections = 0
        self.most_at_once = 0
        self._at_once = 0
        self._context = context
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.base_url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> RawServer:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still_open = list(self._open)
        for connection in still_open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            stream = self._context.wrap_socket(connection, server_side=True) if self._context else connection
        except OSError:
            connection.close()
            return
        with self._lock:
            self._open.append(stream)
        try:
            with stream:
                self._converse(stream)
        except (OSError, HangUp):
            return
        finally:
            with self._lock:
                self._open.remove(stream)

    def _converse(self, stream: socket.socket) -> None:
        while request := _read_request(stream):
            with self._lock:
                self.requests.append(request)
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
            try:
                self.answer(request, stream)
            finally:
                with self._lock:
                    self._at_once -= 1


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        chunk = connection.recv(65536)
        if not chunk:
            raise HangUp
        body += chunk
    return head + b"\r\n\r\n" + body
