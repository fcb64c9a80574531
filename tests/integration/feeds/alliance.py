"""Four services on the test's databases, with a hand-driven bus between them: everything to the end, in one thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.messaging.consumer import Consumer
from shared.messaging.envelope import parse
from shared.messaging.transport import matches
from shared.runtime.assembly import Assembly
from shared.runtime.clock import ManualClock
from shared.runtime.feeds import FeedAtHand
from tests.service.feed.driver import send_all


class Bus:
    """Takes what any of the services has told to all that hear it."""

    def __init__(self, assemblies: Mapping[str, Assembly], clock: ManualClock) -> None:
        self.assemblies = dict(assemblies)
        self._clock = clock
        self._consumers: dict[str, Consumer] = {}

    def settle(self) -> None:
        """Until nothing moves any more. A second passes each round, so that deferred events fall due."""
        consumers = {name: each.consumer() for name, each in self.assemblies.items()}

        def publish(bodies: list[bytes]) -> None:
            for consumer in consumers.values():
                wanted = [body for body in bodies if _wants(consumer.patterns, body)]
                if wanted:
                    consumer.accept(wanted)

        moved = True
        while moved:
            self._clock.advance(1)
            sent = [send_all(assembly, publish) for assembly in self.assemblies.values()]
            retried = [consumer.retry_due() for consumer in consumers.values()]
            moved = any(sent) or any(retried)

    def feeds(self, *services: str) -> list[FeedAtHand]:
        """The feeds, of all or of these."""
        return [FeedAtHand(self.assemblies[name]) for name in services or self.assemblies]


def _wants(patterns: Sequence[str], body: bytes) -> bool:
    event_type = parse(body).type
    return any(matches(pattern, event_type) for pattern in patterns)
