"""The broker's users, rights and policies as an operator's broker has them: made by deploy/rabbitmq/start.sh itself.

Brought into a test's broker for the length of a block. They name one virtual host, so one block at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.servers.broker import Broker, VirtualHost

START = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "start.sh"
SERVICES = ("membership", "meetings", "finance", "notifications")
VIRTUAL_HOST = "lianmeng"


class Refused(Exception):
    """The script ended with an error; the message is what it said."""


def password_of(user: str) -> str:
    """The password of a service in tests."""
    return f"for-tests-{user}"


def definitions(folder: Path, *, subscribers: str = "") -> dict[str, Any]:
    """What start.sh would hand to the broker; `folder` takes its file. Raises Refused."""
    handed_over = folder / "docker-entrypoint.sh"
    handed_over.write_text("#!/bin/sh\nexit 0\n")
    handed_over.chmod(0o755)
    file = folder / "definitions.json"
    environment: Mapping[str, str] = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "DEFINITIONS_FILE": str(file),
        "LIANMENG_SUBSCRIBERS": subscribers,
        **{f"PASSWORD_OF_{service.upper()}": password_of(service) for service in SERVICES},
    }
    done = subprocess.run(["sh", str(START)], env=environment, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise Refused(done.stderr.strip())
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


@contextlib.contextmanager
def production_room(broker: Broker, folder: Path, *, subscribers: str = "") -> Iterator[ProductionRoom]:
    """The virtual host of an alliance as the definitions make it, with all its users; removed afterwards."""
    made = definitions(folder, subscribers=subscribers)
    broker.api("POST", "definitions", made)
    broker.api("PUT", f"permissions/{VIRTUAL_HOST}/{broker.user}", {"configure": ".*", "write": ".*", "read": ".*"})
    try:
        yield ProductionRoom(broker, VIRTUAL_HOST)
    finally:
        broker.api("DELETE", f"vhosts/{VIRTUAL_HOST}")
        for user in made["users"]:
            broker.api("DELETE", f"users/{user['name']}")


class ProductionRoom(VirtualHost):
    """The virtual host of an alliance, entered as one of its users."""

    def url_of(self, user: str, password: str = "") -> str:
        """AMQP URL for a service, or for a subscriber with its password."""
        broker = self.broker
        secret = password or password_of(user)
        return f"amqp://{user}:{secret}@{broker.host}:{broker.port}/{quote(self.name, safe='')}"
