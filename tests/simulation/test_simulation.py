"""Seeds of the simulation: no promise broken, enough happened, and the same seed is the same run everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.playing import play_all
from tests.simulation.run import STEPS, Run, digest_of
from tests.simulation.vacuity import missing_from

ROOT = Path(__file__).parents[2]
#: Seeds of every run of the tests; `make sim` plays as many more as there is time for.
SEEDS = 500
#: Seeds of one test: few enough to end long before its time is up.
SEEDS_PER_TEST = 125
#: Processes that play: each of the tests' workers has its share of the cores.
PROCESSES = max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
#: Seeds from which on counts mean something.
SEEDS_MIN = 50
#: Seeds that are played twice: with and without faults, from the founding on and later.
REPEATED = (0, 3, 6, 11)

_counts: Counter[str] = Counter()
_played: set[int] = set()
_hashes: dict[str, int] = {}


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_no_seed_breaks_a_promise(first: int) -> None:
    for outcome in play_all(first, SEEDS_PER_TEST, PROCESSES):
        seed = outcome.seed

        lines = "\n".join(outcome.last_lines)
        assert not outcome.violation, f"{lines}\nseed {seed}: {outcome.violation}\nagain: make sim SEED={seed}"
        assert outcome.steps >= STEPS >= 200
        assert outcome.trace_hash not in _hashes, f"seeds {_hashes[outcome.trace_hash]} and {seed} are the same run"
        _counts.update(outcome.counts)
        _played.add(seed)
        _hashes[outcome.trace_hash] = seed


def test_enough_has_happened_in_the_seeds_to_prove_anything() -> None:
    # given the seeds of the test above, or, when this test runs alone, enough of its own
    for first in range(0, SEEDS_MIN, SEEDS_PER_TEST):
        if len(_played) < SEEDS_MIN and first not in _played:
            test_no_seed_breaks_a_promise(first)

    assert missing_from(_counts, len(_played)) == []


def test_a_run_in_which_nothing_happens_is_found_out() -> None:
    assert len(missing_from(Counter(), 500)) > 30


def test_the_same_seed_is_the_same_run_in_this_process_and_in_another() -> None:
    # given some seeds, played here
    here = [_identity(seed) for seed in REPEATED]

    # when they are played again, in another order, and in a process that hashes texts differently
    again = [_identity(seed) for seed in reversed(REPEATED)][::-1]
    elsewhere = subprocess.run(
        [sys.executable, "-m", "tests.simulation.identity", *map(str, REPEATED)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    # then every step and every row is the same
    assert again == here
    assert elsewhere.stdout.split("\n")[:-1] == here


def _identity(seed: int) -> str:
    run = Run(seed)
    return f"{run.play().trace_hash} {digest_of(run.alliance)}"
