"""Many votes at the same instant: one vote per unit, one close per ballot, nothing lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from services.meetings import tables
from services.meetings.timers import close_due_ballots
from tests.service.meetings.driver import Meetings


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls from threads that start together."""
    barrier = threading.Barrier(len(calls))

    def wait_and(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(wait_and, calls))


def test_fifty_parallel_votes_of_one_unit_count_once(house: Meetings) -> None:
    # given a ballot of three
    house.admit("a", "b", "c")
    house.approve("app-1")
    ballot = house.ballot()
    headers = house.headers("a", "representative")

    # when one voter casts fifty times at once, each time under another idempotency key
    answers = at_once(
        *[lambda: house.vote(ballot, "a", headers=dict(headers), json={"choice": "yes"}).status_code] * 50
    )

    # then one is taken and the others are told so
    assert Counter(answers) == {201: 1, 409: 49}
    assert house.count(tables.votes) == house.count(tables.participations) == 1
    house.vote_all(ballot, no=["b", "c"])
    assert house.result(ballot)["yes"] == 1


def test_the_last_two_voters_at_once_close_the_ballot_once(house: Meetings) -> None:
    house.admit("a", "b")
    ballots = []
    for number in range(10):
        house.approve(f"app-{number}")
        ballots.append(house.ballot(application=f"app-{number}"))

    for ballot in ballots:
        casts = [partial(house.vote, ballot, "a", "yes"), partial(house.vote, ballot, "b", "no")]
        assert [answer.status_code for answer in at_once(*casts)] == [201, 201]

    closed = Counter(each["data"]["ballot_id"] for each in house.told("meetings.ballot.closed"))
    assert closed == Counter(ballots)
    assert {house.result(ballot)["outcome"] for ballot in ballots} == {"passed"}


def test_two_timers_and_a_late_voter_close_the_ballot_once(house: Meetings) -> None:
    house.admit("a", "b")
    house.approve("app-1")
    ballot = house.ballot()
    house.vote_all(ballot, yes=["a"])
    house.pass_days(14)
    headers = house.headers("b", "representative")

    answers = at_once(
        lambda: close_due_ballots(house.assembly),
        lambda: close_due_ballots(house.assembly),
        lambda: house.vote(ballot, "b", headers=headers, json={"choice": "no"}).status_code,
    )

    assert answers[2] == 409
    assert len(house.told("meetings.ballot.closed")) == 1
    assert house.result(ballot)["not_cast"] == 1
