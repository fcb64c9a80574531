"""A feed in memory, for what reads feeds: no database, no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.messaging.envelope import encode
from shared.messaging.feed import Entry, Page


class FeedInMemory:
    """The feed of one service, so many numbers a page; remembers what it was asked for."""

    def __init__(self, service: str, envelopes: Sequence[dict[str, Any]], *, window: int) -> None:
        self.service = service
        self.asked: list[tuple[int, list[str]]] = []
        self._entries = [Entry(number, told["type"], encode(told)) for number, told in enumerate(envelopes, start=1)]
        self._window = window

    def page(self, after: int, types: Sequence[str]) -> Page:
        """See the port."""
        self.asked.append((after, list(types)))
        to = min(after + self._window, len(self._entries))
        looked_at = self._entries[after:to]
        return Page([each for each in looked_at if not types or each.type in types], to, len(self._entries), 0)
