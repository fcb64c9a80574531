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


class FailingOnce(Failpoints):
    """Raises the first time a seam is reached, as a lost database would there."""

    def __init__(self, seam: str) -> None:
        super().__init__()
        self._failing: str | None = seam

    def reach(self, seam: str, details: Iterable[str] = ()) -> None:
        """See the base."""
        if seam == self._failing:
            self._failing = None
            raise RuntimeError("simulated")
