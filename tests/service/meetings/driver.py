"""Meetings as a test drives it: events in through the real consumer, votes in over HTTP, a clock that a test owns.

It plays membership, and nothing else: everything it knows of the outcome it reads from the API and the outbox.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from services.meetings.commands.charter import adopt_charter
from services.meetings.timers import close_due_ballots
from shared.messaging import envelope
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox
from shared.persistence.unit_of_work import Cause
from shared.runtime.assembly import Assembly
from shared.runtime.clock import ManualClock, rfc3339
from shared.web.app_factory import create_app
from tests.fixtures.assemblies import bearer

CHARTER = Path(__file__).parents[3] / "deploy" / "charter" / "zhuzhou.toml"


def zhuzhou() -> dict[str, Any]:
    """The shipped charter's content."""
    return tomllib.loads(CHARTER.read_text("utf-8"))


class Meetings:
    """One running service on one database."""

    def __init__(self, assembly: Assembly, clock: ManualClock) -> None:
        self.assembly = assembly
        self.clock = clock
        self.consumer = assembly.consumer()
        self._app: Flask | None = None
        self._sequences: dict[str, int] = {}

    # ---------------------------------------------------------------- what membership says

    def hear(
        self,
        event_type: str,
        subject: str,
        data: Mapping[str, Any],
        *,
        story: str = "story-1",
        sequence: int | None = None,
    ) -> bytes:
        """Deliver one event; returns its bytes, to be delivered again with `again`. `sequence`: out of its order."""
        sequence = sequence or self._sequences.get(subject, 0) + 1
        self._sequences[subject] = max(sequence, self._sequences.get(subject, 0))
        built = envelope.build(
            event_id=self.assembly.ids.new_id(),
            event_type=event_type,
            major=1,
            service="membership",
            subject=subject,
            sequence=sequence,
            time=self.clock.now(),
            data=dict(data),
            cause=Cause(story),
            article=None,
        )
        body = envelope.encode(built).encode()
        self.again(body)
        return body

    def again(self, body: bytes) -> None:
        """Deliver the same bytes once more."""
        self.consumer.accept([body])

    def adopt(self, rule: str = "admission_vote", **changes: Any) -> None:
        """Put the shipped charter in force; `changes` replace settings of a rule, by default the general meeting's."""
        content = zhuzhou()
        content["rules"][rule].update(changes)
        with self.assembly.begin() as work:
            adopt_charter(work, content)

    def admit(self, *units: str, sequence: int | None = None) -> None:
        """Units become members."""
        for unit in units:
            data: dict[str, Any] = {"member_id": unit, "number": f"ZZ-{unit}", "unit_name": f"Unit {unit}"}
            data |= {
                "kind": "service_center",
                "county": "tianyuan",
                "admitted_at": rfc3339(self.clock.now()),
                "founding": True,
            }
            self.hear("membership.member.admitted", unit, data, sequence=sequence)

    def seat(
        self, unit: str, office: str = "committee_member", *, days: int = 1461, body: str = "executive_committee"
    ) -> str:
        """A unit fills an office from now on; the office's id."""
        now = self.clock.now()
        office_id = self.assembly.ids.new_id()
        data = {"office_id": office_id, "body": body, "office": office, "member_id": unit}
        data |= {"term_from": rfc3339(now), "term_to": rfc3339(now + timedelta(days=days))}
        self.hear("membership.office.filled", office_id, data)
        return office_id

    def vacate(self, office_id: str) -> bytes:
        """The office ends now."""
        data = {"office_id": office_id, "body": "executive_committee", "office": "committee_member", "member_id": "x"}
        data |= {"vacated_at": rfc3339(self.clock.now())}
        return self.hear("membership.office.vacated", office_id, data)

    def leave(self, unit: str, *, sequence: int | None = None) -> bytes:
        """A unit leaves the alliance now."""
        data = {"member_id": unit, "number": f"ZZ-{unit}", "unit_name": f"Unit {unit}"}
        data |= {"left_at": rfc3339(self.clock.now()), "announced_by": "representative"}
        return self.hear("membership.member.left", unit, data, sequence=sequence)

    def accept(self, application: str, *, story: str = "story-1") -> bytes:
        """The secretariat accepts an application."""
        return self.hear("membership.application.accepted", application, self._application(application), story=story)

    def approve(self, application: str, *, story: str = "story-1") -> bytes:
        """The committee has approved it."""
        data = {**self._application(application), "ballot_id": "0" * 64}
        return self.hear("membership.admission.approved", application, data, story=story)

    def withdraw(self, application: str, *, story: str = "story-1") -> bytes:
        """The applicant withdraws."""
        data = {"application_id": application, "unit_name": f"Applicant {application}"}
        return self.hear("membership.application.withdrawn", application, data, story=story)

    def _application(self, application: str) -> dict[str, Any]:
        parts = {"number": "ZZ-A-0001", "unit_name": f"Applicant {application}", "kind": "quality_enterprise"}
        return {"application_id": application, **parts, "county": "liling"}

    # ---------------------------------------------------------------- what people do

    def headers(self, unit: str | None, *roles: str, scope: str | None = None) -> dict[str, str]:
        """Headers of a signed-in person of a unit, or of a platform with a scope."""
        scopes = None if scope is None else [scope]
        return bearer(self.assembly, roles=roles, unit_id=unit, scopes=scopes, subject=f"account-{unit}")

    def get(self, path: str, *, unit: str | None = None, language: str = "en", **kwargs: Any) -> TestResponse:
        """GET as a representative of `unit`."""
        headers = {**self.headers(unit, "representative"), "Accept-Language": language}
        return self.app.test_client().get(f"/api/meetings/v1{path}", headers=headers, **kwargs)

    def vote(self, ballot_id: str, unit: str | None, choice: Any = "yes", **kwargs: Any) -> TestResponse:
        """Cast a vote over HTTP."""
        key = {"Idempotency-Key": kwargs.pop("key", None) or self.assembly.ids.new_id(), "Accept-Language": "en"}
        headers = {**(kwargs.pop("headers", None) or self.headers(unit, "representative")), **key}
        body = kwargs or {"json": {"choice": choice}}
        return self.app.test_client().post(f"/api/meetings/v1/ballots/{ballot_id}/votes", headers=headers, **body)

    def vote_all(self, ballot_id: str, **choices: Any) -> None:
        """`yes=[…]`, `no=[…]`, `abstain=[…]`: each of these units votes."""
        for choice, units in choices.items():
            for unit in units:
                assert self.vote(ballot_id, unit, choice).status_code == 201

    @property
    def app(self) -> Flask:
        """The web application, built when first asked for."""
        if self._app is None:
            self._app = create_app(self.assembly)
        return self._app

    # ---------------------------------------------------------------- time, and what came of it

    def pass_days(self, days: float) -> None:
        """Let time pass; nobody looks at the deadlines."""
        self.clock.advance(seconds=days * 86_400)

    def look_at_deadlines(self) -> None:
        """What the timer does every few seconds."""
        while close_due_ballots(self.assembly):
            pass

    def ballots(self, **query: str) -> list[dict[str, Any]]:
        """The ballots as the API lists them, newest first."""
        answer = self.get("/ballots", query_string=query)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.get_json()["items"]
        return items

    def ballot(self, body: str = "general_meeting", application: str = "app-1") -> str:
        """The id of the one ballot of a body on an application."""
        (found,) = self.ballots(body=body, application_id=application)
        return str(found["ballot_id"])

    def result(self, ballot_id: str, language: str = "en") -> dict[str, Any]:
        """The result of a ballot."""
        result: dict[str, Any] = self.get(f"/ballots/{ballot_id}", language=language).get_json()["result"]
        return result

    def told(self, event_type: str) -> list[dict[str, Any]]:
        """Envelopes of the events of a type that meetings recorded, in order."""
        with self.assembly.reading() as reading:
            rows = reading.all(
                sa.select(outbox.c.envelope).where(outbox.c.type == event_type).order_by(outbox.c.position)
            )
        return [json.loads(row.envelope) for row in rows]

    def count(self, table: sa.Table) -> int:
        """Rows of a table."""
        with self.assembly.reading() as reading:
            return int(reading.scalar(sa.select(sa.func.count()).select_from(table)))

    def waiting(self) -> list[str]:
        """States of the events in the inbox that are not done."""
        with self.assembly.reading() as reading:
            return [row.state for row in reading.all(sa.select(inbox.c.state).where(inbox.c.state != "done"))]
