"""`make sim SEEDS=10000` runs many seeds; `make sim SEED=17` plays one again and shows how it ended.

Every core plays seeds of its own. Ends with 1 at the first violation, naming the seed; also when the seeds together
did too little to prove anything.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.simulation.playing import play_all
from tests.simulation.run import Run
from tests.simulation.vacuity import WANTED, missing_from

#: Seconds between two lines of progress.
PROGRESS_SECONDS = 10.0


def main(arguments: Sequence[str]) -> int:
    """Play; the exit status is 0 when nothing was violated and enough happened."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seed", type=int, help="play this one again, and show its last steps")
    parser.add_argument("--seeds", type=int, default=500, help="how many to play")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--any-order", action="store_true", help="the bus does not even keep a subject's order")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _replay(options.seed, keeps_order=not options.any_order)
    return _play_many(options)


def _replay(seed: int, *, keeps_order: bool) -> int:
    outcome = Run(seed, keeps_order=keeps_order).play()
    print("\n".join(outcome.last_lines))
    print(f"\nseed {seed}: {outcome.steps} steps, trace {outcome.trace_hash[:16]}")
    print(f"VIOLATION: {outcome.violation}" if outcome.violation else "no violation")
    return 1 if outcome.violation else 0


def _play_many(options: argparse.Namespace) -> int:
    began = reported = time.monotonic()
    counts: Counter[str] = Counter()
    hashes: set[str] = set()
    played = 0
    for outcome in play_all(options.first, options.seeds, options.workers, keeps_order=not options.any_order):
        played += 1
        counts.update(outcome.counts)
        counts["steps"] += outcome.steps
        hashes.add(outcome.trace_hash)
        if outcome.violation:
            print("\n".join(outcome.last_lines))
            order = " ANY_ORDER=1" if options.any_order else ""
            print(f"\nseed {outcome.seed} after {played} seeds: VIOLATION: {outcome.violation}")
            print(f"again: make sim SEED={outcome.seed}{order}")
            return 1
        if time.monotonic() - reported > PROGRESS_SECONDS:
            reported = time.monotonic()
            rate = played / (reported - began)
            print(f"{played} of {options.seeds} seeds, {rate:.1f} a second, no violation", flush=True)
    print(
        f"\n{played} seeds from {options.first}, {time.monotonic() - began:.0f} s, 0 violations; what happened in them:"
    )
    for name, count in sorted(counts.items()):
        print(f"  {name:42} {count:12,}")
    missing = [] if options.any_order else missing_from(counts, played)
    if len(hashes) != played:
        missing.append(f"{played - len(hashes)} seeds had the trace of another")
    for each in missing:
        print(f"TOO LITTLE: {each}")
    print(f"{len(WANTED)} kinds of things were wanted; " + ("too little happened" if missing else "all happened"))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
