"""The secretariat's questions and the applicant's answers, with corrections of the form."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders.applications import application_form
from tests.service.membership.driver import Membership, refused

ODD_CODE = "91350211M0000XUF46"
OTHER_CODE = "91110000101623741K"


def test_a_question_goes_to_the_applicant_and_the_answer_comes_back_with_corrections(house: Membership) -> None:
    # given a question
    receipt = house.submit(credit_code=ODD_CODE)
    question = house.ask(receipt["application_id"])
    assert house.application(receipt)["state"] == "questioned"
    refused(house.accept(receipt["application_id"], confirm=True), 409, "application.question_open")

    # when the applicant corrects the code
    answer = house.answer(
        receipt, question, corrections={"credit_code": OTHER_CODE, "representative": {"mobile": "13900139000"}}
    )

    # then the form is mended, the warning gone, and the secretariat's turn again
    assert answer.get_json()["state"] == "submitted"
    found = house.application(receipt)
    assert found["warnings"] == []
    assert found["form"]["credit_code"] == OTHER_CODE
    assert found["form"]["representative"]["name"] == application_form()["representative"]["name"]
    assert found["questions"][0]["answer"] == "This one."
    types = ("membership.application.questioned", "membership.application.answered")
    assert [house.told(each)[0]["data"]["question_id"] for each in types] == [question, question]
    assert house.accept(receipt["application_id"]).status_code == 200


def test_the_secretariats_turn_comes_with_the_last_answer(house: Membership) -> None:
    receipt = house.submit()
    first, second = house.ask(receipt["application_id"], "One?"), house.ask(receipt["application_id"], "Two?")

    assert house.answer(receipt, second).get_json()["state"] == "questioned"
    assert house.answer(receipt, first).get_json()["state"] == "submitted"


def test_an_answer_to_an_answered_or_strange_question_is_refused(house: Membership) -> None:
    receipt, other = house.submit(), house.submit(credit_code=OTHER_CODE)
    question, strange = house.ask(receipt["application_id"]), house.ask(other["application_id"])
    house.answer(receipt, question)

    refused(house.answer(receipt, question), 409, "question.already_answered", "question_id")
    refused(house.answer(receipt, strange), 404, "question.not_found", "question_id")


@pytest.mark.parametrize(
    ("corrections", "field"),
    [
        ({"county": "changsha"}, "county"),
        ({"representative": {"mobile": "1"}}, "representative.mobile"),
        ({"charter_pledge": False}, "charter_pledge"),
        ({"external_reference": "x"}, "corrections.external_reference"),
    ],
)
def test_a_bad_correction_is_named_and_changes_nothing(
    house: Membership, corrections: dict[str, Any], field: str
) -> None:
    receipt = house.submit()
    question = house.ask(receipt["application_id"])

    refused(house.answer(receipt, question, corrections=corrections), 422, "input.invalid", field)

    found = house.application(receipt)
    assert found["state"] == "questioned"
    assert found["questions"][0]["answer"] is None


def test_a_correction_cannot_take_over_another_units_code(house: Membership) -> None:
    house.submit(credit_code=OTHER_CODE)
    receipt = house.submit()
    question = house.ask(receipt["application_id"])

    answer = house.answer(receipt, question, corrections={"credit_code": OTHER_CODE})

    refused(answer, 409, "application.duplicate", "credit_code")


def test_a_correction_is_held_against_the_charter_of_the_day_of_application(house: Membership) -> None:
    # given an application under a charter that is then replaced
    receipt = house.submit()
    house.adopt_charter(version=2, kinds=("service_center",))
    question = house.ask(receipt["application_id"])

    # then the correction is still possible, while a new application needs one of the new kinds
    assert house.answer(receipt, question, corrections={"address": "New address"}).status_code == 201
    refused(
        house.web.post("/applications", json=application_form(credit_code=OTHER_CODE)), 422, "input.invalid", "kind"
    )
