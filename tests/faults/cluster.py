"""Three RabbitMQ nodes that form one cluster, in containers: what it takes to lose one under load.

Needs a Docker engine; raises NoContainers where there is none. The nodes find one another by name on a network of their
own and are reached at fixed ports of loopback, so a node comes back at the address it had.
"""

from __future__ import annotations

import contextlib
import io
import secrets
import tarfile
from collections.abc import Iterator, Sequence
from typing import Any

from tests.servers.broker import Broker
from tests.servers.containers import PASSWORD, RABBITMQ_IMAGE, USER, engine, ensure_image, owned, remove_left_behind
from tests.servers.ports import HOST, free_ports
from tests.waiting import wait_until

SIZE = 3
#: Three nodes start at once on two cores, and wait for one another.
START_SECONDS = 120.0


class Node(Broker):
    """One node. `kill` and `revive` are a power cut; `stop` and `start` an orderly maintenance."""

    def __init__(self, container: Any, name: str, port: int, management_port: int) -> None:
        super().__init__(
            host=HOST, port=port, management_port=management_port, user=USER, password=PASSWORD, how=f"node {name}"
        )
        self.name = name
        self._container = container

    def control(self, *arguments: str) -> str:
        return self.run("rabbitmqctl", *arguments)

    def run(self, *command: str) -> str:
        """Run one of the broker's programs on the node."""
        status, output = self._container.exec_run(list(command))
        text: str = output.decode(errors="replace")
        assert status == 0, f"{' '.join(command)}: {text}"
        return text

    def end_process(self) -> None:
        self._container.kill()

    def begin(self) -> None:
        """Start the container; does not wait."""
        self._container.start()

    def revive(self) -> None:
        self.begin()
        self.wait_until_it_serves()

    def log(self) -> str:
        """The end of what it wrote."""
        text: str = self._container.logs(tail=40).decode(errors="replace")
        return f"--- {self.name}, serves: {self.serves()}\n{text}"

    def dispose(self) -> None:
        with contextlib.suppress(Exception):  # killed, or gone already
            self._container.remove(force=True, v=True)


class Cluster:
    """The nodes, and what can be asked of any that lives."""

    def __init__(self, nodes: Sequence[Node], network: Any) -> None:
        self.nodes = list(nodes)
        self._network = network

    def url(self, virtual_host: str = "/", *, first: int = 0) -> str:
        """What a service is given: every node's URL, beginning with this one."""
        turned = [*self.nodes[first:], *self.nodes[:first]]
        return ",".join(node.url(virtual_host) for node in turned)

    def leader_of(self, queue: str, virtual_host: str = "/") -> Node:
        """The node that leads a queue."""
        name = self._queue(queue, virtual_host)["leader"]
        return next(node for node in self.nodes if f"rabbit@{node.name}" == name)

    def in_step(self, queue: str, virtual_host: str = "/") -> bool:
        """Whether all replicas of the queue are up."""
        found = self._queue(queue, virtual_host)
        return len(found.get("online", ())) == len(found.get("members", ())) == SIZE

    def _queue(self, queue: str, virtual_host: str) -> dict[str, Any]:
        node = next(node for node in self.nodes if node.serves())
        found: dict[str, Any] = node.api("GET", f"queues/{virtual_host}/{queue}")
        return found

    def node_of_clients(self, virtual_host: str) -> Node:
        """The node that most connections of this virtual host are on."""
        serving = next(node for node in self.nodes if node.serves())
        names = [each["node"] for each in serving.api("GET", f"vhosts/{virtual_host}/connections")]
        return max(self.nodes, key=lambda node: names.count(f"rabbit@{node.name}"))

    def add_virtual_host(self, name: str) -> None:
        """A room of a test's own, on all nodes."""
        node = self.nodes[0]
        node.api("PUT", f"vhosts/{name}")
        node.api("PUT", f"permissions/{name}/{node.user}", {"configure": ".*", "write": ".*", "read": ".*"})

    def is_whole(self) -> bool:
        """Whether every node serves and sees all the others."""
        if not all(node.serves() for node in self.nodes):
            return False
        running = [node.api("GET", "nodes") for node in self.nodes]
        return all(sum(bool(each.get("running")) for each in seen) == SIZE for seen in running)

    def wait_until_whole(self) -> None:
        """Wait for nodes that are coming up."""
        try:
            wait_until(self.is_whole, "one cluster", seconds=START_SECONDS, every=0.5, ignoring=(Exception,))
        except BaseException as error:
            error.add_note("\n".join(node.log() for node in self.nodes))
            raise

    def dispose(self) -> None:
        """Remove everything."""
        for node in self.nodes:
            node.dispose()
        self._network.remove()


@contextlib.contextmanager
def three_nodes() -> Iterator[Cluster]:
    """A cluster for the length of a block."""
    client = engine()
    remove_left_behind(client)
    ensure_image(client, RABBITMQ_IMAGE)
    network = client.networks.create(f"lianmeng-{secrets.token_hex(4)}", labels=owned())
    names = [f"node-{number}" for number in range(1, SIZE + 1)]
    ports = free_ports(2 * SIZE)
    files = _files(names)
    nodes = [
        Node(_create(client, network, name, files, *pair), name, *pair)
        for name, pair in zip(names, zip(ports[::2], ports[1::2], strict=True), strict=True)
    ]
    cluster = Cluster(nodes, network)
    try:
        for node in nodes:
            node.begin()
        cluster.wait_until_whole()
        yield cluster
    finally:
        cluster.dispose()


def _create(client: Any, network: Any, name: str, files: bytes, port: int, management_port: int) -> Any:
    container = client.containers.create(
        RABBITMQ_IMAGE,
        hostname=name,
        environment={"RABBITMQ_DEFAULT_USER": USER, "RABBITMQ_DEFAULT_PASS": PASSWORD},
        ports={"5672": (HOST, port), "15672": (HOST, management_port)},
        labels=owned(),
    )
    network.connect(container, aliases=[name])
    container.put_archive("/", files)
    return container


def _files(names: Sequence[str]) -> bytes:
    """What every node finds when it starts: whom to join, and the secret they share."""
    settings = [
        "cluster_formation.peer_discovery_backend = classic_config",
        *(f"cluster_formation.classic_config.nodes.{n} = rabbit@{name}" for n, name in enumerate(names, start=1)),
        # A node that is cut off from the others stops serving rather than going on alone.
        "cluster_partition_handling = pause_minority",
        "collect_statistics_interval = 1000",
    ]
    contents = {
        "etc/rabbitmq/conf.d/20-cluster.conf": ("\n".join(settings) + "\n", 0o644),
        "var/lib/rabbitmq/.erlang.cookie": (secrets.token_hex(16), 0o400),  # Erlang takes none that others can read
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, (text, mode) in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), mode
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
