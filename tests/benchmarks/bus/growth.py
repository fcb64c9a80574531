"""What must not grow: the memory of workers over many events, and the cost of an event over a long history."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.benchmarks.bus import pair
from tests.benchmarks.bus.contenders import PASS_SECONDS, drain, empty_ours, relay_all
from tests.benchmarks.bus.processes import Result, running, wait_for
from tests.benchmarks.bus.stage import Stage

#: Share of the events after which memory must stay where it is.
SETTLED_SHARE = 0.2
#: Subjects that the old rows are about.
OLD_SUBJECTS = 50_000

FILL_INBOX = f"""INSERT INTO inbox (source, event_id, type, subject, sequence, state, attempts, received_at, settled_at)
    SELECT 'urn:lianmeng:alpha', '01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), '{pair.SAID}',
        'old-' || mod(n, {OLD_SUBJECTS}), n / {OLD_SUBJECTS} + 1, 'done', 1, now(), now()
    FROM generate_series(1, %s) AS n"""
FILL_OUTBOX = f"""INSERT INTO outbox (event_id, type, subject, sequence, envelope, recorded_at, sent_at, feed_number)
    SELECT '01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), '{pair.SAID}',
        'old-' || mod(n, {OLD_SUBJECTS}), n / {OLD_SUBJECTS} + 1, repeat('{{"old":1}}', 100), now(), now(), n
    FROM generate_series(1, %s) AS n"""


@dataclass
class Memory:
    """Resident memory of one worker, in bytes, at its looks after the warm-up."""

    name: str
    looks: list[int] = field(default_factory=list)

    @property
    def spread(self) -> float:
        """Largest deviation from the first look, as a share of it."""
        first = self.looks[0]
        return max(abs(look - first) for look in self.looks) / first


def memory(stage: Stage, count: int) -> list[Memory]:
    """Both workers over so many events."""
    empty_ours(stage)
    relays, consumers = Memory("relay's worker"), Memory("consumer's worker")
    with stage.room() as room:
        stage.declare_betas_queue(room)
        stage.fill_outbox("alpha", "memory", count)
        relay = stage.ours("worker", "alpha", database="alpha", room=room)
        consumer = stage.ours("worker", "beta", database="beta", room=room)
        with running(relay, consumer), stage.handled("beta") as done, stage.sent("alpha") as sent:

            def look() -> bool:
                if sent() >= count * SETTLED_SHARE and sent() < count:
                    relays.looks.append(relay.memory_bytes())
                if done() >= count * SETTLED_SHARE:
                    consumers.looks.append(consumer.memory_bytes())
                return done() >= count

            wait_for(look, [relay, consumer], seconds=PASS_SECONDS * 5, every=0.2)
    return [relays, consumers]


class Histories:
    """Databases with a history of so many events each, in the outbox of one and the inbox of the other."""

    def __init__(self, stage: Stage, sizes: tuple[int, ...]) -> None:
        self._stage = stage
        self.sizes = sizes
        self._turns = 0
        for size in sizes:
            alpha, beta = self._databases(size)
            stage.make_database(alpha)
            stage.make_database(beta)
            stage.postgresql.query(FILL_OUTBOX, [size], database=alpha)
            stage.postgresql.query("UPDATE outbox_feed SET head = %s", [size], database=alpha)
            stage.postgresql.query(FILL_INBOX, [size], database=beta)
            for database in (alpha, beta):
                stage.postgresql.query("VACUUM ANALYZE", database=database)

    @staticmethod
    def _databases(size: int) -> tuple[str, str]:
        return f"alpha_{size}", f"beta_{size}"

    def once(self, count: int) -> dict[int, tuple[Result, Result]]:
        """For each history: the relay and the consumer of `count` new events."""
        self._turns += 1
        return {size: self._one(size, count) for size in self.sizes}

    def _one(self, size: int, count: int) -> tuple[Result, Result]:
        stage, (alpha, beta) = self._stage, self._databases(size)
        stage.empty(beta, "handled")
        with stage.room() as room:
            stage.declare_betas_queue(room)
            stage.fill_outbox(alpha, f"new-{self._turns}", count)
            relayed = relay_all(stage, room, count, database=alpha)
            return relayed, drain(stage, room, count, database=beta)
