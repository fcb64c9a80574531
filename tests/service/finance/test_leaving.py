"""A unit that has left (art. 7(3)): its account is settled, and nothing else is booked on it (art. 18)."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from services.finance import tables
from tests.service.finance.driver import Finance

MEMBER = "1122.ZZ-m-1"
VOUCHER: dict[str, Any] = {"member_payment": {"kind": "refund", "voucher": "V-1"}}


def owing(house: Finance, fen: int) -> None:
    """The unit owes so much; below zero, it is owed."""
    if fen > 0:
        lines = ((MEMBER, fen), ("4201.member_contributions", -fen))
    else:
        lines = (("5101.exchange", -fen), (MEMBER, fen))
    assert house.post_entry(*lines).status_code == 201


def faults(answer: TestResponse) -> set[str]:
    assert answer.status_code == 422, answer.text
    return {each["code"] for each in answer.get_json()["errors"]}


def account(house: Finance) -> dict[str, Any]:
    found: dict[str, Any] = house.get("/members/m-1/account").get_json()
    return found


def test_the_account_is_closed_and_what_is_left_to_settle_is_told(house: Finance) -> None:
    owing(house, 500)

    house.leave()

    assert account(house)["closed_at"] is not None
    (told,) = house.published("finance.account.closed")
    assert (told["article"], told["correlationid"]) == ("18", "story-2")
    assert told["data"] == {
        "account_id": account(house)["account_id"],
        "code": MEMBER,
        "member_id": "m-1",
        "currency": "CNY",
        "balance_fen": 500,
    }


def test_balance_and_statement_stay_readable(house: Finance) -> None:
    owing(house, 500)

    house.leave()

    assert account(house)["balance_fen"] == 500
    lines = house.get(f"/accounts/{account(house)['account_id']}/statement", unit="m-1").get_json()["items"]
    assert [line["balance_fen"] for line in lines] == [500]


def test_what_the_unit_owes_is_paid_in_parts_and_no_further(house: Finance) -> None:
    owing(house, 500)
    house.leave()

    assert house.post_entry(("1002", 200), (MEMBER, -200)).status_code == 201
    assert faults(house.post_entry(("1002", 301), (MEMBER, -301))) == {"entry.member_has_left"}
    assert house.post_entry(("1002", 300), (MEMBER, -300)).status_code == 201
    assert account(house)["balance_fen"] == 0
    assert faults(house.post_entry(("1002", 1), (MEMBER, -1))) == {"entry.member_has_left"}


def test_what_the_unit_is_owed_is_paid_out_for_a_stated_reason_and_no_further(house: Finance) -> None:
    owing(house, -500)
    assert house.post_entry(("1002", 9_000), ("4101.donations", -9_000)).status_code == 201
    house.leave()

    assert faults(house.post_entry((MEMBER, 500), ("1002", -500))) == {"entry.member_payment_unexplained"}
    assert faults(house.post_entry((MEMBER, 501), ("1002", -501), **VOUCHER)) == {"entry.member_has_left"}
    assert house.post_entry((MEMBER, 500), ("1002", -500), **VOUCHER).status_code == 201


@pytest.mark.parametrize("fen", [0, 500, -500])
def test_nothing_new_is_booked_and_nothing_distributed(house: Finance, fen: int) -> None:
    if fen:
        owing(house, fen)
    house.leave()

    dues = house.post_entry((MEMBER, 600), ("4201.member_contributions", -600))
    outlay = house.post_entry(("5101.exchange", 600), (MEMBER, -600))
    distribution = house.post_entry(("3101", 600), (MEMBER, -600))

    for answer in (dues, outlay, distribution):
        assert faults(answer) == {"entry.member_has_left"}
    assert account(house)["balance_fen"] == fen


def test_what_a_leaving_unit_owes_is_not_let_off_out_of_net_assets(house: Finance) -> None:
    """That would be a distribution."""
    owing(house, 500)
    house.leave()

    assert faults(house.post_entry(("3101", 500), (MEMBER, -500))) == {"entry.distribution_to_member"}


def test_told_twice_the_account_is_closed_once(house: Finance) -> None:
    told = house.leave()
    before = house.rows(tables.accounts)

    house.again(told)
    house.leave(story="story-3")

    assert house.rows(tables.accounts) == before
    assert len(house.published("finance.account.closed")) == 1


def test_word_of_a_leaving_waits_for_the_admission(bare: Finance) -> None:
    bare.leave("m-9")

    assert bare.parked() == []
    assert bare.rows(tables.accounts) == []


def test_another_charter_does_not_open_the_account_again(house: Finance) -> None:
    house.leave()

    house.adopt(version=2)

    assert account(house)["closed_at"] is not None


def test_a_unit_that_comes_again_has_a_new_account_beside_the_closed_one(house: Finance) -> None:
    house.leave()

    house.admit("m-2", number="ZZ-0099")

    assert {"1122.ZZ-m-1", "1122.ZZ-0099"} <= house.ids_by_code().keys()
    assert house.get("/members/m-2/account").get_json()["closed_at"] is None
