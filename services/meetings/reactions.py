"""What meetings does when something happens elsewhere. Each reaction only translates the event into a command."""

from __future__ import annotations

from collections.abc import Mapping

from services.meetings import tables
from services.meetings.commands import ballots, counting, roll
from services.meetings.domain.ballots import EXECUTIVE_COMMITTEE, GENERAL_MEETING
from shared.messaging.contracts import Reaction
from shared.messaging.envelope import Event
from shared.messaging.rebuilding import Projection
from shared.persistence.shadow import DerivedTable
from shared.persistence.unit_of_work import UnitOfWork
from shared.security.keys import accept_signing_key, retire_signing_key, verification_keys


def on_application_accepted(work: UnitOfWork, event: Event) -> None:
    """The form is in order: the executive committee reviews it (art. 6(2))."""
    _open(work, event, EXECUTIVE_COMMITTEE)


def on_admission_approved(work: UnitOfWork, event: Event) -> None:
    """The committee has approved: the general meeting votes (art. 6(3))."""
    _open(work, event, GENERAL_MEETING)


def on_application_withdrawn(work: UnitOfWork, event: Event) -> None:
    """There is nothing left to decide."""
    counting.cancel_ballots_of(work, event.data["application_id"])


def on_member_admitted(work: UnitOfWork, event: Event) -> None:
    """A unit is a member: it votes from the next ballot on."""
    data = event.data
    roll.enter_unit(
        work,
        unit_id=data["member_id"],
        number=data["number"],
        unit_name=data["unit_name"],
        admitted_at=data["admitted_at"],
    )


def on_office_filled(work: UnitOfWork, event: Event) -> None:
    """A unit holds an office: perhaps a seat of the executive committee (art. 9)."""
    data = event.data
    roll.seat_unit(
        work,
        office_id=data["office_id"],
        body=data["body"],
        office=data["office"],
        unit_id=data["member_id"],
        term_from=data["term_from"],
        term_to=data["term_to"],
    )


def on_member_left(work: UnitOfWork, event: Event) -> None:
    """A unit is no member any more: it votes in nothing it has not voted in (art. 7(3))."""
    roll.strike_unit(work, unit_id=event.data["member_id"], left_at=event.data["left_at"])


def on_office_vacated(work: UnitOfWork, event: Event) -> None:
    """A seat is vacant (art. 9)."""
    roll.unseat_unit(work, office_id=event.data["office_id"], vacated_at=event.data["vacated_at"])


def _open(work: UnitOfWork, event: Event, body: str) -> None:
    ballots.open_ballot(
        work,
        body=body,
        application_id=event.data["application_id"],
        title=event.data["unit_name"],
        correlation_id=event.correlation_id,
    )


REACTIONS: Mapping[str, Reaction] = {
    "membership.application.accepted": on_application_accepted,
    "membership.application.withdrawn": on_application_withdrawn,
    "membership.admission.approved": on_admission_approved,
    "membership.member.admitted": on_member_admitted,
    "membership.member.left": on_member_left,
    "membership.office.filled": on_office_filled,
    "membership.office.vacated": on_office_vacated,
    "membership.signing_key.published": accept_signing_key,
    "membership.signing_key.retired": retire_signing_key,
}

#: What follows from events of others alone, and can be made anew from them.
PROJECTIONS: tuple[Projection, ...] = (
    Projection(
        "electoral roll",
        (
            "membership.member.admitted",
            "membership.member.left",
            "membership.office.filled",
            "membership.office.vacated",
        ),
        (DerivedTable(tables.units), DerivedTable(tables.offices)),
    ),
    Projection(
        "verification keys",
        ("membership.signing_key.published", "membership.signing_key.retired"),
        (DerivedTable(verification_keys),),
    ),
)
