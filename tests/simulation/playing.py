"""Many seeds on many cores, their outcomes in the order of the seeds.

A module of its own: a worker process cannot find again what stands in a `__main__`.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator

from tests.simulation.run import Outcome, Run

#: Seeds a worker plays between two reports.
CHUNK = 20


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
    return [Run(seed, keeps_order=keeps_order).play() for seed in range(first, last)]
