"""`python -m tests.simulation.identity 1 2 3`: what makes these seeds' runs what they are, for comparing processes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.simulation.run import Run, digest_of


def main(seeds: Sequence[str]) -> None:
    """Print a line per seed: the hash of its steps and the hash of all its rows."""
    for seed in seeds:
        run = Run(int(seed))
        print(f"{run.play().trace_hash} {digest_of(run.alliance)}")


if __name__ == "__main__":
    main(sys.argv[1:])
