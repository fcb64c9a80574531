"""The lines to the broker and to the database are slow, swallow, tear, reset or close late, each way by itself.

Every process goes through a proxy; the rig looks into the databases past it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.faults.harness import MakeRig, Rig
from tests.faults.proxy import DOWN, UP, Proxy
from tests.faults.report import Report
from tests.faults.striking import strike, through
from tests.faults.supervision import Supervised
from tests.faults.toxics import black_hole, cut, latency, slicer, slow_close
from tests.servers import PostgreSQL, VirtualHost
from tests.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(3600)]

#: How long a toxic is left in the line, in seconds.
TOXIC_SECONDS = 3.0
#: Chunks that pass before a connection is cut in the middle of one: enough to connect and begin to work.
CHUNKS_BEFORE_CUT = 25


@dataclass(frozen=True)
class Line:
    """The way of all processes to one server, and what can be done at its ends."""

    proxy: Proxy
    rig: Rig
    #: Whose connections are looked at when a client's end is closed.
    client: Supervised
    close_at_the_server: Callable[[], object]

    def pause(self) -> None:
        threading.Event().wait(TOXIC_SECONDS)  # the time itself is the subject

    # ------------------------------------------------------------ what happens on the line
    def slow(self, direction: str) -> None:
        self.proxy.spoil(latency(1.0, jitter=0.5), direction)
        self.pause()

    def black_hole(self, direction: str) -> None:
        self.proxy.spoil(black_hole(), direction)
        before = self.rig.count_effects()
        self.pause()
        assert self.rig.count_effects() <= before + 200, "more came through than was on its way"

    def sliced(self, direction: str) -> None:
        self.proxy.spoil(slicer(), direction)
        self.pause()

    def cut(self, direction: str) -> None:
        before = self.proxy.spoiled
        self.proxy.spoil(cut(CHUNKS_BEFORE_CUT, by_reset=direction == UP), direction)
        wait_until(lambda: self.proxy.spoiled >= before + 3, "connections cut in the middle of a frame")

    def reset(self, _direction: str) -> None:
        before = self.proxy.spoiled
        for _ in range(3):
            wait_until(lambda: self.proxy.open_connections, "connections to reset")
            self.proxy.reset()
            threading.Event().wait(0.3)  # so that each meets another moment of making them anew
        assert self.proxy.spoiled >= before + 3

    def slow_close(self, direction: str) -> None:
        self.proxy.spoil(slow_close(TOXIC_SECONDS), direction)
        if direction == UP:
            self.client.kill()
        else:
            self.close_at_the_server()
        self.pause()


TOXICS: dict[str, Callable[[Line, str], None]] = {
    "latency 1 s ± 50 %": Line.slow,
    "black hole": Line.black_hole,
    "slicer": Line.sliced,
    "cut in mid-frame": Line.cut,
    "reset": Line.reset,
    "slow close": Line.slow_close,
}


def strike_line(line: Line, report: Report, where: str, toxic: str, direction: str) -> None:
    """One toxic in one direction, then healed."""

    def spoil() -> None:
        try:
            TOXICS[toxic](line, direction)
        finally:
            line.proxy.heal()

    before = line.proxy.chunks_spoiled + line.proxy.spoiled
    try:
        strike(line.rig, report, f"{where}: {toxic}", spoil, events=300, per_second=60, deadly=toxic == "slow close")
    except BaseException as error:
        error.add_note(f"direction: {direction}")
        raise
    assert line.proxy.chunks_spoiled + line.proxy.spoiled > before or toxic == "black hole", "nothing was spoiled"


@contextmanager
def line_to_broker(make_rig: MakeRig, room: VirtualHost) -> Iterator[Line]:
    with (
        Proxy(room.broker.port) as proxy,
        make_rig(broker_url=through(proxy, room.url), prepare_broker_url=room.url) as rig,
    ):
        yield Line(proxy, rig, rig.consumer, room.close_connections)


@contextmanager
def line_to_database(make_rig: MakeRig, server: PostgreSQL) -> Iterator[Line]:
    def end_sessions() -> object:
        return server.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'faults_%%' AND pid <> pg_backend_pid()"
        )

    with (
        Proxy(server.port) as proxy,
        make_rig(postgresql=server, database_url=lambda name: through(proxy, server.url(name))) as rig,
    ):
        yield Line(proxy, rig, rig.relay, end_sessions)


@pytest.mark.faults
@pytest.mark.parametrize("toxic", TOXICS)
def test_a_bad_line_to_the_broker_loses_nothing(
    make_rig: MakeRig, virtual_host: VirtualHost, rounds: range, report: Report, toxic: str
) -> None:
    with line_to_broker(make_rig, virtual_host) as line:
        for _ in rounds:
            for direction in (UP, DOWN):
                strike_line(line, report, "broker line", toxic, direction)


@pytest.mark.faults
@pytest.mark.parametrize("toxic", TOXICS)
def test_a_bad_line_to_the_database_loses_nothing(
    make_rig: MakeRig, durable_postgresql: PostgreSQL, rounds: range, report: Report, toxic: str
) -> None:
    with line_to_database(make_rig, durable_postgresql) as line:
        for _ in rounds:
            for direction in (UP, DOWN):
                strike_line(line, report, "database line", toxic, direction)


@pytest.mark.faults
def test_sessions_the_network_has_forgotten_hold_nobody_up(
    make_rig: MakeRig, durable_postgresql: PostgreSQL, rounds: range, report: Report
) -> None:
    def forgotten() -> None:
        # The clients are told and the server is not: its sessions keep their locks, the relay's leadership among them.
        line.proxy.forget()

    with line_to_database(make_rig, durable_postgresql) as line:
        for _ in rounds:
            strike(line.rig, report, "sessions of the database half open", forgotten)


def test_connections_reset_under_load_are_made_anew(
    make_rig: MakeRig, virtual_host: VirtualHost, report: Report
) -> None:
    with line_to_broker(make_rig, virtual_host) as line:
        strike_line(line, report, "broker line", "reset", UP)
