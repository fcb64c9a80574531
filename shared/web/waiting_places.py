"""Places for requests that wait: each holds a thread, so that there must never be as many of them as threads.

One count for a whole process, whatever waits and for whichever service. Must not decide who gets one.
"""

from __future__ import annotations

import threading


class WaitingPlaces:
    """Requests that wait, counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    def take(self, maximum: int) -> bool:
        """One place, if fewer than `maximum` are taken; to be given back."""
        with self._lock:
            if self._taken >= maximum:
                return False
            self._taken += 1
            return True

    def give_back(self) -> None:
        """Somebody else may wait."""
        with self._lock:
            self._taken -= 1


#: Of this process.
places = WaitingPlaces()
