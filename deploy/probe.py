"""The container's health check: one GET to this container, exit status 0 for an answer of 200.

    python -IS deploy/probe.py 8000 /health/ready

Runs every few seconds in every container, so it uses a bare socket: importing an HTTP client costs five times the check.
It must not judge: what "ready" means is said by the process it asks.
"""

import socket
import sys

#: A process that needs longer than this for its health answer is not healthy.
ANSWER_SECONDS = 3


def status_of(port: int, path: str) -> int:
    """The status number of GET http://127.0.0.1:port/path; raises OSError where nobody answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        first_line = connection.makefile("rb").readline().split()
    return int(first_line[1]) if len(first_line) > 1 else 0


if __name__ == "__main__":
    try:
        sys.exit(0 if status_of(int(sys.argv[1]), sys.argv[2]) == 200 else 1)
    except OSError:
        sys.exit(1)
