"""Who is measured at draining and relaying, and how one pass of each goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pika

from tests.benchmarks.bus import pair
from tests.benchmarks.bus.peer_pika import publish_batches
from tests.benchmarks.bus.processes import Child, Failed, Result, running, wait_for, wait_until_idle, watch
from tests.benchmarks.bus.stage import Stage
from tests.servers import VirtualHost

#: Longest that one measurement of a pass may take, in seconds.
PASS_SECONDS = 60.0
#: Events that go through all processes before those that are measured at once.
WARM_UP = 400
#: Events a peer enqueues itself, one confirm each; the rest of its queue is filled with copies, which is quicker.
ENQUEUED = 300

#: What a pass found: the name of a line, and its figures.
Found = Generator[tuple[str, Result]]


@dataclass(frozen=True)
class Peer:
    """Another tool. `count`: events per pass, about three seconds' worth."""

    name: str
    count: int
    enqueue: list[str]
    drain: list[str]

    def once(self, stage: Stage) -> Found:
        """Enqueue some, fill up with copies, drain all."""
        database, queue = "peers", "peer"
        with stage.room() as room:
            stage.empty(database, "handled")
            enqueuer = stage.child([*self.enqueue, str(ENQUEUED)], database=database, room=room, queue=queue)
            with running(enqueuer):
                yield f"{self.name}: enqueue", as_result(enqueuer.line())
                enqueuer.process.wait(PASS_SECONDS)
            fill_with_copies(room.url, queue, self.count - ENQUEUED)
            drainer = stage.child(self.drain, database=database, room=room, queue=queue, dramatiq_queue_prefetch="100")
            yield self.name, drained(stage, [drainer], database, self.count)


def as_result(reported: dict[str, float]) -> Result:
    """What a child reported about itself."""
    count = reported["count"]
    return Result(count / reported["seconds"], reported["cpu_seconds"] / count * 1e6)


def fill_with_copies(url: str, queue: str, count: int) -> None:
    """Publish copies of the queue's first message as they are, each with a number of its own."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    _, properties, body = channel.basic_get(queue, auto_ack=True)
    connection.close()
    data_number = pair.number_text(0).encode()
    assert data_number in body, body
    numbers: Sequence[int] = [0, *range(ENQUEUED, ENQUEUED + count)]
    copies = [(body.replace(data_number, pair.number_text(number).encode()), properties) for number in numbers]
    publish_batches(url, "", queue, copies)


def drained(stage: Stage, children: list[Child], database: str, count: int) -> Result:
    """Watch children until all events have had their effect, and check that each had it once."""
    with running(*children):
        return watched(stage, children, database, count)


def watched(stage: Stage, children: Sequence[Child], database: str, count: int) -> Result:
    """The same for children that run already."""
    with stage.handled(database) as done:
        result = watch(children, done, count, seconds=PASS_SECONDS)
    # The counter runs ahead of the last commit, and another row could still follow.
    wait_for(lambda: stage.distinct(database)[0] >= count, children, seconds=PASS_SECONDS)
    rows, events = stage.distinct(database)
    if (rows, events) != (count, count):
        raise Failed(f"{rows} rows of {events} events, expected {count}")
    return result


def _module(name: str, *arguments: str) -> list[str]:
    return [f"tests.benchmarks.bus.{name}", *arguments]


def _celery(workers: int) -> list[str]:
    options = "--pool prefork --without-gossip --without-mingle --without-heartbeat --loglevel ERROR"
    return ["celery", "-A", "tests.benchmarks.bus.peer_celery", "worker", *options.split(), "-c", str(workers)]


def _dramatiq(processes: int, threads: int) -> list[str]:
    return ["dramatiq", "tests.benchmarks.bus.peer_dramatiq", "-p", str(processes), "-t", str(threads)]


def peers(scale: float) -> list[Peer]:
    """All of them; `scale` 1 gives each about three seconds of work."""

    def count(events: int) -> int:
        return max(ENQUEUED * 2, int(events * scale))

    return [
        Peer("Celery, 1 worker", count(2000), _module("peer_celery"), _celery(1)),
        Peer("Celery, 2 workers", count(2400), _module("peer_celery"), _celery(2)),
        Peer("Dramatiq, 1 x 1", count(2600), _module("peer_dramatiq"), _dramatiq(1, 1)),
        Peer("Dramatiq, 2 x 4", count(4600), _module("peer_dramatiq"), _dramatiq(2, 4)),
        Peer("FastStream", count(2600), _module("peer_faststream", "enqueue"), _module("peer_faststream", "drain")),
        Peer("plain pika", count(4200), _module("peer_pika", "enqueue"), _module("peer_pika", "drain")),
    ]


@dataclass(frozen=True)
class Naive:
    """An outbox and an inbox as one writes them first: one row, one confirm, one commit at a time."""

    count: int
    name: str = "naive outbox and inbox"

    def once(self, stage: Stage) -> Found:
        """Relay all, then drain all."""
        database, queue = "peers", "naive"
        with stage.room() as room:
            stage.empty(database, "handled", "naive_outbox", "naive_inbox")
            with stage.connect(database) as connection, connection.cursor() as cursor:
                rows = [(f"event-{n}", json.dumps(pair.data_of(n))) for n in range(self.count)]
                cursor.executemany("INSERT INTO naive_outbox (event_id, body) VALUES (%s, %s)", rows)
            relay = stage.child(_module("peer_pika", "relay"), database=database, room=room, queue=queue)
            with running(relay), stage.count("SELECT count(*) FROM naive_outbox WHERE sent", database) as sent:
                yield "naive relay", watch([relay], sent, self.count, seconds=PASS_SECONDS)
            consumer = stage.child(_module("peer_pika", "consume"), database=database, room=room, queue=queue)
            yield "naive consumer", drained(stage, [consumer], database, self.count)


@dataclass(frozen=True)
class Ceiling:
    """Raw pika publishing batches of 500, each confirmed: no database at all."""

    count: int
    name: str = "raw pika, batches confirmed"

    def once(self, stage: Stage) -> Found:
        """Publish all."""
        with stage.room() as room:
            connection = pika.BlockingConnection(pika.URLParameters(room.url))
            connection.channel().queue_declare("ceiling", durable=True, arguments={"x-queue-type": "quorum"})
            connection.close()
            command = _module("peer_pika", "ceiling", str(self.count))
            publisher = stage.child(command, database="peers", room=room, queue="ceiling")
            with running(publisher):
                yield self.name, as_result(publisher.line())


OUR_TABLES = {"alpha": ("outbox", "outbox_subjects"), "beta": ("inbox", "handled")}


def empty_ours(stage: Stage) -> None:
    """Both databases as new."""
    for database, tables in OUR_TABLES.items():
        stage.empty(database, *tables)
    stage.postgresql.query("UPDATE outbox_feed SET head = 0, pruned_to = 0", database="alpha")


def relay_all(stage: Stage, room: VirtualHost, count: int, database: str = "alpha") -> Result:
    """Our relay alone: `count` events that wait in the outbox."""
    with stage.sent(database) as sent:
        relay = stage.ours("worker", "alpha", database=database, room=room)
        with running(relay):
            return watch([relay], sent, count, seconds=PASS_SECONDS)


def drain(stage: Stage, room: VirtualHost, count: int, database: str = "beta") -> Result:
    """Our consumer alone: `count` events that wait in the queue."""
    return drained(stage, [stage.ours("worker", "beta", database=database, room=room)], database, count)


@dataclass(frozen=True)
class Apart:
    """Ours, one after the other: the relay from a filled outbox, then the consumer from the queue it filled."""

    count: int
    name: str = "ours, apart"

    def once(self, stage: Stage) -> Found:
        """Relay all, then drain all."""
        empty_ours(stage)
        with stage.room() as room:
            stage.declare_betas_queue(room)
            stage.fill_outbox("alpha", "apart", self.count)
            yield "our relay", relay_all(stage, room, self.count)
            yield "our consumer", drain(stage, room, self.count)


@dataclass(frozen=True)
class FewSubjects:
    """Our relay where a batch holds several events of each subject: order per subject costs it round trips."""

    count: int
    name: str = "our relay, few subjects"

    def once(self, stage: Stage) -> Found:
        """Relay all."""
        empty_ours(stage)
        with stage.room() as room:
            stage.declare_betas_queue(room)
            stage.fill_outbox("alpha", "few", self.count, subjects=pair.FEW_SUBJECTS)
            yield self.name, relay_all(stage, room, self.count)


@dataclass(frozen=True)
class Together:
    """Ours, at once: the relay and some consumers, each with a partition of the subjects."""

    count: int
    consumers: int

    @property
    def name(self) -> str:
        return f"our relay + {self.consumers} consumer{'s' if self.consumers > 1 else ''}"

    def once(self, stage: Stage) -> Found:
        """From a filled outbox to the last commit."""
        empty_ours(stage)
        with stage.room() as room:
            stage.declare_betas_queue(room, self.consumers)
            stage.fill_outbox("alpha", "first", WARM_UP)
            children = [stage.ours("worker", "alpha", database="alpha", room=room)]
            for number in range(self.consumers):
                command = ("worker", "beta", str(self.consumers), str(number))
                children.append(stage.ours(*command, database="beta", room=room))
            with running(*children), stage.handled("beta") as done:
                wait_for(lambda: done() >= WARM_UP, children, PASS_SECONDS)
                wait_until_idle(children, PASS_SECONDS)
                # Found at the relay's next look; numbers follow on, so that each event stays different.
                stage.fill_outbox("alpha", "together", self.count, first=WARM_UP)
                yield self.name, watched(stage, children, "beta", WARM_UP + self.count)


def in_turns(
    contenders: Sequence[Any],
    passes: int,
    stage: Stage,
    found: dict[str, list[Result]],
    say: Callable[[str], None],
) -> None:
    """All contenders once, then all once more, and so on: what the machine does meanwhile hits all alike."""
    for number in range(1, passes + 1):
        for contender in contenders:
            say(f"pass {number} of {passes}: {contender.name}")
            results = contender.once(stage)
            with closing(results):
                for name, result in results:
                    found.setdefault(name, []).append(result)
