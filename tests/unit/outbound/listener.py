"""A listener on loopback that plays one line of behaviour per connection: hang, drip, reset, answer badly.

It counts the connections it was given, so that a test can prove that nobody came.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

HOST = "127.0.0.1"
Behaviour = Callable[[socket.socket, threading.Event], None]


class Listener:
    """Serves every connection with `behave`, each in a thread; the event it gets is set when the test is over."""

    def __init__(self, behave: Behaviour, context: ssl.SSLContext | None = None) -> None:
        self._behave = behave
        self._context = context
        self._stop = threading.Event()
        self._socket = socket.create_server((HOST, 0))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.settimeout(5)
            if self._context is None:
                self._behave(connection, self._stop)
                return
            with self._context.wrap_socket(connection, server_side=True) as secured:
                self._behave(secured, self._stop)


def read_request(connection: socket.socket) -> bytes:
    """Everything up to the end of a request's body, by its Content-Length."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += _more(connection)
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(
        next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    )
    while len(body) < length:
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def answering(answer: bytes) -> Behaviour:
    """Reads the request, says `answer`, and closes."""

    def behave(connection: socket.socket, _stop: threading.Event) -> None:
        read_request(connection)
        connection.sendall(answer)

    return behave


def hanging(connection: socket.socket, stop: threading.Event) -> None:
    """Reads the request and never answers."""
    read_request(connection)
    stop.wait(20)


def dripping(piece: bytes, every_seconds: float, first: bytes = b"") -> Behaviour:
    """Reads the request and sends `piece` again and again, slowly, without end."""

    def behave(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)
        connection.sendall(first)
        while not stop.wait(every_seconds):
            connection.sendall(piece)

    return behave


def resetting(connection: socket.socket, _stop: threading.Event) -> None:
    """Reads the request and resets the connection."""
    read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def _more(connection: socket.socket) -> bytes:
    got = connection.recv(65_536)
    if not got:
        raise OSError("closed early")
    return got
