"""How the relay goes through what it has found: a batch after the other, each marked while the rest is on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from shared.messaging.outbox import outbox
from shared.messaging.relay import Relay
from shared.messaging.transport import PORTION, BrokerUnavailable, Message, Settled, nobody, nothing
from tests.builders.failpoints import FailingOnce, RecordingFailpoints
from tests.builders.kernel import SAID, WHISPERED, Kernel, kernel_on, word_of
from tests.builders.publisher import FakePublisher, relay_of


@pytest.fixture
def kernel(empty_database_url: str) -> Iterator[Kernel]:
    with kernel_on(empty_database_url) as made:
        yield made


def test_the_relay_hands_on_what_the_row_says_a_batch_at_a_time(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    for n in range(5):
        kernel.say(f"{n}", subject=f"s-{n}")

    assert relay_of(kernel, publisher, batch=3).publish_waiting() == (5, 0)

    first = min(kernel.rows(outbox), key=lambda row: row["position"])
    assert publisher.messages[0] == Message(
        first["event_id"], first["type"], first["subject"], first["envelope"].encode()
    )
    assert [word_of(message.body) for message in publisher.messages] == ["0", "1", "2", "3", "4"]


def test_the_relay_passes_every_seam_with_the_types_of_its_batch(kernel: Kernel) -> None:
    failpoints = RecordingFailpoints()
    kernel.say("aloud")
    kernel.say("psst", subject="s-2", event_type=WHISPERED)

    Relay(kernel.units, FakePublisher(kernel), failpoints, 50).publish_waiting()

    types = [SAID, WHISPERED]
    assert failpoints.reached == [
        ("relay.before_publish", types),
        ("relay.after_confirm", types),
        ("relay.after_mark", types),
    ]


def test_marking_wakes_nobody(kernel: Kernel) -> None:
    kernel.say("word")
    bell = kernel.wakeups.listener()

    relay_of(kernel, FakePublisher(kernel)).publish_waiting()

    assert not bell.is_set()


def test_a_publisher_that_answers_for_more_messages_than_it_got_marks_nothing(kernel: Kernel) -> None:
    class Confused(FakePublisher):
        def _take(self, messages: Sequence[Message]) -> list[str | None]:
            return [*super()._take(messages), None]

    kernel.say("one", subject="a")
    kernel.say("two", subject="b")

    with pytest.raises(ValueError, match="zip"):
        relay_of(kernel, Confused(kernel)).publish_waiting()
    assert [row["sent_at"] for row in kernel.rows(outbox)] == [None, None]


def sent_words(kernel: Kernel) -> list[str]:
    """What is marked as sent, in the order of the feed."""
    rows = sorted((row for row in kernel.rows(outbox) if row["sent_at"]), key=lambda row: row["feed_number"])
    return [word_of(row["envelope"].encode()) for row in rows]


def test_what_is_confirmed_is_marked_while_the_rest_is_on_its_way(kernel: Kernel) -> None:
    marked: list[int] = []

    class Watched(FakePublisher):
        def publish(
            self,
            messages: Sequence[Message],
            *,
            portion: int = PORTION,
            meanwhile: Callable[[], None] = nothing,
            settled: Settled = nobody,
        ) -> list[str | None]:
            def watched(outcomes: Sequence[str | None]) -> None:
                settled(outcomes)
                marked.append(len(sent_words(kernel)))

            return super().publish(messages, portion=portion, meanwhile=meanwhile, settled=watched)

    for n in range(7):
        kernel.say(f"{n}", subject=f"s-{n}")

    assert relay_of(kernel, Watched(kernel), batch=3).publish_waiting() == (7, 0)
    assert marked == [3, 6, 7]


def test_what_was_confirmed_before_the_connection_broke_is_not_sent_again(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    relay = relay_of(kernel, publisher, batch=2)
    for n in range(6):
        kernel.say(f"{n}", subject=f"s-{n}")

    publisher.breaks_after = 4
    with pytest.raises(BrokerUnavailable):
        relay.publish_waiting()
    assert sent_words(kernel) == ["0", "1", "2", "3"]

    publisher.breaks_after = None
    publisher.words.clear()
    assert relay.publish_waiting() == (2, 0)
    assert publisher.words == ["4", "5"]


def test_one_look_takes_four_batches_and_no_more(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    relay = relay_of(kernel, publisher, batch=2)
    for n in range(9):
        kernel.say(f"{n}", subject=f"s-{n}")

    assert relay.publish_waiting() == (8, 0)
    assert relay.publish_waiting() == (1, 0)


def test_a_relay_that_found_fewer_than_it_may_take_need_not_look_again(kernel: Kernel) -> None:
    relay = relay_of(kernel, FakePublisher(kernel), batch=2)
    for n in range(8):
        kernel.say(f"{n}", subject=f"s-{n}")

    relay.publish_waiting()
    assert not relay.found_all, "as many as it may take: there may be more"
    kernel.say("9")
    relay.publish_waiting()
    assert relay.found_all


def test_a_relay_that_passes_something_over_looks_again_to_end_the_round(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    publisher.refused_types.add(WHISPERED)
    relay = relay_of(kernel, publisher)
    kernel.say("psst", subject="a", event_type=WHISPERED)
    kernel.say("word", subject="b")

    assert relay.publish_waiting() == (1, 1)
    assert not relay.found_all
    kernel.say("more", subject="b")
    assert relay.publish_waiting() == (1, 0)
    assert not relay.found_all
    assert relay.publish_waiting() == (0, 0)


def test_between_two_batches_the_relay_gives_a_sign_of_life(kernel: Kernel) -> None:
    signs: list[int] = []
    for n in range(5):
        kernel.say(f"{n}", subject=f"s-{n}")

    relay_of(kernel, FakePublisher(kernel), batch=2).publish_waiting(lambda: signs.append(len(sent_words(kernel))))

    assert signs == [2, 4]


def test_where_more_waits_the_last_batch_is_marked_behind_the_next_publishing(kernel: Kernel) -> None:
    marked: list[list[str]] = []

    class Watched(FakePublisher):
        def _take(self, messages: Sequence[Message]) -> list[str | None]:
            marked.append(sent_words(kernel))
            return super()._take(messages)

        def publish(
            self,
            messages: Sequence[Message],
            *,
            portion: int = PORTION,
            meanwhile: Callable[[], None] = nothing,
            settled: Settled = nobody,
        ) -> list[str | None]:
            def watched() -> None:
                meanwhile()
                marked.append(sent_words(kernel))

            return super().publish(messages, portion=portion, meanwhile=watched, settled=settled)

    publisher = Watched(kernel)
    relay = relay_of(kernel, publisher, batch=2)
    for n in range(3):
        kernel.say(f"{n}", subject=f"s-{n}")

    # when the last batch is confirmed and more waits
    assert relay.publish_waiting(more_waits=lambda: True) == (3, 0)

    # then all but that batch is marked, and the next look leaves it out
    assert sent_words(kernel) == ["0", "1"]
    kernel.say("3", subject="s-2")
    assert relay.publish_waiting() == (1, 0)
    assert publisher.words == ["0", "1", "2", "3"]

    # and it is marked once the next one has been handed over, before anything of that is
    assert marked == [[], [], ["0", "1"], ["0", "1", "2"]]
    assert sent_words(kernel) == ["0", "1", "2", "3"]


def test_what_waits_to_be_marked_is_marked_when_nothing_follows(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    relay = relay_of(kernel, publisher)
    kernel.say("word")
    relay.publish_waiting(more_waits=lambda: True)
    assert sent_words(kernel) == []

    assert relay.publish_waiting(more_waits=lambda: True) == (0, 0)

    assert sent_words(kernel) == ["word"]
    assert publisher.words == ["word"]


def test_what_waits_to_be_marked_is_marked_when_the_broker_cannot_be_reached(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    relay = relay_of(kernel, publisher)
    kernel.say("taken", subject="a")
    relay.publish_waiting(more_waits=lambda: True)
    kernel.say("waits", subject="b")

    publisher.away = True
    with pytest.raises(BrokerUnavailable):
        relay.publish_waiting()

    assert sent_words(kernel) == ["taken"]


def test_a_relay_that_ends_before_it_has_marked_leaves_the_batch_to_its_successor(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    kernel.say("word")
    relay_of(kernel, publisher).publish_waiting(more_waits=lambda: True)

    assert relay_of(kernel, publisher).publish_waiting() == (1, 0)

    assert publisher.words == ["word", "word"], "at least once: the inboxes tell copies"
    assert sent_words(kernel) == ["word"]


def test_when_marking_fails_behind_a_publishing_both_batches_are_marked_later_and_in_order(kernel: Kernel) -> None:
    failpoints = FailingOnce("relay.after_mark")
    relay = Relay(kernel.units, FakePublisher(kernel), failpoints, 50)
    kernel.say("first", subject="a")
    relay.publish_waiting(more_waits=lambda: True)
    kernel.say("second", subject="a")

    with pytest.raises(RuntimeError):
        relay.publish_waiting()
    assert sent_words(kernel) == ["first"]

    assert relay.publish_waiting() == (1, 0)
    assert sent_words(kernel) == ["first", "second"]


def test_a_position_that_means_another_event_by_now_is_not_marked(kernel: Kernel) -> None:
    publisher = FakePublisher(kernel)
    relay = relay_of(kernel, publisher)
    kernel.say("gone")
    relay.publish_waiting(more_waits=lambda: True)

    # when the database is restored to an earlier point under the relay, and the place is taken by another event
    with kernel.units.begin() as work:
        work.execute(outbox.update().values(event_id="0" * 36))
    relay.publish_waiting()

    # then that one is not taken for sent
    assert sent_words(kernel) == []
    assert relay.publish_waiting() == (1, 0)
