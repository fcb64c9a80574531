"""PostgreSQL and RabbitMQ as containers, through testcontainers, where a Docker engine answers.

Readiness is judged by our own conditions (a query, an AMQP and a management answer). Containers carry the
session's process id, so that a later session can remove what a killed one left behind.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.servers.broker import START_SECONDS, Broker
from tests.servers.ports import HOST, free_ports, is_listening
from tests.servers.postgresql import PostgreSQL
from tests.waiting import wait_until

POSTGRESQL_IMAGE = "postgres:17"
RABBITMQ_IMAGE = "rabbitmq:4-management"
#: Whose container: `<host name>/<process id>`.
OWNER_LABEL = "lianmeng.tests.owner"
USER = "lianmeng"
PASSWORD = "for-tests-only"
#: Where a PostgreSQL container has its small disk.
SMALL_DISK = "/small"


class NoContainers(Exception):
    """No engine answers, or an image cannot be had."""


def engine() -> Any:
    """The engine's client; raises NoContainers with the reason."""
    # The reaper is one more image to pull, and this package removes what it started.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    try:
        import docker  # type: ignore[import-untyped] # ships no types, and no stubs are kept up

        client = docker.from_env(timeout=60)
        client.ping()
    except Exception as error:
        raise NoContainers(f"no Docker engine answers: {type(error).__name__}") from error
    return client


def postgresql(settings: dict[str, str], *, direct: bool = False, small_disk: str = "") -> PostgreSQL:
    """Start a PostgreSQL container with these settings and wait until it answers a query.

    `small_disk`: size of a file system at SMALL_DISK that a test may fill up.

    `direct`: at the container's own address where this machine can reach it, past the engine's port proxy, which
    costs a measurement more than the server does. pytest's socket guard knows loopback only, so tests use the port.
    """
    [port] = free_ports(1)
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    container = _start(
        POSTGRESQL_IMAGE,
        ports={5432: port},
        environment={"POSTGRES_USER": USER, "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "postgres"},
        command=["postgres", *flags],
        in_memory={
            # A database copied for every test is a thousand files.
            **({} if settings.get("fsync") == "on" else {"/var/lib/postgresql/data": "rw"}),
            **({SMALL_DISK: f"rw,size={small_disk}"} if small_disk else {}),
        },
    )
    wrapped = container.get_wrapped_container()

    def revive() -> None:
        wrapped.start()
        wait_for_answer()

    def wait_for_answer() -> None:
        wait_until(server.answers, f"container {POSTGRESQL_IMAGE} answering", seconds=START_SECONDS, every=0.1)

    server = PostgreSQL(
        host=HOST,
        port=port,
        user=USER,
        password=PASSWORD,
        how=f"container {POSTGRESQL_IMAGE}",
        stop=functools.partial(container.stop),
        kill=wrapped.kill,
        revive=revive,
    )
    with _logs_on_failure(container):
        wait_for_answer()
    if small_disk:
        wrapped.exec_run(["chown", "postgres", SMALL_DISK])
    address = _own_address(container, 5432) if direct else None
    return replace(server, host=address, port=5432) if address else server


class ContainerBroker(Broker):
    """A broker in a container. Its ports are fixed, so it comes back at the same address after a restart."""

    def __init__(self, container: Any, port: int, management_port: int) -> None:
        super().__init__(
            host=HOST,
            port=port,
            management_port=management_port,
            user=USER,
            password=PASSWORD,
            how=f"container {RABBITMQ_IMAGE}",
        )
        self._container = container

    def control(self, *arguments: str) -> str:
        status, output = self._container.get_wrapped_container().exec_run(["rabbitmqctl", *arguments])
        text: str = output.decode(errors="replace")
        assert status == 0, f"rabbitmqctl {' '.join(arguments)}: {text}"
        return text

    def diagnose(self, *arguments: str) -> tuple[int, str]:
        status, output = self._container.get_wrapped_container().exec_run(["rabbitmq-diagnostics", *arguments])
        return status, output.decode(errors="replace")

    def end_process(self) -> None:
        self._container.get_wrapped_container().kill()

    def revive(self) -> None:
        self._container.get_wrapped_container().start()
        self.wait_until_it_serves()

    def dispose(self) -> None:
        self._container.stop()


def broker(*, direct: bool = False) -> Broker:
    """Start a RabbitMQ container and wait until AMQP and management answer; `direct` as for PostgreSQL."""
    port, management_port = free_ports(2)
    container = _start(
        RABBITMQ_IMAGE,
        ports={5672: port, 15672: management_port},
        environment={"RABBITMQ_DEFAULT_USER": USER, "RABBITMQ_DEFAULT_PASS": PASSWORD},
    )
    found = ContainerBroker(container, port, management_port)
    with _logs_on_failure(container):
        found.wait_until_it_serves()
    address = _own_address(container, 5672) if direct else None
    if address:
        found.host, found.port, found.management_port = address, 5672, 15672
    return found


def _own_address(container: Any, port: int) -> str | None:
    wrapped = container.get_wrapped_container()
    wrapped.reload()
    networks = wrapped.attrs["NetworkSettings"]["Networks"].values()
    addresses = [each["IPAddress"] for each in networks if each["IPAddress"]]
    return next((address for address in addresses if is_listening(port, address)), None)


def _start(
    image: str,
    *,
    ports: dict[int, int],
    environment: dict[str, str],
    command: Any = None,
    in_memory: Mapping[str, str] | None = None,
) -> Any:
    client = engine()
    remove_left_behind(client)
    ensure_image(client, image)
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(image, command=command, env=environment, labels=owned())
    container.tmpfs.update(in_memory or {})
    for inside, outside in ports.items():
        container.ports[str(inside)] = (HOST, outside)  # type: ignore[assignment] # docker-py's form for loopback only
    return container.start()


def ensure_image(client: Any, image: str) -> None:
    """Have the image here; raises NoContainers."""
    import docker.errors  # type: ignore[import-untyped] # as above

    try:
        client.images.get(image)
    except docker.errors.ImageNotFound:
        try:
            client.images.pull(image)
        except docker.errors.DockerException as error:
            raise NoContainers(f"the engine answers, but image {image} cannot be had") from error


def owned() -> dict[str, str]:
    """Labels by which a later session knows whose this was."""
    return {OWNER_LABEL: f"{socket.gethostname()}/{os.getpid()}"}


def remove_left_behind(client: Any) -> None:
    """Containers and networks of sessions on this host whose process is gone: killed before they could clean up."""
    for container in client.containers.list(all=True, filters={"label": OWNER_LABEL}):
        if _is_orphaned(container.labels):
            with contextlib.suppress(Exception):  # another session may be removing it at this moment
                container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": OWNER_LABEL}):
        if _is_orphaned(network.attrs["Labels"]):
            with contextlib.suppress(Exception):  # as above
                network.remove()


def _is_orphaned(labels: dict[str, str]) -> bool:
    host, _, pid = labels[OWNER_LABEL].partition("/")
    return host == socket.gethostname() and not Path(f"/proc/{pid}").exists()


@contextlib.contextmanager
def _logs_on_failure(container: Any) -> Any:
    try:
        yield
    except BaseException as error:
        error.add_note(container.get_wrapped_container().logs(tail=50).decode(errors="replace"))
        container.stop()
        raise
