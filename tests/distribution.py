"""How the tests are spread over workers (pytest-xdist), when the whole suite runs: `make test`.

A worker is handed a room at a time: one test file, or a folder whose tests share something that takes long to make.
Rooms that take long come first, so that no worker sits idle beside the last of them. Each worker has servers of its
own, and starts those that its rooms ask for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

#: Folders that stay whole: their tests share a browser, a founded alliance, or processes that play one.
WHOLE = ("tests/browser", "tests/journeys", "tests/service/console")
#: What takes longest begins first, in this order; everything else follows in the order in which it was collected.
FIRST = ("tests/browser", "tests/journeys", "tests/simulation", "tests/faults", "tests/service/console")


class RoomByRoom(LoadScopeScheduling):  # type: ignore[misc] # it ships no types
    """Hands out rooms, the longest first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in WHOLE if file.startswith(f"{folder}/")), file)

    def _assign_work_unit(self, node: Any) -> None:
        # min() takes the first among equals: the order of the collection.
        self.workqueue.move_to_end(min(self.workqueue, key=_turn), last=False)
        super()._assign_work_unit(node)


def _turn(room: str) -> int:
    return next((turn for turn, start in enumerate(FIRST) if room.startswith(start)), len(FIRST))


def workers_for(config: pytest.Config) -> int | None:
    """How many workers `-n auto` means: none for a few tests, which are over before a second worker is up.

    None lets pytest-xdist decide: one for each core.
    """
    named = [Path(argument.partition("::")[0]) for argument in config.args]
    return 0 if config.option.keyword or all(path.is_file() for path in named) else None
