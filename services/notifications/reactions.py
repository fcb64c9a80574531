"""What notifications does when something happens anywhere: keep it, and tell whoever asked to be told."""

from __future__ import annotations

from collections.abc import Mapping

from services.notifications import tables
from services.notifications.commands.archive import archive_event
from services.notifications.commands.subscriptions import Owner, end_subscriptions
from services.notifications.domain.messages import ArchivedEvent
from shared.messaging.contracts import EVERYTHING, Reaction
from shared.messaging.envelope import Event
from shared.messaging.rebuilding import Projection
from shared.persistence.shadow import DerivedTable
from shared.persistence.unit_of_work import UnitOfWork
from shared.security.keys import accept_signing_key, retire_signing_key, verification_keys


def on_any_event(work: UnitOfWork, event: Event) -> None:
    """Archive the event as it was published and fan it out."""
    archive_event(
        work,
        ArchivedEvent(
            event_id=event.id,
            type=event.type,
            source=event.source,
            subject=event.subject,
            sequence=event.sequence,
            correlation_id=event.correlation_id,
            causation_id=event.causation_id,
            article=event.article,
            time=event.time,
            # The envelope's, not the view's: a view leaves out what it does not use, an archive must not.
            data=event.envelope["data"],
        ),
    )


def on_signing_key_published(work: UnitOfWork, event: Event) -> None:
    """Believe membership's new key, and archive that it was published."""
    accept_signing_key(work, event)
    on_any_event(work, event)


def on_signing_key_retired(work: UnitOfWork, event: Event) -> None:
    """Stop believing a key, and archive that it was retired."""
    retire_signing_key(work, event)
    on_any_event(work, event)


def on_account_closed(work: UnitOfWork, event: Event) -> None:
    """Tell the person nothing more, not even of this; archive that the account was closed.

    So too ends what the people of a unit asked for that has left (art. 7(3)): membership closes their accounts.
    """
    end_subscriptions(work, Owner("person", event.data["account_id"]))
    on_any_event(work, event)


def on_client_closed(work: UnitOfWork, event: Event) -> None:
    """Tell the platform nothing more, not even of this; archive that its access was closed."""
    end_subscriptions(work, Owner("platform", event.data["client_id"]))
    on_any_event(work, event)


REACTIONS: Mapping[str, Reaction] = {
    EVERYTHING: on_any_event,
    "membership.account.closed": on_account_closed,
    "membership.client.closed": on_client_closed,
    "membership.signing_key.published": on_signing_key_published,
    "membership.signing_key.retired": on_signing_key_retired,
}

#: What follows from events of others alone, and can be made anew from them.
PROJECTIONS: tuple[Projection, ...] = (
    # Subscriptions, deliveries and notices are not among them: who wanted to be told what was the service's own to know.
    Projection("archive", (EVERYTHING,), (DerivedTable(tables.archive),)),
    Projection(
        "verification keys",
        ("membership.signing_key.published", "membership.signing_key.retired"),
        (DerivedTable(verification_keys),),
    ),
)
