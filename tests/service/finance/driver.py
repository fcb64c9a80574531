"""Finance as a test drives it: events in through the real consumer, entries in over HTTP. No rule lives here."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from werkzeug.test import TestResponse

from services.finance import tables
from shared.messaging import envelope
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox
from shared.persistence.unit_of_work import Cause
from shared.runtime.assembly import Assembly
from tests.fixtures.assemblies import Client, bearer

CHARTER = Path(__file__).parents[3] / "deploy" / "charter" / "zhuzhou.toml"


class Finance:
    """One running service on one database."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self.consumer = assembly.consumer()
        self.client = Client(assembly)
        self._sequences: dict[str, int] = {}

    def hear(self, event_type: str, subject: str, data: Mapping[str, Any], *, story: str = "story-1") -> bytes:
        """Deliver one event; returns its bytes, to be delivered again with `again`."""
        sequence = self._sequences[subject] = self._sequences.get(subject, 0) + 1
        built = envelope.build(
            event_id=self.assembly.ids.new_id(),
            event_type=event_type,
            major=1,
            service=event_type.partition(".")[0],
            subject=subject,
            sequence=sequence,
            time=self.assembly.clock.now(),
            data=data,
            cause=Cause(story),
            article=None,
        )
        body = envelope.encode(built).encode()
        self.again(body)
        return body

    def again(self, body: bytes) -> None:
        """Deliver the same bytes once more."""
        self.consumer.accept([body])

    def adopt(self, version: int = 1, **changes: Any) -> bytes:
        """The shipped charter is in force; `changes` replace sections."""
        content = tomllib.loads(CHARTER.read_text("utf-8"))
        sections = {name: content[name] for name in ("funding_sources", "purposes")}
        return self.hear("meetings.charter.adopted", "charter", {"version": version, **sections, **changes})

    def admit(self, member: str = "m-1", *, number: str | None = None, story: str = "story-1") -> bytes:
        """A unit becomes a member."""
        data = {
            "member_id": member,
            "number": number or f"ZZ-{member}",
            "unit_name": f"单位 {member}",
            "county": "lusong",
        }
        return self.hear("membership.member.admitted", member, data, story=story)

    def leave(self, member: str = "m-1", *, story: str = "story-2") -> bytes:
        """A unit leaves the alliance."""
        data = {"member_id": member, "number": f"ZZ-{member}", "unit_name": f"单位 {member}"}
        return self.hear("membership.member.left", member, data, story=story)

    def headers(self, *roles: str, unit: str | None = None) -> dict[str, str]:
        """A signed-in person."""
        return bearer(self.assembly, roles=roles, unit_id=unit, subject=f"account-of-{'-'.join(roles) or unit}")

    def get(self, path: str, *roles: str, unit: str | None = None) -> TestResponse:
        """GET as somebody with these roles (the treasurer's by default), or as a unit's representative."""
        chosen = roles or (() if unit else ("treasurer",))
        return self.client.get(path, headers=self.headers(*chosen, unit=unit))

    def post_entry(self, *lines: tuple[str, Any], role: str = "treasurer", **changes: Any) -> TestResponse:
        """`post_entry(("1002", 100), ("4101.donations", -100))`: by account codes; `changes` replace fields."""
        ids = self.ids_by_code()
        body = {
            "posted_on": "2026-03-02",
            "currency": "CNY",
            "description": "test",
            "postings": [{"account_id": ids.get(code, code), "amount_fen": amount} for code, amount in lines],
            **changes,
        }
        return self.client.post("/entries", headers=self.headers(role), json=body)

    def ids_by_code(self) -> dict[str, str]:
        """Account ids by account code."""
        with self.assembly.reading() as reading:
            rows = reading.all(sa.select(tables.accounts.c.code, tables.accounts.c.account_id))
        return {row.code: row.account_id for row in rows}

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """Every row of a table."""
        with self.assembly.reading() as reading:
            return [dict(row._mapping) for row in reading.all(sa.select(table))]

    def published(self, event_type: str) -> list[dict[str, Any]]:
        """Envelopes of this type in the outbox, oldest first."""
        with self.assembly.reading() as reading:
            rows = reading.all(sa.select(outbox))
        envelopes = [json.loads(row.envelope) for row in rows]
        return [each for each in envelopes if each["type"] == event_type]

    def parked(self) -> list[str]:
        """Reasons of parked events."""
        with self.assembly.reading() as reading:
            return [row.reason for row in reading.all(sa.select(inbox).where(inbox.c.state == "parked"))]
