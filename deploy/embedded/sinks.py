"""Where the demo's deliveries arrive: a small mail server and a small webhook receiver, both on loopback.

Real counterparts, so that the demo hands over real e-mails and real signed requests; they keep everything in memory
and forward nothing. They are for the demo alone: no limits, no TLS, no names but 127.0.0.1.
"""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

HOST = "127.0.0.1"
#: How soon a server notices that it shall stop. The standard library's half second would be felt at every end.
STOP_SECONDS = 0.05


@dataclass
class Received:
    """What has come, in order; several threads add to it."""

    items: list[Any] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, item: Any) -> None:
        """Keep one more."""
        with self._lock:
            self.items.append(item)

    def all(self) -> list[Any]:
        """Everything so far."""
        with self._lock:
            return list(self.items)


class MailSink:
    """A mail server for one demo: it takes every message and keeps it."""

    def __init__(self) -> None:
        self.received = Received()
        self._server = _MailServer((HOST, 0), _MailSession, self.received)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        _serve(self._server, "mail-sink")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def messages(self) -> list[EmailMessage]:
        """The messages so far."""
        return self.received.all()


class _MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: Any, received: Received) -> None:
        super().__init__(address, handler)
        self.received = received


class _MailSession(socketserver.StreamRequestHandler):
    """One SMTP conversation (RFC 5321), just as much of it as a client needs to hand a message over."""

    server: _MailServer

    def handle(self) -> None:
        self._say("220 demo mail sink")
        for line in iter(self.rfile.readline, b""):
            verb = line.split(b":")[0].split()[:1]
            match verb[0].upper() if verb else b"":
                case b"EHLO":
                    self._say("250-demo", "250-8BITMIME", "250 SMTPUTF8")
                case b"DATA":
                    self._say("354 go ahead")
                    self._keep_message()
                    self._say("250 taken")
                case b"QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def _keep_message(self) -> None:
        lines: list[bytes] = []
        for line in iter(self.rfile.readline, b""):
            if line.rstrip(b"\r\n") == b".":
                break
            # A leading dot was doubled by the sender, so that no line of a message ends it.
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.server.received.add(email.message_from_bytes(b"".join(lines), policy=email.policy.default))

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


@dataclass(frozen=True)
class Hook:
    """One request to the webhook receiver."""

    headers: dict[str, str]
    body: bytes

    def is_genuine(self, secret: str) -> bool:
        """Whether it carries the right signature (Standard Webhooks)."""
        try:
            Webhook(secret).verify(self.body, self.headers)
        except WebhookVerificationError:
            return False
        return True


class WebhookSink:
    """A receiver of webhooks for one demo: it answers 204 and keeps the request."""

    def __init__(self) -> None:
        self.received = Received()
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            """Keeps every POST."""

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received.add(Hook(headers, self.rfile.read(length)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet: the terminal belongs to the story."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_address[1]}/hook"

    def __enter__(self) -> Self:
        _serve(self._server, "webhook-sink")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def hooks(self) -> list[Hook]:
        """The requests so far."""
        return self.received.all()


def _serve(server: socketserver.BaseServer, name: str) -> None:
    threading.Thread(target=server.serve_forever, args=(STOP_SECONDS,), name=name, daemon=True).start()
