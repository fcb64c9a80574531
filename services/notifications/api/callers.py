"""The caller as an owner of subscriptions, and the rights that several views share. No view lives here."""

from __future__ import annotations

from services.notifications.commands.subscriptions import Owner
from shared.web.context import caller

#: Scope with which a platform subscribes and looks after its subscriptions.
SCOPE = "subscriptions:write"
#: Roles that see everybody's deliveries.
STAFF = frozenset({"secretariat", "operator"})


def owner() -> Owner:
    """The signed-in person or platform."""
    who = caller()
    assert who.subject is not None, "@access lets in nobody without a name"
    return Owner(who.kind, who.subject)


def whose_deliveries() -> tuple[str, str] | None:
    """Whose deliveries the caller may see: None means everybody's."""
    if caller().has_role(*STAFF):
        return None
    me = owner()
    return me.kind, me.subject
