"""Which way the servers are had on this machine, tried in order, and what is said when none works.

`LIANMENG_TEST_SERVERS`: `auto` (the default) tries containers, then programs installed here, then installs them on
Debian or Ubuntu as root; `containers` and `local` try only that way.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from tests.servers import containers, local, packages
from tests.servers.broker import Broker
from tests.servers.postgresql import DURABLE, FAST, PostgreSQL

WAYS = ("auto", "containers", "local")
#: Packages of Debian and Ubuntu that bring the programs.
PACKAGES = {"PostgreSQL": "postgresql", "RabbitMQ": "rabbitmq-server"}

T = TypeVar("T")


class ServerMissing(Exception):
    """No way of having the server works here; the message says what was tried."""


def obtain_postgresql(*, durable: bool = False, direct: bool = False) -> PostgreSQL:
    """A PostgreSQL server of our own; `durable` switches fsync on, for measurements and crash tests.

    `direct`: past any port proxy, for measurements.
    """
    settings = DURABLE if durable else FAST
    return _obtain(
        "PostgreSQL", lambda: containers.postgresql(settings, direct=direct), lambda: local.postgresql(settings)
    )


def obtain_broker(*, direct: bool = False) -> Broker:
    """A RabbitMQ broker of our own; `direct` as for PostgreSQL."""
    return _obtain("RabbitMQ", lambda: containers.broker(direct=direct), local.broker)


def _obtain(name: str, from_container: Callable[[], T], from_program: Callable[[], T]) -> T:
    way = os.environ.get("LIANMENG_TEST_SERVERS", "auto")
    if way not in WAYS:
        raise ServerMissing(f"LIANMENG_TEST_SERVERS={way}: must be one of {', '.join(WAYS)}")
    tried: list[str] = []
    if way in {"auto", "containers"}:
        try:
            return from_container()
        except containers.NoContainers as error:
            tried.append(f"containers: {error}")
    if way in {"auto", "local"}:
        try:
            return from_program()
        except local.NoProgram as error:
            tried.append(f"local programs: {error}")
        if packages.install(name, [PACKAGES[name]], tried):
            return from_program()
    raise ServerMissing(f"{name} cannot be had here ({'; '.join(tried)})")
