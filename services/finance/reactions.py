"""What finance does when something happens elsewhere. Each reaction only translates the event into a command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.finance import tables
from services.finance.commands import accounts
from services.finance.domain.chart import CharterItem
from shared.messaging.contracts import Reaction
from shared.messaging.envelope import Event
from shared.messaging.rebuilding import Projection
from shared.persistence.shadow import DerivedTable
from shared.persistence.unit_of_work import UnitOfWork
from shared.security.keys import accept_signing_key, retire_signing_key, verification_keys


def on_member_admitted(work: UnitOfWork, event: Event) -> None:
    """A member is on the roster: it gets its account (Art. 18)."""
    data = event.data
    accounts.open_member_account(work, data["member_id"], data["number"], data["unit_name"])


def on_member_left(work: UnitOfWork, event: Event) -> None:
    """A unit is no member any more: what it owes or is owed is settled, and nothing else is booked (Art. 18)."""
    accounts.close_member_account(work, event.data["member_id"])


def on_charter_adopted(work: UnitOfWork, event: Event) -> None:
    """A charter is in force: its funding sources and purposes get their accounts."""
    data = event.data
    accounts.adopt_charter(work, data["version"], _items(data["funding_sources"]), _items(data["purposes"]))


def _items(listed: list[dict[str, Any]]) -> list[CharterItem]:
    return [CharterItem(each["code"], each["name"], each["article"]) for each in listed]


REACTIONS: Mapping[str, Reaction] = {
    "membership.member.admitted": on_member_admitted,
    "membership.member.left": on_member_left,
    "meetings.charter.adopted": on_charter_adopted,
    "membership.signing_key.published": accept_signing_key,
    "membership.signing_key.retired": retire_signing_key,
}

#: What follows from events of others alone, and can be made anew from them.
PROJECTIONS: tuple[Projection, ...] = (
    Projection(
        "chart of accounts",
        ("membership.member.admitted", "membership.member.left", "meetings.charter.adopted"),
        # Postings name an account by its id, so an account that is there keeps it; what tells accounts apart is the code.
        (DerivedTable(tables.charters), DerivedTable(tables.accounts, key="code", apart_from=("account_id",))),
    ),
    Projection(
        "verification keys",
        ("membership.signing_key.published", "membership.signing_key.retired"),
        (DerivedTable(verification_keys),),
    ),
)
