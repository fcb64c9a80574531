"""In place of `threading`, for those who would start a thread or let time pass: the test is the thread, and has the time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace


class IdleThread:
    """A thread that is never run: the test takes its steps."""

    def __init__(self, *, target: Callable[[], None], name: str, daemon: bool) -> None:
        self.target = target
        self.name = name
        self.daemon = daemon
        self.started = 0
        #: How long it was waited for, each time.
        self.joined: list[float] = []
        self.is_running = True

    def start(self) -> None:
        self.started += 1

    def join(self, seconds: float) -> None:
        self.joined.append(seconds)

    def is_alive(self) -> bool:
        return self.is_running


#: Who asks more often than this will ask for ever.
ENDLESS = 10_000


class Pauses(threading.Event):
    """An event whose waits are written down and take no time; each is the test's turn."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self.turn: Callable[[], object] = lambda: None
        self._asked = 0

    def is_set(self) -> bool:
        self._asked += 1
        assert self._asked < ENDLESS, "nothing ends this loop"
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        self.turn()
        return self.is_set()


#: To be put where a module has `threading`.
IDLE_THREADING = SimpleNamespace(
    Thread=IdleThread, Event=Pauses, Lock=threading.Lock, current_thread=threading.current_thread
)
