"""The life of an application: every step from every state, and every ballot result in every state."""

from __future__ import annotations

import itertools

import pytest

from services.membership.domain.admission import (
    BALLOTS,
    OPEN_STATES,
    TRANSITIONS,
    State,
    Step,
    decide_ballot_result,
    decide_step,
)
from shared.errors import Conflict

#: The whole table once more, written by hand: a transition added by mistake fails here.
ALLOWED = {
    (State.SUBMITTED, Step.ASK): State.QUESTIONED,
    (State.SUBMITTED, Step.ACCEPT): State.ACCEPTED,
    (State.SUBMITTED, Step.WITHDRAW): State.WITHDRAWN,
    (State.QUESTIONED, Step.ASK): State.QUESTIONED,
    (State.QUESTIONED, Step.ANSWER): State.SUBMITTED,
    (State.QUESTIONED, Step.ANSWER_ONE): State.QUESTIONED,
    (State.QUESTIONED, Step.WITHDRAW): State.WITHDRAWN,
    (State.ACCEPTED, Step.APPROVE): State.APPROVED,
    (State.ACCEPTED, Step.REFUSE): State.REFUSED,
    (State.ACCEPTED, Step.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Step.ADMIT): State.ADMITTED,
    (State.APPROVED, Step.REFUSE): State.REFUSED,
    (State.APPROVED, Step.WITHDRAW): State.WITHDRAWN,
}
END = (State.ADMITTED, State.REFUSED, State.WITHDRAWN)


@pytest.mark.parametrize(("state", "step"), list(itertools.product(State, Step)))
def test_a_step_is_possible_only_where_the_table_has_it(state: State, step: Step) -> None:
    if (state, step) in ALLOWED:
        assert decide_step(state, step) == ALLOWED[state, step]
        return
    with pytest.raises(Conflict) as refused:
        decide_step(state, step)
    assert (refused.value.code == "application.already_decided") == (state in END)


def test_the_way_to_the_roster_leads_through_both_ballots() -> None:
    into = {after: {before for before, steps in TRANSITIONS.items() if after in steps.values()} for after in State}

    assert into[State.ADMITTED] == {State.APPROVED}
    assert into[State.APPROVED] == {State.ACCEPTED}
    assert into[State.ACCEPTED] == {State.SUBMITTED}


def test_an_acceptance_that_does_not_wait_for_the_answer_is_told_why() -> None:
    with pytest.raises(Conflict) as refused:
        decide_step(State.QUESTIONED, Step.ACCEPT)

    assert (refused.value.code, refused.value.article) == ("application.question_open", "11")


@pytest.mark.parametrize(
    ("state", "body", "outcome", "step"),
    [
        (State.ACCEPTED, "executive_committee", "passed", Step.APPROVE),
        (State.ACCEPTED, "executive_committee", "refused", Step.REFUSE),
        (State.APPROVED, "general_meeting", "passed", Step.ADMIT),
        (State.APPROVED, "general_meeting", "refused", Step.REFUSE),
    ],
)
def test_a_ballot_in_its_stage_decides(state: State, body: str, outcome: str, step: Step) -> None:
    assert decide_ballot_result(state, body, outcome) is step


@pytest.mark.parametrize(("state", "body", "outcome"), list(itertools.product(END, BALLOTS, ("passed", "refused"))))
def test_a_result_after_the_end_changes_nothing(state: State, body: str, outcome: str) -> None:
    assert decide_ballot_result(state, body, outcome) is None


def test_the_committees_result_for_a_second_time_changes_nothing() -> None:
    assert decide_ballot_result(State.APPROVED, "executive_committee", "refused") is None


@pytest.mark.parametrize(
    ("state", "body"),
    [
        (State.SUBMITTED, "executive_committee"),
        (State.QUESTIONED, "executive_committee"),
        (State.SUBMITTED, "general_meeting"),
        (State.ACCEPTED, "general_meeting"),
    ],
)
def test_a_result_before_its_stage_is_a_fault_not_a_decision(state: State, body: str) -> None:
    with pytest.raises(Conflict) as refused:
        decide_ballot_result(state, body, "passed")

    assert refused.value.code == "application.ballot_out_of_order"


def test_another_body_admits_nobody() -> None:
    with pytest.raises(Conflict) as refused:
        decide_ballot_result(State.APPROVED, "expert_committee", "passed")

    assert refused.value.code == "application.ballot_of_unknown_body"


def test_open_is_whatever_can_still_move() -> None:
    assert {State.SUBMITTED, State.QUESTIONED, State.ACCEPTED, State.APPROVED} == OPEN_STATES
