"""The promises of the bus (`shared/messaging/transport.py`), one suite run on both transports."""

from __future__ import annotations

import functools
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from shared.messaging.in_process import InProcess
from shared.messaging.rabbitmq import RabbitMQ
from shared.messaging.transport import BEHIND_A_REFUSED, Message, Publisher, Subscription, Transport
from tests.builders.kernel import SAID, WHISPERED, Listener, held_by, message_of
from tests.waiting import stays, wait_until

Subscribe = Callable[[str, Sequence[str]], Listener]


@pytest.fixture(params=["in_process", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def transport(request: pytest.FixtureRequest) -> Transport:
    """Each implementation in turn."""
    if request.param == "in_process":
        return InProcess()
    room = request.getfixturevalue("virtual_host")
    return RabbitMQ(room.url, heartbeat_seconds=20, blocked_seconds=10, prefetch=50)


@pytest.fixture
def publisher(transport: Transport) -> Iterator[Publisher]:
    opened = transport.publisher()
    yield opened
    opened.close()


@pytest.fixture
def subscriptions() -> Iterator[list[Subscription]]:
    started: list[Subscription] = []
    yield started
    for each in started:
        each.stop()


@pytest.fixture
def subscribe(transport: Transport, subscriptions: list[Subscription]) -> Subscribe:
    """Declare a queue and start a listener on it."""

    def start(queue: str, patterns: Sequence[str]) -> Listener:
        listener = Listener()
        transport.declare(queue, patterns)
        subscriptions.append(transport.subscribe(queue, patterns, listener))
        return listener

    return start


def _has_heard(listener: Listener, wanted: set[str]) -> bool:
    return set(listener.words) >= wanted


def send(publisher: Publisher, messages: Sequence[Message], *, attempts: int = 20) -> None:
    """Publish as the relay does: what is not confirmed is published again, in order."""
    waiting = list(messages)
    for _ in range(attempts):
        outcomes = publisher.publish(waiting)
        waiting = [message for message, reason in zip(waiting, outcomes, strict=True) if reason is not None]
        if not waiting:
            return
    raise AssertionError(f"not taken after {attempts} attempts: {waiting}")


def test_every_queue_bound_to_a_type_gets_each_of_its_messages(publisher: Publisher, subscribe: Subscribe) -> None:
    first = subscribe("first.inbox", [SAID])
    second = subscribe("second.inbox", [SAID, WHISPERED])
    everything = subscribe("archive.inbox", ["#"])

    send(publisher, [message_of(f"w{n}", subject=f"s-{n}") for n in range(30)])

    wanted = {f"w{n}" for n in range(30)}
    for listener in (first, second, everything):
        wait_until(functools.partial(_has_heard, listener, wanted), "every message at every queue")


def test_a_queue_gets_nothing_of_a_type_it_is_not_bound_to(publisher: Publisher, subscribe: Subscribe) -> None:
    aloud = subscribe("aloud.inbox", [SAID])
    everything = subscribe("archive.inbox", ["#"])

    send(publisher, [message_of("psst", event_type=WHISPERED), message_of("hello", subject="s-2")])

    wait_until(lambda: set(everything.words) == {"psst", "hello"}, "both at the archive")
    wait_until(lambda: "hello" in aloud.words, "the one it is bound to")
    stays(lambda: aloud.words == ["hello"], "nothing else arrives", seconds=0.2)


def test_a_message_that_no_queue_takes_is_reported_and_its_neighbours_are_confirmed(
    publisher: Publisher, subscribe: Subscribe
) -> None:
    heard = subscribe("aloud.inbox", [SAID])

    outcomes = publisher.publish(
        [message_of("one"), message_of("lost", event_type=WHISPERED, subject="s-2"), message_of("two", subject="s-3")]
    )

    assert outcomes[0] is None
    assert "unroutable" in str(outcomes[1])
    assert outcomes[2] is None
    wait_until(lambda: set(heard.words) == {"one", "two"}, "the routable ones")


def test_with_no_queue_at_all_nothing_is_confirmed(publisher: Publisher) -> None:
    outcomes = publisher.publish([message_of("nobody"), message_of("listens", subject="s-2")])

    assert all(outcome is not None for outcome in outcomes)


def test_what_a_subscriber_failed_to_take_is_delivered_again(publisher: Publisher, subscribe: Subscribe) -> None:
    heard = subscribe("aloud.inbox", [SAID])
    failures = iter([OSError("disk full"), OSError("disk still full")])

    def fail_twice(_words: list[str]) -> None:
        for error in failures:
            raise error

    heard.before = fail_twice

    send(publisher, [message_of("kept")])

    wait_until(lambda: "kept" in heard.words, "the message, on the third try")


def test_a_failing_subscriber_does_not_keep_the_others_from_theirs(publisher: Publisher, subscribe: Subscribe) -> None:
    healthy = subscribe("healthy.inbox", [SAID])
    failing = subscribe("failing.inbox", [SAID])
    mended = threading.Event()

    def fail_until_mended(_words: list[str]) -> None:
        if not mended.is_set():
            raise OSError("database away")

    failing.before = fail_until_mended
    outcomes = publisher.publish([message_of("news")])
    wait_until(lambda: "news" in healthy.words, "the healthy one")
    assert failing.words == []

    mended.set()
    if outcomes != [None]:
        send(publisher, [message_of("news")])
    wait_until(lambda: "news" in failing.words, "the mended one")


def test_messages_of_one_publisher_arrive_in_the_order_of_publishing(
    publisher: Publisher, subscribe: Subscribe
) -> None:
    heard = subscribe("aloud.inbox", [SAID])
    words = [f"{n:03}" for n in range(200)]

    for some in _batches(words, 20):
        send(publisher, [message_of(word, sequence=int(word) + 1) for word in some])

    wait_until(lambda: len(heard.words) >= 200, "all of them")
    assert list(dict.fromkeys(heard.words)) == words


def test_a_batch_of_many_of_few_subjects_arrives_in_order_per_subject(
    publisher: Publisher, subscribe: Subscribe
) -> None:
    # given a batch in which five subjects have forty messages each, shuffled together
    heard = subscribe("aloud.inbox", [SAID])
    subjects = [f"s-{n}" for n in range(5)] * 40
    random.Random(7).shuffle(subjects)
    counts: Counter[str] = Counter()
    batch = []
    for subject in subjects:
        counts[subject] += 1
        batch.append(message_of(f"{subject}:{counts[subject]:03}", subject=subject, sequence=counts[subject]))

    # when it is published in one call
    assert publisher.publish(batch) == [None] * 200

    # then each subject's messages arrive in its order
    wait_until(lambda: len(set(heard.words)) == 200, "all of them")
    first_arrivals = list(dict.fromkeys(heard.words))
    for subject in counts:
        words = [word for word in first_arrivals if word.startswith(f"{subject}:")]
        assert words == [f"{subject}:{n:03}" for n in range(1, 41)]


def test_behind_a_refused_message_those_of_its_subject_are_refused_and_all_others_confirmed(
    publisher: Publisher, subscribe: Subscribe
) -> None:
    # given a queue that takes what is said, and nobody who takes what is whispered
    heard = subscribe("aloud.inbox", [SAID])
    batch = [
        message_of("first", sequence=1),
        message_of("refused", event_type=WHISPERED, sequence=2),
        message_of("other", subject="s-2"),
        message_of("behind", sequence=3),
        message_of("also behind", sequence=4),
    ]

    # when all are published in one call
    outcomes = publisher.publish(batch)

    # then the subject stops at the refused one, and what stands behind it has not overtaken it
    assert outcomes[0] is None
    assert "unroutable" in str(outcomes[1])
    assert outcomes[2] is None
    assert outcomes[3:] == [BEHIND_A_REFUSED, BEHIND_A_REFUSED]
    wait_until(lambda: set(heard.words) == {"first", "other"}, "the confirmed ones")
    stays(lambda: set(heard.words) == {"first", "other"}, "nothing overtakes", seconds=0.2)

    # and a later call can bring them in order
    send(publisher, batch[3:])
    wait_until(lambda: "also behind" in heard.words, "the rest")
    assert heard.words[-2:] == ["behind", "also behind"]


def test_outcomes_are_told_in_order_a_portion_at_a_time(publisher: Publisher, subscribe: Subscribe) -> None:
    heard = subscribe("aloud.inbox", [SAID])
    batch = [message_of(f"{n}", subject=f"s-{n % 3}", sequence=n // 3 + 1) for n in range(7)]
    batch[4] = message_of("4", subject="s-1", event_type=WHISPERED, sequence=2)
    told: list[Sequence[str | None]] = []

    outcomes = publisher.publish(batch, portion=3, settled=told.append)

    assert [len(each) for each in told] == [3, 3, 1]
    assert [outcome for each in told for outcome in each] == outcomes
    assert [outcome is None for outcome in outcomes] == [True, True, True, True, False, True, True]
    wait_until(lambda: set(heard.words) == {"0", "1", "2", "3", "5", "6"}, "all that was confirmed")


def test_behind_a_refused_message_of_an_earlier_portion_nothing_of_its_subject_is_sent(
    publisher: Publisher, subscribe: Subscribe
) -> None:
    heard = subscribe("aloud.inbox", [SAID])
    batch = [
        message_of("refused", event_type=WHISPERED, sequence=1),
        message_of("behind", sequence=2),
        message_of("other", subject="s-2"),
        message_of("far behind", sequence=3),
    ]

    outcomes = publisher.publish(batch, portion=1)

    assert outcomes[1:] == [BEHIND_A_REFUSED, None, BEHIND_A_REFUSED]
    wait_until(lambda: heard.words == ["other"], "the only one")


def test_what_the_told_one_raises_comes_out_and_the_way_stays_open(publisher: Publisher, subscribe: Subscribe) -> None:
    heard = subscribe("aloud.inbox", [SAID])
    batch = [message_of(f"{n}", subject=f"s-{n}") for n in range(6)]

    def fails(_outcomes: Sequence[str | None]) -> None:
        raise RuntimeError("the database is away")

    with pytest.raises(RuntimeError, match="away"):
        publisher.publish(batch, portion=2, settled=fails)

    assert publisher.publish(batch) == [None] * 6
    wait_until(lambda: set(heard.words) == {f"{n}" for n in range(6)}, "each at least once")


def test_a_publisher_is_alive_before_its_first_message_and_after(publisher: Publisher, subscribe: Subscribe) -> None:
    assert publisher.is_alive()

    subscribe("aloud.inbox", [SAID])
    send(publisher, [message_of("first")])

    assert publisher.is_alive()


def test_nothing_to_publish_is_nothing_confirmed(publisher: Publisher) -> None:
    assert publisher.publish([]) == []


def _batches(words: list[str], size: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[start : start + size]) for start in range(0, len(words), size))


def test_a_subscription_is_called_by_one_thread_at_a_time(transport: Transport, subscribe: Subscribe) -> None:
    heard = subscribe("aloud.inbox", [SAID])
    pause = threading.Event()
    heard.before = held_by(pause, 0.01)
    publishers = [transport.publisher() for _ in range(3)]

    def publish(number: int) -> None:
        for n in range(10):
            send(publishers[number], [message_of(f"{number}-{n}", subject=f"s-{number}", sequence=n + 1)])

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(set(heard.words)) == 30, "all of them")
    for each in publishers:
        each.close()

    assert not heard.overlapped


def test_what_was_published_while_the_subscriber_was_away_reaches_it_when_it_is_back(
    transport: Transport, publisher: Publisher, subscribe: Subscribe, subscriptions: list[Subscription]
) -> None:
    before = subscribe("aloud.inbox", [SAID])
    send(publisher, [message_of("first")])
    wait_until(lambda: "first" in before.words, "the first")
    subscriptions.pop().stop()

    second = message_of("second", sequence=2)
    taken = publisher.publish([second]) == [None]
    after = subscribe("aloud.inbox", [SAID])
    if not taken:
        send(publisher, [second])

    wait_until(lambda: "second" in after.words, "the second")
    assert before.words == ["first"]


def test_declaring_and_letting_go_may_be_repeated(transport: Transport, subscribe: Subscribe) -> None:
    transport.declare("aloud.inbox", [SAID])
    transport.declare("aloud.inbox", [SAID])
    subscription = transport.subscribe("aloud.inbox", [SAID], Listener())
    publisher = transport.publisher()
    send(publisher, [message_of("hello")])

    assert subscription.is_alive()
    subscription.stop()
    subscription.stop()
    publisher.close()
    publisher.close()
