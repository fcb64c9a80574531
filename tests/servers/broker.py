"""A RabbitMQ broker of the test session, and what tests do to it: stop, cut, alarm, look.

Knows nothing of how the broker was had; `containers` and `local` subclass it. Tests share the broker and are kept
apart by a virtual host each.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from tests.servers.ports import is_listening
from tests.waiting import wait_until

#: RabbitMQ answers within a second or two; a busy machine takes longer.
START_SECONDS = 90.0


class Broker:
    """One broker. Subclasses say how `control`, `kill` and `revive` reach it."""

    def __init__(self, *, host: str, port: int, management_port: int, user: str, password: str, how: str) -> None:
        self.host = host
        self.port = port
        self.management_port = management_port
        self.user = user
        self.password = password
        self.how = how
        self._names = itertools.count(1)

    # ------------------------------------------------------------ how it is reached: subclasses
    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl at the broker; returns what it printed. About a second each."""
        raise NotImplementedError

    def diagnose(self, *arguments: str) -> tuple[int, str]:
        """Run rabbitmq-diagnostics at the broker; returns its exit status and what it printed."""
        raise NotImplementedError

    def end_process(self) -> None:
        """SIGKILL to the broker's process."""
        raise NotImplementedError

    def revive(self) -> None:
        """Start again after `kill`, at the same address, and wait until it serves."""
        raise NotImplementedError

    def dispose(self) -> None:
        """End of the session: stop and remove everything."""
        raise NotImplementedError

    # ------------------------------------------------------------ looking
    def url(self, virtual_host: str = "/") -> str:
        """AMQP URL of a virtual host."""
        return f"amqp://{self.user}:{self.password}@{self.host}:{self.port}/{quote(virtual_host, safe='')}"

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the management API; returns the JSON answered, None where there is none."""
        answer = httpx.request(
            method,
            f"http://{self.host}:{self.management_port}/api/{path}",
            auth=(self.user, self.password),
            json=body,
            timeout=20,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def serves(self) -> bool:
        """Whether AMQP and the management API both answer."""
        if not (is_listening(self.port, self.host) and is_listening(self.management_port, self.host)):
            return False
        try:
            self.api("GET", "overview")
        except httpx.HTTPError:
            return False
        return True

    # ------------------------------------------------------------ doing
    def kill(self) -> None:
        """SIGKILL, as a power cut would; data written stays.

        RabbitMQ writes the directory of its quorum queues with a delay of minutes, so a queue that young would not be
        found again after the cut. That is the broker's weakness and no test's subject: the directory is written first.
        """
        self.control("eval", "[dets:sync(Table) || Table <- dets:all()].")
        self.end_process()

    def wait_until_it_serves(self) -> None:
        """Wait for a broker that is coming up."""
        wait_until(self.serves, f"{self.how} serving on port {self.port}", seconds=START_SECONDS, every=0.2)

    def stop(self) -> None:
        """Orderly stop: connections are closed, new ones refused; queues and messages stay."""
        self.control("stop_app")

    def start(self) -> None:
        """Undo `stop`."""
        self.control("start_app")
        self.wait_until_it_serves()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Orderly stopped within the block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def memory_alarm(self) -> Iterator[None]:
        """Within the block every publishing connection is blocked, as when memory runs out."""
        self.control("set_vm_memory_high_watermark", "absolute", "1")
        try:
            yield
        finally:
            self.control("set_vm_memory_high_watermark", "0.6")

    @contextlib.contextmanager
    def virtual_host(self) -> Iterator[VirtualHost]:
        """A fresh virtual host, removed afterwards with everything in it."""
        name = f"test-{next(self._names)}"
        self.api("PUT", f"vhosts/{name}")
        self.api("PUT", f"permissions/{name}/{self.user}", {"configure": ".*", "write": ".*", "read": ".*"})
        try:
            yield VirtualHost(self, name)
        finally:
            self.api("DELETE", f"vhosts/{name}")


@dataclass(frozen=True)
class VirtualHost:
    """One test's own room in the broker."""

    broker: Broker
    name: str

    @property
    def url(self) -> str:
        """AMQP URL of the room."""
        return self.broker.url(self.name)

    def close_connections(self) -> None:
        """Cut every connection into this room, as a broker restart or a balancer would."""
        self.broker.control("close_all_connections", "--vhost", self.name, "cut by a test")

    def queues(self) -> list[dict[str, Any]]:
        """The room's queues as the management API shows them (its counters lag by seconds)."""
        found: list[dict[str, Any]] = self.broker.api("GET", f"queues/{self.name}")
        return found

    def consumers_of(self, queue: str) -> int:
        """How many consumers the queue has, those standing by included."""
        found = self.broker.api("GET", f"consumers/{self.name}")
        return sum(each["queue"]["name"] == queue for each in found)

    def delete_queue(self, queue: str) -> None:
        """Remove a queue under its consumer, which the broker then cancels."""
        self.broker.api("DELETE", f"queues/{self.name}/{quote(queue, safe='')}")
