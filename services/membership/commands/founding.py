"""Founding the alliance: from a founding file without faults to roster, offices, accounts and the first key.

One unit of work: all of it or nothing. It does not read files and does not judge the founding; whoever calls it has
had `domain.founding` judge it first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

import sqlalchemy as sa

from services.membership import tables
from services.membership.commands.accounts import open_account
from services.membership.commands.alliance import announce_founding, found_alliance
from services.membership.commands.offices import fill_office
from services.membership.commands.roster import NewMember, admit_member
from services.membership.commands.signing_keys import create_first_key
from services.membership.domain.application_form import CHINA
from services.membership.domain.credentials import digest
from services.membership.domain.founding import Founding, FoundingRules, FoundingUnit, Person
from shared.errors import Conflict
from shared.persistence.unit_of_work import Reading, UnitOfWork

EXECUTIVE_COMMITTEE = "executive_committee"
SECRETARIAT = "secretariat"
SECRETARY_GENERAL = "secretary_general"


@dataclass(frozen=True)
class Invitation:
    """The code with which a person sets a password. Exists in clear only here and in the file handed out."""

    unit: str
    person: str
    username: str
    code: str


@dataclass(frozen=True)
class Founded:
    """What a founding has made. `invitations` is empty where everybody got the demo password."""

    alliance_id: str
    members: int
    accounts: int
    invitations: tuple[Invitation, ...]


def found(work: UnitOfWork, founding: Founding, *, master_secret: str, password_hash: str | None = None) -> Founded:
    """Found the alliance. With a `password_hash` every account is active at once, else each gets an invitation.

    Conflict `alliance.already_founded` when there is one; `is_same_founding` tells whether it is this one.
    """
    founded_at = start_of_day(founding.founded_on)
    alliance_id = found_alliance(work, name=founding.name, number_prefix=founding.number_prefix, founded_at=founded_at)
    # First of all events: whoever verifies tokens should know the key before anybody can hold one.
    create_first_key(work, master_secret=master_secret)
    members = {unit.number: _admit(work, unit, founded_at) for unit in founding.units}
    _fill_offices(work, founding, members)
    invitations = _open_accounts(work, founding, members, password_hash)
    announce_founding(work, alliance_id=alliance_id, members=len(members))
    accounts = len(members) + len(founding.staff) + 1
    return Founded(alliance_id, len(members), accounts, tuple(invitations))


def is_same_founding(reading: Reading, founding: Founding) -> bool:
    """Whether the alliance that exists was founded from this: same name, day, prefix, units and user names."""
    alliance = reading.first(sa.select(tables.alliance))
    if alliance is None:
        return False
    told = (founding.name, founding.number_prefix, start_of_day(founding.founded_on))
    members = tables.members.c
    rows = reading.all(
        sa.select(members.unit_name, members.credit_code, members.kind, members.county)
        .where(members.founding)
        .order_by(members.number)
    )
    units = [(unit.name, unit.credit_code or None, unit.kind, unit.county) for unit in founding.units]
    stored = {row.username for row in reading.all(sa.select(tables.accounts.c.username))}
    return (
        told == (alliance.name, alliance.number_prefix, alliance.founded_at)
        and units == [tuple(row) for row in rows]
        and {person.username for person in people(founding)} <= stored
    )


def ensure_same_founding(reading: Reading, founding: Founding) -> bool:
    """True when this very founding is done, False when none is. Conflict when the alliance is another one."""
    if reading.scalar(sa.select(tables.alliance.c.alliance_id)) is None:
        return False
    if not is_same_founding(reading, founding):
        raise Conflict("founding.another_alliance", article="1")
    return True


def find_adopted_rules(reading: Reading, told: FoundingRules) -> FoundingRules:
    """The rules told, narrowed to the kinds and counties of the newest charter that membership has received."""
    charters = tables.charters.c
    row = reading.first(sa.select(charters.member_kinds, charters.counties).order_by(charters.version.desc()).limit(1))
    if row is None:
        return told
    kinds = frozenset(str(each["code"]) for each in row.member_kinds)
    counties = frozenset(str(each["code"]) for each in row.counties)
    return replace(told, kinds=told.kinds & kinds or kinds, counties=told.counties & counties or counties)


def people(founding: Founding) -> tuple[Person, ...]:
    """Everybody who gets an account."""
    return (
        *(unit.representative for unit in founding.units),
        founding.secretary_general,
        *(each.person for each in founding.staff),
    )


def start_of_day(day: date) -> datetime:
    """The first instant of a day in China, in UTC: dates on paper are dates there."""
    return datetime.combine(day, time.min, tzinfo=CHINA).astimezone(UTC)


def _admit(work: UnitOfWork, unit: FoundingUnit, founded_at: datetime) -> NewMember:
    person = unit.representative
    return admit_member(
        work,
        unit_name=unit.name,
        kind=unit.kind,
        county=unit.county,
        admitted_at=founded_at,
        credit_code=unit.credit_code or None,
        profile={**unit.profile, "representative": {"name": person.name, "title": person.title}},
        founding=True,
    )


def _fill_offices(work: UnitOfWork, founding: Founding, members: Mapping[int, NewMember]) -> None:
    term_from, term_to = start_of_day(founding.term_from), start_of_day(founding.term_to)
    people_of = {unit.number: unit.representative for unit in founding.units}
    for seat in founding.seats:
        fill_office(
            work,
            body=EXECUTIVE_COMMITTEE,
            office=seat.office,
            member_id=members[seat.unit].member_id,
            person_name=people_of[seat.unit].name,
            term_from=term_from,
            term_to=term_to,
        )
    # Art. 11: the secretariat is at the window platform. The charter is silent on the secretary-general's term.
    fill_office(
        work,
        body=SECRETARIAT,
        office=SECRETARY_GENERAL,
        member_id=members[founding.window_platform].member_id,
        person_name=founding.secretary_general.name,
        term_from=term_from,
        term_to=term_to,
    )


def _open_accounts(
    work: UnitOfWork, founding: Founding, members: Mapping[int, NewMember], password_hash: str | None
) -> list[Invitation]:
    invitations: list[Invitation] = []

    def open_for(person: Person, *, roles: tuple[str, ...], unit: str, member_id: str | None) -> None:
        code = None if password_hash else work.ids.secret()
        open_account(
            work,
            username=person.username,
            roles=roles,
            member_id=member_id,
            person_name=person.name,
            invitation_digest=digest(code) if code else None,
            password_hash=password_hash,
        )
        if code:
            invitations.append(Invitation(unit, person.name, person.username, code))

    for unit in founding.units:
        member_id = members[unit.number].member_id
        open_for(unit.representative, roles=(), unit=unit.name, member_id=member_id)
    # Staff represent no unit, also where a unit pays them: otherwise it would have two voices.
    open_for(founding.secretary_general, roles=("secretariat",), unit=founding.name, member_id=None)
    for staff in founding.staff:
        open_for(staff.person, roles=staff.roles, unit=founding.name, member_id=None)
    return invitations
