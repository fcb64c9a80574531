"""Wake-ups: "something was committed, look now". A hint for speed, never needed for correctness.

In the process: an event. Between processes on PostgreSQL: NOTIFY, on a connection of its own *after* the commit, and
coalesced: however many units commit within a short pause, one more follows. A NOTIFY inside every transaction would take
a global lock and halve the commit rate at 16 clients. It is a transaction of its own that nobody would miss, so its
commit need not wait for the disk.
Who misses a wake-up finds the work at the next slow poll.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.pq import ExecStatus

from shared.persistence.database import CONNECT_SECONDS, TCP_WATCH, Database
from shared.runtime.clock import SystemClock
from shared.runtime.logging import get_logger

CHANNEL = "lianmeng_wakeup"
#: Payload of a NOTIFY after which deferred events have fallen due.
DUE = "due"
#: How long to wait before trying a broken LISTEN or NOTIFY connection again, in seconds.
RECONNECT_SECONDS = 1.0
#: Pause after a NOTIFY, in seconds. One per commit costs two busy writers a third of their commits. Much longer, and every second
#: of 200 events a second would wait for it.
PAUSE_SECONDS = 0.002
#: The pause of a process that goes on committing more often than so many times a second. Each of its wake-ups tells of several
#: commits, and the NOTIFYs of many such processes would cost all of them a tenth of their commits.
BUSY_PAUSE_SECONDS, BUSY_PER_SECOND = 0.020, 250.0
#: How far back the rate of commits remembers, in seconds, so that a short burst does not count as busy.
RATE_SECONDS = 0.1
#: How much later than the pause, in seconds, the ringer's thread looks whether somebody was left untold: at least, so that whoever
#: commits next can be quicker, and at most.
SLACK_SECONDS, SLACK_SECONDS_MAX = 0.004, 0.064
#: How often the listening thread looks whether it is to stop, in seconds.
STOP_CHECK_SECONDS = 0.5

log = get_logger(__name__)


class Wakeups:
    """One per database and process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: set[threading.Event] = set()
        self._event_listeners: set[threading.Event] = set()
        self._due_listeners: set[threading.Event] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._ringer = Ringer(lambda: self._connect("-c synchronous_commit=off")) if database.is_postgresql else None
        self._hearer: threading.Thread | None = None

    def ring(self, *, events: bool = True, due: bool = False) -> None:
        """Tell the listeners, here and in other processes. Never fails; takes at most as long as a NOTIFY does.

        `events=False`: what was committed recorded no event, so whoever waits for events here may sleep on.
        `due`: deferred events have fallen due, by an operator's hand.
        """
        self._ring_here(events=events, due=due)
        if self._ringer is not None:
            self._ringer.ring(due=due)

    def listener(self, *, of_events: bool = False, of_due: bool = False) -> threading.Event:
        """A bell that is set by every ring from now on. The owner clears it before it looks for work.

        `of_events`: only by rings that tell of recorded events, and by those of other processes, which do not say.
        `of_due`: only by rings that tell of deferred events that have fallen due.
        """
        bell = threading.Event()
        with self._lock:
            chosen = self._event_listeners if of_events else self._due_listeners if of_due else self._listeners
            chosen.add(bell)
        return bell

    def forget(self, bell: threading.Event) -> None:
        """Ring a listener's bell no more: for those that wait for a while, unlike a worker's."""
        with self._lock:
            self._listeners.discard(bell)
            self._event_listeners.discard(bell)

    def hear_other_processes(self) -> None:
        """Start listening for the rings of other processes: workers do, web processes once somebody waits for events."""
        with self._lock:
            if self._database.is_postgresql and self._hearer is None and not self._stopping.is_set():
                self._hearer = threading.Thread(target=self._hear, name="wakeups-hear", daemon=True)
                self._hearer.start()

    @property
    def is_stopping(self) -> bool:
        """Whether the process is about to end: whoever waits for something lets go."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """End the threads; listeners are woken a last time."""
        self._stopping.set()
        self._ring_here(due=True)
        if self._ringer is not None:
            self._ringer.stop()
        if self._hearer is not None:
            self._hearer.join(timeout=CONNECT_SECONDS)

    def _ring_here(self, *, events: bool = True, due: bool = False) -> None:
        with self._lock:
            told = self._listeners | (self._event_listeners if events else set())
            for bell in told | (self._due_listeners if due else set()):
                bell.set()

    def _hear(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while not self._stopping.is_set():
            try:
                if connection is None:
                    connection = self._connect()
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._ring_here(due=True)  # whatever was rung while nobody listened
                for heard in connection.notifies(timeout=STOP_CHECK_SECONDS):
                    # Whoever listens here was told of our own commits already, without a detour.
                    if self._ringer is None or heard.pid != self._ringer.session:
                        self._ring_here(due=heard.payload == DUE)
                    if self._stopping.is_set():
                        break
            except psycopg.Error as error:
                log.warning("wakeups.listen_failed", error=str(error).strip())
                _close(connection)
                connection = None
                self._stopping.wait(RECONNECT_SECONDS)
        _close(connection)

    def _connect(self, options: str = "") -> psycopg.Connection[Any]:
        url = self._database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS, options=options, **TCP_WATCH)


class Ringer:
    """Sends the NOTIFYs of one process, at most one per pause.

    Who commits when the pause is over sends it himself: a thread that woke up for each would cost sixteen writers a tenth of
    their commits. The thread is there for what was committed within a pause and followed by nothing, and to connect.
    """

    def __init__(
        self, connect: Callable[[], psycopg.Connection[Any]], monotonic: Callable[[], float] | None = None
    ) -> None:
        """Pauses are real time, whatever clock the service goes by."""
        self._connect = connect
        self._monotonic = monotonic or SystemClock().monotonic
        self._connection: psycopg.Connection[Any] | None = None
        #: Whoever has it may use the connection.
        self._lock = threading.Lock()
        #: Somebody has committed since the last NOTIFY began; and whether deferred events have fallen due.
        self._is_owed = self._is_due = False
        self._told_at = self._rested_at = self._monotonic()
        #: Commits since the last NOTIFY; one that two threads count at once may be missed.
        self._commits = 0
        #: Commits per second, as it was lately.
        self._rate = 0.0
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        #: The session that our NOTIFYs come from.
        self.session: int | None = None

    def ring(self, *, due: bool) -> None:
        """Tell other processes now or soon."""
        if due:
            self._is_due = True
        self._is_owed = True
        self._commits += 1
        if self._connection is not None and self._monotonic() >= self._rested_at and self._lock.acquire(blocking=False):
            try:
                if self._connection is not None:
                    self._tell(self._connection)
            finally:
                self._lock.release()
        if self._is_owed and not self._wanted.is_set():
            self._wanted.set()
            if self._thread is None:
                self._start()

    def stop(self) -> None:
        """End the thread and the connection."""
        self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(timeout=CONNECT_SECONDS)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="wakeups-ring", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        slack = SLACK_SECONDS
        while not self._stopping.is_set():
            self._wanted.wait()
            self._wanted.clear()
            self._stopping.wait(max(0.0, self._rested_at + slack - self._monotonic()))
            if not self._is_owed:
                # Who commits steadily leaves nobody untold: no need to look so often.
                slack = min(SLACK_SECONDS_MAX, slack * 2)
                continue
            slack = SLACK_SECONDS
            with self._lock:
                told = self._stopping.is_set() or self._connect_and_tell()
            if not told:
                self._stopping.wait(RECONNECT_SECONDS)
                self._wanted.set()
        with self._lock:
            self._close()

    def _connect_and_tell(self) -> bool:
        if self._connection is None:
            try:
                self._connection = self._connect()
            except psycopg.Error as error:
                log.warning("wakeups.notify_failed", error=str(error).strip())
                return False
            self.session = self._connection.info.backend_pid
        return self._tell(self._connection)

    def _tell(self, connection: psycopg.Connection[Any]) -> bool:
        # Before, not after: who commits from here on is told of by the next.
        due, self._is_owed, self._is_due = self._is_due, False, False
        self._rest()
        try:
            _notify(connection, DUE if due else "")
        except psycopg.Error as error:
            log.warning("wakeups.notify_failed", error=str(error).strip())
            self._close()
            self._is_due |= due
            self._is_owed = True
            return False
        return True

    def _rest(self) -> None:
        now = self._monotonic()
        passed = max(now - self._told_at, PAUSE_SECONDS)
        self._rate += min(1.0, passed / RATE_SECONDS) * (self._commits / passed - self._rate)
        self._told_at, self._commits = now, 0
        self._rested_at = now + (BUSY_PAUSE_SECONDS if self._rate > BUSY_PER_SECOND else PAUSE_SECONDS)

    def _close(self) -> None:
        _close(self._connection)
        self._connection = None


def _notify(connection: psycopg.Connection[Any], payload: str) -> None:
    """Straight through libpq: a cursor for each would take ten times the processor time from busy writers."""
    result = connection.pgconn.exec_(f"NOTIFY {CHANNEL}, '{payload}'".encode("ascii"))
    if result.status != ExecStatus.COMMAND_OK:
        raise psycopg.OperationalError(result.get_error_message())


def _close(connection: psycopg.Connection[Any] | None) -> None:
    if connection is not None:
        connection.close()
