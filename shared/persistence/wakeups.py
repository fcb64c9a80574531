"""Wake-ups: "something was committed, look now". A hint for speed, never needed for correctness.

In the process: an event. Between processes on PostgreSQL: NOTIFY, sent by a thread of its own on its own
connection *after* the commit, and coalesced: however many units commit while one NOTIFY is on its way, one more
follows. A NOTIFY inside every transaction would take a global lock and halve the commit rate at 16 clients. It is a
transaction of its own that nobody would miss, so its commit need not wait for the disk.
Who misses a wake-up finds the work at the next slow poll.
"""

from __future__ import annotations

import threading
from typing import Any

import psycopg

from shared.persistence.database import CONNECT_SECONDS, TCP_WATCH, Database
from shared.runtime.logging import get_logger

CHANNEL = "lianmeng_wakeup"
#: Payload of a NOTIFY after which deferred events have fallen due.
DUE = "due"
#: How long to wait before trying a broken LISTEN or NOTIFY connection again, in seconds.
RECONNECT_SECONDS = 1.0
#: Pause after a NOTIFY, in seconds. One per commit costs two busy writers a third of their commits; whoever was woken works for
#: about as long before it could hear the next.
PAUSE_SECONDS = 0.008
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
        self._ring_wanted = threading.Event()
        self._due_wanted = threading.Event()
        self._stopping = threading.Event()
        self._ringer: threading.Thread | None = None
        self._hearer: threading.Thread | None = None
        #: The session that our own NOTIFYs come from: whoever listens here was told already, without a detour.
        self._ringing_session: int | None = None

    def ring(self, *, events: bool = True, due: bool = False) -> None:
        """Tell the listeners, here and in other processes. Returns at once and never fails.

        `events=False`: what was committed recorded no event, so whoever waits for events here may sleep on.
        `due`: deferred events have fallen due, by an operator's hand.
        """
        self._ring_here(events=events, due=due)
        if self._database.is_postgresql:
            if due:
                self._due_wanted.set()
            self._ring_wanted.set()
            if self._ringer is None:
                self._start_ringer()

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
        self._ring_wanted.set()
        self._ring_here(due=True)
        for thread in (self._ringer, self._hearer):
            if thread is not None:
                thread.join(timeout=CONNECT_SECONDS)

    def _ring_here(self, *, events: bool = True, due: bool = False) -> None:
        with self._lock:
            told = self._listeners | (self._event_listeners if events else set())
            for bell in told | (self._due_listeners if due else set()):
                bell.set()

    def _start_ringer(self) -> None:
        with self._lock:
            if self._ringer is None and not self._stopping.is_set():
                self._ringer = threading.Thread(target=self._ring_others, name="wakeups-ring", daemon=True)
                self._ringer.start()

    def _ring_others(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while True:
            self._ring_wanted.wait()
            self._ring_wanted.clear()
            if self._stopping.is_set():
                break
            try:
                connection = connection or self._connect("-c synchronous_commit=off")
                self._ringing_session = connection.info.backend_pid
                due = self._due_wanted.is_set()
                self._due_wanted.clear()
                connection.execute(f"NOTIFY {CHANNEL}, '{DUE if due else ''}'")
                self._stopping.wait(PAUSE_SECONDS)
            except psycopg.Error as error:
                log.warning("wakeups.notify_failed", error=str(error).strip())
                _close(connection)
                connection = None
                self._stopping.wait(RECONNECT_SECONDS)
        _close(connection)

    def _hear(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while not self._stopping.is_set():
            try:
                if connection is None:
                    connection = self._connect()
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._ring_here(due=True)  # whatever was rung while nobody listened
                for heard in connection.notifies(timeout=STOP_CHECK_SECONDS):
                    if heard.pid != self._ringing_session:
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


def _close(connection: psycopg.Connection[Any] | None) -> None:
    if connection is not None:
        connection.close()
