"""Notifications as a test drives it: events in through the real consumer, people over HTTP, the desks on demand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from werkzeug.test import TestResponse

from services.notifications import tables
from services.notifications.timers.desks import deliver_due
from shared.messaging import envelope
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox
from shared.persistence.unit_of_work import Cause
from shared.runtime.assembly import Assembly
from tests.fixtures.assemblies import Client, bearer
from tests.waiting import wait_until

ADMITTED = "membership.member.admitted"


class Notifications:
    """One running service on one database."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self.consumer = assembly.consumer()
        self.client = Client(assembly)
        self._sequences: dict[str, int] = {}

    # ---------------------------------------------------------------- what the other services say

    def hear(
        self,
        event_type: str = ADMITTED,
        subject: str = "m-1",
        data: Mapping[str, Any] | None = None,
        *,
        story: str = "story-1",
        cause: str | None = None,
        article: str | None = "6(3)",
        **changes: Any,
    ) -> dict[str, Any]:
        """Deliver one event; returns its envelope. `changes` replace attributes of the envelope."""
        sequence = self._sequences[subject] = self._sequences.get(subject, 0) + 1
        built = envelope.build(
            event_id=self.assembly.ids.new_id(),
            event_type=event_type,
            major=1,
            service=event_type.partition(".")[0],
            subject=subject,
            sequence=sequence,
            time=self.assembly.clock.now(),
            data=data or {"member_id": subject, "number": "ZZ-16", "unit_name": "株洲某企业"},
            cause=Cause(story, cause),
            article=article,
        )
        built |= changes
        self.again(built)
        return built

    def again(self, built: Mapping[str, Any]) -> None:
        """Deliver an envelope (once more)."""
        self.consumer.accept([envelope.encode(built).encode()])

    def hear_own(self) -> None:
        """Deliver what this service itself has published and not heard yet, as the bus would."""
        for each in self.published():
            self.again(each)

    # ---------------------------------------------------------------- what people do

    def headers(self, subject: str = "ana", *roles: str, scope: str | None = None) -> dict[str, str]:
        """Headers of a signed-in person, or of a platform with a scope."""
        return bearer(self.assembly, roles=roles, scopes=None if scope is None else [scope], subject=subject)

    def get(self, path: str, subject: str = "ana", *roles: str, scope: str | None = None) -> TestResponse:
        """GET as somebody."""
        return self.client.get(path, headers=self.headers(subject, *roles, scope=scope))

    def post(
        self, path: str, subject: str = "ana", *roles: str, scope: str | None = None, **kwargs: Any
    ) -> TestResponse:
        """POST as somebody."""
        return self.client.post(path, headers=self.headers(subject, *roles, scope=scope), **kwargs)

    def subscribe(
        self, channel: str = "inbox", target: str | None = None, *event_types: str, subject: str = "ana", **more: Any
    ) -> dict[str, Any]:
        """Subscribe (to everything by default); the receipt."""
        body: dict[str, Any] = {"event_types": list(event_types or ["*"]), "channel": channel, **more}
        if target is not None:
            body["target"] = target
        answer = self.post("/subscriptions", subject, json=body)
        assert answer.status_code == 201, answer.json
        receipt: dict[str, Any] = answer.json or {}
        return receipt

    def items(self, path: str, subject: str = "ana", *roles: str) -> list[dict[str, Any]]:
        """The items of a listing's first page."""
        answer = self.get(path, subject, *roles)
        assert answer.status_code == 200, answer.json
        found: list[dict[str, Any]] = (answer.json or {})["items"]
        return found

    # ---------------------------------------------------------------- the desks

    def deliver(self) -> None:
        """Let the timer run once; the desks work in their threads."""
        deliver_due(self.assembly)

    def settled(self, state: str = "delivered", count: int = 1) -> list[dict[str, Any]]:
        """Deliver until `count` deliveries are in the state, and return them."""

        def there() -> list[dict[str, Any]]:
            self.deliver()
            found = [row for row in self.rows(tables.deliveries) if row["state"] == state]
            return found if len(found) >= count else []

        return wait_until(there, f"{count} deliveries {state}")

    def attempted(self, count: int) -> list[dict[str, Any]]:
        """Deliver until there are `count` attempts in all, and return them in order."""

        def there() -> list[dict[str, Any]]:
            self.deliver()
            found = self.rows(tables.attempts)
            return found if len(found) >= count else []

        return sorted(wait_until(there, f"{count} attempts"), key=lambda row: (row["delivery_id"], row["number"]))

    # ---------------------------------------------------------------- what is stored

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """Every row of a table."""
        with self.assembly.reading() as reading:
            return [dict(row._mapping) for row in reading.all(sa.select(table))]

    def published(self) -> list[dict[str, Any]]:
        """Envelopes in the outbox, oldest first."""
        with self.assembly.reading() as reading:
            rows = reading.all(sa.select(outbox).order_by(outbox.c.position))
        return [json.loads(row.envelope) for row in rows]

    def parked(self) -> list[str]:
        """Reasons of parked events."""
        with self.assembly.reading() as reading:
            return [row.reason for row in reading.all(sa.select(inbox).where(inbox.c.state == "parked"))]
