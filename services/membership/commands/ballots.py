"""What ballots do to applications: opened ones are noted, closed ones decide. Must not count votes; meetings does.

The only way onto the roster after the founding leads through `close_ballot` (art. 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.commands.accounts import open_account
from services.membership.commands.applications import Actor, get_application, take_step
from services.membership.commands.roster import admit_member
from services.membership.domain.admission import BALLOTS, State, Step, decide_ballot_result
from services.membership.domain.application_form import roster_profile
from shared.persistence.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class ClosedBallot:
    """A ballot's certified result, as meetings announced it. `outcome` is passed or refused."""

    ballot_id: str
    body: str
    application_id: str
    outcome: str
    closed_at: datetime


def note_opened_ballot(
    work: UnitOfWork, *, ballot_id: str, body: str, application_id: str, opened_at: datetime, closes_at: datetime
) -> None:
    """Show the ballot with the application. Also for one withdrawn meanwhile: the ballot did open."""
    get_application(work, application_id)
    work.insert_if_absent(
        tables.application_ballots,
        {
            "ballot_id": ballot_id,
            "application_id": application_id,
            "body": body,
            "opened_at": opened_at,
            "closes_at": closes_at,
        },
    )


def close_ballot(work: UnitOfWork, ballot: ClosedBallot) -> None:
    """Take the step the result calls for. A result that comes late or twice changes nothing but the note."""
    application = get_application(work, ballot.application_id)
    step = decide_ballot_result(State(application.state), ballot.body, ballot.outcome)
    _note_result(work, ballot)
    if step is Step.APPROVE:
        _approve(work, application, ballot)
    elif step is Step.ADMIT:
        _admit(work, application, ballot)
    elif step is Step.REFUSE:
        _refuse(work, application, ballot)


def _note_result(work: UnitOfWork, ballot: ClosedBallot) -> None:
    table = tables.application_ballots
    mine = table.c.ballot_id == ballot.ballot_id
    work.insert_if_absent(
        table, {"ballot_id": ballot.ballot_id, "application_id": ballot.application_id, "body": ballot.body}
    )
    work.execute(
        sa.update(table)
        .where(mine, table.c.outcome.is_(None))
        .values(outcome=ballot.outcome, closed_at=ballot.closed_at)
    )


def _approve(work: UnitOfWork, application: sa.Row[Any], ballot: ClosedBallot) -> None:
    take_step(work, application, Step.APPROVE, Actor("ballot", ballot.ballot_id))
    facts = {name: getattr(application, name) for name in ("application_id", "number", "unit_name", "kind", "county")}
    work.record(
        "membership.admission.approved",
        subject=application.application_id,
        data={**facts, "ballot_id": ballot.ballot_id},
        correlation_id=application.correlation_id,
    )


def _refuse(work: UnitOfWork, application: sa.Row[Any], ballot: ClosedBallot) -> None:
    article = BALLOTS[ballot.body][2]
    take_step(work, application, Step.REFUSE, Actor("ballot", ballot.ballot_id), article=article)
    work.record(
        "membership.admission.refused",
        subject=application.application_id,
        data={
            "application_id": application.application_id,
            "unit_name": application.unit_name,
            "stage": ballot.body,
            "ballot_id": ballot.ballot_id,
        },
        correlation_id=application.correlation_id,
        article=article,
    )


def _admit(work: UnitOfWork, application: sa.Row[Any], ballot: ClosedBallot) -> None:
    form: Mapping[str, Any] = application.form
    # The date of admission is when the vote closed, not when its news reached this service.
    member = admit_member(
        work,
        unit_name=application.unit_name,
        credit_code=application.credit_code,
        kind=application.kind,
        county=application.county,
        admitted_at=ballot.closed_at,
        profile=roster_profile(form),
        application_id=application.application_id,
        ballot_id=ballot.ballot_id,
        correlation_id=application.correlation_id,
    )
    take_step(work, application, Step.ADMIT, Actor("ballot", ballot.ballot_id), member_id=member.member_id)
    # The applicant holds the access code already: it is the invitation, and no secret has to travel once more.
    open_account(
        work,
        username=member.number,
        roles=(),
        member_id=member.member_id,
        person_name=form["representative"]["name"],
        invitation_digest=application.access_code_digest,
        correlation_id=application.correlation_id,
    )
