"""What membership does about the events of others: translates each into one command. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Mapping

from services.membership import tables
from services.membership.commands.ballots import ClosedBallot, close_ballot, note_opened_ballot
from services.membership.commands.charter import keep_charter
from shared.messaging.contracts import Reaction
from shared.messaging.envelope import Event
from shared.messaging.rebuilding import Projection
from shared.persistence.shadow import DerivedTable
from shared.persistence.unit_of_work import UnitOfWork

#: The one matter of a ballot that concerns membership.
ADMISSION = "admission"


def on_charter_adopted(work: UnitOfWork, event: Event) -> None:
    """Keep the kinds of unit and the counties of this version."""
    keep_charter(work, event.data)


def on_ballot_opened(work: UnitOfWork, event: Event) -> None:
    """Show the ballot with its application."""
    matter = event.data["matter"]
    if matter["kind"] == ADMISSION:
        note_opened_ballot(
            work,
            ballot_id=event.data["ballot_id"],
            body=event.data["body"],
            application_id=matter["application_id"],
            opened_at=event.data["opened_at"],
            closes_at=event.data["closes_at"],
        )


def on_ballot_closed(work: UnitOfWork, event: Event) -> None:
    """Approve, refuse or admit, as the ballot says."""
    matter = event.data["matter"]
    if matter["kind"] == ADMISSION:
        ballot = ClosedBallot(
            ballot_id=event.data["ballot_id"],
            body=event.data["body"],
            application_id=matter["application_id"],
            outcome=event.data["outcome"],
            closed_at=event.time,
        )
        close_ballot(work, ballot)


REACTIONS: Mapping[str, Reaction] = {
    "meetings.charter.adopted": on_charter_adopted,
    "meetings.ballot.opened": on_ballot_opened,
    "meetings.ballot.closed": on_ballot_closed,
}

#: What follows from events of others alone, and can be made anew from them.
PROJECTIONS: tuple[Projection, ...] = (
    Projection("charter", ("meetings.charter.adopted",), (DerivedTable(tables.charters),)),
)
