"""The embedded mode's HTTP server: waitress on a socket that is bound before anything needs to know its port.

It serves one WSGI callable and can be stopped from another thread, which waitress alone does not offer.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from waitress import wasyncore
from waitress.server import create_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

#: Requests answered at the same time. Writers queue at SQLite anyway; readers and password hashes do not.
THREADS = 8
#: Largest body taken at all; the services have their own, smaller limit and a proper answer for what exceeds it.
BODY_BYTES_MAX = 64 * 1_048_576
#: Seconds that requests in hand get when the server stops.
STOP_SECONDS = 5


class HttpServer:
    """One listening address. `start` and `stop` once each."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self._host = host
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        """The address to type into a browser on this machine."""
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self._host, self._host)  # noqa: S104 - compared, not bound
        return f"http://{shown}:{self.port}"

    def start(self, application: WSGIApplication) -> None:
        """Answer requests in threads of its own."""
        self._server = create_server(
            application,
            sockets=[self._socket],
            threads=THREADS,
            max_request_body_size=BODY_BYTES_MAX,
            clear_untrusted_proxy_headers=True,
            ident=None,
        )
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests in hand, then close every connection."""
        self._server.task_dispatcher.shutdown(timeout=STOP_SECONDS)
        # In the loop's own thread: closing sockets under a running select() is an error in one time out of many.
        self._server.trigger.pull_trigger(lambda: wasyncore.close_all(self._server._map))  # noqa: SLF001 - waitress has no other way
        self._thread.join(STOP_SECONDS)

    def close(self) -> None:
        """Let go of the address without ever having served."""
        self._socket.close()
