"""Who tells other processes of a commit, and how often: nobody is left untold, and busy writers are not slowed down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.pq import ExecStatus

from shared.persistence import wakeups
from shared.persistence.wakeups import BUSY_PAUSE_SECONDS, PAUSE_SECONDS, Ringer
from tests.waiting import stays, wait_until

PLAIN, DUE = b"NOTIFY lianmeng_wakeup, ''", b"NOTIFY lianmeng_wakeup, 'due'"


def _nothing() -> None:
    """Happens."""


class Line:
    """Connections to a database that writes down what it is told, and by whom."""

    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.tellers: list[threading.Thread] = []
        self.connections = 0
        self.is_away = self.is_failing = False
        #: What happens, once, while somebody is being told.
        self.meanwhile: Callable[[], None] = _nothing

    def connect(self) -> Any:
        if self.is_away:
            raise psycopg.OperationalError("away")
        self.connections += 1
        pgconn = SimpleNamespace(exec_=self._exec)
        return SimpleNamespace(pgconn=pgconn, info=SimpleNamespace(backend_pid=self.connections), close=lambda: None)

    def _exec(self, statement: bytes) -> Any:
        if self.is_failing:
            return SimpleNamespace(status=ExecStatus.FATAL_ERROR, get_error_message=lambda: "cut")
        meanwhile, self.meanwhile = self.meanwhile, _nothing
        meanwhile()
        self.told.append(statement)
        self.tellers.append(threading.current_thread())
        return SimpleNamespace(status=ExecStatus.COMMAND_OK)


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setattr(wakeups, "RECONNECT_SECONDS", 0.01)
    return Line()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def ringer(line: Line, time: Time) -> Iterator[Ringer]:
    made = Ringer(line.connect, time)
    yield made
    made.stop()


def connected(ringer: Ringer, line: Line, time: Time) -> None:
    """One commit has been told of, and the pause is over."""
    ringer.ring(due=False)
    wait_until(lambda: len(line.told) == 1, "the first one told")
    time.now += 1


def test_the_first_commit_waits_for_no_connection_and_is_told_of_all_the_same(ringer: Ringer, line: Line) -> None:
    ringer.ring(due=False)

    wait_until(lambda: line.told == [PLAIN], "told by the thread")
    assert line.tellers != [threading.current_thread()]
    assert ringer.session == 1


def test_who_commits_after_the_pause_tells_of_it_himself(ringer: Ringer, line: Line, time: Time) -> None:
    connected(ringer, line, time)

    ringer.ring(due=False)

    assert line.told == [PLAIN, PLAIN]
    assert line.tellers[1] is threading.current_thread()


def test_what_was_committed_within_the_pause_is_told_of_once_and_soon(ringer: Ringer, line: Line, time: Time) -> None:
    connected(ringer, line, time)
    ringer.ring(due=False)

    for _ in range(5):
        ringer.ring(due=False)

    wait_until(lambda: len(line.told) == 3, "those five told of")
    stays(lambda: len(line.told) == 3, "once", seconds=0.1)


def test_that_something_has_fallen_due_is_told_with_the_next_one_only(ringer: Ringer, line: Line, time: Time) -> None:
    connected(ringer, line, time)

    ringer.ring(due=True)
    time.now += 1
    ringer.ring(due=False)

    assert line.told == [PLAIN, DUE, PLAIN]


def test_what_a_broken_line_swallowed_is_told_on_the_next_one(ringer: Ringer, line: Line, time: Time) -> None:
    connected(ringer, line, time)

    line.is_failing = line.is_away = True
    ringer.ring(due=True)
    line.is_failing = False
    stays(lambda: len(line.told) == 1, "nobody can be told", seconds=0.05)
    line.is_away = False

    wait_until(lambda: line.told == [PLAIN, DUE], "told, and that it has fallen due")
    assert line.connections == 2
    assert ringer.session == 2


def test_who_commits_while_another_is_being_told_of_is_told_of_next(ringer: Ringer, line: Line, time: Time) -> None:
    connected(ringer, line, time)

    line.meanwhile = lambda: ringer.ring(due=False)
    ringer.ring(due=False)

    wait_until(lambda: len(line.told) == 3, "the second one told of")


def test_somebody_else_telling_keeps_nobody_waiting(ringer: Ringer, line: Line, time: Time) -> None:
    connected(ringer, line, time)

    with ringer._lock:
        ringer.ring(due=False)
        assert len(line.told) == 1

    wait_until(lambda: len(line.told) == 2, "told of afterwards")


@pytest.mark.parametrize(("per_second", "pause"), [(200, PAUSE_SECONDS), (400, BUSY_PAUSE_SECONDS)])
def test_who_goes_on_committing_often_tells_less_often(
    ringer: Ringer, line: Line, time: Time, per_second: int, pause: float
) -> None:
    connected(ringer, line, time)
    for number in range(per_second * 2):
        time.now = 101.0 + number / per_second
        ringer.ring(due=False)
        # Each is told of before the next: what the thread would do in real time.
        ringer._is_owed = False

    assert ringer._rested_at - ringer._told_at == pytest.approx(pause)


def test_a_burst_is_not_yet_busy(ringer: Ringer, line: Line, time: Time) -> None:
    connected(ringer, line, time)
    for _ in range(20):
        time.now += 0.0005
        ringer.ring(due=False)

    assert ringer._rested_at - ringer._told_at == pytest.approx(PAUSE_SECONDS)


def test_who_has_stopped_starts_no_thread(line: Line, time: Time) -> None:
    ringer = Ringer(line.connect, time)
    ringer.stop()

    ringer.ring(due=False)

    assert ringer._thread is None
    assert line.told == []
