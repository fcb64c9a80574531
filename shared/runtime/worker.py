"""The worker: everything of a service that runs without being asked. Relay, consumer, deferred events, timers.

Each has a thread; none of them ends because of an error: it is logged, and the work is tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from shared.messaging.transport import BrokerUnavailable, Subscription, Transport, dead_queue_of, queue_of
from shared.persistence.database import Leadership
from shared.runtime.assembly import Assembly
from shared.runtime.logging import get_logger
from shared.runtime.service import Timer

#: Waits after a failure of relay or timer, in seconds; the last repeats. The broker itself is tried by the transport.
FAILURE_SECONDS = (0.2, 1.0, 3.0)
#: How long stopping waits for one thread, in seconds. Within compose's stop_grace_period.
STOP_SECONDS = 10.0

log = get_logger(__name__)


class Worker:
    """Runs one service's background work on a transport. `start` and `stop` once each."""

    def __init__(self, assembly: Assembly, transport: Transport) -> None:
        self._assembly = assembly
        self._transport = transport
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._subscriptions: list[Subscription] = []
        self._publisher = transport.publisher()
        self._leadership = Leadership(assembly.database, f"relay:{assembly.service.name}")
        self.consumer = assembly.consumer()
        self.relay = assembly.relay(self._publisher)

    def subscribe(self) -> None:
        """Start consuming. In the embedded mode every worker subscribes before the first one starts."""
        if not self._subscriptions:
            name, subscribe = self._assembly.service.name, self._transport.subscribe
            self._subscriptions = [
                subscribe(queue_of(name), self.consumer.patterns, self.consumer.accept),
                # Dead letters come home: what the broker set aside is parked here like all that failed.
                subscribe(dead_queue_of(name), [], self.consumer.accept_dead),
            ]

    def start(self) -> None:
        """Start every thread."""
        self._assembly.wakeups.hear_other_processes()
        self.subscribe()
        self._spawn("relay", self._relay_loop())
        bell, poll_seconds = self._assembly.wakeups.listener(of_due=True), self._assembly.settings.poll_seconds
        self._spawn("deferred", self._repeat("deferred", self._retry_deferred, poll_seconds, bell))
        for timer in self._assembly.service.timers:
            self._spawn(f"timer-{timer.name}", self._timer_loop(timer))

    def stop(self) -> None:
        """Stop taking new work, finish what is in hand, let go of broker and leadership."""
        self._stopping.set()
        for subscription in self._subscriptions:
            subscription.stop()
        self._assembly.wakeups.stop()
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        self._publisher.close()
        self._leadership.release()

    def is_alive(self) -> bool:
        """Whether every thread still runs: the liveness of the process. The broker's absence does not matter."""
        subscribed = bool(self._subscriptions) and all(each.is_alive() for each in self._subscriptions)
        return subscribed and self._publisher.is_alive() and all(thread.is_alive() for thread in self._threads)

    def _spawn(self, name: str, body: Callable[[], None]) -> None:
        thread = threading.Thread(target=body, name=f"{self._assembly.service.name}-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _relay_loop(self) -> Callable[[], None]:
        bell = self._assembly.wakeups.listener(of_events=True)

        def more_waits() -> bool:
            return bell.is_set() and not self._stopping.is_set()

        def publish() -> bool:
            if not self._leadership.ensure():
                return False
            confirmed, refused = self.relay.publish_waiting(self._leadership.ensure, more_waits)
            if refused and not confirmed:
                # Nothing of a whole batch: rather the bus than these events. Coming straight back would be a hot loop.
                raise BrokerUnavailable(f"{refused} events were not taken")
            return confirmed > 0 and not self.relay.found_all

        return self._repeat("relay", publish, self._assembly.settings.poll_seconds, bell)

    def _retry_deferred(self) -> bool:
        return self.consumer.retry_due() > 0

    def _timer_loop(self, timer: Timer) -> Callable[[], None]:
        def run() -> bool:
            return timer.run(self._assembly)

        bell = self._assembly.wakeups.listener() if timer.wakes_on_commit else None
        return self._repeat(timer.name, run, timer.every_seconds, bell)

    def _repeat(
        self, name: str, step: Callable[[], bool], every_seconds: float, bell: threading.Event | None = None
    ) -> Callable[[], None]:
        """A loop: `step` until it finds nothing, then wait for the bell or the next turn.

        The bell exists before the thread does: a commit between start and the first look must not be missed.
        """

        def loop() -> None:
            failures = 0
            while not self._stopping.is_set():
                if bell is not None:
                    bell.clear()
                try:
                    while step() and not self._stopping.is_set():
                        failures = 0
                    failures = 0
                except Exception as error:
                    wait = FAILURE_SECONDS[min(failures, len(FAILURE_SECONDS) - 1)]
                    failures += 1
                    expected = isinstance(error, BrokerUnavailable)
                    log.warning(
                        "worker.step_failed", step=name, error=repr(error), exc_info=None if expected else error
                    )
                    self._stopping.wait(wait)
                    continue
                (bell or self._stopping).wait(every_seconds)

        return loop
