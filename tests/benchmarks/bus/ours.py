"""The product's own processes, as they are measured. Each ends at SIGTERM.

worker NAME      the product's worker of `alpha` (its relay) or `beta` (its consumer)
timed            beta's worker, which at its end prints when the effect of each event was committed
writer RATE N    alpha's units of work at a fixed rate, one event each; prints when each was committed
commits THREADS SECONDS on|off
                 as many of alpha's units as go, with wake-ups or without; prints how many
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from shared.messaging.envelope import Event
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.assembly import Assembly
from shared.runtime.commands import rabbitmq_of
from shared.runtime.logging import configure_logging
from shared.runtime.worker import Worker
from tests.benchmarks.bus import pair, peer

#: Number of the first event whose way is timed; those below only warm up.
FIRST_TIMED = 1_000_000


def main(role: str, arguments: list[str]) -> None:
    """Play one of the roles."""
    configure_logging("WARNING", "bench")
    if role == "worker":
        name, partitions, number = [*arguments, "1", "0"][:3]
        settings = {"consumer_partitions": int(partitions), "consumer_prefers": number}
        work_until_told(pair.assembled(name, peer.database_url(), peer.broker_url(), **settings))
    elif role == "timed":
        _timed()
    elif role == "writer":
        _write(float(arguments[0]), int(arguments[1]))
    elif role == "listener":
        _listen()
    elif role == "commits":
        _commit(int(arguments[0]), float(arguments[1]), wakes=arguments[2] == "on")
    else:
        sys.exit(f"no such role: {role}")


def work_until_told(assembly: Assembly) -> None:
    """The product's worker until SIGTERM."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: told.set())
    worker = Worker(assembly, rabbitmq_of(assembly))
    worker.start()
    told.wait()
    worker.stop()
    assembly.close()


def _timed() -> None:
    instants: dict[str, float] = {}

    def react(work: UnitOfWork, event: Event) -> None:
        def note() -> None:
            instants.setdefault(event.data["number"], time.monotonic())

        pair.write_row(work, event)
        work.after_commit(note)

    assembly = pair.assembled("beta", peer.database_url(), peer.broker_url())
    work_until_told(replace(assembly, service=replace(assembly.service, reactions={pair.SAID: react})))
    print(json.dumps(instants), flush=True)


def _write(rate: float, count: int) -> None:
    """Open loop: what is late is sent at once, and the next keeps its own time."""
    assembly = pair.assembled("alpha", peer.database_url())
    instants: dict[str, float] = {}
    pause = threading.Event()

    def write(number: int) -> None:
        with assembly.begin() as work:
            work.record(pair.SAID, subject=f"latency-{rate:g}-{number % pair.SUBJECTS}", data=pair.data_of(number))
        instants[pair.number_text(number)] = time.monotonic()

    with ThreadPoolExecutor(4) as pool:
        started = time.monotonic()
        for number in range(count):
            pause.wait(max(0.0, started + number / rate - time.monotonic()))
            pool.submit(write, FIRST_TIMED + number)
    assembly.close()
    print(json.dumps(instants), flush=True)


def _commit(threads: int, seconds: float, *, wakes: bool) -> None:
    assembly = pair.assembled("alpha", peer.database_url())
    if not wakes:
        assembly.wakeups.ring = _nobody  # type: ignore[method-assign]  # the one difference that is measured
    label = assembly.ids.new_id()

    def write_until(end: float, thread: int) -> int:
        count = 0
        while time.monotonic() < end:
            subject = f"{label}-{thread}-{count % pair.SUBJECTS}"
            with assembly.begin() as work:
                work.record(pair.SAID, subject=subject, data=pair.data_of(count))
            count += 1
        return count

    with ThreadPoolExecutor(threads) as pool:
        write_until(time.monotonic() + 0.3, 0)
        print(json.dumps("ready"), flush=True)
        while sys.stdin.readline():
            started, cpu = time.monotonic(), time.process_time()
            end = started + seconds
            counts = pool.map(lambda thread: write_until(end, thread), range(threads))  # noqa: B023 - used within the turn
            peer.report(sum(counts), time.monotonic() - started, time.process_time() - cpu)
    assembly.close()


def _listen() -> None:
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: told.set())
    assembly = pair.assembled("alpha", peer.database_url())
    bell = assembly.wakeups.listener()
    assembly.wakeups.hear_other_processes()
    print(json.dumps("ready"), flush=True)
    while not told.is_set():
        bell.wait(0.2)
        bell.clear()
    assembly.close()


def _nobody(**_: bool) -> None:
    """Wake-ups off."""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
