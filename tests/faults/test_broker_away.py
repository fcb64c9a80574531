"""The broker is killed, stopped, or cannot be reached for a while; everything waits in the outbox and then goes on."""

from __future__ import annotations

import threading

import pytest

from tests.faults.harness import MakeRig, Rig
from tests.faults.proxy import Proxy
from tests.faults.report import Report
from tests.faults.striking import strike, through
from tests.faults.toxics import black_hole
from tests.servers import Broker, VirtualHost
from tests.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(3600)]

#: Two heartbeats and a bit: by then a connection through a black hole must have been given up, in seconds.
GIVEN_UP_SECONDS = 30


def wait_for_a_backlog(rig: Rig) -> None:
    """The fault is felt: numbers are still acknowledged, and wait in the outbox."""
    wait_until(lambda: rig.unsent() >= 10, "events waiting in the outbox")


@pytest.mark.faults
@pytest.mark.parametrize("partitions", [1, 4])
def test_a_broker_killed_under_load_loses_nothing(
    make_rig: MakeRig, broker: Broker, rounds: range, report: Report, partitions: int
) -> None:
    def power_cut() -> None:
        broker.kill()
        wait_for_a_backlog(rig)
        broker.revive()

    # With partitions, two workers share them.
    several = {"settings": {"LIANMENG_CONSUMER_PARTITIONS": str(partitions)}, "consumers": 2} if partitions > 1 else {}
    with make_rig(**several) as rig:
        for _ in rounds:
            name = "broker killed (SIGKILL) and started" + (f", {partitions} partitions" if several else "")
            strike(rig, report, name, power_cut, events=600, per_second=60)


@pytest.mark.faults
def test_a_broker_stopped_in_good_order_under_load_loses_nothing(
    make_rig: MakeRig, broker: Broker, rounds: range, report: Report
) -> None:
    def maintenance() -> None:
        with broker.stopped():
            wait_for_a_backlog(rig)

    with make_rig() as rig:
        for _ in rounds:
            strike(rig, report, "broker stopped and started", maintenance, events=300, per_second=60)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("how", "seconds"),
    # The last is longer than heartbeats and confirms are waited for: the connections are given up while it lasts.
    [("refused", 1), ("refused", 10), ("black hole", 1), ("black hole", 10), ("black hole", 40)],
)
def test_a_broker_out_of_reach_for_a_while_loses_nothing(
    make_rig: MakeRig, virtual_host: VirtualHost, rounds: range, report: Report, how: str, seconds: int
) -> None:
    def out_of_reach() -> None:
        if how == "refused":
            proxy.refuse()
        else:
            proxy.spoil(black_hole())
        threading.Event().wait(seconds)  # the time itself is the subject
        assert rig.unsent() >= 10, "nothing waited: the broker was in reach"
        proxy.heal()

    with (
        Proxy(virtual_host.broker.port) as proxy,
        make_rig(broker_url=through(proxy, virtual_host.url), prepare_broker_url=virtual_host.url) as rig,
    ):
        for _ in rounds:
            name = f"broker out of reach for {seconds} s ({how})"
            strike(rig, report, name, out_of_reach, events=60 * (seconds + 3), per_second=60)
        if how == "black hole" and seconds > GIVEN_UP_SECONDS:
            assert rig.consumer.log_file.read_text().count('"broker.connection_lost"') >= len(rounds), "it hung on"


@pytest.mark.faults
def test_connections_the_network_has_forgotten_are_made_anew(
    make_rig: MakeRig, virtual_host: VirtualHost, rounds: range, report: Report
) -> None:
    def forgotten() -> None:
        # Nothing passes, then the clients are told and the broker is not: it keeps the dead consumer for a while.
        proxy.spoil(black_hole())
        wait_for_a_backlog(rig)
        proxy.forget()
        proxy.heal()

    with (
        Proxy(virtual_host.broker.port) as proxy,
        make_rig(
            broker_url=through(proxy, virtual_host.url),
            prepare_broker_url=virtual_host.url,
        ) as rig,
    ):
        for _ in rounds:
            strike(rig, report, "connections to the broker half open", forgotten)
