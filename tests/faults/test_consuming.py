"""The broker takes the queue, or its patience, away from a consumer; and a message that kills whoever gets it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.messaging import parking
from shared.messaging.parking import REDRIVE, Operator, Selection, Wish
from shared.messaging.transport import dead_queue_of
from tests.faults.harness import MakeRig, Rig
from tests.faults.pair import MENDED, QUEUE
from tests.faults.report import Report
from tests.servers import Broker, VirtualHost
from tests.servers.definitions import definitions
from tests.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.faults, pytest.mark.timeout(3600)]

#: Deliveries after which a message is set aside here; in production it is a hundred.
DELIVERY_LIMIT = 4
#: How long a consumer may keep a message here, in milliseconds; the broker's own limit is half an hour.
PATIENCE_MILLISECONDS = 1_000


def test_a_consumer_whose_queue_is_deleted_declares_it_again(
    make_rig: MakeRig, virtual_host: VirtualHost, rounds: range, report: Report
) -> None:
    with make_rig() as rig:
        for _ in rounds:
            # given an empty queue: what is in one when an operator deletes it is gone
            rig.load(events=50)
            rig.settle().assert_clean()

            # when it is deleted, which cancels its consumer, and numbers are said at once
            with rig.fault():
                virtual_host.delete_queue(QUEUE)
            rig.load(events=200, per_second=100)

            # then they come through a new one
            verdict = rig.settle()
            report.add("consumer cancelled: queue deleted", verdict)
            verdict.assert_clean()
            assert rig.consumer.deaths == []
        assert rig.consumer.log_file.read_text().count('"broker.cancelled_us"') >= len(rounds)


@contextlib.contextmanager
def impatient(broker: Broker) -> Iterator[None]:
    """Within the block the broker waits a second for acknowledgements, and looks every second."""
    settings = {"consumer_timeout": (PATIENCE_MILLISECONDS, 1_800_000), "channel_tick_interval": (1_000, 60_000)}
    try:
        for name, (value, _) in settings.items():
            broker.control("eval", f"application:set_env(rabbit, {name}, {value}).")
        yield
    finally:
        for name, (_, value) in settings.items():
            broker.control("eval", f"application:set_env(rabbit, {name}, {value}).")


def test_a_handler_slower_than_the_brokers_patience_has_its_effects_once(
    make_rig: MakeRig, broker: Broker, rounds: range, report: Report
) -> None:
    with impatient(broker), make_rig() as rig:
        for _ in rounds:
            with rig.fault():
                rig.load(events=2, subjects=2, mood="sleeping:4")
            rig.load(events=100)
            verdict = rig.settle()
            report.add("acknowledgement time-out of the broker", verdict)
            verdict.assert_clean()
            assert rig.consumer.deaths == []
        assert "PRECONDITION_FAILED" in rig.consumer.log_file.read_text(), "the broker was patient"


def guard(room: VirtualHost, folder: Path) -> None:
    """What deploy/rabbitmq gives finance, given to beta, with a smaller limit."""
    made = definitions(folder)
    [policy] = [each for each in made["policies"] if each["name"] == "finance-inbox"]
    [exchange] = made["exchanges"]
    limits = {**policy["definition"], "dead-letter-routing-key": "beta", "delivery-limit": DELIVERY_LIMIT}
    dead, api = dead_queue_of("beta"), room.broker.api
    api("PUT", f"exchanges/{room.name}/{exchange['name']}", {name: exchange[name] for name in ("type", "durable")})
    [queue] = [each for each in made["queues"] if each["name"] == dead_queue_of("finance")]
    api("PUT", f"queues/{room.name}/{dead}", {"durable": True, "arguments": queue["arguments"]})
    api("POST", f"bindings/{room.name}/e/{exchange['name']}/q/{dead}", {"routing_key": "beta", "arguments": {}})
    inbox = {"pattern": "^beta\\.inbox$", "definition": limits, "apply-to": "quorum_queues", "priority": 20}
    api("PUT", f"policies/{room.name}/inbox", inbox)


def redrive(rig: Rig) -> None:
    """What an operator does once the bug is mended."""
    rig.query("beta", f"CREATE TABLE {MENDED} ()")
    with rig.inside("beta") as beta, beta.begin() as work:
        parking.act(work, Operator("clerk", "command"), Wish(REDRIVE, Selection()))


def test_a_message_that_kills_its_consumer_every_time_comes_home_and_waits_for_an_operator(
    make_rig: MakeRig, virtual_host: VirtualHost, tmp_path: Path, rounds: range, report: Report
) -> None:
    guard(virtual_host, tmp_path)
    with make_rig() as rig:
        for _ in rounds:
            # given a number that ends the process which hears it, again and again
            deaths = len(rig.consumer.deaths)
            [number] = rig.load(events=1, mood="deadly")

            # then it is parked after the limit, and others have their effects
            wait_until(rig.parked, "the number parked", seconds=60)
            assert rig.parked() == [(number, "event.dead_lettered")]
            assert len(rig.consumer.deaths) == deaths + DELIVERY_LIMIT + 1
            before = rig.count_effects()
            rig.load(events=100)
            # But for those of its own subject, which wait behind it.
            rig.wait_for_effects(before + 80)

            # and redriven with the bug mended it has its effect, once, and so has what waited behind it
            with rig.fault():
                redrive(rig)
            rig.load(events=10)
            verdict = rig.settle()
            report.add("killed with one message in hand, up to the delivery limit", verdict)
            verdict.assert_clean()
            assert verdict.ok == verdict.events > 100, "everything had its effect, the number too"
            rig.query("beta", f"DROP TABLE {MENDED}")
