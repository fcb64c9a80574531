"""The life of an application: which step may follow which state, and what a ballot's result means for it.

Knows no storage and no clock. Whoever may take a step is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from shared.errors import Conflict


class State(StrEnum):
    """Where an application stands."""

    SUBMITTED = "submitted"  # with the secretariat
    QUESTIONED = "questioned"  # back with the applicant
    ACCEPTED = "accepted"  # before the executive committee
    APPROVED = "approved"  # before the general meeting
    ADMITTED = "admitted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Step(StrEnum):
    """What can happen to an application."""

    SUBMIT = "submit"  # how it begins
    ASK = "ask"
    ANSWER = "answer"  # the last open question
    ANSWER_ONE = "answer_one"  # one of several open questions
    ACCEPT = "accept"
    APPROVE = "approve"
    ADMIT = "admit"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


TRANSITIONS: Mapping[State, Mapping[Step, State]] = {
    State.SUBMITTED: {Step.ASK: State.QUESTIONED, Step.ACCEPT: State.ACCEPTED, Step.WITHDRAW: State.WITHDRAWN},
    State.QUESTIONED: {
        Step.ASK: State.QUESTIONED,
        Step.ANSWER: State.SUBMITTED,
        Step.ANSWER_ONE: State.QUESTIONED,
        Step.WITHDRAW: State.WITHDRAWN,
    },
    State.ACCEPTED: {Step.APPROVE: State.APPROVED, Step.REFUSE: State.REFUSED, Step.WITHDRAW: State.WITHDRAWN},
    State.APPROVED: {Step.ADMIT: State.ADMITTED, Step.REFUSE: State.REFUSED, Step.WITHDRAW: State.WITHDRAWN},
    State.ADMITTED: {},
    State.REFUSED: {},
    State.WITHDRAWN: {},
}

#: States in which the unit may not hand in another application.
OPEN_STATES = frozenset(state for state, steps in TRANSITIONS.items() if steps)

#: The article that a step rests on.
ARTICLES: Mapping[Step, str] = {
    Step.SUBMIT: "6(1)",
    Step.ASK: "11",
    Step.ANSWER: "11",
    Step.ANSWER_ONE: "11",
    Step.ACCEPT: "11",
    Step.APPROVE: "6(2)",
    Step.ADMIT: "6(3)",
    Step.WITHDRAW: "6",
}

COMMITTEE = "executive_committee"
GENERAL_MEETING = "general_meeting"

#: Which state a body's ballot finds the application in, and the step each result takes.
BALLOTS: Mapping[str, tuple[State, Mapping[str, Step], str]] = {
    COMMITTEE: (State.ACCEPTED, {"passed": Step.APPROVE, "refused": Step.REFUSE}, "6(2)"),
    GENERAL_MEETING: (State.APPROVED, {"passed": Step.ADMIT, "refused": Step.REFUSE}, "6(3)"),
}


def decide_step(state: State, step: Step) -> State:
    """The state after the step. Conflict where the table has none: `application.already_decided` at the end of the
    way, `application.question_open` for an acceptance that does not wait for the answer, else
    `application.step_out_of_order`.
    """
    after = TRANSITIONS[state].get(step)
    if after is not None:
        return after
    if state not in OPEN_STATES:
        raise Conflict("application.already_decided", article="6", state=state)
    if state is State.QUESTIONED and step is Step.ACCEPT:
        raise Conflict("application.question_open", article="11")
    raise Conflict("application.step_out_of_order", article=ARTICLES.get(step, "6"), state=state, step=step)


def decide_ballot_result(state: State, body: str, outcome: str) -> Step | None:
    """The step that a closed ballot takes; None when the application has left that stage already.

    None covers the result that comes late (the applicant withdrew meanwhile) and the one that comes twice. Conflict
    when the ballot of a later stage closes before its time: that is a fault in the chain, not a late message.
    """
    if body not in BALLOTS:
        raise Conflict("application.ballot_of_unknown_body", body=body)
    stage, steps, article = BALLOTS[body]
    if state is stage:
        return steps[outcome]
    if state not in OPEN_STATES or (stage is State.ACCEPTED and state is State.APPROVED):
        return None
    raise Conflict("application.ballot_out_of_order", article=article, state=state, body=body)
