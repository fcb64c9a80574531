"""A real HTTP receiver of webhooks that keeps every request, bytes and all, and answers as it is told."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook

from tests.servers.ports import HOST


@dataclass(frozen=True)
class Hook:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    def verified(self, secret: str) -> Any:
        """The body, if the signature is right and fresh by the Standard Webhooks library; raises otherwise."""
        return Webhook(secret).verify(self.body, self.headers)


class WebhookSink:
    """The receiver. `answers` are used up first, one status per request; then every request is answered 204."""

    def __init__(self, host: str = HOST, reached_as: str = HOST) -> None:
        self._reached_as = reached_as
        self.answers: list[int] = []
        self._hooks: list[Hook] = []
        self._lock = threading.Lock()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            """Hands every POST to the sink."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                status = sink.take(
                    Hook(
                        self.path,
                        {name.lower(): value for name, value in self.headers.items()},
                        self.rfile.read(length),
                    )
                )
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str = "/hook") -> str:
        """Address under which a test receives; a path of its own keeps tests apart."""
        return f"http://{self._reached_as}:{self._server.server_address[1]}{path}"

    def take(self, hook: Hook) -> int:
        """Keep a request; the status to answer with."""
        with self._lock:
            self._hooks.append(hook)
            return self.answers.pop(0) if self.answers else 204

    def hooks(self, path: str | None = None) -> list[Hook]:
        """What came so far, in order; of one path where named."""
        with self._lock:
            return [hook for hook in self._hooks if path is None or hook.path == path]
