"""Commits per second of writers that record an event each, with wake-ups and without, in turns."""

from __future__ import annotations

from contextlib import ExitStack

from tests.benchmarks.bus.contenders import as_result, empty_ours
from tests.benchmarks.bus.processes import Result, running
from tests.benchmarks.bus.stage import Stage

#: Writers at the same time: processes times threads in each.
WRITERS = {1: (1, 1), 2: (2, 1), 16: (4, 4)}
#: Length of one turn.
TURN_SECONDS = 1.5


def commit_rates(stage: Stage, writers: int, passes: int) -> dict[str, list[Result]]:
    """For `on` and `off` the rates of all writers together, pass by pass."""
    empty_ours(stage)
    processes, threads = WRITERS[writers]
    found: dict[str, list[Result]] = {"on": [], "off": []}
    with ExitStack() as stack:
        listener = stage.ours("listener", database="alpha")
        stack.enter_context(running(listener))
        groups = {}
        for wakes in found:
            command = ("commits", str(threads), str(TURN_SECONDS), wakes)
            groups[wakes] = [stage.ours(*command, database="alpha") for _ in range(processes)]
            stack.enter_context(running(*groups[wakes]))
        for child in [listener, *groups["on"], *groups["off"]]:
            assert child.line() == "ready"
        for turn in range(passes * 2):
            # on, off, off, on: what changes steadily meanwhile favours neither.
            wakes = ("on", "off", "off", "on")[turn % 4]
            for child in groups[wakes]:
                child.tell("go")
            results = [as_result(child.line()) for child in groups[wakes]]
            rate = sum(result.rate for result in results)
            cpu = sum(result.rate * result.micros for result in results) / rate
            found[wakes].append(Result(rate, cpu))
    return found
