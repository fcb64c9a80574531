"""The proxy spoils what it is told to spoil, and nothing else. Against an echo server of our own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import DOWN, UP, Proxy
from tests.faults.toxics import black_hole, cut, latency, slicer, slow_close
from tests.servers.ports import HOST
from tests.waiting import wait_until


class Echo:
    """Sends back what it gets; remembers the chunks and how each connection ended."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.chunks: list[bytes] = []
        self.ends: list[str] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._echo, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            try:
                while chunk := connection.recv(65_536):
                    self.chunks.append(chunk)
                    connection.sendall(chunk)
                self.ends.append("fin")
            except OSError:
                self.ends.append("reset")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(echo.port) as running:
        yield running


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, proxy.port), timeout=10) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connected


def heard(client: socket.socket, count: int) -> bytes:
    """So many bytes, or fewer when the stream ends."""
    got = b""
    while len(got) < count and (chunk := client.recv(count - len(got))):
        got += chunk
    return got


def test_unspoiled_bytes_pass_both_ways_and_the_end_is_told(echo: Echo, client: socket.socket) -> None:
    sent = bytes(range(256)) * 4_096  # more than any buffer on the way

    writer = threading.Thread(target=client.sendall, args=(sent,))
    writer.start()
    assert heard(client, len(sent)) == sent
    writer.join()
    client.shutdown(socket.SHUT_WR)

    assert client.recv(1) == b""
    assert echo.ends == ["fin"]


def test_a_slow_line_delays_each_way_by_itself_and_keeps_the_order(proxy: Proxy, client: socket.socket) -> None:
    proxy.spoil(latency(0.2, jitter=0.5), UP)
    started = time.monotonic()
    for number in range(10):
        client.sendall(bytes([number]))

    assert heard(client, 10) == bytes(range(10))
    took = time.monotonic() - started

    # A tenth of a second at least, and not ten delays one after another.
    assert 0.1 <= took < 1.0


def test_a_black_hole_swallows_silently_and_gives_back_after_healing(
    echo: Echo, proxy: Proxy, client: socket.socket
) -> None:
    proxy.spoil(black_hole())
    client.sendall(b"into the dark")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(1)
    assert echo.chunks == []

    proxy.heal()
    client.settimeout(10)

    assert heard(client, 13) == b"into the dark"


def test_a_black_hole_of_one_direction_lets_the_other_pass(echo: Echo, proxy: Proxy, client: socket.socket) -> None:
    proxy.spoil(black_hole(), DOWN)
    client.sendall(b"there")

    wait_until(lambda: echo.chunks == [b"there"], "the way there")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(1)


def test_a_reset_is_a_reset_at_both_ends_and_new_connections_pass(
    echo: Echo, proxy: Proxy, client: socket.socket
) -> None:
    client.sendall(b"hello")
    assert heard(client, 5) == b"hello"

    proxy.reset()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    wait_until(lambda: echo.ends == ["reset"], "the server's end")
    with socket.create_connection((HOST, proxy.port), timeout=10) as another:
        another.sendall(b"again")
        assert heard(another, 5) == b"again"


@pytest.mark.parametrize("by_reset", [False, True])
def test_a_cut_comes_in_the_middle_of_a_chunk(
    echo: Echo, proxy: Proxy, client: socket.socket, *, by_reset: bool
) -> None:
    proxy.spoil(cut(2, by_reset=by_reset), UP)
    for word in (b"first...", b"second.."):
        client.sendall(word)
        assert heard(client, 8) == word

    client.sendall(b"halfhalf")

    if by_reset:
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    else:
        assert client.recv(1) == b""
    wait_until(lambda: echo.ends, "the end at the server")
    assert b"".join(echo.chunks) in (b"first...second..half", b"first...second..")
    assert proxy.spoiled == 1


def test_a_slicer_delivers_everything_in_tiny_pieces(echo: Echo, proxy: Proxy, client: socket.socket) -> None:
    proxy.spoil(slicer(3, seconds=0.001), UP)
    sent = bytes(range(200))

    client.sendall(sent)

    assert heard(client, 200) == sent
    assert len(echo.chunks) > 20


def test_a_slow_close_is_told_late(echo: Echo, proxy: Proxy, client: socket.socket) -> None:
    proxy.spoil(slow_close(0.5), UP)
    started = time.monotonic()

    client.shutdown(socket.SHUT_WR)

    wait_until(lambda: echo.ends == ["fin"], "the end")
    assert time.monotonic() - started >= 0.5


def test_who_is_refused_may_come_again_after_healing(proxy: Proxy, client: socket.socket) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, proxy.port), timeout=10)

    proxy.heal()

    with socket.create_connection((HOST, proxy.port), timeout=10) as another:
        another.sendall(b"back")
        assert heard(another, 4) == b"back"


def test_a_forgotten_connection_is_reset_for_the_client_only(echo: Echo, proxy: Proxy, client: socket.socket) -> None:
    client.sendall(b"hello")
    assert heard(client, 5) == b"hello"

    proxy.forget()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert echo.ends == []


def test_a_server_that_is_not_there_is_a_reset() -> None:
    with socket.create_server((HOST, 0)) as nobody:
        port = nobody.getsockname()[1]

    def knock(proxy: Proxy) -> bytes:
        with socket.socket() as client:
            client.connect((HOST, proxy.port))
            return client.recv(1)

    # Whether it meets the connect or the first read is the kernel's choice.
    with Proxy(port) as proxy, pytest.raises(ConnectionResetError):
        knock(proxy)
