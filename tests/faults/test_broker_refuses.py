"""The broker is there and takes nothing: an alarm, a binding removed, a full queue. What it has not confirmed is not sent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.faults.harness import MakeRig
from tests.faults.pair import COUNTED, QUEUE
from tests.faults.report import Report
from tests.faults.striking import expect_a_standstill, strike
from tests.servers import Broker, VirtualHost

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(3600)]

#: An alarm that lasts longer than this drops the connection; short here, so that the test sees it happen.
BLOCKED_SECONDS = 3


@contextlib.contextmanager
def disk_alarm(broker: Broker) -> Iterator[None]:
    """Within the block the broker believes that its disk is full."""
    broker.control("set_disk_free_limit", str(10**15))
    try:
        yield
    finally:
        broker.control("set_disk_free_limit", "50MB")


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_under_an_alarm_nothing_is_marked_sent_and_commits_go_on(
    make_rig: MakeRig, broker: Broker, rounds: range, report: Report, kind: str
) -> None:
    def alarm() -> None:
        with broker.memory_alarm() if kind == "memory" else disk_alarm(broker):
            # Longer than the connection is left blocked: it is dropped and made anew, and the alarm still there.
            expect_a_standstill(rig, BLOCKED_SECONDS + 1)

    with make_rig(settings={"LIANMENG_BROKER_BLOCKED_SECONDS": str(BLOCKED_SECONDS)}) as rig:
        for _ in rounds:
            strike(rig, report, f"{kind} alarm of the broker", alarm, events=500, per_second=60)


def test_what_no_queue_takes_stays_in_the_outbox_and_keeps_its_order(
    make_rig: MakeRig, virtual_host: VirtualHost, rounds: range, report: Report
) -> None:
    bindings = f"bindings/{virtual_host.name}/e/alliance.events/q/{QUEUE}"

    def without_binding() -> None:
        virtual_host.broker.api("DELETE", f"{bindings}/{COUNTED}")
        expect_a_standstill(rig, 1.0)
        virtual_host.broker.api("POST", bindings, {"routing_key": COUNTED, "arguments": {}})

    with make_rig() as rig:
        for _ in rounds:
            strike(rig, report, "unroutable: binding removed and put back", without_binding)
        assert '"relay.refused"' in rig.relay.log_file.read_text()
        assert "unroutable" in rig.relay.log_file.read_text()


def test_what_a_full_queue_refuses_stays_in_the_outbox_until_there_is_room(
    make_rig: MakeRig, virtual_host: VirtualHost, rounds: range, report: Report
) -> None:
    policy = f"policies/{virtual_host.name}/full"
    limits = {"max-length": 5, "overflow": "reject-publish"}

    def full() -> None:
        virtual_host.broker.api("PUT", policy, {"pattern": ".*", "definition": limits, "apply-to": "queues"})
        rig.consumer.freeze()
        try:
            expect_a_standstill(rig, 1.0)
        finally:
            rig.consumer.thaw()
            virtual_host.broker.api("DELETE", policy)

    with make_rig(consumer_settings={"LIANMENG_CONSUMER_BATCH": "20"}) as rig:
        for _ in rounds:
            strike(rig, report, "queue full (reject-publish), then room", full, events=500)
        assert "refused by the broker" in rig.relay.log_file.read_text()
