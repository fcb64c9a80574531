"""A change of layout loses nothing and keeps each subject's order: with events all along, cut anywhere, or done by two."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence

import pika
import pytest
from pika.exceptions import AMQPConnectionError

from shared.messaging.rabbitmq import layout as layout_module
from shared.messaging.rabbitmq.layout import LAYOUTS, MARKER_TYPE, Layouts, queues_of, slot_of
from shared.messaging.transport import BrokerUnavailable
from tests.builders.broker import MemoryBroker, Stored, nothing

QUEUE = "aloud.inbox"
EVENTS = "alliance.events"
#: One of each slot, and one without.
SUBJECTS = [*{slot_of(f"s-{number}"): f"s-{number}" for number in range(200)}.values(), "unslotted"]
#: Enough to have one in the first partition and one in the last.
FEW = [*(subject for subject in SUBJECTS[:-1] if slot_of(subject) == 15), "unslotted"]
CHANGES = [(old, new) for old in LAYOUTS for new in LAYOUTS if old != new]
#: The larger layouts repeat what these show, at every operation of theirs.
SMALL_CHANGES = [(1, 2), (2, 1), (2, 4)]


class Stage:
    """A queue at a broker, a stream of numbered events for it, and workers who empty it as `FollowingSubscription` does."""

    def __init__(self, broker: MemoryBroker, subjects: Sequence[str]) -> None:
        self.broker = broker
        self._subjects = subjects
        self.layouts = Layouts([pika.ConnectionParameters()], QUEUE, ["alpha.word.said"])
        self.sent = 0
        #: In the order of having them: a dict's keys, without repeats, as the inbox has it.
        self.had: dict[str, dict[int, None]] = defaultdict(dict)

    def send(self) -> None:
        """The next event of every subject; none may be refused."""
        for subject in self._subjects:
            headers = {} if subject == "unslotted" else {"slot": slot_of(subject)}
            body = f"{subject}:{self.sent}".encode()
            assert self.broker.publish(EVENTS, Stored("alpha.word.said", body, headers, True)), subject
        self.sent += 1

    def sending(self, also: Callable[[int], None]) -> Callable[[str], None]:
        """What is to happen before each operation, from here on: events, and something else by its number."""
        numbers = itertools.count()

        def happen(_operation: str) -> None:
            self.send()
            also(next(numbers))

        return happen

    def work_off(self, old: int, new: int) -> None:
        """Handle the old queues up to their markers, then the new ones."""
        self.broker.before = nothing
        for queue in queues_of(QUEUE, old):
            if queue in self.broker.queues:
                assert self._handle(queue), f"no marker in {queue}"
                assert self.layouts.remove_old(queue)
        self.layouts.finish(new)
        self.send()
        for queue in queues_of(QUEUE, new):
            assert not self._handle(queue), f"a marker in {queue}"

    def _handle(self, queue: str) -> bool:
        for message in self.broker.queues[queue].messages:
            if message.type == MARKER_TYPE:
                return True
            subject, _, number = message.body.decode().partition(":")
            self.had[subject].setdefault(int(number))
        return False

    def judge(self, new: int) -> None:
        """Everything was had in its order, and what there is now is the new layout."""
        had = {subject: list(numbers) for subject, numbers in self.had.items()}
        assert had == {subject: list(range(self.sent)) for subject in self._subjects}
        assert set(self.broker.queues) == set(queues_of(QUEUE, new))
        assert {each.destination for each in self.broker.bindings if not each.to_exchange} == set(self.broker.queues)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    broker = MemoryBroker()
    monkeypatch.setattr(layout_module, "BlockingConnection", broker.connect)
    return Stage(broker, SUBJECTS)


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_events_that_come_at_every_step_of_a_change_are_had_in_order(stage: Stage, old: int, new: int) -> None:
    stage.layouts.establish(old)
    stage.send()

    stage.broker.before = stage.sending(lambda _number: None)
    stage.layouts.establish(new)
    stage.work_off(old, new)

    stage.judge(new)


@pytest.mark.parametrize(("old", "new"), SMALL_CHANGES)
def test_whoever_comes_next_mends_a_change_that_was_cut_at_any_step(
    monkeypatch: pytest.MonkeyPatch, old: int, new: int
) -> None:
    for cut_at in itertools.count():
        # given a change that ends in the middle
        broker = MemoryBroker()
        monkeypatch.setattr(layout_module, "BlockingConnection", broker.connect)
        stage = Stage(broker, FEW)
        stage.layouts.establish(old)
        if not _is_cut(stage, new, cut_at):
            assert cut_at > 5
            break

        # when the next process does it all again
        broker.before = stage.sending(lambda _number: None)
        stage.layouts.establish(new)
        stage.work_off(old, new)

        # then it is as if nothing had happened
        stage.judge(new)


def _is_cut(stage: Stage, new: int, cut_at: int) -> bool:
    def cut(number: int) -> None:
        if number == cut_at:
            raise AMQPConnectionError("cut")

    stage.broker.before = stage.sending(cut)
    try:
        stage.layouts.establish(new)
    except BrokerUnavailable:
        return True
    return False


@pytest.mark.parametrize(("old", "new"), SMALL_CHANGES)
def test_two_who_change_at_once_do_not_harm_each_other(monkeypatch: pytest.MonkeyPatch, old: int, new: int) -> None:
    for met_at in itertools.count():
        broker = MemoryBroker()
        monkeypatch.setattr(layout_module, "BlockingConnection", broker.connect)
        stage = Stage(broker, FEW)
        stage.layouts.establish(old)

        # when another process makes the whole change while this one is in the middle of it
        met: list[int] = []

        def meet(number: int, stage: Stage = stage, met_at: int = met_at, met: list[int] = met) -> None:
            if number == met_at:
                met.append(number)
                stage.broker.before = nothing
                stage.layouts.establish(new)

        broker.before = stage.sending(meet)
        stage.layouts.establish(new)
        if not met:
            break
        stage.work_off(old, new)

        stage.judge(new)
