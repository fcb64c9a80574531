"""The feed while it grows: a worker's own relay, many writers, and a reader who must never miss a number."""

from __future__ import annotations

import threading

from shared.messaging import feed
from shared.messaging.envelope import Event, parse
from shared.messaging.in_process import InProcess
from shared.runtime.clock import SystemClock
from shared.runtime.worker import Worker
from tests.fixtures.assemblies import MakeAssembly
from tests.service.feed.driver import OPENED, account_opened
from tests.waiting import wait_until

WRITERS = 4
#: Units of each writer; every one records three events, two of them of a subject that all writers share.
UNITS = 20
EVENTS = WRITERS * UNITS * 3


def test_a_reader_of_a_growing_feed_sees_every_number_once_and_subjects_in_order(make_assembly: MakeAssembly) -> None:
    # given a worker that relays, and somebody on the bus who takes what it tells
    assembly = make_assembly("finance", clock=SystemClock(), relay_batch=7)
    bus = InProcess()
    heard = bus.subscribe("somebody.inbox", [OPENED], lambda _bodies: None)
    worker = Worker(assembly, bus)
    worker.start()

    # when many write at once, and a reader follows
    def write(writer: int) -> None:
        for unit in range(UNITS):
            with assembly.begin() as work:
                for subject in (f"shared-{unit % 3}", f"own-{writer}-{unit}", f"shared-{unit % 2}"):
                    work.record(OPENED, subject=subject, data=account_opened(writer))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for each in writers:
        each.start()
    seen: list[feed.Entry] = []

    def follow() -> bool:
        with assembly.reading() as reading:
            seen.extend(feed.read(reading, len(seen), limit=10).entries)
        # The reader asks for what lies behind the last it saw; a number that came later would never be seen.
        assert [entry.number for entry in seen] == list(range(1, len(seen) + 1))
        return len(seen) == EVENTS

    # Not without a pause: a reader who never rests keeps the writers, who share this process, from their work.
    wait_until(follow, "every event in the feed", seconds=150, every=0.01)
    for each in writers:
        each.join()
    worker.stop()
    heard.stop()

    # then every number was seen once, and within each subject the sequences count up
    last: dict[str, int] = {}
    for entry in seen:
        event = _parsed(entry)
        assert event.sequence == last.get(event.subject, 0) + 1
        last[event.subject] = event.sequence
    assert len(last) > WRITERS * UNITS


def _parsed(entry: feed.Entry) -> Event:
    return parse(entry.envelope.encode())
