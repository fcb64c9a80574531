"""What ballots do: approve, refuse, admit; twice, late, out of order, and about other matters."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.service.membership.driver import COMMITTEE, MEETING, Membership

OTHER_CODE = "91110000101623741K"


def test_the_committees_passed_ballot_approves_the_admission(house: Membership) -> None:
    receipt = house.accepted()

    ballot_id = house.vote(receipt["application_id"], COMMITTEE)

    found = house.application(receipt)
    assert found["state"] == "approved"
    (event,) = house.told("membership.admission.approved")
    assert (event["article"], event["correlationid"]) == ("6(2)", found["correlation_id"])
    assert event["data"]["ballot_id"] == ballot_id
    assert house.members() == []


@pytest.mark.parametrize(("body", "article"), [(COMMITTEE, "6(2)"), (MEETING, "6(3)")])
def test_a_refusing_ballot_ends_the_application(house: Membership, body: str, article: str) -> None:
    receipt = house.accepted()
    if body == MEETING:
        house.vote(receipt["application_id"], COMMITTEE)

    house.vote(receipt["application_id"], body, "refused")

    found = house.application(receipt)
    assert found["state"] == "refused"
    assert found["steps"][-1]["article"] == article
    (event,) = house.told("membership.admission.refused")
    assert (event["article"], event["data"]["stage"]) == (article, body)
    assert house.members() == []
    assert house.told("membership.account.opened") == []


def test_the_general_meetings_passed_ballot_enters_the_unit_on_the_roster(house: Membership) -> None:
    # given an application before the general meeting
    receipt = house.accepted()
    house.vote(receipt["application_id"], COMMITTEE)
    ballot_id = house.open_ballot(receipt["application_id"], MEETING)

    # when the ballot passes
    house.clock.advance(3600)
    closed_at = house.clock.now()
    house.close_ballot(ballot_id, receipt["application_id"], MEETING)

    # then the unit has a number and the ballot's date, and points to ballot and application
    found = house.application(receipt)
    assert (found["state"], found["member_number"]) == ("admitted", "ZZ-0001")
    member = house.web.get(f"/members/{found['member_id']}", headers=house.staff()).get_json()
    assert member["number"] == "ZZ-0001"
    assert datetime.fromisoformat(member["admitted_at"]) == closed_at
    assert (member["application_id"], member["ballot_id"]) == (receipt["application_id"], ballot_id)
    assert member["founding"] is False


def test_an_admission_is_told_with_its_thread_and_article_and_opens_an_account(house: Membership) -> None:
    receipt = house.admitted()

    found = house.application(receipt)
    (admitted,) = house.told("membership.member.admitted")
    (opened,) = house.told("membership.account.opened")
    assert admitted["article"] == "6(3)"
    assert opened["article"] == "7(1)"
    assert {admitted["correlationid"], opened["correlationid"]} == {found["correlation_id"]}
    assert admitted["data"]["application_id"] == receipt["application_id"]
    assert opened["data"]["member_id"] == admitted["data"]["member_id"] == found["member_id"]
    assert opened["data"]["roles"] == ["representative"]


def test_no_event_carries_personal_data(house: Membership) -> None:
    house.admitted()

    kinds = ("application.submitted", "application.accepted", "admission.approved", "member.admitted", "account.opened")
    told = str([house.told(f"membership.{kind}") for kind in kinds])

    assert "李文静" not in told
    assert "13800138000" not in told
    assert "li.wenjing" not in told


def test_numbers_follow_one_another(house: Membership) -> None:
    house.admitted()
    house.admitted(credit_code=OTHER_CODE)

    assert [each["number"] for each in house.members()] == ["ZZ-0001", "ZZ-0002"]


def test_the_same_message_twice_counts_once(house: Membership) -> None:
    receipt = house.accepted()
    house.vote(receipt["application_id"], COMMITTEE)
    ballot_id = house.open_ballot(receipt["application_id"], MEETING)
    message = house.close_ballot(ballot_id, receipt["application_id"], MEETING)
    before = house.stored()

    house.again(message)

    assert house.stored() == before


def test_the_same_result_in_another_message_counts_once(house: Membership) -> None:
    # given results that meetings tells once more, under new event ids
    receipt = house.accepted()
    committee = house.vote(receipt["application_id"], COMMITTEE)
    house.close_ballot(committee, receipt["application_id"], COMMITTEE)
    meeting = house.vote(receipt["application_id"], MEETING)
    before = house.stored()

    # when they come
    house.close_ballot(committee, receipt["application_id"], COMMITTEE)
    house.close_ballot(meeting, receipt["application_id"], MEETING)
    house.close_ballot(meeting, receipt["application_id"], MEETING, "refused")

    # then nothing changes
    assert house.stored() == before
    assert house.application(receipt)["ballots"][-1]["outcome"] == "passed"
    assert len(house.told("membership.admission.approved")) == 1
    assert len(house.members()) == 1


@pytest.mark.parametrize("body", [COMMITTEE, MEETING])
@pytest.mark.parametrize("outcome", ["passed", "refused"])
def test_a_result_after_the_withdrawal_changes_nothing(house: Membership, body: str, outcome: str) -> None:
    # given an applicant who withdraws while the ballot is open
    receipt = house.accepted()
    if body == MEETING:
        house.vote(receipt["application_id"], COMMITTEE)
    ballot_id = house.open_ballot(receipt["application_id"], body)
    house.withdraw(receipt)

    # when the ballot closes all the same
    house.close_ballot(ballot_id, receipt["application_id"], body, outcome)

    # then the application stays withdrawn, its ballot is noted, and nobody is admitted
    found = house.application(receipt)
    assert found["state"] == "withdrawn"
    assert found["ballots"][-1]["outcome"] == outcome
    assert house.members() == []
    assert house.told("membership.admission.refused") == []
    assert house.waiting() == []


def test_a_ballot_opened_after_the_withdrawal_is_only_noted(house: Membership) -> None:
    receipt = house.accepted()
    house.withdraw(receipt)

    house.open_ballot(receipt["application_id"], COMMITTEE)

    assert house.application(receipt)["state"] == "withdrawn"
    assert house.waiting() == []


def test_a_general_meeting_cannot_admit_whom_the_committee_has_not_approved(house: Membership) -> None:
    receipt = house.accepted()

    house.vote(receipt["application_id"], MEETING)

    assert house.members() == []
    ((state, reason),) = house.waiting()
    assert state == "parked"
    assert "ballot_out_of_order" in str(reason)


def test_a_ballot_on_an_unknown_application_is_parked(house: Membership) -> None:
    house.open_ballot("0196-none", COMMITTEE)

    assert [state for state, _ in house.waiting()] == ["parked"]


def test_ballots_on_other_matters_are_none_of_its_business(house: Membership) -> None:
    before = house.stored()
    data = {"ballot_id": "b", "body": MEETING, "matter": {"kind": "dissolution"}, "outcome": "passed"}

    house.hear("meetings.ballot.closed", "b", data)

    assert house.stored() == before
    assert house.waiting() == []


def test_two_applications_at_once_do_not_touch_each_other(house: Membership) -> None:
    first, second = house.accepted(), house.accepted(credit_code=OTHER_CODE)

    house.vote(first["application_id"], COMMITTEE)
    house.vote(second["application_id"], COMMITTEE, "refused")
    house.vote(first["application_id"], MEETING)

    assert [house.application(each)["state"] for each in (first, second)] == ["admitted", "refused"]


def test_a_charter_that_comes_twice_is_kept_once(house: Membership) -> None:
    house.adopt_charter(version=1, kinds=("something_else",))

    assert house.stored()["charters"] == 1
    assert house.submit()["state"] == "submitted"


def test_a_charter_of_the_future_does_not_rule_yet(house: Membership) -> None:
    # given version 2 that takes effect in an hour
    house.clock.advance(3600)
    house.adopt_charter(version=2, kinds=("service_center",))
    house.clock.advance(-3600)

    # then version 1 rules until then
    assert house.application(house.submit())["charter_version"] == 1
    house.clock.advance(3600)
    assert house.application(house.submit(kind="service_center", credit_code=OTHER_CODE))["charter_version"] == 2
