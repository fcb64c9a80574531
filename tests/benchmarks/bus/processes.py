"""Processes that are measured: started as children, watched from outside while they work, always ended.

What a process costs is read from the system: the processor time of it and of its descendants, and its memory.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
#: How often a running measurement is looked at, in seconds. A look costs about 0.3 ms.
LOOK_SECONDS = 0.025
#: Share of the events that only warms up: connections, caches, compiled statements.
WARM_UP_SHARE = 0.15
#: How long a child may take to say its line, in seconds.
LINE_SECONDS = 90.0
#: How long a child may take to end after SIGTERM, in seconds.
END_SECONDS = 15.0

#: A process is idle that used less than this share of a core for so long, in seconds.
IDLE_SHARE, IDLE_SECONDS = 0.1, 0.4

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_pause = threading.Event()


class Failed(Exception):
    """A measurement that cannot be believed: a process died, events are missing, or it took too long."""


class Child:
    """One process under measurement."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def cpu_seconds(self) -> float:
        """Processor time of the process and its descendants so far."""
        return sum(_cpu_ticks(pid) for pid in self._tree()) / _TICK

    def memory_bytes(self) -> int:
        """Resident memory of the process itself."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE

    def check(self) -> None:
        """Raises when it has ended by itself, with the last of what it said."""
        if self.process.poll() is not None:
            raise Failed(f"{self.process.args!r} ended with {self.process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def line(self) -> Any:
        """The next line it prints, as JSON; waits for it."""
        assert self.process.stdout is not None
        # Children print one line at a time and wait: nothing is left in the buffer that this would overlook.
        if not select.select([self.process.stdout], [], [], LINE_SECONDS)[0]:
            raise Failed(f"{self.process.args!r} has said nothing for {LINE_SECONDS:g} s: {self.last_words()}")
        text = self.process.stdout.readline()
        if not text:
            self.process.wait(END_SECONDS)
            raise Failed(f"{self.process.args!r} said nothing: {self.last_words()}")
        return json.loads(text)

    def tell(self, word: str) -> None:
        """Hand it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def ask_to_end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """SIGTERM, then SIGKILL to whatever is left of its group."""
        self.ask_to_end()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def _tree(self) -> Iterator[int]:
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            yield pid
            try:
                for task in Path(f"/proc/{pid}/task").iterdir():
                    waiting += map(int, (task / "children").read_text().split())
            except OSError:
                continue  # it ended between two looks


def _cpu_ticks(pid: int) -> int:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, after_name[11:15]))  # its own and its ended children's, user and system


@contextmanager
def running(*children: Child) -> Iterator[None]:
    """Ends them when the block ends."""
    try:
        yield
    finally:
        for child in children:
            child.ask_to_end()
        for child in children:
            child.end()


def wait_for(
    reached: Callable[[], bool], children: Sequence[Child], seconds: float, every: float = LOOK_SECONDS
) -> None:
    """Wait for a condition, as long as the children live."""
    deadline = time.monotonic() + seconds
    while not reached():
        for child in children:
            child.check()
        if time.monotonic() > deadline:
            words = " | ".join(child.last_words() for child in children)
            raise Failed(f"waited {seconds:g} s in vain: {words}")
        _pause.wait(every)


def wait_until_idle(children: Sequence[Child], seconds: float) -> None:
    """Wait until they have started and nothing is left for them to do."""
    spent = [-1.0]

    def is_idle() -> bool:
        spent.append(sum(child.cpu_seconds() for child in children))
        return spent[-1] - spent[-2] < IDLE_SHARE * IDLE_SECONDS

    wait_for(is_idle, children, seconds, every=IDLE_SECONDS)


@dataclass(frozen=True)
class Look:
    """One look at a running measurement."""

    at: float
    done: int
    cpu_seconds: float


@dataclass(frozen=True)
class Result:
    """What one pass found. `micros`: µs of Python processor time per event."""

    rate: float
    micros: float


def watch(children: Sequence[Child], done: Callable[[], int], goal: int, *, seconds: float) -> Result:
    """Look until `goal` is reached, and reckon rate and cost without the warm-up."""
    looks: list[Look] = []

    def look() -> bool:
        count = done()
        looks.append(Look(time.monotonic(), count, sum(child.cpu_seconds() for child in children)))
        return count >= goal

    wait_for(look, children, seconds)
    return reckon(looks, goal)


def reckon(looks: Sequence[Look], goal: int) -> Result:
    """Rate and cost between the first look after the warm-up and the first at the goal."""
    first = next(look for look in looks if look.done >= goal * WARM_UP_SHARE)
    last = next(look for look in looks if look.done >= goal)
    events = last.done - first.done
    if events < goal / 2:
        raise Failed(f"only {events} of {goal} events were seen being done: too few for a figure")
    return Result(events / (last.at - first.at), (last.cpu_seconds - first.cpu_seconds) / events * 1e6)
