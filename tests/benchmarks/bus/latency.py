"""Latency: from the commit of the publisher's unit of work to the commit of the effect, at a steady rate."""

from __future__ import annotations

from tests.benchmarks.bus.contenders import PASS_SECONDS, empty_ours
from tests.benchmarks.bus.processes import Failed, running, wait_for
from tests.benchmarks.bus.stage import Stage

#: Events before the first that counts: connections, caches, the consumer's registration.
WARM_UP = 200
#: Share of the timed events that still warms up: the writer's own connections.
LEFT_OUT_SHARE = 0.05


def latencies(stage: Stage, rate: float, seconds: float) -> list[float]:
    """Milliseconds of each event, in the order of writing; sent at this rate whatever the answers do."""
    count = int(rate * seconds)
    empty_ours(stage)
    with stage.room() as room:
        stage.declare_betas_queue(room)
        stage.fill_outbox("alpha", "warm", WARM_UP)
        relay = stage.ours("worker", "alpha", database="alpha", room=room)
        consumer = stage.ours("timed", database="beta", room=room)
        with running(relay, consumer), stage.handled("beta") as done:
            wait_for(lambda: done() >= WARM_UP, [relay, consumer], PASS_SECONDS)
            writer = stage.ours("writer", str(rate), str(count), database="alpha")
            with running(writer):
                written: dict[str, float] = writer.line()
            wait_for(lambda: done() >= WARM_UP + count, [relay, consumer], PASS_SECONDS)
            consumer.ask_to_end()
            effects: dict[str, float] = consumer.line()
    missing = written.keys() - effects.keys()
    if missing or len(written) != count:
        raise Failed(f"{len(written)} of {count} events were written, and {len(missing)} of them had no effect")
    ordered = sorted(written)[int(count * LEFT_OUT_SHARE) :]
    return [(effects[number] - written[number]) * 1000 for number in ordered]
