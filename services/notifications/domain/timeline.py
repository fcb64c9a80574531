"""The order of a story told by four services whose clocks differ by a little.

By time, then service, then sequence; but what caused something always stands before it, whatever their clocks say.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One thing that happened: an event, or a delivery of one. `cause` is the id of the entry that led to it."""

    id: str
    at: datetime
    service: str
    type: str
    subject: str
    sequence: int
    cause: str | None
    article: str | None
    event_id: str
    data: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False)

    @property
    def rank(self) -> tuple[datetime, str, int, str]:
        """Place among entries that do not depend on one another; unique by the id at its end."""
        return self.at, self.service, self.sequence, self.id


def order_entries(entries: Sequence[Entry]) -> list[Entry]:
    """The entries in the order of the story. A circle of causes, which only a liar can make, is cut at its earliest."""
    by_id = {entry.id: entry for entry in entries}
    children: dict[str, list[Entry]] = defaultdict(list)
    ready: list[tuple[tuple[datetime, str, int, str], str]] = []
    for entry in by_id.values():
        if entry.cause in by_id and entry.cause != entry.id:
            children[entry.cause].append(entry)
        else:
            ready.append((entry.rank, entry.id))
    heapq.heapify(ready)
    ordered: list[Entry] = []
    waiting = {entry.id for entry in by_id.values()}
    while waiting:
        if not ready:
            earliest = min((by_id[each] for each in waiting), key=lambda entry: entry.rank)
            heapq.heappush(ready, (earliest.rank, earliest.id))
        _, following = heapq.heappop(ready)
        if following not in waiting:
            continue
        waiting.remove(following)
        ordered.append(by_id[following])
        for child in children[following]:
            heapq.heappush(ready, (child.rank, child.id))
    return ordered


def elapsed_milliseconds(first: datetime, at: datetime) -> int:
    """Milliseconds since the story began; never negative, whatever the clocks say."""
    return max(int((at - first).total_seconds() * 1000), 0)
