"""Membership as a test drives it: events in through the real consumer, everything else over HTTP, a clock of the test's.

It plays meetings, the applicant, the secretariat and platforms; what came of it is read from the API and the outbox.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from werkzeug.test import TestResponse

from services.membership import tables
from services.membership.commands.alliance import found_alliance
from services.membership.commands.signing_keys import create_first_key
from shared.messaging import envelope
from shared.messaging.inbox import inbox
from shared.messaging.outbox import mark_sent, outbox
from shared.persistence.unit_of_work import Cause
from shared.runtime.assembly import Assembly
from shared.runtime.clock import ManualClock, rfc3339
from tests.builders.applications import application_form
from tests.fixtures.assemblies import Client, bearer

COMMITTEE, MEETING = "executive_committee", "general_meeting"
#: Every table of the service: what a refused request must leave as it was.
EVERYTHING = (*tables.METADATA.sorted_tables, outbox)


def refused(answer: Any, status: int, code: str, *fields: str) -> dict[str, Any]:
    """The problem document, checked for status, code and the fields it names."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    problem: dict[str, Any] = answer.get_json()
    assert problem["code"] == code
    named = {each["field"] for each in problem.get("errors", [])} | {problem.get("field")}
    assert set(fields) <= named, problem
    return problem


class Membership:
    """One running membership on one database."""

    def __init__(self, assembly: Assembly, clock: ManualClock) -> None:
        self.assembly = assembly
        self.clock = clock
        self.web = Client(assembly)
        self.consumer = assembly.consumer()
        self._sequences: dict[str, int] = {}

    # ---------------------------------------------------------------- founding and events of meetings

    def found(self) -> None:
        """An alliance without members, and its first key."""
        with self.assembly.begin() as work:
            found_alliance(work, name="Alliance of the test", number_prefix="ZZ", founded_at=work.now)
            create_first_key(work, master_secret=self.assembly.settings.secret_or_demo())

    def adopt_charter(self, *, version: int = 1, kinds: tuple[str, ...] = ("quality_enterprise",)) -> None:
        """Meetings adopts a charter with these kinds of unit."""
        counties = [{"code": code, "name": {"en": code.title()}} for code in ("liling", "tianyuan")]
        data = {
            "version": version,
            "alliance": "Alliance of the test",
            "effective_from": rfc3339(self.clock.now()),
            "member_kinds": [{"code": code, "name": {"en": code}} for code in kinds],
            "counties": counties,
            "purposes": [],
        }
        self.hear("meetings.charter.adopted", "charter", data)

    def hear(self, event_type: str, subject: str, data: Mapping[str, Any], *, story: str = "story-1") -> bytes:
        """Deliver one event of meetings; returns its bytes, to be delivered again with `again`."""
        sequence = self._sequences[subject] = self._sequences.get(subject, 0) + 1
        built = envelope.build(
            event_id=self.assembly.ids.new_id(),
            event_type=event_type,
            major=1,
            service="meetings",
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

    def open_ballot(self, application_id: str, body: str) -> str:
        """Meetings opens a ballot on the admission, a second after whatever came before."""
        self.clock.advance(1)
        ballot_id = self.assembly.ids.secret()
        now = self.clock.now()
        data = {
            **self._ballot(ballot_id, body, application_id),
            "opened_at": rfc3339(now),
            "closes_at": rfc3339(now + timedelta(days=7)),
            "roll_size": 7,
        }
        self.hear("meetings.ballot.opened", ballot_id, data)
        return ballot_id

    def close_ballot(self, ballot_id: str, application_id: str, body: str, outcome: str = "passed") -> bytes:
        """Meetings announces the result."""
        data = {**self._ballot(ballot_id, body, application_id), "outcome": outcome, "yes": 4, "no": 3}
        return self.hear("meetings.ballot.closed", ballot_id, data)

    def _ballot(self, ballot_id: str, body: str, application_id: str) -> dict[str, Any]:
        matter = {"kind": "admission", "application_id": application_id, "title": "Admission"}
        return {"ballot_id": ballot_id, "body": body, "matter": matter}

    def vote(self, application_id: str, body: str, outcome: str = "passed") -> str:
        """A whole ballot; returns its id."""
        ballot_id = self.open_ballot(application_id, body)
        self.close_ballot(ballot_id, application_id, body, outcome)
        return ballot_id

    # ---------------------------------------------------------------- what people and platforms do

    def staff(self, *roles: str) -> dict[str, str]:
        """Headers of a signed-in person, the secretariat's unless told otherwise."""
        return bearer(self.assembly, roles=roles or ("secretariat",), subject="staff-1")

    def platform(self, *scopes: str, subject: str = "platform-1") -> dict[str, str]:
        """Headers of a platform."""
        return bearer(self.assembly, scopes=scopes or ("applications:write",), subject=subject)

    def submit(self, headers: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
        """Hand in the sample form, a second after whatever came before; returns the receipt."""
        self.clock.advance(1)
        answer = self.web.post("/applications", json=application_form(**changes), headers=headers)
        assert answer.status_code == 201, answer.text
        receipt: dict[str, Any] = answer.get_json()
        return receipt

    def as_applicant(self, receipt: Mapping[str, Any]) -> dict[str, str]:
        """Headers of whoever holds the receipt."""
        return {"Application-Code": receipt["access_code"]}

    def accept(self, application_id: str, *, confirm: bool = False) -> TestResponse:
        """The secretariat accepts the form."""
        path = f"/applications/{application_id}/acceptance"
        return self.web.post(path, json={"confirm_warnings": confirm}, headers=self.staff())

    def ask(self, application_id: str, text: str = "Which licence?") -> str:
        """The secretariat asks; returns the question's id."""
        path = f"/applications/{application_id}/questions"
        answer = self.web.post(path, json={"text": text}, headers=self.staff())
        assert answer.status_code == 201, answer.text
        return str(answer.get_json()["question_id"])

    def answer(self, receipt: Mapping[str, Any], question_id: str, **body: Any) -> TestResponse:
        """The applicant answers."""
        told = {"question_id": question_id, "text": "This one.", **body}
        path = f"/applications/{receipt['application_id']}/answers"
        return self.web.post(path, json=told, headers=self.as_applicant(receipt))

    def withdraw(self, receipt: Mapping[str, Any], **body: Any) -> TestResponse:
        """The applicant withdraws."""
        path = f"/applications/{receipt['application_id']}/withdrawal"
        return self.web.post(path, json=body, headers=self.as_applicant(receipt))

    def accepted(self, **changes: Any) -> dict[str, Any]:
        """An application before the committee; its receipt."""
        receipt = self.submit(**changes)
        assert self.accept(receipt["application_id"]).status_code == 200
        return receipt

    def admitted(self, **changes: Any) -> dict[str, Any]:
        """An application whose unit stands on the roster; its receipt."""
        receipt = self.accepted(**changes)
        for body in (COMMITTEE, MEETING):
            self.vote(receipt["application_id"], body)
        assert self.application(receipt)["state"] == "admitted"
        return receipt

    def sign_in(self, username: str, password: str) -> TestResponse:
        """A person signs in."""
        return self.web.post("/sessions", json={"username": username, "password": password})

    # ---------------------------------------------------------------- what came of it

    def application(self, receipt: Mapping[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        """The application as the secretariat reads it, or whoever the headers are of."""
        path = f"/applications/{receipt['application_id']}"
        answer = self.web.get(path, headers=self.staff() if headers is None else headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def members(self) -> list[dict[str, Any]]:
        """The roster."""
        answer = self.web.get("/members", headers=self.staff())
        items: list[dict[str, Any]] = answer.get_json()["items"]
        return items

    def told(self, event_type: str) -> list[dict[str, Any]]:
        """Envelopes of the events of a type that membership recorded, in order."""
        with self.assembly.reading() as reading:
            mine = sa.select(outbox.c.envelope).where(outbox.c.type == event_type)
            return [json.loads(row.envelope) for row in reading.all(mine.order_by(outbox.c.position))]

    def send_outbox(self) -> None:
        """The broker takes everything that waits."""
        with self.assembly.begin() as work:
            waiting = sa.select(outbox.c.event_id).where(outbox.c.sent_at.is_(None))
            mark_sent(work, [row.event_id for row in work.all(waiting)])

    def stored(self) -> dict[str, int]:
        """Rows of every table."""
        with self.assembly.reading() as reading:
            return {
                table.name: int(reading.scalar(sa.select(sa.func.count()).select_from(table))) for table in EVERYTHING
            }

    def waiting(self) -> list[tuple[str, str | None]]:
        """State and reason of the events in the inbox that are not done."""
        with self.assembly.reading() as reading:
            rows = reading.all(sa.select(inbox.c.state, inbox.c.reason).where(inbox.c.state != "done"))
        return [(row.state, row.reason) for row in rows]
