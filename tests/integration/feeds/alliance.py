"""Four services on the test's databases, with a hand-driven bus between them: everything to the end, in one thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from services.meetings.tables import ballots, roll_entries
from shared.messaging.envelope import parse
from shared.messaging.transport import matches
from shared.runtime.assembly import Assembly, assemble, load_service
from shared.runtime.clock import ManualClock
from shared.runtime.feeds import FeedAtHand
from tests.builders.applications import application_form
from tests.fixtures.assemblies import Client, bearer
from tests.service.feed.driver import send_all


class Bus:
    """Takes what any of the services has told to all that hear it."""

    def __init__(self, assemblies: Mapping[str, Assembly], clock: ManualClock) -> None:
        self.assemblies = dict(assemblies)
        self._clock = clock

    def settle(self) -> None:
        """Until nothing moves any more. A second passes each round, so that deferred events fall due."""
        consumers = {name: each.consumer() for name, each in self.assemblies.items()}

        def publish(bodies: list[bytes]) -> None:
            for consumer in consumers.values():
                wanted = [body for body in bodies if _wants(consumer.patterns, body)]
                if wanted:
                    consumer.accept(wanted)

        moved = True
        while moved:
            self._clock.advance(1)
            sent = [send_all(assembly, publish) for assembly in self.assemblies.values()]
            retried = [consumer.retry_due() for consumer in consumers.values()]
            moved = any(sent) or any(retried)

    def feeds(self, *services: str) -> list[FeedAtHand]:
        """The feeds, of all or of these."""
        return [FeedAtHand(self.assemblies[name]) for name in services or self.assemblies]


def _wants(patterns: Sequence[str], body: bytes) -> bool:
    event_type = parse(body).type
    return any(matches(pattern, event_type) for pattern in patterns)


class People:
    """The people of the alliance: they apply, accept and vote over HTTP; the bus carries what follows."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def apply(self, **changes: Any) -> str:
        """A unit hands in its form, and the secretariat accepts it; returns the application's id."""
        membership = self._bus.assemblies["membership"]
        web = Client(membership)
        receipt = web.post("/applications", json=application_form(**changes))
        assert receipt.status_code == 201, receipt.text
        application = str(receipt.get_json()["application_id"])
        answer = web.post(
            f"/applications/{application}/acceptance",
            json={"confirm_warnings": True},
            headers=bearer(membership, roles=["secretariat"]),
        )
        assert answer.status_code == 200, answer.text
        self._bus.settle()
        return application

    def pass_ballot(self, application: str) -> None:
        """Every unit on the roll of the application's open ballot votes yes."""
        meetings = self._bus.assemblies["meetings"]
        web = Client(meetings)
        with meetings.reading() as reading:
            ballot = reading.one(
                sa.select(ballots.c.ballot_id).where(ballots.c.application_id == application, ballots.c.state == "open")
            ).ballot_id
            units = [
                row.unit_id
                for row in reading.all(sa.select(roll_entries.c.unit_id).where(roll_entries.c.ballot_id == ballot))
            ]
        for unit in units:
            web.post(
                f"/ballots/{ballot}/votes",
                json={"choice": "yes"},
                headers=bearer(meetings, roles=["representative"], unit_id=unit),
            )
        self._bus.settle()

    def admit(self, **changes: Any) -> str:
        """From the form to the roster."""
        application = self.apply(**changes)
        self.pass_ballot(application)
        self.pass_ballot(application)
        return application


class Backups:
    """Copies of a service's database, taken and put back with nobody in it."""

    def __init__(self, bus: Bus, clock: ManualClock, copy: Callable[[str], str]) -> None:
        self._bus = bus
        self._clock = clock
        self._copy = copy

    def take(self, service: str) -> str:
        """Copy the service's database as it is now; returns the copy's URL."""
        url = self._bus.assemblies[service].settings.database_url
        self._bus.assemblies[service].close()
        copied = self._copy(url)
        self._reopen(service, url)
        return copied

    def put_back(self, service: str, url: str) -> Assembly:
        """Let the service go on with a copy taken earlier; returns it as it was until now."""
        before = self._bus.assemblies[service]
        self._reopen(service, url)
        return before

    def _reopen(self, service: str, url: str) -> None:
        settings = dataclasses.replace(self._bus.assemblies[service].settings, database_url=url)
        self._bus.assemblies[service] = assemble(load_service(service), settings, clock=self._clock)
