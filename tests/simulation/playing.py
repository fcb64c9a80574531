"""Many seeds on many cores, their outcomes in the order of the seeds.

A module of its own: a worker process cannot find again what stands in a `__main__`.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator

from tests.simulation.run import Outcome, Run
from tests.simulation.templates import templates

#: Seeds a worker plays between two reports.
CHUNK = 20
#: New objects before garbage is looked for, in the worker processes; Python's own is 700.
GARBAGE_THRESHOLD = 20_000


def play_all(first: int, seeds: int, workers: int, *, keeps_order: bool = True) -> Iterator[Outcome]:
    """Play them all, on so many processes; whoever stops asking ends the work."""
    last = first + seeds
    chunks = [(start, min(start + CHUNK, last), keeps_order) for start in range(first, last, CHUNK)]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for outcomes in pool.imap(play_chunk, chunks):
            yield from outcomes


def play_chunk(chunk: tuple[int, int, bool]) -> list[Outcome]:
    """Play the seeds from the first to before the last."""
    first, last, keeps_order = chunk
    templates()
    # What was built so far stays: looking through it again and again costs a tenth of the time.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    return [Run(seed, keeps_order=keeps_order).play() for seed in range(first, last)]
