"""Waiting in tests: for a condition, with a deadline, and saying what was waited for.

The only place in tests that lets time pass. Nothing here may be used to "give it a moment": a wait without a
condition hides a race, and a fixed pause is either too short on a slow machine or too long on every other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds after which a wait in a test gives up; generous, because a busy two-core machine must not make a test red.
DEADLINE_SECONDS = 20.0


class Late(AssertionError):
    """The condition did not come true before the deadline."""


def wait_until(
    condition: Callable[[], T | None],
    what: str,
    *,
    seconds: float = DEADLINE_SECONDS,
    every: float = 0.02,
    ignoring: tuple[type[BaseException], ...] = (),
) -> T:
    """The first truthy value of `condition`; raises Late, naming `what` and the last value seen, after `seconds`."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while True:
        seen: object
        try:
            value = condition()
            if value:
                return value
            seen = value
        except ignoring as error:
            seen = error
        if time.monotonic() >= deadline:
            raise Late(f"waited {seconds:g} s in vain: {what}; last seen: {seen!r}")
        pause.wait(every)


def stays(condition: Callable[[], object], what: str, *, seconds: float = 0.5, every: float = 0.05) -> None:
    """Fails as soon as `condition` is false within `seconds`: for promises that something does *not* happen."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"did not stay so: {what}"
        pause.wait(every)
