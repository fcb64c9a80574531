"""Failpoints that kill nobody."""

from __future__ import annotations

from collections.abc import Iterable

from shared.runtime.failpoints import Failpoints


class RecordingFailpoints(Failpoints):
    """Notes the seams reached, and with what."""

    def __init__(self) -> None:
        super().__init__()
        self.reached: list[tuple[str, list[str]]] = []

    def reach(self, seam: str, details: Iterable[str] = ()) -> None:
        """See the base."""
        self.reached.append((seam, list(details)))
