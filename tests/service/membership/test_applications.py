"""Applying: handing in, acceptance, withdrawal, who may read, and every refusal on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders.applications import application_form
from tests.service.membership.driver import COMMITTEE, MEETING, Membership, refused

ODD_CODE = "91350211M0000XUF46"
OTHER_CODE = "91110000101623741K"


def test_an_application_gets_a_number_a_code_and_an_event(house: Membership) -> None:
    # when a unit applies
    receipt = house.submit()

    # then it has a receipt, and the others are told without anything personal
    assert receipt["number"] == "ZZ-A-0001"
    assert receipt["state"] == "submitted"
    assert receipt["warnings"] == []
    assert len(receipt["access_code"]) == 64
    assert receipt["status_url"].endswith(f"/api/membership/v1/applications/{receipt['application_id']}")
    (event,) = house.told("membership.application.submitted")
    assert event["article"] == "6(1)"
    assert event["data"] == {
        "application_id": receipt["application_id"],
        "number": "ZZ-A-0001",
        "unit_name": application_form()["unit_name"],
        "kind": "quality_enterprise",
        "county": "liling",
        "warnings": [],
    }


def test_the_access_code_is_stored_nowhere_in_clear(house: Membership) -> None:
    receipt = house.submit()

    found = str(house.application(receipt)) + str(house.application(receipt, house.as_applicant(receipt)))

    assert receipt["access_code"] not in found


def test_the_same_request_sent_twice_is_one_application_with_one_code(house: Membership) -> None:
    key = {"Idempotency-Key": "the-same"}

    first = house.web.post("/applications", json=application_form(), headers=key)
    second = house.web.post("/applications", json=application_form(), headers=key)

    assert first.get_json() == second.get_json()
    assert house.stored()["applications"] == 1


def test_before_the_charter_has_arrived_an_application_has_to_wait(bare: Membership) -> None:
    bare.found()

    answer = bare.web.post("/applications", json=application_form())

    refused(answer, 503, "charter.not_adopted")
    assert "Retry-After" in answer.headers
    assert bare.stored()["applications"] == 0


def test_before_the_founding_an_application_has_to_wait(bare: Membership) -> None:
    bare.adopt_charter()

    refused(bare.web.post("/applications", json=application_form()), 503, "alliance.not_founded")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"unit_name": None}, "unit_name"),
        ({"unit_name": "x" * 101}, "unit_name"),
        ({"unit_name": 7}, "unit_name"),
        ({"unit_name": "A\u202eB"}, "unit_name"),
        ({"credit_code": None}, "credit_code"),
        ({"credit_code": "--"}, "credit_code"),
        ({"kind": "bank"}, "kind"),
        ({"county": "changsha"}, "county"),
        ({"legal_representative": None}, "legal_representative"),
        ({"legal_representative": {"name": "A"}}, "legal_representative.title"),
        ({"legal_representative": "A"}, "legal_representative"),
        ({"representative": {"name": "A", "title": "B", "mobile": "1", "email": "a@b.cn"}}, "representative.mobile"),
        (
            {"representative": {"name": "A", "title": "B", "mobile": "13800138000", "email": "a"}},
            "representative.email",
        ),
        ({"contact": {"name": "A"}}, "contact"),
        ({"address": None}, "address"),
        ({"postcode": "4122"}, "postcode"),
        ({"established_on": "8 May 2012"}, "established_on"),
        ({"established_on": "2126-05-08"}, "established_on"),
        ({"registered_capital_fen": 1.5}, "registered_capital_fen"),
        ({"registered_capital_fen": "100"}, "registered_capital_fen"),
        ({"registered_capital_fen": -1}, "registered_capital_fen"),
        ({"headcount": True}, "headcount"),
        ({"main_business": ""}, "main_business"),
        ({"introduction": "x" * 3001}, "introduction"),
        ({"reason": None}, "reason"),
        ({"charter_pledge": False}, "charter_pledge"),
        ({"charter_pledge": "true"}, "charter_pledge"),
        ({"charter_pledge": None}, "charter_pledge"),
        ({"service_fields": ["a"] * 21}, "service_fields"),
        ({"service_fields": "a"}, "service_fields"),
        ({"identity_card": "430200…"}, "identity_card"),
        ({"external_reference": "case-1"}, "external_reference"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_stored(house: Membership, changes: dict[str, Any], field: str) -> None:
    before = house.stored()

    answer = house.web.post("/applications", json=application_form(**changes))

    refused(answer, 422, "input.invalid", field)
    assert house.stored() == before


def test_an_empty_form_names_every_field_that_is_needed(house: Membership) -> None:
    answer = house.web.post("/applications", json={})

    problem = refused(answer, 422, "input.invalid", "unit_name", "credit_code", "representative", "charter_pledge")
    assert len(problem["errors"]) == 11


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"unit_name": NaN}', b"\xff", b'{"a": 1, "a": 2}'])
def test_a_body_that_is_no_form_is_refused(house: Membership, body: bytes) -> None:
    before = house.stored()

    answer = house.web.post("/applications", data=body, content_type="application/json")

    assert answer.status_code in {400, 422}
    assert answer.mimetype == "application/problem+json"
    assert house.stored() == before


def test_a_refused_number_is_given_to_the_next(house: Membership) -> None:
    # given an application that is refused after its number was drawn
    house.submit()
    refused(house.web.post("/applications", json=application_form()), 409, "application.duplicate", "credit_code")

    # then the next one leaves no gap
    assert house.submit(credit_code=OTHER_CODE)["number"] == "ZZ-A-0002"


def test_a_unit_with_an_open_application_cannot_apply_again_however_it_types_its_code(house: Membership) -> None:
    house.submit()

    answer = house.web.post("/applications", json=application_form(credit_code="9111-0000 600037341l"))

    assert refused(answer, 409, "application.duplicate", "credit_code")["article"] == "6"


def test_a_member_cannot_apply_again(house: Membership) -> None:
    house.admitted()

    refused(house.web.post("/applications", json=application_form()), 409, "application.duplicate")


def test_a_unit_that_withdrew_or_was_refused_may_apply_again(house: Membership) -> None:
    assert house.withdraw(house.submit()).status_code == 200
    again = house.accepted()
    house.vote(again["application_id"], COMMITTEE, "refused")

    assert house.submit()["number"] == "ZZ-A-0003"


def test_warnings_are_shown_in_words_and_must_be_confirmed(house: Membership) -> None:
    # given an application with an odd credit code
    receipt = house.submit(credit_code=ODD_CODE)
    assert [each["code"] for each in receipt["warnings"]] == ["credit_code.check_character"]
    assert "check character" in receipt["warnings"][0]["message"]

    # then it is accepted only by somebody who has seen that
    refused(house.accept(receipt["application_id"]), 409, "application.warnings_unconfirmed", "confirm_warnings")
    assert house.application(receipt)["state"] == "submitted"
    assert house.accept(receipt["application_id"], confirm=True).status_code == 200


def test_an_acceptance_lays_the_application_before_the_committee(house: Membership) -> None:
    receipt = house.submit()

    answer = house.accept(receipt["application_id"])

    assert answer.get_json()["state"] == "accepted"
    (event,) = house.told("membership.application.accepted")
    assert event["article"] == "11"
    assert event["correlationid"] == house.application(receipt)["correlation_id"]


def test_a_second_acceptance_is_refused_and_told_to_nobody(house: Membership) -> None:
    receipt = house.accepted()

    refused(house.accept(receipt["application_id"]), 409, "application.step_out_of_order")

    assert len(house.told("membership.application.accepted")) == 1


@pytest.mark.parametrize("stage", ["submitted", "questioned", "accepted", "approved"])
def test_an_applicant_may_withdraw_at_every_stage(house: Membership, stage: str) -> None:
    receipt = house.submit()
    application_id = receipt["application_id"]
    if stage == "questioned":
        house.ask(application_id)
    if stage in {"accepted", "approved"}:
        house.accept(application_id)
    if stage == "approved":
        house.vote(application_id, COMMITTEE)
    assert house.application(receipt)["state"] == stage

    answer = house.withdraw(receipt, reason="We merge with another unit.")

    assert answer.get_json()["state"] == "withdrawn"
    assert house.application(receipt)["steps"][-1]["reason"] == "We merge with another unit."
    (event,) = house.told("membership.application.withdrawn")
    assert event["article"] == "6"
    assert event["correlationid"] == house.application(receipt)["correlation_id"]


def test_after_the_end_nothing_can_be_withdrawn(house: Membership) -> None:
    admitted = house.admitted()
    refused(house.withdraw(admitted), 409, "application.already_decided")

    receipt = house.submit(credit_code=OTHER_CODE)
    house.withdraw(receipt)
    refused(house.withdraw(receipt), 409, "application.already_decided")
    assert len(house.told("membership.application.withdrawn")) == 1


def test_the_secretariat_records_a_withdrawal_on_paper_only_with_a_reason(house: Membership) -> None:
    receipt = house.submit()
    path = f"/applications/{receipt['application_id']}/withdrawal"

    refused(house.web.post(path, json={}, headers=house.staff()), 422, "application.withdrawal_reason_needed", "reason")
    answer = house.web.post(path, json={"reason": "Letter of 1 March"}, headers=house.staff())

    assert answer.get_json()["state"] == "withdrawn"
    assert house.application(receipt)["steps"][-1]["actor_id"] == "staff-1"


def test_only_the_right_code_opens_an_application(house: Membership) -> None:
    receipt, other = house.submit(), house.submit(credit_code=OTHER_CODE)
    path = f"/applications/{receipt['application_id']}"

    refused(house.web.get(path), 401, "application.code_missing")
    refused(house.web.get(path, headers=house.as_applicant(other)), 403, "application.code_refused")
    refused(house.web.get("/applications/none", headers=house.as_applicant(other)), 403, "application.code_refused")
    refused(house.web.get(path, headers=house.staff("treasurer")), 403, "access.forbidden")
    wrong = {"Application-Code": "x", "Idempotency-Key": "k"}
    refused(house.web.post(f"{path}/withdrawal", json={}, headers=wrong), 403, "application.code_refused")
    assert house.application(receipt)["state"] == "submitted"


def test_the_applicant_reads_the_history_without_names_and_notes(house: Membership) -> None:
    # given an application with a note, a question and an acceptance
    receipt = house.submit()
    application_id = receipt["application_id"]
    note = house.web.post(f"/applications/{application_id}/notes", json={"text": "Knows Li"}, headers=house.staff())
    assert note.status_code == 201
    house.answer(receipt, house.ask(application_id))
    house.accept(application_id)

    # when the applicant and the committee look
    seen = house.application(receipt, house.as_applicant(receipt))
    seen_by_committee = house.application(receipt, house.staff("committee"))

    # then both read the same steps with their articles; the notes are internal
    assert [each["step"] for each in seen["steps"]] == ["submit", "ask", "answer", "accept"]
    assert [each["article"] for each in seen["steps"]] == ["6(1)", "11", "11", "11"]
    assert "notes" not in seen
    assert "staff-1" not in str(seen)
    assert seen_by_committee["notes"][0]["text"] == "Knows Li"


def test_a_platform_applies_with_its_own_reference_and_sees_only_its_own(house: Membership) -> None:
    # given applications of two platforms and of a person
    mine = house.submit(house.platform(), external_reference="case-1")
    theirs = house.submit(
        house.platform(subject="platform-2"), external_reference="case-1", credit_code="911101066976941872"
    )
    house.submit(credit_code=OTHER_CODE)

    # when the first platform looks
    listed = house.web.get("/applications", headers=house.platform()).get_json()["items"]

    # then it finds its own, and no other
    assert [(each["application_id"], each["external_reference"]) for each in listed] == [
        (mine["application_id"], "case-1")
    ]
    assert house.application(mine, house.platform())["state"] == "submitted"
    strange = house.web.get(f"/applications/{theirs['application_id']}", headers=house.platform())
    refused(strange, 404, "application.not_found")


def test_a_platform_cannot_use_a_reference_twice(house: Membership) -> None:
    house.submit(house.platform(), external_reference="case-1")

    form = application_form(credit_code=OTHER_CODE, external_reference="case-1")
    answer = house.web.post("/applications", json=form, headers=house.platform())

    refused(answer, 409, "application.external_reference_taken", "external_reference")


def test_a_platform_without_the_scope_is_turned_away(house: Membership) -> None:
    answer = house.web.post("/applications", json=application_form(), headers=house.platform("roster:read"))

    refused(answer, 403, "access.forbidden")


def test_the_secretariat_lists_applications_by_state_page_by_page(house: Membership) -> None:
    first, second = house.accepted(), house.submit(credit_code=OTHER_CODE)

    listed = house.web.get("/applications?limit=1", headers=house.staff()).get_json()
    rest = house.web.get(f"/applications?limit=1&cursor={listed['next_cursor']}", headers=house.staff()).get_json()
    accepted = house.web.get("/applications?state=accepted", headers=house.staff()).get_json()

    assert [each["number"] for each in listed["items"]] == [second["number"]]
    assert [each["number"] for each in rest["items"]] == [first["number"]]
    assert rest["next_cursor"] is None
    assert [each["number"] for each in accepted["items"]] == [first["number"]]
    refused(house.web.get("/applications?state=lost", headers=house.staff()), 422, "input.invalid", "state")


@pytest.mark.parametrize("roles", [("representative",), ("treasurer",), ("committee",), ("operator",), ("authority",)])
def test_only_the_secretariat_decides_on_forms(house: Membership, roles: tuple[str, ...]) -> None:
    receipt = house.submit()
    path = f"/applications/{receipt['application_id']}"

    for step, body in (("acceptance", {}), ("questions", {"text": "?"}), ("notes", {"text": "!"})):
        refused(house.web.post(f"{path}/{step}", json=body, headers=house.staff(*roles)), 403, "access.forbidden")
    assert house.application(receipt)["state"] == "submitted"


def test_an_unknown_application_is_not_found(house: Membership) -> None:
    refused(house.accept("0196-none"), 404, "application.not_found")
    refused(house.web.get("/applications/0196-none", headers=house.staff()), 404, "application.not_found")


def test_the_application_shows_its_ballots(house: Membership) -> None:
    receipt = house.accepted()
    ballot_id = house.open_ballot(receipt["application_id"], COMMITTEE)

    (ballot,) = house.application(receipt)["ballots"]

    assert (ballot["ballot_id"], ballot["body"], ballot["outcome"]) == (ballot_id, COMMITTEE, None)
    house.close_ballot(ballot_id, receipt["application_id"], COMMITTEE)
    house.open_ballot(receipt["application_id"], MEETING)
    assert [(each["body"], each["outcome"]) for each in house.application(receipt)["ballots"]] == [
        (COMMITTEE, "passed"),
        (MEETING, None),
    ]
