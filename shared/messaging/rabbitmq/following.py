"""A subscription to all of a service's partitions, which follows the broker when their layout changes."""

from __future__ import annotations

import os
import socket
import threading
import zlib
from collections.abc import Callable, Collection, Sequence

import pika

from shared.messaging.rabbitmq.consuming import RabbitSubscription
from shared.messaging.rabbitmq.layout import Layouts, queues_of
from shared.messaging.rabbitmq.link import RECONNECT_SECONDS, STOP_SECONDS, said
from shared.messaging.transport import Accept, BrokerUnavailable
from shared.runtime.failpoints import Failpoints
from shared.runtime.logging import get_logger

#: How often to look whether other workers have emptied the last old queue, in seconds.
CHANGE_SECONDS = 0.5
#: Priority for partitions that this worker was told to prefer; for the others it has none.
PREFERRED = 1_000

log = get_logger(__name__)


class FollowingSubscription:
    """Consumes the layout that the broker has, each partition by itself; old layouts to their end first."""

    def __init__(
        self,
        brokers: Sequence[pika.ConnectionParameters],
        name: str,
        patterns: Sequence[str],
        accept: Accept,
        *,
        partitions: int,
        prefers: Collection[int],
        prefetch: int,
        failpoints: Failpoints,
    ) -> None:
        self._brokers = brokers
        self._name = name
        self._accept = accept
        self._partitions = partitions
        self._prefers = prefers
        self._prefetch = prefetch
        self._failpoints = failpoints
        self._layouts = Layouts(brokers, name, patterns)
        self._established: int | None = None
        self._running: dict[str, RabbitSubscription] = {}
        self._stopping = threading.Event()
        self._look_again = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"layout-{name}", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """See the port: this one's thread, and every partition's."""
        return self._thread.is_alive() and all(each.is_alive() for each in list(self._running.values()))

    def stop(self) -> None:
        """See the port."""
        self._stopping.set()
        self._look_again.set()
        self._thread.join(STOP_SECONDS)
        self._end(list(self._running))

    def _follow(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._look_again.clear()
            try:
                pause = self._step()
                failures = 0
            except Exception as error:
                # The broker is away, or answers what nobody has seen yet: this thread must outlive it.
                expected = isinstance(error, BrokerUnavailable)
                if failures in (0, len(RECONNECT_SECONDS)):
                    log.warning(
                        "layout.unknown", queue=self._name, reason=said(error), exc_info=None if expected else error
                    )
                pause = RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)]
                failures += 1
            self._look_again.wait(pause)

    def _step(self) -> float | None:
        """Bring what is consumed closer to what the broker has. Returns the seconds to the next look; None: when called."""
        found = self._layouts.look()
        goal = found.goal(self._partitions)
        others = found.others(goal)
        if others:
            # Before all else: a queue that is full takes no marker until it is consumed.
            self._consume(others)
        if self._established != goal or not found.queues.issuperset(queues_of(self._name, goal)):
            self._layouts.establish(goal)
            self._established = goal
            # Look once more before consuming: the layout may have begun to change in the meantime.
            return 0.0
        if others:
            return CHANGE_SECONDS
        if found.under_way is not None:
            self._layouts.finish(goal)
        self._consume(queues_of(self._name, goal))
        return None

    def _consume(self, queues: Sequence[str]) -> None:
        """Run a subscription for each of these queues, and no others."""
        self._end([queue for queue in self._running if queue not in queues])
        for number, queue in enumerate(queues):
            if queue not in self._running and not self._stopping.is_set():
                self._running[queue] = RabbitSubscription(
                    self._brokers,
                    queue,
                    self._accept,
                    prefetch=self._prefetch,
                    priority=self._priority(queue, number, len(queues)),
                    failpoints=self._failpoints,
                    at_marker=self._at_marker(queue),
                    look_again=self._look_again.set,
                )

    def _priority(self, queue: str, number: int, partitions: int) -> int:
        if partitions == 1:
            return 0
        if self._prefers:
            return PREFERRED if number in self._prefers else 0
        # Nobody has said: each worker prefers others, so that the active ones spread over the workers by themselves.
        return zlib.crc32(f"{socket.gethostname()}/{os.getpid()}/{queue}".encode()) % PREFERRED + 1

    def _at_marker(self, queue: str) -> Callable[[], None]:
        def remove() -> None:
            if self._layouts.remove_old(queue):
                self._look_again.set()

        return remove

    def _end(self, queues: Collection[str]) -> None:
        for queue in queues:
            self._running[queue].begin_stop()
        for queue in queues:
            self._running[queue].stop()
            del self._running[queue]
