"""Free ports on loopback for servers and processes that tests start. Nothing here binds for longer than a look."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
#: Where to look: below the ports from which Linux (32768 on) and macOS take those of outgoing connections, one of which
#: might otherwise have a chosen port before its server is up.
RANGE = range(15_000, 32_000)

#: Chance of its own: processes beside one another must not look in the same order, whatever seed a test has set.
_chance = random.SystemRandom()
_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """`count` different ports nobody listens on right now, and that this process was not given before."""
    chosen: list[int] = []
    while len(chosen) < count:
        port = _chance.choice(RANGE)
        if port not in _given and _is_free(port):
            _given.add(port)
            chosen.append(port)
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as look:
        look.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            look.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """One port nobody listens on right now."""
    return free_ports(1)[0]


def is_listening(port: int, host: str = HOST) -> bool:
    """Whether a connection to the port is accepted."""
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex((host, port)) == 0
