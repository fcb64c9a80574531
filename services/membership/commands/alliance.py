"""The alliance itself and the numbers it gives out. Must not know who may found it."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from services.membership import tables
from shared.errors import Conflict, Unavailable
from shared.persistence.unit_of_work import Reading, UnitOfWork
from shared.runtime.clock import rfc3339

MEMBER_NUMBERS = "member"
APPLICATION_NUMBERS = "application"
#: Digits of a number before it grows wider: an alliance of a city has hundreds of units.
NUMBER_DIGITS = 4


def found_alliance(work: UnitOfWork, *, name: str, number_prefix: str, founded_at: datetime) -> str:
    """Enter the alliance and start its numbers; gives its id. Record `alliance.founded` with `announce_founding`.

    Refuses with Conflict `alliance.already_founded` (art. 1): an installation holds one alliance.
    """
    alliance_id = work.ids.new_id()
    row = {
        "alliance_id": alliance_id, "only_one": 1, "name": name, "number_prefix": number_prefix,
        "founded_at": founded_at,
    }  # fmt: skip
    # Whoever founds at the same moment waits here, and then finds that there is one.
    if not work.insert_if_absent(tables.alliance, row):
        raise Conflict("alliance.already_founded", article="1")
    for sequence in (MEMBER_NUMBERS, APPLICATION_NUMBERS):
        work.execute(sa.insert(tables.sequences).values(name=sequence, last=0))
    return alliance_id


def announce_founding(work: UnitOfWork, *, alliance_id: str, members: int) -> None:
    """Tell everybody, once the founding members stand on the roster."""
    row = work.one(sa.select(tables.alliance).where(tables.alliance.c.alliance_id == alliance_id))
    work.record(
        "membership.alliance.founded",
        subject=alliance_id,
        data={
            "alliance_id": alliance_id,
            "name": row.name,
            "members": members,
            "founded_at": rfc3339(row.founded_at),
        },
    )


def get_number_prefix(reading: Reading) -> str:
    """The prefix of every number. Unavailable until the alliance is founded."""
    prefix = reading.scalar(sa.select(tables.alliance.c.number_prefix))
    if prefix is None:
        raise Unavailable("alliance.not_founded", article="1")
    return str(prefix)


def next_member_number(work: UnitOfWork) -> str:
    """The next number on the roster, e.g. `ZZ-0001`; without gaps, because it rolls back with the unit of work."""
    return f"{get_number_prefix(work)}-{_next(work, MEMBER_NUMBERS):0{NUMBER_DIGITS}}"


def next_application_number(work: UnitOfWork) -> str:
    """The next number of an application, e.g. `ZZ-A-0001`."""
    return f"{get_number_prefix(work)}-A-{_next(work, APPLICATION_NUMBERS):0{NUMBER_DIGITS}}"


def lock_application_numbers(work: UnitOfWork) -> None:
    """Keep new applications waiting until this unit ends, as taking a number does."""
    work.lock(sa.select(tables.sequences.c.last).where(tables.sequences.c.name == APPLICATION_NUMBERS))


def _next(work: UnitOfWork, sequence: str) -> int:
    mine = tables.sequences.c.name == sequence
    # The update locks the row; whoever comes second reads the value after our commit.
    work.execute(sa.update(tables.sequences).where(mine).values(last=tables.sequences.c.last + 1))
    return int(work.scalar(sa.select(tables.sequences.c.last).where(mine)))
