"""A subscription follows the layout that the broker has: what it consumes, in which order, and how it takes trouble."""

from __future__ import annotations

import functools
import os
import socket
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pika
import pytest
from pika.exceptions import AMQPConnectionError
from structlog.testing import capture_logs

from shared.messaging.rabbitmq import following as following_module
from shared.messaging.rabbitmq import layout as layout_module
from shared.messaging.rabbitmq import link as link_module
from shared.messaging.rabbitmq.following import FollowingSubscription
from shared.messaging.rabbitmq.layout import Layouts, queues_of
from shared.messaging.transport import BrokerUnavailable
from shared.runtime.failpoints import Failpoints
from tests.builders.broker import Stored, nothing
from tests.builders.broker_io import IoBroker
from tests.builders.threads import IDLE_THREADING
from tests.waiting import wait_until

#: In memory everything happens within milliseconds; a test of the tests waits for many things in vain.
soon = functools.partial(wait_until, seconds=5.0)

QUEUE = "aloud.inbox"
SAID = "alpha.word.said"
BROKERS = [pika.ConnectionParameters()]


class Following:
    """Makes subscriptions without a thread of their own, on one broker, and ends them."""

    def __init__(self, broker: IoBroker) -> None:
        self.broker = broker
        self.made: list[FollowingSubscription] = []
        self.taken: list[bytes] = []
        #: What `accept` raises.
        self.trouble: Exception | None = None

    def subscription(self, partitions: int = 1, prefers: Sequence[int] = ()) -> Any:
        """One; Any, because the test looks behind the curtain."""
        made = FollowingSubscription(
            BROKERS,
            QUEUE,
            [SAID],
            self._accept,
            partitions=partitions,
            prefers=prefers,
            prefetch=6,
            failpoints=Failpoints(),
        )
        self.made.append(made)
        return made

    def establish(self, partitions: int) -> None:
        """As another process does."""
        Layouts(BROKERS, QUEUE, [SAID]).establish(partitions)

    def publish(self, body: bytes, slot: int = 0) -> None:
        """An event."""
        assert self.broker.publish("alliance.events", Stored(SAID, body, {"slot": slot}, True))

    def consumed(self) -> set[str]:
        """The queues that have a consumer."""
        return {each.queue for each in list(self.broker.consumers)}

    def _accept(self, bodies: Sequence[bytes]) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.taken.extend(bodies)


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> Iterator[Following]:
    broker = IoBroker()
    monkeypatch.setattr(layout_module, "BlockingConnection", broker.connect)
    monkeypatch.setattr(link_module, "JoiningConnection", broker.open)
    monkeypatch.setattr(link_module, "RECONNECT_SECONDS", (0.01,))
    monkeypatch.setattr(following_module, "threading", IDLE_THREADING)
    made = Following(broker)
    yield made
    for each in made.made:
        each.stop()


def consumes(following: Following, queues: Sequence[str]) -> None:
    soon(lambda: following.consumed() == set(queues), f"consumers of {queues}")


@pytest.mark.parametrize("partitions", [1, 4])
def test_where_nothing_is_the_wanted_layout_is_made_and_looked_at_once_more_before_it_is_consumed(
    following: Following, partitions: int
) -> None:
    subscription = following.subscription(partitions)

    assert subscription._step() == 0.0
    assert set(following.broker.queues) == set(queues_of(QUEUE, partitions))
    assert not subscription._running

    assert subscription._step() is None
    consumes(following, queues_of(QUEUE, partitions))
    del following.broker.operations[:]
    assert subscription._step() is None
    assert following.broker.operations == [], "made once, and not again"


def test_the_layout_that_is_there_is_consumed_whatever_is_wanted(following: Following) -> None:
    following.establish(2)
    subscription = following.subscription(4)

    assert [subscription._step(), subscription._step()] == [0.0, None]

    consumes(following, queues_of(QUEUE, 2))
    assert set(following.broker.queues) == set(queues_of(QUEUE, 2))


def test_what_somebody_else_has_made_is_made_sure_of_once(following: Following) -> None:
    # given bindings that are older than a pattern of ours
    following.establish(1)
    following.broker.bindings.clear()

    following.subscription(1)._step()

    following.publish(b"a")
    assert following.broker.bodies(QUEUE) == [b"a"]


def test_a_partition_that_is_gone_is_made_again(following: Following) -> None:
    subscription = following.subscription(2)
    subscription._step()
    following.broker.drop(f"{QUEUE}.2-1", is_exchange=False)

    assert [subscription._step(), subscription._step()] == [0.0, None]

    consumes(following, queues_of(QUEUE, 2))
    following.publish(b"a", slot=1)
    soon(lambda: following.taken == [b"a"], "its message")


def test_a_change_is_followed_old_queue_first_and_finished(following: Following) -> None:
    # given events before and after a change, and a handler that cannot store yet
    subscription = following.subscription(1)
    subscription._step()
    subscription._step()
    following.trouble = OSError("away")
    following.publish(b"before", slot=1)
    following.establish(2)
    following.publish(b"after", slot=1)

    # when the subscription looks while the old queue has not come to its end
    assert subscription._step() == 0.0
    assert subscription._step() == following_module.CHANGE_SECONDS
    assert subscription._step() == following_module.CHANGE_SECONDS
    assert following.consumed() == {QUEUE}
    assert following.taken == []

    # then at the marker the old queue is removed, and the subscription called
    following.trouble = None
    subscription._look_again.clear()
    soon(lambda: QUEUE not in following.broker.queues, "the end of the old queue")
    soon(subscription._look_again.is_set, "the call")
    assert following.taken == [b"before"]

    # and the new ones are consumed when it looks again, and the change is over
    assert subscription._step() is None
    consumes(following, queues_of(QUEUE, 2))
    soon(lambda: following.taken == [b"before", b"after"], "the new queue's message")
    assert f"{QUEUE}.to-2" not in following.broker.exchanges
    assert set(subscription._running) == set(queues_of(QUEUE, 2))


def test_an_old_queue_is_consumed_before_anything_is_changed_at_it(following: Following) -> None:
    # given a change that another process has begun, and a queue that takes no marker until it is consumed
    following.establish(1)
    following.broker.full.add(QUEUE)
    with pytest.raises(BrokerUnavailable):
        following.establish(2)
    subscription = following.subscription(1)

    with pytest.raises(BrokerUnavailable):
        subscription._step()

    consumes(following, [QUEUE])


def test_a_marker_of_a_change_that_is_over_is_no_reason_to_look(following: Following) -> None:
    following.establish(1)
    subscription = following.subscription(1)
    subscription._look_again.clear()

    subscription._at_marker(QUEUE)()

    assert QUEUE in following.broker.queues
    assert not subscription._look_again.is_set()


def test_a_queue_that_is_deleted_under_its_consumer_is_looked_for(following: Following) -> None:
    subscription = following.subscription(1)
    subscription._step()
    subscription._step()
    consumes(following, [QUEUE])
    subscription._look_again.clear()

    following.broker.drop(QUEUE, is_exchange=False)

    soon(subscription._look_again.is_set, "the call")


def test_the_only_partition_has_no_priority(following: Following) -> None:
    subscription = following.subscription(1, prefers=[0])
    subscription._step()
    subscription._step()

    consumes(following, [QUEUE])
    assert following.broker.consumers[0].arguments is None
    assert following.broker.consumers[0].channel.prefetch == 6


def test_partitions_that_are_preferred_have_a_priority_and_the_others_none(following: Following) -> None:
    subscription = following.subscription(4, prefers=[1, 2])
    subscription._step()
    subscription._step()

    queues = queues_of(QUEUE, 4)
    consumes(following, queues)
    arguments = {each.queue: each.arguments for each in following.broker.consumers}
    assert [arguments[queue] for queue in queues] == [None, {"x-priority": 1_000}, {"x-priority": 1_000}, None]


def test_who_prefers_nothing_spreads_by_itself(following: Following) -> None:
    # Another process has other priorities, so that each is the active one of some; the same one keeps its own.
    subscription = following.subscription(16)
    subscription._step()
    subscription._step()

    queues = queues_of(QUEUE, 16)
    consumes(following, queues)
    had = {each.queue: each.priority for each in following.broker.consumers}
    mine = f"{socket.gethostname()}/{os.getpid()}"
    assert had == {queue: zlib.crc32(f"{mine}/{queue}".encode()) % 1_000 + 1 for queue in queues}
    assert len(set(had.values())) > 8


def test_all_its_connections_are_to_the_brokers_it_was_given(following: Following) -> None:
    subscription = following.subscription(1)
    subscription._step()
    subscription._step()
    consumes(following, [QUEUE])

    assert all(each.parameters is BROKERS for each in following.broker.connections)
    assert [each.parameters for each in following.broker.links] == BROKERS


def test_a_layouts_thread_is_named_after_its_queue_and_holds_no_process_back(following: Following) -> None:
    thread = following.subscription(1)._thread

    assert (thread.name, thread.daemon, thread.started) == (f"layout-{QUEUE}", True, 1)


def test_it_is_alive_as_long_as_all_its_threads_are(following: Following) -> None:
    subscription = following.subscription(2)
    assert subscription.is_alive()
    subscription._step()
    subscription._step()
    assert subscription.is_alive()

    subscription._running[f"{QUEUE}.2-1"].stop()
    assert not subscription.is_alive()

    another = following.subscription(1)
    another._thread.is_running = False
    assert not another.is_alive()


def test_a_stop_ends_every_partition_and_none_begins_after_it(following: Following) -> None:
    subscription = following.subscription(2)
    subscription._step()
    subscription._step()
    parts = list(subscription._running.values())

    subscription.stop()

    assert not any(each.is_alive() for each in parts)
    assert subscription._running == {}
    assert subscription._stopping.is_set()
    assert subscription._look_again.is_set(), "its thread need not wait"
    assert subscription._thread.joined == [link_module.STOP_SECONDS]
    subscription._step()
    assert subscription._running == {}
    subscription.stop()


class Script:
    """Plays what happens at each pause of a subscription, in the test's thread, and stops it at the end."""

    def __init__(self, subscription: Any, *turns: Callable[[], None]) -> None:
        self._subscription = subscription
        self._turns = list(turns)
        subscription._look_again.turn = self._turn

    def _turn(self) -> None:
        if self._turns:
            self._turns.pop(0)()
        else:
            self._subscription._stopping.set()

    def play(self) -> list[float | None]:
        """How long each pause was to be."""
        self._subscription._follow()
        waits: list[float | None] = self._subscription._look_again.waits
        return waits


def test_it_looks_again_when_it_is_called_and_at_no_other_time(following: Following) -> None:
    subscription = following.subscription(1)
    look_again = subscription._look_again
    called: list[bool] = []

    def note() -> None:
        called.append(look_again.is_set())
        look_again.set()

    assert Script(subscription, note, note, note).play() == [0.0, None, None, None]
    # What called it was answered by the look after it.
    assert called == [False, False, False]


def test_it_tries_again_at_growing_pauses_while_the_broker_is_away(following: Following) -> None:
    subscription = following.subscription(1)

    def fail(_operation: str) -> None:
        raise AMQPConnectionError("away")

    def recover() -> None:
        following.broker.before = nothing

    def lose() -> None:
        following.broker.before = fail
        following.broker.drop(QUEUE, is_exchange=False)

    following.broker.before = fail
    turns = [*[lambda: None] * 6, recover, lambda: None, lose, lambda: None]
    with capture_logs() as lines:
        waits = Script(subscription, *turns).play()

    assert waits == [0.1, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0, 0.0, None, 0.1, 0.5]
    # Said when it happens and once more when it lasts; and again at the next loss.
    unknown = [line for line in lines if line["event"] == "layout.unknown"]
    assert [line["queue"] for line in unknown] == [QUEUE] * 3
    assert [line["reason"] for line in unknown] == ["BrokerUnavailable: AMQPConnectionError: away"] * 3
    assert [line["exc_info"] for line in unknown] == [None] * 3


def test_it_outlives_an_answer_that_nobody_has_seen_yet_and_shows_where_it_came_from(following: Following) -> None:
    subscription = following.subscription(1)
    error = KeyError("unheard of")

    def fail(_operation: str) -> None:
        raise error

    following.broker.before = fail
    with capture_logs() as lines:
        assert Script(subscription).play() == [0.1]

    assert [line["exc_info"] for line in lines] == [error]
    assert [line["reason"] for line in lines] == ["KeyError: 'unheard of'"]
