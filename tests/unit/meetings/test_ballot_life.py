"""A ballot's life: the table of transitions, who may vote, when it closes."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.meetings.domain.ballots import (
    ALL_VOTED,
    APPLICANT_WITHDREW,
    CANCELLED,
    CLOSED,
    DEADLINE,
    OPEN,
    STATES,
    TRANSITIONS,
    BallotState,
    RollEntry,
    closing_time,
    decide_result,
    ensure_choice,
    ensure_may_vote,
    find_close_reason,
    next_state,
)
from services.meetings.domain.rules import BASES, Rule, Tally, base_of, decide, needed_yes
from shared.errors import Conflict, Forbidden, Invalid, Refusal

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
BALLOT = BallotState(OPEN, closes_at=NOW + timedelta(days=1), voters=3, votes_cast=1)
ENTRY = RollEntry("u1", has_voted=False, is_struck=False)


@pytest.mark.parametrize(
    ("state", "happening"), list(itertools.product(STATES, (ALL_VOTED, DEADLINE, APPLICANT_WITHDREW)))
)
def test_only_the_table_leads_anywhere(state: str, happening: str) -> None:
    if (state, happening) in TRANSITIONS:
        assert next_state(state, happening) in (CLOSED, CANCELLED)
        return
    with pytest.raises(Conflict) as refused:
        next_state(state, happening)
    assert refused.value.code == f"ballot.{state}"


def test_an_ended_ballot_ends_no_more() -> None:
    assert {state for state, _ in TRANSITIONS} == {OPEN}


def test_who_is_on_the_roll_may_vote_once_in_time() -> None:
    ensure_may_vote(BALLOT, ENTRY, NOW)
    ensure_may_vote(BALLOT, ENTRY, BALLOT.closes_at - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("ballot", "entry", "kind", "code"),
    [
        (BALLOT, None, Forbidden, "vote.not_on_roll"),
        (BALLOT, replace(ENTRY, is_struck=True), Forbidden, "vote.unit_left"),
        (BALLOT, replace(ENTRY, has_voted=True), Conflict, "vote.already_cast"),
        (replace(BALLOT, state=CLOSED), ENTRY, Conflict, "ballot.closed"),
        (replace(BALLOT, state=CANCELLED), ENTRY, Conflict, "ballot.cancelled"),
        (replace(BALLOT, closes_at=NOW), ENTRY, Conflict, "ballot.closed"),
        (replace(BALLOT, state=CLOSED), replace(ENTRY, has_voted=True), Conflict, "vote.already_cast"),
        (replace(BALLOT, state=CLOSED), None, Forbidden, "vote.not_on_roll"),
    ],
)
def test_who_may_not_vote_is_told_why(
    ballot: BallotState, entry: RollEntry | None, kind: type[Refusal], code: str
) -> None:
    with pytest.raises(kind) as refused:
        ensure_may_vote(ballot, entry, NOW)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("ballot", "reason"),
    [
        (BALLOT, None),
        (replace(BALLOT, votes_cast=3), ALL_VOTED),
        (replace(BALLOT, voters=1), ALL_VOTED),
        (replace(BALLOT, closes_at=NOW), DEADLINE),
        (replace(BALLOT, closes_at=NOW, votes_cast=3), ALL_VOTED),
        (replace(BALLOT, state=CLOSED, closes_at=NOW), None),
        (replace(BALLOT, state=CANCELLED, votes_cast=3), None),
    ],
)
def test_a_ballot_closes_by_its_last_vote_or_its_deadline(ballot: BallotState, reason: str | None) -> None:
    assert find_close_reason(ballot, NOW) == reason


def test_the_period_is_counted_in_days_of_24_hours() -> None:
    assert closing_time(NOW, 14) == datetime(2026, 3, 16, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize("choice", ["", "maybe", "YES", "yes "])
def test_an_unknown_choice_names_its_field(choice: str) -> None:
    with pytest.raises(Invalid) as refused:
        ensure_choice(choice)

    assert refused.value.field == "choice"


@given(
    st.sampled_from(BASES),
    st.sampled_from([(1, 2, True), (1, 2, False), (2, 3, True)]),
    st.tuples(*[st.integers(0, 30)] * 3),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_a_strike_changes_neither_base_nor_threshold_nor_outcome(
    base: str, fraction: tuple[int, int, bool], votes: tuple[int, int, int], silent: int, struck: int
) -> None:
    """Whoever leaves before voting stays in the base (art. 7(3)): as if it had stayed, and not voted."""
    numerator, denominator, inclusive = fraction
    rule = Rule("admission_vote", numerator, denominator, inclusive, base, None, 1, "6(3)", 1)
    yes, no, abstain = votes
    entitled = sum(votes) + silent + struck
    tally = Tally(entitled, entitled, sum(votes), yes, no, abstain)

    result = decide_result(rule, tally, struck)

    without_word_of_it = decide(rule, tally)
    assert (result.decision.passed, result.decision.on_the_bound) == (
        without_word_of_it.passed,
        without_word_of_it.on_the_bound,
    )
    assert result.not_cast == silent + struck
    assert needed_yes(rule, base_of(base, result.tally)) == needed_yes(rule, base_of(base, tally))
    told = [line.params for line in result.decision.lines if line.code == "explanation.struck"]
    assert told == ([{"struck": struck}] if struck else [])
