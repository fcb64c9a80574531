"""A ballot's life: from open to closed or cancelled, who may vote in it, and when it closes.

It counts nothing (`rules.py` does) and knows nothing of applications beyond that a ballot is about something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.meetings.domain.rules import Decision, Line, Rule, Tally, decide
from shared.errors import Conflict, Forbidden, Invalid

#: The bodies that vote, and the rule that each applies to the admission of a member.
EXECUTIVE_COMMITTEE = "executive_committee"
GENERAL_MEETING = "general_meeting"
BODIES = (EXECUTIVE_COMMITTEE, GENERAL_MEETING)
ADMISSION_RULES = {EXECUTIVE_COMMITTEE: "admission_review", GENERAL_MEETING: "admission_vote"}

#: Offices that carry a seat of the executive committee (art. 9). The secretary-general's carries none (art. 11).
COMMITTEE_OFFICES = ("director", "vice_director", "committee_member")

CHOICES = ("yes", "no", "abstain")

OPEN = "open"
CLOSED = "closed"
CANCELLED = "cancelled"
STATES = (OPEN, CLOSED, CANCELLED)

ALL_VOTED = "all_voted"
DEADLINE = "deadline"
APPLICANT_WITHDREW = "applicant_withdrew"

#: What can happen to a ballot in a state, and the state it leads to. Whatever is not here is refused.
TRANSITIONS: Mapping[tuple[str, str], str] = {
    (OPEN, ALL_VOTED): CLOSED,
    (OPEN, DEADLINE): CLOSED,
    (OPEN, APPLICANT_WITHDREW): CANCELLED,
}


@dataclass(frozen=True)
class BallotState:
    """What of a ballot decides whether a vote is taken and whether it closes."""

    state: str
    closes_at: datetime
    #: Units that can still vote or have voted: the roll without those struck before they voted.
    voters: int
    votes_cast: int


@dataclass(frozen=True)
class RollEntry:
    """One unit's place on the frozen roll of a ballot."""

    unit_id: str
    has_voted: bool
    #: The unit left the alliance while the ballot was open.
    is_struck: bool


@dataclass(frozen=True)
class Result:
    """How a ballot ended."""

    outcome: str
    decision: Decision
    tally: Tally
    not_cast: int


def next_state(state: str, happening: str) -> str:
    """The state that a happening leads to; Conflict `ballot.closed` or `ballot.cancelled` where it leads nowhere."""
    if (state, happening) not in TRANSITIONS:
        raise Conflict(f"ballot.{state}")
    return TRANSITIONS[state, happening]


def closing_time(opened_at: datetime, voting_days: int) -> datetime:
    """The instant from which no vote is taken any more."""
    return opened_at + timedelta(days=voting_days)


def find_close_reason(ballot: BallotState, now: datetime) -> str | None:
    """Why an open ballot closes now, or None. The last vote closes it; at the deadline the clock does."""
    if ballot.state != OPEN:
        return None
    if ballot.votes_cast >= ballot.voters:
        return ALL_VOTED
    return DEADLINE if now >= ballot.closes_at else None


def ensure_may_vote(ballot: BallotState, entry: RollEntry | None, now: datetime) -> None:
    """Refuse a vote by one who is not on the roll, has left, has voted, or comes too late; in that order.

    A late vote is refused by the clock, whether or not anybody has closed the ballot yet. "Already voted" comes
    before "closed", so that a client that repeats its request learns that its vote counts.
    """
    if entry is None:
        raise Forbidden("vote.not_on_roll", article="6")
    if entry.has_voted:
        raise Conflict("vote.already_cast", article="7(1)")
    if entry.is_struck:
        raise Forbidden("vote.unit_left", article="7(3)")
    if ballot.state != OPEN:
        raise Conflict(f"ballot.{ballot.state}")
    if now >= ballot.closes_at:
        raise Conflict("ballot.closed")


def ensure_choice(choice: str) -> None:
    """Refuse a choice that the ballot does not offer."""
    if choice not in CHOICES:
        raise Invalid("vote.unknown_choice", field="choice")


def decide_result(rule: Rule, tally: Tally, struck: int) -> Result:
    """Count a ballot. `struck` units left without voting; they stay in the base, and the explanation says so."""
    decision = decide(rule, tally)
    if struck:
        note = Line("explanation.struck", {"struck": struck})
        decision = Decision(decision.passed, decision.on_the_bound, decision.reasons, (*decision.lines, note))
    outcome = "passed" if decision.passed else "refused"
    return Result(outcome, decision, tally, tally.entitled - tally.cast)
