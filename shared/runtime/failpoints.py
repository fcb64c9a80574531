"""Named seams at which a test may kill the process, to prove that what follows completes and happens once.

Armed by the `failpoint` setting, `seam` or `seam:event type`; refused in production by the settings.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

#: Every seam there is.
SEAMS = (
    # Any unit of work that gives others work: a request's, a reaction's, a timer's.
    "command.before_commit",
    "command.after_commit",
    "relay.before_publish",
    "relay.after_confirm",
    "relay.after_mark",
    "consumer.before_commit",
    # Stored, not yet acknowledged to the bus.
    "consumer.after_commit",
    "consumer.after_acknowledge",
    "delivery.before_send",
    "delivery.after_send",
)


class Failpoints:
    """The one armed seam of this process, or none."""

    def __init__(self, armed: str = "") -> None:
        self._seam, _, self._detail = armed.partition(":")
        assert not self._seam or self._seam in SEAMS, f"no such seam: {self._seam}"

    def reach(self, seam: str, details: Iterable[str] = ()) -> None:
        """Die here, without a chance to clean up, when this seam is armed."""
        assert seam in SEAMS
        if seam == self._seam and (not self._detail or self._detail in details):
            os.kill(os.getpid(), signal.SIGKILL)
