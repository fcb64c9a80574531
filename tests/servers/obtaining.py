"""Which way the servers are had on this machine, tried in order, and what is said when none works.

`LIANMENG_TEST_SERVERS`: `auto` (the default) tries containers, then programs installed here, then installs them on
Debian or Ubuntu as root; `containers` and `local` try only that way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.servers import containers, local
from tests.servers.broker import Broker
from tests.servers.postgresql import DURABLE, FAST, PostgreSQL

WAYS = ("auto", "containers", "local")
#: Packages of Debian and Ubuntu that bring the programs.
PACKAGES = {"PostgreSQL": "postgresql", "RabbitMQ": "rabbitmq-server"}
#: Keeps a package from starting its own system instance while it is installed (Debian policy, invoke-rc.d).
POLICY_FILE = Path("/usr/sbin/policy-rc.d")

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
        if _install(name, tried):
            return from_program()
    raise ServerMissing(f"{name} cannot be had here ({'; '.join(tried)})")


def _install(name: str, tried: list[str]) -> bool:
    """Install the program on Debian or Ubuntu as root, without starting its system service."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        tried.append("installing: only on Debian or Ubuntu as root")
        return False
    package = PACKAGES[name]
    _say(f"{name} is neither in containers nor installed: installing {package} with apt-get")
    ours = not POLICY_FILE.exists()
    if ours:
        POLICY_FILE.write_text("#!/bin/sh\nexit 101\n")
        POLICY_FILE.chmod(0o755)
    try:
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", package]):
            done = subprocess.run(
                command,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                text=True,
                check=False,
                timeout=600,
            )
            if done.returncode != 0:
                tried.append(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1:]}")
                return False
    finally:
        if ours:
            POLICY_FILE.unlink()
    return True


def _say(text: str) -> None:
    """To the terminal past pytest's capture: people should know what is done to their machine."""
    print(f"[tests/servers] {text}", file=sys.__stderr__, flush=True)
