"""A service's queue in partitions of its subjects: order per subject, take-over, and changing their number under way."""

from __future__ import annotations

import functools
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pika
import pytest

from shared.messaging.rabbitmq import RabbitMQ
from shared.messaging.rabbitmq.layout import Found, Layouts, queues_of, slot_of
from shared.messaging.transport import BrokerUnavailable, Message, Publisher, Subscription
from tests.builders.kernel import SAID, WHISPERED, message_of, word_of
from tests.servers import VirtualHost
from tests.waiting import stays, wait_until

pytestmark = pytest.mark.rabbitmq

QUEUE = "aloud.inbox"
PATTERNS = [SAID]
SUBJECTS = [f"s-{number}" for number in range(40)]


def bus_of(room: VirtualHost, partitions: int, *, prefers: Sequence[int] = (), prefetch: int = 40) -> RabbitMQ:
    """The room's broker as a process with these settings sees it."""
    return RabbitMQ(
        room.url, heartbeat_seconds=20, blocked_seconds=10, prefetch=prefetch, partitions=partitions, prefers=prefers
    )


class Hearing:
    """What the workers of one service have stored, together: per subject every number once, repeats dropped.

    Stands for the inbox they share: a copy of what was had is nothing new, and what comes late is noticed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.numbers: dict[str, list[int]] = defaultdict(list)
        self.by_worker: Counter[str] = Counter()
        self.copies = 0

    def take(self, worker: str, body: bytes) -> None:
        """Store one message."""
        subject, _, number = word_of(body).partition(":")
        with self._lock:
            if int(number) in self.numbers[subject]:
                self.copies += 1
                return
            self.numbers[subject].append(int(number))
            self.by_worker[worker] += 1

    def total(self) -> int:
        """How many different messages there were."""
        with self._lock:
            return sum(map(len, self.numbers.values()))


@dataclass
class Worker:
    """One process' subscription."""

    name: str
    hearing: Hearing
    #: Set: batches are taken; clear: the worker hangs in its handler.
    running: threading.Event = field(default_factory=threading.Event)
    is_dead: bool = False
    subscription: Subscription | None = None

    def __call__(self, bodies: Sequence[bytes]) -> None:
        """The port's `accept`."""
        self.running.wait(30)
        if self.is_dead:
            raise OSError("died before it could commit")
        for body in bodies:
            self.hearing.take(self.name, body)


class Service:
    """Workers of one service, and a publisher with a stream of events for them."""

    def __init__(self, room: VirtualHost) -> None:
        self.room = room
        self.hearing = Hearing()
        self.workers: list[Worker] = []
        self.publisher: Publisher = bus_of(room, 1).publisher()
        self.sent: Counter[str] = Counter()
        self._chance = random.Random(11)

    def start(self, partitions: int, *, prefers: Sequence[int] = (), running: bool = True) -> Worker:
        """One more worker."""
        worker = Worker(f"w{len(self.workers)}", self.hearing)
        if running:
            worker.running.set()
        worker.subscription = bus_of(self.room, partitions, prefers=prefers).subscribe(QUEUE, PATTERNS, worker)
        self.workers.append(worker)
        return worker

    def stop(self, worker: Worker) -> None:
        """Orderly."""
        assert worker.subscription is not None
        worker.subscription.stop()

    def kill(self, worker: Worker) -> None:
        """As a power cut would: nothing of what it has in hand is stored, its connections break, it does not come back."""
        worker.is_dead = True
        worker.subscription._stopping.set()  # type: ignore[union-attr]
        for each in worker.subscription._running.values():  # type: ignore[union-attr]
            each.begin_stop()
        self.room.close_connections()
        worker.running.set()

    def sent_to(self, partitions: int, *numbers: int) -> int:
        """How many events went to these partitions so far."""
        return sum(count for subject, count in self.sent.items() if slot_of(subject) % partitions in numbers)

    def send(self, count: int) -> None:
        """Publish so many events of all subjects, as the relay does: until they are confirmed."""
        waiting: list[Message] = []
        for _ in range(count):
            subject = self._chance.choice(SUBJECTS)
            self.sent[subject] += 1
            number = self.sent[subject]
            waiting.append(message_of(f"{subject}:{number}", subject=subject, sequence=number))

        def confirmed() -> bool:
            outcomes = self.publisher.publish(waiting)
            waiting[:] = [each for each, reason in zip(waiting, outcomes, strict=True) if reason is not None]
            return not waiting

        wait_until(confirmed, "every confirm", ignoring=(BrokerUnavailable,))

    def found(self) -> Found:
        """What the broker has."""
        return Layouts([_parameters(self.room)], QUEUE, PATTERNS).look()

    def expect_everything(self) -> None:
        """Every event has its effect, once, and in the order of its subject."""
        wait_until(lambda: self.hearing.total() == self.sent.total(), "everything sent", seconds=40)
        assert self.hearing.numbers == {subject: list(range(1, self.sent[subject] + 1)) for subject in self.sent}

    def close(self) -> None:
        """Let go of all."""
        for worker in self.workers:
            worker.running.set()
            self.stop(worker)
        self.publisher.close()


def _parameters(room: VirtualHost):
    return pika.URLParameters(room.url)


@pytest.fixture
def service(virtual_host: VirtualHost) -> Iterator[Service]:
    made = Service(virtual_host)
    yield made
    made.close()


def is_laid_out(service: Service, partitions: int) -> bool:
    """Whether the broker has this layout's queues and no others, and no change is under way."""
    found = service.found()
    return found.queues == set(queues_of(QUEUE, partitions)) and found.under_way is None


def test_order_per_subject_holds_over_four_partitions_and_two_workers(service: Service) -> None:
    bus_of(service.room, 4).declare(QUEUE, PATTERNS)
    first = service.start(4, prefers=[0, 2])
    second = service.start(4, prefers=[1, 3])
    for _ in range(10):
        service.send(200)

    service.expect_everything()
    assert set(service.hearing.by_worker) == {first.name, second.name}, "both were at work"
    assert all(each.subscription is not None and each.subscription.is_alive() for each in (first, second))


def test_a_dead_workers_partitions_are_taken_over_in_order(service: Service) -> None:
    # given two workers that share four partitions, one of which is in the middle of batches
    bus_of(service.room, 4).declare(QUEUE, PATTERNS)
    dying = service.start(4, prefers=[0, 2])
    service.start(4, prefers=[1, 3])
    wait_until(lambda: all(service.room.consumers_of(each) == 2 for each in queues_of(QUEUE, 4)), "each at its half")
    service.send(400)
    service.expect_everything()
    dying.running.clear()
    before = service.hearing.total() - service.sent_to(4, 1, 3)
    service.send(400)
    wait_until(lambda: service.hearing.total() == before + service.sent_to(4, 1, 3), "all of the other one's half")

    # when it dies
    service.kill(dying)

    # then nothing of its half is lost or out of order
    service.send(400)
    service.expect_everything()


def test_a_worker_that_comes_back_takes_its_partitions_again_in_order(service: Service) -> None:
    bus_of(service.room, 4).declare(QUEUE, PATTERNS)
    first = service.start(4)
    service.send(200)
    second = service.start(4, prefers=[0, 1, 2, 3])

    def is_at_work() -> bool:
        service.send(20)
        return service.hearing.by_worker[second.name] > 0

    wait_until(is_at_work, "the preferring one at work")

    service.expect_everything()
    assert service.hearing.by_worker[first.name] > 0


@pytest.mark.parametrize("workers", [1, 2])
def test_partitions_grow_and_shrink_with_messages_in_flight(service: Service, workers: int) -> None:
    # given workers at work on one queue, and a stream that never stops
    bus_of(service.room, 1).declare(QUEUE, PATTERNS)
    for _ in range(workers):
        service.start(1)
    stop = threading.Event()

    def stream() -> None:
        while not stop.is_set():
            service.send(20)

    streaming = threading.Thread(target=stream)
    streaming.start()

    # when the number of partitions changes, up and down, while nobody is restarted
    try:
        for partitions in (4, 2, 8, 1):
            bus_of(service.room, partitions).declare(QUEUE, PATTERNS)
            wait_until(functools.partial(is_laid_out, service, partitions), f"{partitions} partitions")
    finally:
        stop.set()
        streaming.join()

    # then everything has arrived once, in order
    service.expect_everything()


def test_the_backlog_of_the_old_queue_comes_before_anything_of_the_new_ones(service: Service) -> None:
    # given a backlog in one queue and no worker
    bus_of(service.room, 1).declare(QUEUE, PATTERNS)
    service.send(300)
    bus_of(service.room, 4).declare(QUEUE, PATTERNS)
    service.send(300)
    found = service.found()
    assert found.under_way == 4
    assert found.others(4) == [QUEUE]

    # when workers come, one of them with the old setting still
    service.start(1)
    service.start(4)

    # then the old queue is drained first, and removed
    service.expect_everything()
    wait_until(lambda: is_laid_out(service, 4), "four partitions and nothing else")


def test_a_change_waits_for_the_one_before_it(service: Service) -> None:
    bus_of(service.room, 1).declare(QUEUE, PATTERNS)
    service.send(50)
    bus_of(service.room, 4).declare(QUEUE, PATTERNS)

    with pytest.raises(BrokerUnavailable, match="the change to 4 partitions is not over"):
        bus_of(service.room, 2).declare(QUEUE, PATTERNS)
    bus_of(service.room, 4).declare(QUEUE, PATTERNS)

    service.start(2)
    wait_until(lambda: is_laid_out(service, 4), "the first change's end")
    bus_of(service.room, 2).declare(QUEUE, PATTERNS)
    wait_until(lambda: is_laid_out(service, 2), "the second change's end")
    service.send(50)
    service.expect_everything()


def test_a_worker_that_dies_before_the_marker_leaves_the_old_queue_to_the_next(service: Service) -> None:
    # given a worker that hangs with a part of the backlog in hand while the layout changes
    bus_of(service.room, 1).declare(QUEUE, PATTERNS)
    hanging = service.start(1, running=False)
    service.send(200)
    bus_of(service.room, 2).declare(QUEUE, PATTERNS)
    service.start(2)
    service.send(100)
    stays(lambda: QUEUE in service.found().queues and service.hearing.total() == 0, "nobody overtakes it", seconds=2)

    # when it goes
    hanging.running.set()
    service.stop(hanging)

    service.expect_everything()
    wait_until(lambda: is_laid_out(service, 2), "two partitions")


def test_an_event_without_a_slot_finds_the_first_partition(service: Service) -> None:
    # given a publisher older than partitions
    bus_of(service.room, 4).declare(QUEUE, PATTERNS)
    worker = service.start(4)
    connection = pika.BlockingConnection(_parameters(service.room))
    channel = connection.channel()
    channel.confirm_delivery()

    channel.basic_publish("alliance.events", SAID, message_of("s-1:1").body, mandatory=True)

    service.sent["s-1"] = 1
    service.expect_everything()
    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish("alliance.events", WHISPERED, b"{}", mandatory=True)
    connection.close()
    assert worker.subscription is not None
    assert worker.subscription.is_alive()


def test_a_partition_deleted_under_its_workers_is_made_again(service: Service) -> None:
    bus_of(service.room, 2).declare(QUEUE, PATTERNS)
    service.start(2)
    service.send(100)
    service.expect_everything()

    service.room.delete_queue(f"{QUEUE}.2-1")

    wait_until(lambda: is_laid_out(service, 2), "both partitions again")
    service.send(100)
    service.expect_everything()


def test_an_old_marker_in_a_queue_in_force_removes_nothing(service: Service) -> None:
    # given a process that was held up over a change long past, and now marks a queue that has come into force again
    bus_of(service.room, 2).declare(QUEUE, PATTERNS)
    service.start(2)
    service.send(100)
    with pika.BlockingConnection(_parameters(service.room)) as connection:
        for queue in queues_of(QUEUE, 2):
            Layouts([_parameters(service.room)], QUEUE, PATTERNS)._mark(connection.channel(), queue)

    # when its workers have come upon the markers
    service.send(100)
    service.expect_everything()

    # then the queues stand, and nothing is left in them for whoever comes next
    assert is_laid_out(service, 2)
    for worker in service.workers:
        service.stop(worker)
    with pika.BlockingConnection(_parameters(service.room)) as connection:
        channel = connection.channel()

        def left() -> int:
            found = [channel.queue_declare(queue, passive=True) for queue in queues_of(QUEUE, 2)]
            return sum(each.method.message_count for each in found)

        wait_until(lambda: left() == 0, "both markers to be settled")


def test_a_subscription_counts_as_dead_when_one_of_its_partitions_does(service: Service) -> None:
    bus_of(service.room, 2).declare(QUEUE, PATTERNS)
    worker = service.start(2)
    service.send(10)
    service.expect_everything()
    assert worker.subscription is not None
    assert worker.subscription.is_alive()

    service.stop(worker)

    assert not worker.subscription.is_alive()
