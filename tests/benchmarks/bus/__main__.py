"""`make bench`: the bus of events beside Celery, Dramatiq, FastStream, plain pika and a naive outbox, in one run.

Real PostgreSQL (fsync and synchronous commit on), real RabbitMQ (quorum queues, persistent messages, confirms), about
1 KB of JSON per event, every process its own, all on this machine. Passes of all contenders alternate, so that what
the machine does meanwhile hits all alike: compare ratios, and processor time per event before rates.

A measurement, not a test: it prints figures and targets, and ends with 1 when a target is missed, 2 when a server
cannot be had. `--only` takes parts: drain, relay, together, latency, commits, memory, growth.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from tests.benchmarks.bus import contenders
from tests.benchmarks.bus.commits import WRITERS, commit_rates
from tests.benchmarks.bus.contenders import in_turns
from tests.benchmarks.bus.growth import Histories, memory
from tests.benchmarks.bus.latency import latencies
from tests.benchmarks.bus.processes import Failed
from tests.benchmarks.bus.report import Report, machine_of
from tests.benchmarks.bus.stage import Stage, staged
from tests.servers import ServerMissing

#: Parts whose passes alternate.
ALTERNATING = ("drain", "relay", "together")
PARTS = (*ALTERNATING, "latency", "commits", "growth", "memory")
#: Events per second at which latency is measured, and for how many seconds each.
RATES, LATENCY_SECONDS = (50, 200), 12.0
MEMORY_EVENTS = 200_000
#: Rows already there when the cost of an event is measured, and events of one such measurement.
HISTORIES, GROWTH_EVENTS = (1_000, 100_000, 1_000_000), 6_000


def main(arguments: Sequence[str]) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas (default: all)")
    parser.add_argument("--passes", type=int, default=4, help="passes of everything that alternates (default 4)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual events per pass (default 1)")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/performance.md")
    options = parser.parse_args(arguments)
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    started = time.monotonic()
    try:
        with staged() as stage:
            report = Report(machine_of(stage))
            _measure(stage, report, parts, options)
    except ServerMissing as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 2
    print(report.machine, *report.lines(), "", *report.targets(), sep="\n")
    print(f"\n{time.monotonic() - started:.0f} s")
    if options.write:
        report.write()
    return 0 if report.is_met() else 1


def _measure(stage: Stage, report: Report, parts: Sequence[str], options: argparse.Namespace) -> None:
    """Each part by itself: what one cannot measure is a miss, and the others still count."""
    measures: dict[str, Callable[[], None]] = {
        "drain": lambda: _alternate(stage, report, parts, options),
        "latency": lambda: _time(stage, report, options),
        "commits": lambda: _commit(stage, report, options),
        "growth": lambda: _grow(stage, report, options),
        "memory": lambda: _remember(stage, report, options),
    }
    wanted = {"drain" if part in ALTERNATING else part for part in parts}
    for name, measure in measures.items():
        if name in wanted:
            try:
                measure()
            except Failed as error:
                report.failures.append(f"{name}: {error}")


def _alternate(stage: Stage, report: Report, parts: Sequence[str], options: argparse.Namespace) -> None:
    in_turns(_alternating(parts, options.scale), options.passes, stage, report.results, _say)


def _time(stage: Stage, report: Report, options: argparse.Namespace) -> None:
    for rate in RATES:
        _say(f"latency at {rate}/s")
        report.latencies[rate] = latencies(stage, rate, LATENCY_SECONDS * options.scale)


def _commit(stage: Stage, report: Report, options: argparse.Namespace) -> None:
    for writers in WRITERS:
        _say(f"commits of {writers} writers")
        report.commits[writers] = commit_rates(stage, writers, options.passes)


def _remember(stage: Stage, report: Report, options: argparse.Namespace) -> None:
    report.events_of_memory = int(MEMORY_EVENTS * options.scale)
    _say(f"memory over {report.events_of_memory} events")
    report.memories = memory(stage, report.events_of_memory)


def _grow(stage: Stage, report: Report, options: argparse.Namespace) -> None:
    sizes = tuple(max(10, int(size * options.scale)) for size in HISTORIES)
    _say(f"histories of {sizes} rows are made")
    histories = Histories(stage, sizes)
    for number in range(1, options.passes + 1):
        _say(f"pass {number} of {options.passes}: cost with a long history")
        for size, found in histories.once(max(1000, int(GROWTH_EVENTS * options.scale))).items():
            report.histories.setdefault(size, []).append(found)


def _alternating(parts: Sequence[str], scale: float) -> list[object]:
    def count(events: int) -> int:
        return max(1000, int(events * scale))

    found: list[object] = []
    if "drain" in parts:
        found += [*contenders.peers(scale), contenders.Naive(count(1200))]
    if "relay" in parts:
        found += [contenders.Ceiling(count(40_000)), contenders.FewSubjects(count(10_000))]
    if "drain" in parts or "relay" in parts:
        found.append(contenders.Apart(count(20_000)))
    if "together" in parts:
        found += [contenders.Together(count(20_000), consumers) for consumers in (1, 2, 4)]
    return found


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
