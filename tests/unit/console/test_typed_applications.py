"""From what people type to the API's form and back: amounts, dates, numbers, lists, and only what was changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.pages.application_form import FIELDS, corrections_of, form_of, typed_of
from tests.builders.applications import application_form


@pytest.mark.parametrize(
    ("typed", "fen"),
    [
        ("500 万元", 500_000_000),
        ("５００万", 500_000_000),
        ("5,000,000", 500_000_000),
        ("1.5亿", 15_000_000_000),
        ("1234.56 元", 123_456),
        ("0", 0),
        ("-1", -100),
    ],
)
def test_an_amount_in_yuan_becomes_fen(typed: str, fen: int) -> None:
    assert form_of({"registered_capital_fen": typed})["registered_capital_fen"] == fen


@pytest.mark.parametrize(
    "typed", ["许多", "1.234", "1e5", "12 美元", "9" * 400, "0.00000000001亿", "1..2", "NaN", "Infinity"]
)
def test_what_is_no_amount_goes_as_it_is(typed: str) -> None:
    assert form_of({"registered_capital_fen": typed})["registered_capital_fen"] == typed


@pytest.mark.parametrize("typed", ["2021-06-01", "2021/6/1", "2021.6.1", "2021年6月1日", "２０２１年６月１日"])
def test_a_date_can_be_typed_as_people_write_it(typed: str) -> None:
    assert form_of({"established_on": typed})["established_on"] == "2021-06-01"


@pytest.mark.parametrize(
    ("typed", "count"), [("36", 36), ("1,200 人", 1200), ("-5", -5), ("三十", "三十"), ("9" * 30, "9" * 30)]
)
def test_a_headcount_is_a_whole_number_or_goes_as_it_is(typed: str, count: int | str) -> None:
    assert form_of({"headcount": typed})["headcount"] == count


def test_a_list_is_read_by_lines_and_marks() -> None:
    assert form_of({"service_fields": "检测、研发\n融资， 培训;"})["service_fields"] == ["检测", "研发", "融资", "培训"]


def test_what_is_empty_is_left_out_and_persons_are_asked_for() -> None:
    form = form_of({"unit_name": "  ", "contact.name": "", "representative.name": "李文静"})

    assert form == {"legal_representative": {}, "representative": {"name": "李文静"}}


def test_a_form_comes_back_as_it_went() -> None:
    form = application_form(honours="省级示范平台", contact={"name": "周敏", "phone": "0731-1234567"})

    assert {**form_of(typed_of(form)), "charter_pledge": True} == form


def test_only_what_was_changed_is_a_correction() -> None:
    before = typed_of(application_form())
    typed = {**before, "representative.mobile": "13900139000", "headcount": "120 人", "postcode": ""}

    assert corrections_of(before, typed) == {"representative": {"mobile": "13900139000"}, "postcode": ""}


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text(max_size=30)))
def test_whatever_is_typed_makes_a_form_and_corrects_nothing_of_itself(typed: dict[str, Any]) -> None:
    form_of(typed)
    assert corrections_of(typed, typed) == {}
