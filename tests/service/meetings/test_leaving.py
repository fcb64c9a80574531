"""A unit that leaves (art. 7(3)): struck from what it has not voted in, in the base of it all the same, and never again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from werkzeug.test import TestResponse

from services.meetings.commands.ballots import open_ballot
from tests.service.meetings.driver import Meetings

UNITS = ("a", "b", "c", "d")


@pytest.fixture
def house(house: Meetings) -> Meetings:
    """Four units are members, none has a seat."""
    house.admit(*UNITS)
    return house


def roll(house: Meetings, body: str) -> list[str]:
    return [each["unit_id"] for each in house.get(f"/roll/{body}", unit="a").get_json()["items"]]


def code_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


def test_whoever_left_is_struck_and_stays_in_the_base_and_the_result_says_so(house: Meetings) -> None:
    house.approve("app-1")
    ballot = house.ballot()
    house.vote(ballot, "a", "yes")

    house.leave("d")
    vote = house.vote(ballot, "d")
    house.vote_all(ballot, no=["b", "c"])

    assert code_of(vote) == (403, "vote.unit_left")
    shown = house.get(f"/ballots/{ballot}", unit="a").get_json()
    assert (shown["state"], shown["roll_size"], shown["struck"], shown["votes_cast"]) == ("closed", 4, 1, 3)
    result = shown["result"]
    assert (result["base"], result["needed_yes"], result["not_cast"], result["outcome"]) == (4, 2, 1, "refused")
    assert any("1 units left before they had voted" in line["text"] for line in result["explanation"])
    (closed,) = house.told("meetings.ballot.closed")
    assert {"code": "explanation.struck", "params": {"struck": 1}} in closed["data"]["explanation"]


def test_a_vote_cast_before_leaving_counts(house: Meetings) -> None:
    house.approve("app-1")
    ballot = house.ballot()
    house.vote(ballot, "d", "yes")

    house.leave("d")
    house.vote_all(ballot, yes=["a"], no=["b", "c"])

    result = house.result(ballot)
    assert (result["yes"], result["not_cast"], result["outcome"]) == (2, 0, "passed")
    assert house.get(f"/ballots/{ballot}", unit="a").get_json()["struck"] == 0


def test_a_ballot_in_which_only_the_leaving_unit_was_waited_for_closes(house: Meetings) -> None:
    house.approve("app-1", story="story-7")
    ballot = house.ballot()
    house.vote_all(ballot, yes=["a", "b", "c"])

    house.leave("d")

    shown = house.get(f"/ballots/{ballot}", unit="a").get_json()
    assert (shown["state"], shown["ended_because"], shown["result"]["outcome"]) == ("closed", "all_voted", "passed")
    assert house.told("meetings.ballot.closed")[0]["correlationid"] == "story-7", "under its own story"


def test_a_ballot_that_has_ended_is_not_touched(house: Meetings) -> None:
    house.approve("app-1")
    ballot = house.ballot()
    house.vote_all(ballot, yes=["a", "b", "c"])
    house.pass_days(60)
    house.look_at_deadlines()
    before = house.get(f"/ballots/{ballot}", unit="a").get_json()

    house.leave("d")

    assert house.get(f"/ballots/{ballot}", unit="a").get_json() == before
    assert (before["ended_because"], before["struck"]) == ("deadline", 0)


@pytest.mark.parametrize("vacated_first", [True, False])
def test_new_ballots_of_both_bodies_are_without_it_and_its_seat_is_vacant(
    house: Meetings, *, vacated_first: bool
) -> None:
    for unit in ("a", "b"):
        house.seat(unit)
    office_id = house.seat("d", "director")
    house.clock.advance(60)
    for happens in (house.vacate, house.leave) if vacated_first else (house.leave, house.vacate):
        happens(office_id if happens == house.vacate else "d")

    house.accept("app-1")
    house.approve("app-2")

    committee, meeting = house.ballot("executive_committee"), house.ballot("general_meeting", "app-2")
    assert roll(house, "executive_committee") == ["a", "b"]
    assert roll(house, "general_meeting") == ["a", "b", "c"]
    for ballot in (committee, meeting):
        assert code_of(house.vote(ballot, "d")) == (403, "vote.not_on_roll")
    assert house.get(f"/ballots/{committee}", unit="a").get_json()["roll_size"] == 2


def test_a_vacant_seat_alone_leaves_the_unit_on_the_roll_of_the_general_meeting(house: Meetings) -> None:
    house.seat("a")
    office_id = house.seat("d")
    house.clock.advance(60)

    house.vacate(office_id)

    assert roll(house, "executive_committee") == ["a"]
    assert roll(house, "general_meeting") == list(UNITS)


def test_told_twice_it_is_struck_once(house: Meetings) -> None:
    house.approve("app-1")
    ballot = house.ballot()

    told = house.leave("d")
    house.again(told)
    house.again(told)

    assert house.get(f"/ballots/{ballot}", unit="a").get_json()["struck"] == 1


def test_word_of_a_leaving_that_overtakes_the_admission_waits_for_it(house: Meetings) -> None:
    house.leave("z", sequence=2)
    waiting_before = house.waiting()

    house.admit("z", sequence=1)
    house.pass_days(1)
    while house.consumer.retry_due():
        pass

    assert waiting_before == ["deferred"]
    assert house.waiting() == []
    assert roll(house, "general_meeting") == list(UNITS)


def test_word_of_a_vacant_office_waits_for_word_that_it_was_filled(house: Meetings) -> None:
    house.vacate("office-9")

    assert house.waiting() == ["deferred"]


def test_a_ballot_that_opens_while_a_unit_leaves_has_it_struck(house: Meetings) -> None:
    # given a ballot that another worker is opening: nobody else sees it yet
    with ThreadPoolExecutor(1) as pool:
        with house.assembly.begin() as work:
            told = {"body": "general_meeting", "application_id": "app-1", "title": "Applicant", "correlation_id": "s"}
            ballot = open_ballot(work, **told)

            # when word of the leaving comes, it waits for that
            leaving = pool.submit(house.leave, "d")
            done, _ = wait([leaving], timeout=0.5)
        leaving.result(timeout=30)

    # then it finds the ballot
    assert not done
    assert house.get(f"/ballots/{ballot}", unit="a").get_json()["struck"] == 1


def test_the_last_vote_and_the_last_leaving_at_once_close_a_ballot_once(house: Meetings) -> None:
    house.approve("app-1")
    ballot = house.ballot()
    house.vote_all(ballot, yes=["a", "b"])

    with ThreadPoolExecutor(2) as pool:
        vote, leaving = pool.submit(house.vote, ballot, "c"), pool.submit(house.leave, "d")
        assert vote.result(timeout=30).status_code == 201
        leaving.result(timeout=30)

    assert house.get(f"/ballots/{ballot}", unit="a").get_json()["state"] == "closed"
    assert len(house.told("meetings.ballot.closed")) == 1
