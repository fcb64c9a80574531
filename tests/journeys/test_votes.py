"""One unit, one vote, under any concurrency (art. 7(1))."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

from tests.journeys.alliance import COMMITTEE, Alliance

#: Votes that one voter sends at the same time.
ATTEMPTS = 50


def test_fifty_votes_of_one_voter_at_once_count_once(alliance: Alliance) -> None:
    application = alliance.apply()
    alliance.accept(application)
    ballot = alliance.ballot(application, COMMITTEE)
    path = f"meetings/v1/ballots/{ballot['ballot_id']}/votes"
    voter, *others = alliance.roll_of(ballot)
    headers = alliance.representative(voter).headers
    gate = Barrier(ATTEMPTS)

    def vote(number: int) -> tuple[int, str]:
        gate.wait()
        choice = "yes" if number % 2 else "no"
        answer = alliance.request("POST", path, json={"choice": choice}, headers=headers)
        return answer.status_code, answer.json().get("code", "")

    with ThreadPoolExecutor(ATTEMPTS) as pool:
        answers = list(pool.map(vote, range(ATTEMPTS)))

    assert sorted(set(answers)) == [(201, ""), (409, "vote.already_cast")]
    assert answers.count((201, "")) == 1
    alliance.cast(ballot["ballot_id"], [(unit, "abstain") for unit in others])
    result = alliance.closed(ballot["ballot_id"])["result"]
    assert (result["yes"] + result["no"], result["abstain"], result["not_cast"]) == (1, len(others), 0)


def test_the_same_request_sent_fifty_times_has_one_effect_and_one_answer(alliance: Alliance) -> None:
    application = alliance.apply()
    alliance.accept(application)
    ballot = alliance.ballot(application, COMMITTEE)
    path = f"meetings/v1/ballots/{ballot['ballot_id']}/votes"
    voter, *others = alliance.roll_of(ballot)
    headers = {**alliance.representative(voter).headers, "Idempotency-Key": str(uuid4())}

    def vote(_: int) -> tuple[int, bytes]:
        answer = alliance.request("POST", path, json={"choice": "yes"}, headers=headers)
        return answer.status_code, answer.content

    with ThreadPoolExecutor(ATTEMPTS) as pool:
        answers = set(pool.map(vote, range(ATTEMPTS)))
    other_body = alliance.request("POST", path, json={"choice": "no"}, headers=headers)

    assert len(answers) == 1
    assert answers.pop()[0] == 201
    assert other_body.status_code == 422, "the same key for another vote is a mistake, not a second vote"
    alliance.cast(ballot["ballot_id"], [(unit, "yes") for unit in others])
    assert alliance.closed(ballot["ballot_id"])["result"]["yes"] == ballot["roll_size"]


def test_nobody_learns_how_an_open_ballot_stands(alliance: Alliance) -> None:
    application = alliance.apply()
    alliance.accept(application)
    ballot = alliance.ballot(application, COMMITTEE)
    first, *others = alliance.roll_of(ballot)
    alliance.vote(ballot["ballot_id"], first, "no")

    seen = alliance.representative(others[0]).get(f"meetings/v1/ballots/{ballot['ballot_id']}")

    assert seen["result"] is None
    assert seen["votes_cast"] == 1
    alliance.cast(ballot["ballot_id"], [(unit, "no") for unit in others])
    alliance.wait_for_state(application, "refused")
