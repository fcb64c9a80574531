"""Reading the feeds of other services from the outside, and taking them in once more (catch-up).

A source may be an address on the network or, where one process holds several services, their databases; this module
knows neither. Memory is bounded by a page per feed, however long they are.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

from shared.messaging.consumer import Consumer
from shared.messaging.contracts import EVERYTHING, Consumed
from shared.messaging.envelope import Event, parse
from shared.messaging.feed import Entry, Page

T = TypeVar("T")


class Source(Protocol):
    """The feed of one service."""

    @property
    def service(self) -> str:
        """Whose feed it is."""
        ...

    def page(self, after: int, types: Sequence[str]) -> Page:
        """The events behind a number, of these types or of all. Raises a Refusal that says why there are none."""
        ...


@dataclass(frozen=True)
class Read:
    """One event as it was read."""

    service: str
    number: int
    event: Event
    body: bytes


def read_all(source: Source, after: int, types: Sequence[str]) -> Iterator[Read]:
    """Every event behind a number, to the end of the feed as it is when that is reached."""
    while True:
        page = source.page(after, types)
        yield from (_as_read(source.service, entry) for entry in page.entries)
        after = page.next
        if page.is_last:
            return


def _as_read(service: str, entry: Entry) -> Read:
    body = entry.envelope.encode("utf-8")
    return Read(service, entry.number, parse(body), body)


def types_from(consumes: Mapping[str, Consumed], service: str) -> list[str]:
    """What a consumer wants of one service's feed; empty: all of it."""
    if EVERYTHING in consumes:
        return []
    return sorted(each for each in consumes if each.startswith(f"{service}."))


def heard(consumes: Mapping[str, Consumed]) -> set[str]:
    """The services that a consumer names; one that hears everything may name none."""
    return {each.partition(".")[0] for each in consumes if each != EVERYTHING}


def catch_up(
    consumer: Consumer,
    consumes: Mapping[str, Consumed],
    sources: Collection[Source],
    *,
    after: Mapping[str, int],
    batch: int,
    report: Callable[[Mapping[str, int]], object],
) -> Mapping[str, int]:
    """Hand every event of these feeds to the consumer as if the bus had brought it; returns how far each was read.

    The inbox drops what was had. Feeds are merged by the time of their events, so that most prerequisites come first;
    what still comes too early is deferred, as always. `report` hears after each batch how far it is.
    """
    numbers = {source.service: after.get(source.service, 0) for source in sources}
    feeds = [
        read_all(source, numbers[source.service], types_from(consumes, source.service))
        for source in sources
        if EVERYTHING in consumes or types_from(consumes, source.service)
    ]
    for some in in_batches(heapq.merge(*feeds, key=lambda read: read.event.time), batch):
        consumer.accept([read.body for read in some])
        numbers.update({read.service: read.number for read in some})
        report(numbers)
    while consumer.retry_due():
        pass
    return numbers


def in_batches(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """The things, so many at a time; the last batch may be smaller."""
    rest = iter(things)
    while some := list(islice(rest, size)):
        yield some
