"""How a ballot ends: by its last vote, its deadline, or because there is nothing left to decide.

Every function here takes the lock of the ballot's row, or is called under it: casting, striking, closing and
cancelling one ballot happen one after the other, so that no vote slips in between the count and the close.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.meetings import tables
from services.meetings.domain.ballots import (
    APPLICANT_WITHDREW,
    OPEN,
    BallotState,
    Result,
    decide_result,
    find_close_reason,
    next_state,
)
from services.meetings.domain.rules import Tally, base_of, needed_yes, rule_from_data
from services.meetings.events import BALLOT_CANCELLED, BALLOT_CLOSED
from shared.errors import NotFound
from shared.persistence.unit_of_work import UnitOfWork


def get_locked_ballot(work: UnitOfWork, ballot_id: str) -> sa.Row[Any]:
    """The ballot, locked until the unit of work ends. NotFound `ballot.not_found`."""
    ballot = work.lock(sa.select(tables.ballots).where(tables.ballots.c.ballot_id == ballot_id))
    if ballot is None:
        raise NotFound("ballot.not_found")
    return ballot


def state_of(ballot: sa.Row[Any], *, votes_cast: int | None = None) -> BallotState:
    """What of the row decides whether it takes votes and whether it closes."""
    cast = ballot.votes_cast if votes_cast is None else votes_cast
    return BallotState(ballot.state, ballot.closes_at, ballot.roll_size - ballot.struck, cast)


def close_if_due(work: UnitOfWork, ballot_id: str) -> bool:
    """Close the ballot if its last vote is in or its deadline has passed; says whether it closed now."""
    ballot = get_locked_ballot(work, ballot_id)
    reason = find_close_reason(state_of(ballot), work.now)
    if reason is None:
        return False
    _close(work, ballot, reason)
    return True


def strike_from_ballot(work: UnitOfWork, ballot_id: str, unit_id: str) -> None:
    """Strike a unit that left from a ballot it has not voted in. A vote already cast counts."""
    ballot = get_locked_ballot(work, ballot_id)
    if ballot.state != OPEN:
        return
    part = tables.participations
    if work.first(sa.select(part.c.unit_id).where(part.c.ballot_id == ballot_id, part.c.unit_id == unit_id)):
        return
    entry = tables.roll_entries
    this = sa.and_(entry.c.ballot_id == ballot_id, entry.c.unit_id == unit_id, entry.c.struck.is_(sa.false()))
    if work.execute(sa.update(entry).where(this).values(struck=True)).rowcount:
        _update(work, ballot_id, struck=ballot.struck + 1)
        close_if_due(work, ballot_id)


def cancel_ballots_of(work: UnitOfWork, application_id: str) -> None:
    """The applicant has withdrawn: its open ballots have nothing left to decide. Ended ballots stay as they are."""
    mine = tables.ballots.c.application_id == application_id
    rows = work.all(sa.select(tables.ballots.c.ballot_id).where(mine).order_by(tables.ballots.c.ballot_id))
    for row in rows:
        ballot = get_locked_ballot(work, row.ballot_id)
        if ballot.state != OPEN:
            continue
        state = next_state(ballot.state, APPLICANT_WITHDREW)
        _update(work, ballot.ballot_id, state=state, ended_at=work.now, ended_because=APPLICANT_WITHDREW)
        work.record(
            BALLOT_CANCELLED,
            subject=ballot.ballot_id,
            data={**identity_of(ballot), "reason": APPLICANT_WITHDREW},
            correlation_id=ballot.correlation_id,
            article="6",
        )


def identity_of(ballot: Any) -> dict[str, Any]:
    """What every event of a ballot says about it."""
    matter = {"kind": "admission", "application_id": ballot.application_id, "title": ballot.title}
    return {"ballot_id": ballot.ballot_id, "body": ballot.body, "matter": matter}


def rule_in_event(rule: dict[str, Any]) -> dict[str, Any]:
    """The part of a ballot's rule that its events carry."""
    return {
        part: rule[part] for part in ("name", "version", "article", "numerator", "denominator", "inclusive", "base")
    }


def _close(work: UnitOfWork, ballot: sa.Row[Any], reason: str) -> None:
    state = next_state(ballot.state, reason)
    tally = _count(work, ballot)
    rule = rule_from_data(ballot.rule)
    counted = decide_result(rule, tally, ballot.struck)
    base = base_of(rule.base, tally)
    result = {**_counts(counted), "base": base, "needed_yes": needed_yes(rule, base)}
    _update(work, ballot.ballot_id, state=state, ended_at=work.now, ended_because=reason, result=result)
    published = ("outcome", "yes", "no", "abstain", "not_cast", "on_the_bound", "explanation")
    work.record(
        BALLOT_CLOSED,
        subject=ballot.ballot_id,
        data={
            **identity_of(ballot),
            **{name: result[name] for name in published},
            "closed_because": reason,
            "roll_size": ballot.roll_size,
            "rule": rule_in_event(ballot.rule),
        },
        correlation_id=ballot.correlation_id,
        article=rule.article,
    )


def _count(work: UnitOfWork, ballot: sa.Row[Any]) -> Tally:
    votes = tables.votes
    mine = votes.c.ballot_id == ballot.ballot_id
    counted = work.all(sa.select(votes.c.choice, sa.func.count()).where(mine).group_by(votes.c.choice))
    counts: dict[str, int] = {choice: count for choice, count in counted}  # noqa: C416 - a Row is no tuple to mypy
    assert sum(counts.values()) == ballot.votes_cast, "every vote is counted and none twice"
    return Tally(
        all_members=ballot.all_members,
        entitled=ballot.roll_size,
        present=ballot.votes_cast,
        yes=counts.get("yes", 0),
        no=counts.get("no", 0),
        abstain=counts.get("abstain", 0),
    )


def _counts(counted: Result) -> dict[str, Any]:
    decision, tally = counted.decision, counted.tally
    return {
        "outcome": counted.outcome,
        "yes": tally.yes,
        "no": tally.no,
        "abstain": tally.abstain,
        "not_cast": counted.not_cast,
        "on_the_bound": decision.on_the_bound,
        "reasons": list(decision.reasons),
        "explanation": [{"code": line.code, "params": dict(line.params)} for line in decision.lines],
    }


def _update(work: UnitOfWork, ballot_id: str, **values: Any) -> None:
    work.execute(sa.update(tables.ballots).where(tables.ballots.c.ballot_id == ballot_id).values(**values))
