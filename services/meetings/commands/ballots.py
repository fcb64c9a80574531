"""Opening a ballot and voting in it. How it ends is in `counting.py`; what is allowed, in `domain/ballots.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from services.meetings import tables
from services.meetings.commands.charter import get_charter
from services.meetings.commands.counting import (
    close_if_due,
    get_locked_ballot,
    identity_of,
    rule_in_event,
    state_of,
)
from services.meetings.commands.roll import roll_of
from services.meetings.domain.ballots import (
    ADMISSION_RULES,
    GENERAL_MEETING,
    OPEN,
    RollEntry,
    closing_time,
    ensure_choice,
    ensure_may_vote,
)
from services.meetings.domain.rules import rule_to_data
from services.meetings.events import BALLOT_OPENED
from shared.errors import Forbidden, Unavailable
from shared.persistence.unit_of_work import Reading, UnitOfWork


@dataclass(frozen=True)
class VoteReceipt:
    """That a unit has voted; nothing of what."""

    ballot_id: str
    unit_id: str


def open_ballot(work: UnitOfWork, *, body: str, application_id: str, title: str, correlation_id: str) -> str:
    """Open a body's ballot on an admission and freeze its roll; gives the ballot's id.

    Opening the same ballot again gives the one there is. Unavailable before a charter is in force, and
    `ballot.empty_roll` while the body has nobody who could vote.
    """
    ballot_rule = get_charter(work).rules[ADMISSION_RULES[body]]
    values: dict[str, Any] = {
        "ballot_id": work.ids.unordered_id(),
        "body": body,
        "application_id": application_id,
        "title": title,
        "correlation_id": correlation_id,
        "state": OPEN,
        "rule": rule_to_data(ballot_rule.rule),
        "all_members": 0,
        "roll_size": 0,
        "struck": 0,
        "votes_cast": 0,
        "opened_at": work.now,
        "closes_at": closing_time(work.now, ballot_rule.voting_days),
    }
    if not work.insert_if_absent(tables.ballots, values):
        # The event came again, or another worker was faster; that one's unit has committed by now.
        return _get_ballot_of(work, body, application_id)
    ballot_id = values["ballot_id"]
    _freeze_roll(work, ballot_id, body)
    ballot = get_locked_ballot(work, ballot_id)
    work.record(
        BALLOT_OPENED,
        subject=ballot_id,
        data={
            **identity_of(ballot),
            "roll_size": ballot.roll_size,
            "opened_at": ballot.opened_at,
            "closes_at": ballot.closes_at,
            "rule": rule_in_event(ballot.rule),
        },
        correlation_id=correlation_id,
        article=ballot_rule.rule.article,
    )
    return str(ballot_id)


def cast_vote(work: UnitOfWork, ballot_id: str, *, unit_id: str | None, choice: str) -> VoteReceipt:
    """Cast a unit's one vote (art. 7(1)). The last vote closes the ballot in the same transaction.

    Refuses by NotFound `ballot.not_found`; Forbidden `vote.no_unit`, `vote.not_on_roll`, `vote.unit_left`; Conflict
    `vote.already_cast`, `ballot.closed`, `ballot.cancelled`; Invalid `vote.unknown_choice`.
    """
    ensure_choice(choice)
    if unit_id is None:
        raise Forbidden("vote.no_unit", article="7(1)")
    # The lock keeps the ballot from closing between this check and this vote's commit.
    ballot = get_locked_ballot(work, ballot_id)
    ensure_may_vote(state_of(ballot), _find_entry(work, ballot_id, unit_id), work.now)
    work.execute(sa.insert(tables.participations).values(ballot_id=ballot_id, unit_id=unit_id))
    work.execute(sa.insert(tables.votes).values(vote_id=work.ids.secret(), ballot_id=ballot_id, choice=choice))
    this = tables.ballots.c.ballot_id == ballot_id
    work.execute(sa.update(tables.ballots).where(this).values(votes_cast=tables.ballots.c.votes_cast + 1))
    close_if_due(work, ballot_id)
    return VoteReceipt(ballot_id, unit_id)


def _get_ballot_of(reading: Reading, body: str, application_id: str) -> str:
    ballots = tables.ballots
    same = sa.and_(ballots.c.body == body, ballots.c.application_id == application_id)
    return str(reading.one(sa.select(ballots.c.ballot_id).where(same)).ballot_id)


def _find_entry(reading: Reading, ballot_id: str, unit_id: str) -> RollEntry | None:
    entry, part = tables.roll_entries, tables.participations
    took_part = sa.and_(part.c.ballot_id == entry.c.ballot_id, part.c.unit_id == entry.c.unit_id)
    found = reading.first(
        sa.select(entry.c.struck, part.c.unit_id.is_not(None).label("has_voted"))
        .select_from(entry.outerjoin(part, took_part))
        .where(entry.c.ballot_id == ballot_id, entry.c.unit_id == unit_id)
    )
    return None if found is None else RollEntry(unit_id, bool(found.has_voted), bool(found.struck))


def _freeze_roll(work: UnitOfWork, ballot_id: str, body: str) -> None:
    """Copy the roll in one statement: what it sees is the roll of one instant."""
    entries, ballots, units = tables.roll_entries, tables.ballots, tables.units
    # Shared locks to the end of the unit: another worker that hears that one of these has left waits, and then finds this
    # ballot to strike it from; or it came first, and the unit is not chosen.
    chosen = roll_of(body, work.now).with_for_update(read=True).subquery()
    rows = sa.select(sa.literal(ballot_id), chosen.c.unit_id, sa.false())
    work.execute(sa.insert(entries).from_select(["ballot_id", "unit_id", "struck"], rows))
    frozen = sa.select(entries.c.unit_id).where(entries.c.ballot_id == ballot_id)
    roll_size = work.scalar(sa.select(sa.func.count()).select_from(frozen.subquery()))
    if roll_size == 0:
        raise Unavailable("ballot.empty_roll", article="9", body=body)
    all_members = roll_size
    if body != GENERAL_MEETING:
        member = sa.or_(units.c.left_at.is_(None), units.c.unit_id.in_(frozen))
        all_members = work.scalar(sa.select(sa.func.count()).select_from(units).where(member))
    this = ballots.c.ballot_id == ballot_id
    work.execute(sa.update(ballots).where(this).values(roll_size=roll_size, all_members=all_members))
