"""Which accounts a demo's sign-in page offers, so that every part of the house can be seen with a click.

Only for demos: it knows names and roles, and no password.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.membership.domain.accounts import COMMITTEE, REPRESENTATIVE, derive_roles

#: Buttons on the page at most: more would be a list to search, not a choice.
SIGN_INS_MAX = 12
#: Staff first, in the order in which their work is needed.
STAFF_SHOWN = ("secretariat", "treasurer", "operator", "authority")
SEATS_SHOWN = ("director", "vice_director", "committee_member")


@dataclass(frozen=True)
class DemoAccount:
    """An active account, as the choice needs it."""

    username: str
    person_name: str
    unit_name: str | None
    staff_roles: tuple[str, ...]
    offices: tuple[str, ...]

    @property
    def shown_roles(self) -> tuple[str, ...]:
        """What the button calls it: the given roles, a seat by its name, or the representation of a unit."""
        roles = derive_roles(self.staff_roles, represents_member=self.unit_name is not None, offices=self.offices)
        seats = [f"office.{seat}" for seat in SEATS_SHOWN if COMMITTEE in roles and seat in self.offices]
        staff = [f"role.{role}" for role in STAFF_SHOWN if role in roles]
        return tuple(staff + seats) or ((f"role.{REPRESENTATIVE}",) if REPRESENTATIVE in roles else ())


def choose_demo_accounts(accounts: Sequence[DemoAccount]) -> list[DemoAccount]:
    """One account per staff role, then those with seats by rank, then representatives; a place is kept for one of them."""
    ranked = list(dict.fromkeys(_by_rank(accounts)))
    plain = [each for each in ranked if each.shown_roles == (f"role.{REPRESENTATIVE}",)]
    others = [each for each in ranked if each not in plain]
    chosen = others[: SIGN_INS_MAX - min(len(plain), 1)]
    return chosen + plain[: SIGN_INS_MAX - len(chosen)]


def _by_rank(accounts: Sequence[DemoAccount]) -> Iterator[DemoAccount]:
    for role in STAFF_SHOWN:
        yield from [each for each in accounts if role in each.staff_roles][:1]
    for seat in SEATS_SHOWN:
        yield from [each for each in accounts if each.unit_name and seat in each.offices]
    yield from [each for each in accounts if each.unit_name and not each.offices]
