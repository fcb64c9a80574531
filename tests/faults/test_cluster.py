"""A cluster of three loses one node under load and goes on; it loses two, stands still, and goes on when they are back."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from tests.faults.cluster import Cluster, Node, three_nodes
from tests.faults.harness import MakeRig, Rig
from tests.faults.pair import QUEUE
from tests.faults.report import Report
from tests.faults.striking import expect_a_standstill, strike
from tests.servers.containers import NoContainers
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.docker,
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.faults,
    pytest.mark.timeout(7200),
]

ROOM = "cluster"
_names = itertools.count(1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    try:
        with three_nodes() as running:
            yield running
    except NoContainers as missing:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture
def room(cluster: Cluster) -> str:
    """A virtual host of the test's own."""
    name = f"{ROOM}-{next(_names)}"
    cluster.add_virtual_host(name)
    return name


def expect_whole(cluster: Cluster, room: str) -> None:
    """Only what is whole can be broken."""
    cluster.wait_until_whole()
    wait_until(lambda: cluster.in_step(QUEUE, room), "three replicas of the queue", seconds=60, ignoring=(Exception,))


def expect_work_to_go_on(rig: Rig) -> None:
    """With a majority left, effects go on while the node is away."""
    rig.wait_for_more_effects(50)


@pytest.mark.parametrize("which", ["the queue's leader", "the clients' node"])
def test_a_cluster_that_loses_a_node_goes_on(
    make_rig: MakeRig, cluster: Cluster, room: str, rounds: range, report: Report, which: str
) -> None:
    def lose() -> None:
        node = cluster.leader_of(QUEUE, room) if which == "the queue's leader" else cluster.node_of_clients(room)
        node.kill()
        expect_work_to_go_on(rig)
        node.begin()

    with make_rig(broker_url=cluster.url(room)) as rig:
        for _ in rounds:
            expect_whole(cluster, room)
            strike(rig, report, f"cluster of three: {which} killed", lose, events=900, per_second=60)
        expect_whole(cluster, room)


def test_a_cluster_without_majority_confirms_nothing_and_goes_on_when_it_is_back(
    make_rig: MakeRig, cluster: Cluster, room: str, rounds: range, report: Report
) -> None:
    def lose_two() -> None:
        lost: list[Node] = cluster.nodes[:2]
        for node in lost:
            node.kill()
        expect_a_standstill(rig, 2.0)
        for node in lost:
            node.begin()
        cluster.wait_until_whole()

    with make_rig(broker_url=cluster.url(room)) as rig:
        for _ in rounds:
            expect_whole(cluster, room)
            strike(rig, report, "cluster of three: two nodes killed", lose_two, events=1200, per_second=60)
