"""A TCP proxy on loopback that spoils connections as networks do, switched while it runs.

One thread with a polling loop; knows no protocol. `UP` is from client to server, `DOWN` the way back. What is told holds
for the connections that are open and for those to come, until `heal`. What can be told stands in `toxics`.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from tests.faults.toxics import CLEAN, Toxic
from tests.servers.ports import HOST

UP = "up"
DOWN = "down"
BOTH = (UP, DOWN)
#: Bytes read at a time.
CHUNK_BYTES = 65_536
#: Bytes kept back per direction before the source is no longer read, as a full socket buffer would do.
HELD_BYTES_MAX = 1_048_576
#: Seconds the loop waits for something to happen before it looks again.
TICK_SECONDS = 0.5
#: SO_LINGER, on for zero seconds: closing then sends RST instead of FIN.
LINGER_FOR_RESET = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class _Flow:
    """One direction of one connection."""

    source: socket.socket
    sink: socket.socket
    direction: str
    #: What is on its way, with the instant of its delivery.
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)
    held: int = 0
    #: When the source has ended: the instant at which the sink is told.
    ends_at: float | None = None
    has_ended: bool = False
    chunks: int = 0
    #: Set when the connection is to end once what waits has been delivered.
    cuts: bool = False


@dataclass(eq=False)
class _Connection:
    client: socket.socket
    server: socket.socket
    up: _Flow
    down: _Flow

    @property
    def flows(self) -> tuple[_Flow, _Flow]:
        return self.up, self.down

    def close(self, *, reset: bool = False) -> None:
        for each in (self.client, self.server):
            if reset:
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_FOR_RESET)
            each.close()


class Proxy:
    """Listens on `port` of loopback and passes everything to the server, spoiled as told. A context manager."""

    def __init__(self, server_port: int, server_host: str = HOST, *, seed: int = 1) -> None:
        self._server = (server_host, server_port)
        self._chance = random.Random(seed)
        self._toxics: dict[str, Toxic] = dict.fromkeys(BOTH, CLEAN)
        self._connections: list[_Connection] = []
        self._forgotten: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self._orders: deque[tuple[Callable[[], None], threading.Event]] = deque()
        self._bell, self._ringer = socket.socketpair()
        self._is_closing = False
        #: How many connections were made, how many ended by a cut or a reset of ours, how many chunks a toxic had.
        self.accepted = 0
        self.spoiled = 0
        self.chunks_spoiled = 0
        self._listen()
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------ switching, from any thread
    def spoil(self, toxic: Toxic, *directions: str) -> None:
        """From now on this happens to these directions (without any: to both)."""
        for direction in directions or BOTH:
            assert direction in BOTH
            self._toxics[direction] = toxic
        self._order(self._count_anew)

    def heal(self) -> None:
        """All toxics away; whoever is refused may come again."""
        self.spoil(CLEAN)
        self._order(self._listen)

    def reset(self) -> None:
        """RST to both ends of every open connection."""
        self._order(self._reset)

    def forget(self) -> None:
        """RST to every client, while the server is told nothing: half-open connections, as a firewall leaves them."""
        self._order(self._forget)

    def refuse(self) -> None:
        """Connections end, and no more are accepted: nobody listens here, until `heal`."""
        self._order(self._refuse)

    def close(self) -> None:
        """End of the proxy."""
        self._is_closing = True
        self._ring()
        self._thread.join()
        for each in (self._bell, self._ringer):
            each.close()

    @property
    def open_connections(self) -> int:
        """How many connections there are at this moment."""
        return len(self._connections)

    def _order(self, what: Callable[[], None]) -> None:
        done = threading.Event()
        self._orders.append((what, done))
        self._ring()
        assert done.wait(10), "the proxy's thread has ended"

    def _ring(self) -> None:
        self._ringer.send(b"!")

    # ------------------------------------------------------------ in the proxy's thread
    def _listen(self) -> None:
        if self._listener is None:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self.port))
            listener.listen(128)
            listener.setblocking(False)
            self.port = listener.getsockname()[1]
            self._listener = listener

    def _reset(self) -> None:
        self.spoiled += len(self._connections)
        while self._connections:
            self._connections.pop().close(reset=True)

    def _forget(self) -> None:
        self.spoiled += len(self._connections)
        for connection in self._connections:
            connection.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_FOR_RESET)
            connection.client.close()
            self._forgotten.append(connection.server)
        self._connections.clear()

    def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._reset()

    def _count_anew(self) -> None:
        for connection in self._connections:
            for flow in connection.flows:
                flow.chunks = 0

    def _run(self) -> None:
        try:
            while not self._is_closing:
                self._turn()
        finally:
            self._refuse()
            for each in self._forgotten:
                each.close()

    def _turn(self) -> None:
        now = time.monotonic()
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if self._listener is not None:
            poll.register(self._listener, select.POLLIN)
        wanted: dict[int, int] = {}
        due_in = TICK_SECONDS
        for flow in (flow for connection in self._connections for flow in connection.flows):
            if self._toxics[flow.direction].holds:
                continue
            if flow.ends_at is None and not flow.cuts and flow.held < HELD_BYTES_MAX:
                wanted[flow.source.fileno()] = wanted.get(flow.source.fileno(), 0) | select.POLLIN
            due = flow.waiting[0][0] if flow.waiting else (None if flow.has_ended else flow.ends_at)
            if due is not None and due <= now:
                wanted[flow.sink.fileno()] = wanted.get(flow.sink.fileno(), 0) | select.POLLOUT
            elif due is not None:
                due_in = min(due_in, due - now)
        for number, events in wanted.items():
            poll.register(number, events)
        ready = dict(poll.poll(max(1, int(due_in * 1000))))
        self._obey(ready)
        for connection in list(self._connections):
            self._serve(connection, ready)

    def _obey(self, ready: dict[int, int]) -> None:
        if self._bell.fileno() in ready:
            self._bell.recv(CHUNK_BYTES)
        while self._orders:
            what, done = self._orders.popleft()
            what()
            done.set()
        if self._listener is not None and self._listener.fileno() in ready:
            self._accept(self._listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return  # gone again
        try:
            server = socket.create_connection(self._server, timeout=2)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_FOR_RESET)
            client.close()
            return
        for each in (client, server):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        up, down = _Flow(client, server, UP), _Flow(server, client, DOWN)
        self._connections.append(_Connection(client, server, up, down))
        self.accepted += 1

    def _serve(self, connection: _Connection, ready: dict[int, int]) -> None:
        """Move what can be moved; a connection that failed or has ended on both sides is closed."""
        readable = select.POLLIN | select.POLLHUP | select.POLLERR
        try:
            for flow in connection.flows:
                toxic = self._toxics[flow.direction]
                if toxic.holds:
                    continue
                if ready.get(flow.source.fileno(), 0) & readable and flow.ends_at is None and not flow.cuts:
                    self._take(flow, toxic)
                if self._deliver(flow):
                    self.spoiled += 1
                    raise ConnectionResetError if toxic.cut_by_reset else EOFError
        except OSError:
            self._end(connection, reset=True)
        except EOFError:
            self._end(connection, reset=False)
        else:
            if all(flow.has_ended for flow in connection.flows):
                self._end(connection, reset=False)

    def _end(self, connection: _Connection, *, reset: bool) -> None:
        connection.close(reset=reset)
        self._connections.remove(connection)

    def _take(self, flow: _Flow, toxic: Toxic) -> None:
        try:
            chunk = flow.source.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        now = time.monotonic()
        if not chunk:
            last = flow.waiting[-1][0] if flow.waiting else now
            flow.ends_at = max(now, last) + toxic.close_seconds
            return
        flow.chunks += 1
        self.chunks_spoiled += toxic is not CLEAN
        if toxic.cut_after is not None and flow.chunks > toxic.cut_after:
            chunk = chunk[: len(chunk) // 2]
            flow.cuts = True
        due = now
        for delay, piece in toxic.pieces(chunk, self._chance):
            due += delay
            # Never before what came earlier, whatever the jitter.
            due = max(due, flow.waiting[-1][0] if flow.waiting else due)
            flow.waiting.append((due, piece))
            flow.held += len(piece)

    def _deliver(self, flow: _Flow) -> bool:
        """Send what is due. True: the connection is to be cut now."""
        now = time.monotonic()
        while flow.waiting and flow.waiting[0][0] <= now:
            due, piece = flow.waiting[0]
            try:
                sent = flow.sink.send(piece)
            except BlockingIOError:
                return False
            flow.held -= sent
            if sent < len(piece):
                flow.waiting[0] = (due, piece[sent:])
                return False
            flow.waiting.popleft()
        if flow.cuts and not flow.waiting:
            return True
        if flow.ends_at is not None and not flow.waiting and not flow.has_ended and flow.ends_at <= now:
            flow.has_ended = True
            with contextlib.suppress(OSError):
                flow.sink.shutdown(socket.SHUT_WR)
        return False
