"""Things that processes of one machine must not do at the same time: workers of a run, and runs beside one another."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "var"


@contextlib.contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Within the block no other process of this tree is in a block of that name; it waits as long as it takes."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{what}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed, also by a process that is killed
        yield
