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
from collections.abc import Sequence

from tests.benchmarks.bus import contenders
from tests.benchmarks.bus.report import Report
from tests.benchmarks.bus.stage import Stage, staged
from tests.servers import ServerMissing

PARTS = ("drain", "relay", "together", "latency", "commits", "memory", "growth")


def main(arguments: Sequence[str]) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas (default: all)")
    parser.add_argument("--passes", type=int, default=5, help="passes of everything that alternates (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual events per pass (default 1)")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/performance.md")
    options = parser.parse_args(arguments)
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    started = time.monotonic()
    report = Report()
    try:
        with staged() as stage:
            report.machine(stage)
            _measure(stage, report, parts, options)
    except ServerMissing as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 2
    report.show(time.monotonic() - started)
    return 0 if report.is_met() else 1


def _measure(stage: Stage, report: Report, parts: Sequence[str], options: argparse.Namespace) -> None:
    alternating = _alternating(parts, options.scale)
    if alternating:
        report.add(contenders.passes(alternating, options.passes, stage, _say))


def _alternating(parts: Sequence[str], scale: float) -> list[object]:
    def count(events: int) -> int:
        return max(1000, int(events * scale))

    found: list[object] = []
    if "drain" in parts:
        found += [*contenders.peers(scale), contenders.Naive(count(1200))]
    if "relay" in parts:
        found.append(contenders.Ceiling(count(40_000)))
    if "drain" in parts or "relay" in parts:
        found.append(contenders.Apart(count(20_000)))
    if "together" in parts:
        found += [contenders.Together(count(20_000), consumers) for consumers in (1, 2, 4)]
    return found


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
