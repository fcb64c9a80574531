"""The bookkeeping of a batch on its way: nothing counts as confirmed that is not, and nothing overtakes its subject."""

from __future__ import annotations

import random

import pytest

from shared.messaging.rabbitmq.window import Window
from shared.messaging.transport import BEHIND_A_REFUSED, Message

FIRST_TAG = 41


class Broker:
    """Sends what the window says, and answers as the test tells it."""

    def __init__(self, *subjects: str) -> None:
        self.window = Window([Message(f"e{n}", "t", subject, b"") for n, subject in enumerate(subjects)])
        self.sent: list[int] = []
        self._send(self.window.begin(FIRST_TAG))

    def is_settled(self) -> bool:
        """Asked anew each time; a property would be narrowed by the type checker."""
        return self.window.is_settled

    def _send(self, indices: list[int]) -> None:
        for index in indices:
            self.window.note_sent(index)
            self.sent.append(index)

    def answer(self, number: int, *, multiple: bool = False, refusal: str | None = None) -> None:
        """Confirm or refuse the message sent as number so many, counted from 0, or all up to it."""
        self._send(self.window.settle(FIRST_TAG + number, multiple=multiple, refusal=refusal))


def test_the_first_of_each_subject_leaves_at_once_and_the_next_after_its_confirm() -> None:
    broker = Broker("a", "a", "b", "a")
    assert broker.sent == [0, 2]

    broker.answer(0)
    assert broker.sent == [0, 2, 1]

    broker.answer(2)
    broker.answer(1)
    assert broker.sent == [0, 2, 1, 3]
    assert not broker.is_settled()

    broker.answer(3)
    assert broker.is_settled()
    assert broker.window.outcomes == [None] * 4


def test_the_front_moves_on_when_the_gap_closes() -> None:
    broker = Broker("a", "b", "c", "d")
    fronts = []
    for number in (1, 0, 3, 2):
        broker.answer(number)
        fronts.append(broker.window.front)

    assert fronts == [0, 2, 2, 4]


def test_what_is_held_back_counts_for_the_front() -> None:
    broker = Broker("a", "a", "b", "a")

    broker.answer(0, refusal="full")
    assert broker.window.front == 2

    broker.answer(1, multiple=True)
    assert broker.window.front == 4


def test_behind_a_refused_one_nothing_of_its_subject_is_sent() -> None:
    broker = Broker("a", "a", "b", "a")

    broker.answer(0, refusal="full")
    broker.answer(1)

    assert broker.sent == [0, 2]
    assert broker.is_settled()
    assert broker.window.outcomes == ["full", BEHIND_A_REFUSED, None, BEHIND_A_REFUSED]


def test_what_was_returned_is_refused_although_it_is_confirmed_too() -> None:
    broker = Broker("a", "a")

    broker.window.note_returned("e0", "unroutable")
    assert not broker.is_settled()
    broker.answer(0)

    assert broker.is_settled()
    assert broker.window.outcomes == ["unroutable", BEHIND_A_REFUSED]


def test_a_confirm_of_many_settles_each_up_to_its_tag_once() -> None:
    broker = Broker("a", "b", "c", "d")

    broker.answer(1)
    broker.answer(2, multiple=True)
    assert broker.window.settled == 3

    broker.answer(2, multiple=True)
    broker.answer(0)
    assert broker.window.settled == 3

    broker.answer(3, multiple=True)
    assert broker.is_settled()


def test_a_refusal_of_many_holds_for_those_still_open_only() -> None:
    broker = Broker("a", "b", "c")

    broker.answer(1)
    broker.answer(2, multiple=True, refusal="full")

    assert broker.window.outcomes == ["full", None, "full"]


def test_what_a_confirm_of_many_lets_follow_is_not_confirmed_with_it() -> None:
    broker = Broker("a", "a", "b")

    broker.answer(1, multiple=True)

    assert broker.sent == [0, 2, 1]
    assert not broker.is_settled()


@pytest.mark.parametrize("number", [-1, 2, 1_000])
def test_an_answer_to_a_tag_that_is_not_ours_changes_nothing(number: int) -> None:
    broker = Broker("a", "b")

    broker.answer(number)
    broker.window.note_returned("unknown", "unroutable")

    assert broker.window.settled == 0
    assert broker.window.outcomes == [None, None]


def test_the_same_id_twice_is_a_mistake_of_the_caller() -> None:
    message = Message("e", "t", "s", b"")
    with pytest.raises(AssertionError):
        Window([message, message])


@pytest.mark.parametrize("seed", range(200))
def test_however_the_broker_answers_order_holds_and_only_what_was_acknowledged_counts(seed: int) -> None:
    # given a batch over a few subjects, and a broker that answers in any order, alone or for many, some with no
    chance = random.Random(seed)
    broker = Broker(*(f"s{chance.randrange(4)}" for _ in range(30)))
    window = broker.window
    open_numbers: set[int] = set()
    seen = 0
    acknowledged: set[int] = set()

    # when it has answered everything
    while not broker.is_settled():
        open_numbers |= set(range(seen, len(broker.sent)))
        seen = len(broker.sent)
        number = chance.choice(sorted(open_numbers))
        multiple = chance.random() < 0.5
        answered = {each for each in open_numbers if each == number or (multiple and each < number)}
        refusal = "no" if chance.random() < 0.1 else None
        broker.answer(number, multiple=multiple, refusal=refusal)
        open_numbers -= answered
        if refusal is None:
            acknowledged |= {broker.sent[each] for each in answered}

    # then exactly what it acknowledged is confirmed, and per subject nothing is confirmed behind what is not
    assert {index for index, outcome in enumerate(window.outcomes) if outcome is None} == acknowledged
    for subject in {message.subject for message in window.messages}:
        own = [window.outcomes[index] is None for index, each in enumerate(window.messages) if each.subject == subject]
        assert own == sorted(own, reverse=True)
