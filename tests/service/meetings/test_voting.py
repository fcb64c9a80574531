"""Ballots from opening to result, over HTTP and through the consumer. Arithmetic itself is in tests/unit/meetings."""

from __future__ import annotations

import pytest

from services.meetings import tables
from services.meetings.commands.roll import strike_unit
from tests.service.meetings.driver import Meetings

COMMITTEE = ["d", "v1", "v2", "m1", "m2", "m3", "m4"]


def units(count: int) -> list[str]:
    """Names of units: u01, u02 …"""
    return [f"u{number:02}" for number in range(1, count + 1)]


def general_ballot(house: Meetings, count: int) -> str:
    """A ballot of the general meeting among `count` members."""
    house.admit(*units(count))
    house.approve("app-1")
    return house.ballot()


def test_a_committee_ballot_opens_with_the_seated_units_only(house: Meetings) -> None:
    # given seven units with seats, one of them with two; offices that are no seats; and a plain member
    house.admit(*COMMITTEE, "s", "t", "plain")
    house.seat("d", "director")
    house.seat("d", "committee_member")
    for unit in COMMITTEE[1:]:
        house.seat(unit)
    house.seat("s", "secretary_general")
    house.seat("t", "committee_member", body="training_committee")

    # when an application is accepted
    house.accept("app-1")

    # then each seated unit is on the roll once
    (ballot,) = house.ballots(body="executive_committee")
    assert ballot["roll_size"] == 7
    assert ballot["rule"]["article"] == "6(2)"
    (opened,) = house.told("meetings.ballot.opened")
    assert opened["correlationid"] == "story-1"
    assert opened["article"] == "6(2)"
    assert opened["data"]["matter"] == {
        "kind": "admission",
        "application_id": "app-1",
        "title": "Applicant app-1",
    }


def test_whose_term_has_ended_is_not_on_the_roll(house: Meetings) -> None:
    # given one term that ends in ten days and one that goes on
    house.admit("a", "b")
    house.seat("a", days=10)
    house.seat("b", days=20)

    # when an application is accepted on the day the first has ended
    house.pass_days(10)
    house.accept("app-1")

    # then only the other votes
    assert [each["roll_size"] for each in house.ballots()] == [1]
    assert house.vote(house.ballot("executive_committee"), "a").status_code == 403


def test_exactly_half_passes_and_says_why(house: Meetings) -> None:
    # given eight members
    ballot = general_ballot(house, 8)

    # when four vote yes and four no
    house.vote_all(ballot, yes=units(8)[:4], no=units(8)[4:])

    # then it has passed, says that it is on the bound, and gives both readings
    result = house.result(ballot)
    assert (result["outcome"], result["on_the_bound"], result["needed_yes"]) == ("passed", True, 4)
    said = "\n".join(line["text"] for line in result["explanation"])
    assert "4×2=8 ≥ 8×1=8" in said
    assert "If the fraction itself is included, it is reached; if more than it is required, it is not." in said
    assert "Passed, under art. 6(3), charter version 1." in said
    assert "The charter's art. 6(3) does not say against what the votes are measured" in said
    chinese = "\n".join(line["text"] for line in house.result(ballot, "zh-CN")["explanation"])
    assert "恰为 1/2" in chinese
    assert "通过。依据第六条（三），章程第 1 版。" in chinese


def test_exactly_half_fails_where_the_charter_wants_more_than_half(bare: Meetings) -> None:
    bare.adopt(inclusive=False)
    ballot = general_ballot(bare, 2)

    bare.vote_all(ballot, yes=["u01"], no=["u02"])

    result = bare.result(ballot)
    assert (result["outcome"], result["on_the_bound"], result["reasons"]) == ("refused", True, ["threshold_missed"])


def test_seven_of_fifteen_fails(house: Meetings) -> None:
    house.admit(*units(15))
    house.approve("app-1", story="story-of-app-1")
    ballot = house.ballot()

    house.vote_all(ballot, yes=units(15)[:7], no=units(15)[7:])

    result = house.result(ballot)
    assert (result["outcome"], result["on_the_bound"], result["needed_yes"]) == ("refused", False, 8)
    assert any("7×2=14 < 15×1=15" in line["text"] for line in result["explanation"])
    (closed,) = house.told("meetings.ballot.closed")
    assert closed["correlationid"] == "story-of-app-1"
    assert closed["data"]["closed_because"] == "all_voted"
    assert (closed["data"]["yes"], closed["data"]["no"], closed["data"]["not_cast"]) == (7, 8, 0)


def test_while_a_ballot_is_open_only_the_number_of_votes_shows(house: Meetings) -> None:
    ballot = general_ballot(house, 3)

    house.vote_all(ballot, yes=["u01"], no=["u02"])

    view = house.get(f"/ballots/{ballot}", unit="u01").get_json()
    assert (view["state"], view["votes_cast"], view["result"]) == ("open", 2, None)
    assert view["you"] == {"on_roll": True, "has_voted": True, "may_vote": False}
    assert house.get(f"/ballots/{ballot}", unit="u03").get_json()["you"]["may_vote"] is True
    assert house.get(f"/ballots/{ballot}", unit="stranger").get_json()["you"]["on_roll"] is False
    assert house.get(f"/ballots/{ballot}").get_json()["you"] is None


def test_the_deadline_closes_a_ballot_with_the_votes_there_are(house: Meetings) -> None:
    # given three votes of yes among five, all in the story of the application
    house.admit(*units(5))
    house.approve("app-1", story="story-of-app-1")
    ballot = house.ballot()
    house.vote_all(ballot, yes=["u01", "u02", "u03"])

    # when nothing is due, nothing happens
    house.pass_days(13.99)
    house.look_at_deadlines()
    assert house.told("meetings.ballot.closed") == []

    # when the deadline comes
    house.pass_days(0.01)
    house.look_at_deadlines()
    house.look_at_deadlines()

    # then it closes once, with the two silent units in the base
    (closed,) = house.told("meetings.ballot.closed")
    assert closed["correlationid"] == "story-of-app-1"
    assert closed["article"] == "6(3)"
    data = closed["data"]
    assert (data["outcome"], data["closed_because"], data["not_cast"], data["roll_size"]) == (
        "passed",
        "deadline",
        2,
        5,
    )


def test_a_ballot_without_any_vote_fails_at_its_deadline(house: Meetings) -> None:
    ballot = general_ballot(house, 4)

    house.pass_days(14)
    house.look_at_deadlines()

    assert house.result(ballot)["outcome"] == "refused"


def test_a_vote_after_the_deadline_is_refused_though_nobody_has_closed_the_ballot(house: Meetings) -> None:
    ballot = general_ballot(house, 2)
    house.pass_days(14)

    answer = house.vote(ballot, "u01")

    assert (answer.status_code, answer.get_json()["code"]) == (409, "ballot.closed")
    assert house.count(tables.votes) == 0


def test_a_second_vote_is_refused_and_the_first_stands(house: Meetings) -> None:
    ballot = general_ballot(house, 2)
    house.vote_all(ballot, yes=["u01"])

    second = house.vote(ballot, "u01", "no")

    assert (second.status_code, second.get_json()["code"]) == (409, "vote.already_cast")
    house.vote_all(ballot, abstain=["u02"])
    assert house.vote(ballot, "u01", "no").get_json()["code"] == "vote.already_cast"
    result = house.result(ballot)
    assert (result["yes"], result["no"], result["abstain"]) == (1, 0, 1)


def test_the_same_request_sent_again_gets_the_same_answer(house: Meetings) -> None:
    ballot = general_ballot(house, 2)

    first, again = (house.vote(ballot, "u01", key="one-key") for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json() == {"ballot_id": ballot, "unit_id": "u01"}
    assert house.count(tables.votes) == 1


def test_a_withdrawn_application_cancels_its_ballot_and_no_other(house: Meetings) -> None:
    # given ballots on two applications
    ballot = general_ballot(house, 2)
    house.approve("app-2")

    # when one applicant withdraws, told twice
    told = house.withdraw("app-1", story="another-story")
    house.again(told)

    # then its ballot takes no vote, and the other goes on
    answer = house.vote(ballot, "u01")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "ballot.cancelled")
    (cancelled,) = house.told("meetings.ballot.cancelled")
    assert cancelled["data"]["reason"] == "applicant_withdrew"
    assert cancelled["correlationid"] == "story-1", "a ballot stays in the story that opened it"
    assert house.vote(house.ballot(application="app-2"), "u01").status_code == 201
    house.pass_days(30)
    house.look_at_deadlines()
    assert [each["data"]["matter"]["application_id"] for each in house.told("meetings.ballot.closed")] == ["app-2"]


def test_a_withdrawal_after_the_decision_changes_nothing(house: Meetings) -> None:
    ballot = general_ballot(house, 1)
    house.vote_all(ballot, yes=["u01"])

    house.withdraw("app-1")

    assert house.result(ballot)["outcome"] == "passed"
    assert house.told("meetings.ballot.cancelled") == []


def test_a_member_admitted_later_cannot_vote_on_an_older_ballot(house: Meetings) -> None:
    # given an open ballot, and a member admitted after it opened
    older = general_ballot(house, 3)
    house.admit("late")
    house.approve("app-2")

    # then it votes in the newer ballot only
    answer = house.vote(older, "late")
    assert (answer.status_code, answer.get_json()["code"]) == (403, "vote.not_on_roll")
    assert house.vote(house.ballot(application="app-2"), "late").status_code == 201


def test_a_unit_that_left_is_struck_but_stays_in_the_base(house: Meetings) -> None:
    # given three members, one of whom has voted yes
    ballot = general_ballot(house, 3)
    house.vote_all(ballot, yes=["u01"])

    # when the other two leave
    for unit in ("u02", "u03"):
        with house.assembly.begin() as work:
            strike_unit(work, unit_id=unit, left_at=work.now)

    # then the ballot closes, still measured against three
    result = house.result(ballot)
    assert (result["outcome"], result["base"], result["not_cast"]) == ("refused", 3, 2)
    assert any("2 units left before they had voted" in line["text"] for line in result["explanation"])
    assert house.vote(ballot, "u02").get_json()["code"] == "vote.unit_left"

    # and the next ballot is among those who stayed
    assert [each["unit_id"] for each in house.get("/roll/general_meeting").get_json()["items"]] == ["u01"]
    house.approve("app-2")
    assert house.vote(house.ballot(application="app-2"), "u02").get_json()["code"] == "vote.not_on_roll"


def test_a_vote_cast_before_leaving_counts(house: Meetings) -> None:
    ballot = general_ballot(house, 2)
    house.vote_all(ballot, yes=["u01"])

    with house.assembly.begin() as work:
        strike_unit(work, unit_id="u01", left_at=work.now)
    house.vote_all(ballot, no=["u02"])

    result = house.result(ballot)
    assert (result["outcome"], result["yes"], result["not_cast"]) == ("passed", 1, 0)


def test_all_members_are_more_than_the_committee(bare: Meetings) -> None:
    # given a committee of two in an alliance of five, and a rule that counts all members
    bare.adopt("admission_review", base="all_members")
    bare.admit(*units(5))
    for unit in ("u01", "u02"):
        bare.seat(unit)
    bare.accept("app-1")
    ballot = bare.ballot("executive_committee")

    # when the whole committee votes yes
    bare.vote_all(ballot, yes=["u01", "u02"])

    # then it is two of five
    result = bare.result(ballot)
    assert (result["outcome"], result["base"], result["needed_yes"]) == ("refused", 5, 3)


def test_a_rule_change_does_not_reach_back(house: Meetings) -> None:
    # given a ballot under the first version
    ballot = general_ballot(house, 2)

    # when the charter changes to more than half
    house.adopt(inclusive=False)
    house.vote_all(ballot, yes=["u01"], no=["u02"])

    # then the older ballot is decided by the older rule, the next one by the newer
    assert house.result(ballot)["outcome"] == "passed"
    house.approve("app-2")
    newer = house.ballot(application="app-2")
    house.vote_all(newer, yes=["u01"], no=["u02"])
    assert house.result(newer)["outcome"] == "refused"


@pytest.mark.parametrize("body", ["executive_committee", "general_meeting"])
def test_a_ballot_waits_until_there_is_somebody_to_vote(house: Meetings, body: str) -> None:
    # given nobody who could vote
    (house.accept if body == "executive_committee" else house.approve)("app-1")
    assert house.ballots() == []
    assert house.waiting() == ["deferred"]

    # when somebody arrives, and the event is tried again
    house.admit("u01")
    house.seat("u01")
    house.pass_days(1)
    house.consumer.retry_due()

    # then the ballot opens
    assert [each["body"] for each in house.ballots()] == [body]
    assert house.waiting() == []


def test_a_ballot_waits_for_a_charter(bare: Meetings) -> None:
    bare.admit("u01")
    bare.approve("app-1")
    assert bare.waiting() == ["deferred"]

    bare.adopt()
    bare.pass_days(1)
    bare.consumer.retry_due()

    assert len(bare.ballots()) == 1


def test_an_office_told_before_its_unit_waits_for_it(house: Meetings) -> None:
    house.seat("u01")
    assert house.waiting() == ["deferred"]

    house.admit("u01")
    house.pass_days(1)
    house.consumer.retry_due()

    assert house.waiting() == []
    assert [each["offices"] for each in house.get("/roll/executive_committee").get_json()["items"]] == [
        ["committee_member"]
    ]


def test_an_event_that_comes_twice_has_one_effect(house: Meetings) -> None:
    house.admit("u01")
    house.seat("u01")

    told = house.accept("app-1")
    house.again(told)
    house.accept("app-1")  # the same fact under a new event id

    assert len(house.told("meetings.ballot.opened")) == 1
    assert house.count(tables.roll_entries) == 1
    assert house.waiting() == []
