"""What an application must say: every rule names its field, and all faults are told at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.membership.domain.application_form import CharterTerms, check_form, merge_corrections, roster_profile
from shared.errors import Invalid
from tests.builders.applications import application_form

TERMS = CharterTerms(version=1, kinds=frozenset({"quality_enterprise"}), counties=frozenset({"liling", "tianyuan"}))
#: Ten at night in London is tomorrow morning in Zhuzhou.
NOW = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)


def faults(**changes: Any) -> dict[str, str]:
    """Field → code of what is wrong with the sample form after these changes."""
    with pytest.raises(Invalid) as refused:
        check_form(application_form(**changes), TERMS, NOW)
    return {fault.field: fault.code for fault in refused.value.faults}


def test_a_complete_form_is_taken_without_warnings() -> None:
    checked = check_form(application_form(), TERMS, NOW)

    assert checked.warnings == ()
    assert checked.form["unit_name"] == application_form()["unit_name"]


def test_the_credit_code_is_stored_normalised() -> None:
    checked = check_form(application_form(credit_code="9111 0000 6000 37341l"), TERMS, NOW)

    assert checked.form["credit_code"] == "91110000600037341L"


def test_an_odd_credit_code_is_taken_with_a_warning() -> None:
    checked = check_form(application_form(credit_code="91350211M0000XUF46"), TERMS, NOW)

    assert checked.warnings == ("credit_code.check_character",)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("credit_code", " - ", "form.missing"),
        ("credit_code", "\ufdfa" * 10, "form.too_long"),  # one character that unfolds into eighteen
        ("kind", "bank", "form.kind_unknown"),
        ("county", "changsha", "form.county_unknown"),
        ("charter_pledge", False, "form.pledge_needed"),
        ("email", "office@", "form.email"),
        ("email", "办公室@例子.中国", "form.email"),
        ("phone", "ask for Li", "form.phone"),
        ("fax", "none", "form.phone"),
        ("postcode", "41220", "form.postcode"),
        ("website", "javascript:alert(1)", "form.website"),
        ("website", "www.example.cn", "form.website"),
        ("established_on", "2026-03-03", "form.in_future"),
        ("established_on", "1066-10-14", "form.too_early"),
        ("registered_capital_fen", -1, "form.out_of_range"),
        ("registered_capital_fen", 10**15 + 1, "form.out_of_range"),
        ("headcount", 10_000_001, "form.out_of_range"),
        ("contact", {"name": "Wang"}, "form.contact_unreachable"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any, code: str) -> None:
    assert faults(**{field: value}) == {field: code}


@pytest.mark.parametrize("mobile", ["1380013800", "23800138000", "138001380000", "+8612345", "call me"])
def test_a_wrong_mobile_number_is_named_with_its_person(mobile: str) -> None:
    representative = {**application_form()["representative"], "mobile": mobile}

    assert faults(representative=representative) == {"representative.mobile": "form.mobile"}


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("138 0013 8000", "13800138000"), ("+86 138-0013-8000", "13800138000"), ("１３８００１３８０００", "13800138000")],
)
def test_a_mobile_number_is_stored_in_one_form(typed: str, stored: str) -> None:
    representative = {**application_form()["representative"], "mobile": typed}

    checked = check_form(application_form(representative=representative), TERMS, NOW)

    assert checked.form["representative"]["mobile"] == stored


def test_every_fault_is_told_at_once() -> None:
    found = faults(kind="bank", county="changsha", postcode="x", charter_pledge=False)

    assert set(found) == {"kind", "county", "postcode", "charter_pledge"}


def test_today_is_the_day_in_china() -> None:
    # given a form dated with a day that has begun in Zhuzhou but not in London
    checked = check_form(application_form(established_on="2026-03-02"), TERMS, NOW)

    assert checked.form["established_on"] == "2026-03-02"


def test_a_form_may_leave_out_what_is_not_needed() -> None:
    short = {name: value for name, value in application_form().items() if name not in ("website", "established_on")}

    assert "website" not in check_form(short, TERMS, NOW).form


def test_a_correction_of_one_detail_of_a_person_keeps_the_others() -> None:
    merged = merge_corrections(application_form(), {"representative": {"mobile": "13900139000"}, "address": "New"})

    assert merged["representative"]["mobile"] == "13900139000"
    assert merged["representative"]["name"] == application_form()["representative"]["name"]
    assert merged["address"] == "New"


def test_the_roster_shows_no_persons_mobile_or_address() -> None:
    shown = str(roster_profile(application_form()))

    assert application_form()["representative"]["mobile"] not in shown
    assert application_form()["representative"]["email"] not in shown
    assert application_form()["main_business"] in shown
