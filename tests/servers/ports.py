"""Free ports on loopback for servers and processes that tests start. Nothing here binds for longer than a look."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """`count` different ports nobody listens on right now; all are held open while choosing, so none comes twice."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


def free_port() -> int:
    """One port nobody listens on right now."""
    return free_ports(1)[0]


def is_listening(port: int, host: str = HOST) -> bool:
    """Whether a connection to the port is accepted."""
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex((host, port)) == 0
