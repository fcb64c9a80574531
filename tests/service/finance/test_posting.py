"""Posting entries over HTTP: what balances is kept, what does not is refused by name and leaves nothing behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.finance import tables
from tests.service.finance.driver import Finance

BALANCED = (("1002", 120_000), ("4401.government_funding", -100_000), ("1122.ZZ-m-1", -20_000))


def test_a_balanced_entry_is_posted_and_told(house: Finance) -> None:
    answer = house.post_entry(*BALANCED, voucher="V-17")

    assert answer.status_code == 201, answer.json
    assert answer.json is not None
    assert answer.json["total_fen"] == 120_000
    assert [(line["code"], line["amount_fen"]) for line in answer.json["postings"]] == list(BALANCED)
    (told,) = house.published("finance.entry.posted")
    assert told["data"] == {
        "entry_id": answer.json["entry_id"],
        "total_fen": 120_000,
        "currency": "CNY",
        "posted_on": "2026-03-02",
    }


def test_balances_statement_and_trial_balance_agree(house: Finance) -> None:
    house.post_entry(*BALANCED)
    house.post_entry(("5101.exchange", 5_000), ("1002", -5_000))
    bank = house.ids_by_code()["1002"]

    account = house.get(f"/accounts/{bank}").json
    lines = house.get(f"/accounts/{bank}/statement").json
    trial = house.get("/trial-balance").json

    assert account is not None
    assert lines is not None
    assert trial is not None
    assert account["balance_fen"] == 115_000
    assert [(line["amount_fen"], line["balance_fen"]) for line in lines["items"]] == [
        (120_000, 120_000),
        (-5_000, 115_000),
    ]
    assert trial["debit_fen"] == trial["credit_fen"] == 125_000
    assert sum(line["balance_fen"] for line in trial["lines"]) == 0


def test_a_statement_read_in_pages_carries_its_balance_over(house: Finance) -> None:
    for _ in range(5):
        house.post_entry(("1002", 100), ("4101.donations", -100))
    bank, balances = house.ids_by_code()["1002"], []
    path = f"/accounts/{bank}/statement?limit=2"
    while path:
        answer = house.get(path).json
        assert answer is not None
        balances += [line["balance_fen"] for line in answer["items"]]
        path = f"/accounts/{bank}/statement?limit=2&cursor={answer['next_cursor']}" if answer["next_cursor"] else ""

    assert balances == [100, 200, 300, 400, 500]


def test_entries_are_listed_newest_first_and_by_account(house: Finance) -> None:
    first = house.post_entry(("1002", 100), ("4101.donations", -100)).json
    second = house.post_entry(("1001", 100), ("1002", -100)).json
    assert first is not None
    assert second is not None
    cash = house.ids_by_code()["1001"]

    everything, of_cash = house.get("/entries").json, house.get(f"/entries?account_id={cash}").json

    assert everything is not None
    assert of_cash is not None
    assert [item["entry_id"] for item in everything["items"]] == [second["entry_id"], first["entry_id"]]
    assert [item["number"] for item in everything["items"]] == [2, 1]
    assert [item["entry_id"] for item in of_cash["items"]] == [second["entry_id"]]


AMOUNTS: list[Any] = [
    0, 1.0, 1.5, -0.0, 1e3, 1e400, "1", "", "一", "1e3", " 1 ", True, False, None, [], [1], {}, {"fen": 1},
    10_000_000_000_001, -10_000_000_000_001, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**30, 10**400,
]  # fmt: skip


@pytest.mark.parametrize("amount", AMOUNTS, ids=lambda amount: repr(amount)[:30])
def test_an_amount_that_is_no_proper_integer_is_refused_by_name_and_nothing_is_posted(house: Finance, amount) -> None:
    answer = house.post_entry(("1002", amount), ("4101.donations", -100))

    assert answer.status_code in {400, 422}
    assert answer.json is not None
    assert answer.json.get("errors") is None or any("amount_fen" in each["field"] for each in answer.json["errors"])
    assert house.rows(tables.entries) == house.rows(tables.postings) == []
    assert house.published("finance.entry.posted") == []


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "01", "0x10", "1_000", "１"])
def test_a_number_that_json_does_not_know_is_refused(house: Finance, literal: str) -> None:
    ids = house.ids_by_code()
    body = (
        '{"posted_on":"2026-03-02","currency":"CNY","description":"x","postings":['
        f'{{"account_id":"{ids["1002"]}","amount_fen":{literal}}},{{"account_id":"{ids["1001"]}","amount_fen":-1}}]}}'
    )

    answer = house.client.post(
        "/entries", headers={**house.headers("treasurer"), "Content-Type": "application/json"}, data=body.encode()
    )

    assert answer.status_code in {400, 422}
    assert house.rows(tables.postings) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"currency": "USD"}, "currency"),
        ({"currency": None}, "currency"),
        ({"currency": 156}, "currency"),
        ({"posted_on": "2026-03-03"}, "posted_on"),
        ({"posted_on": "02.03.2026"}, "posted_on"),
        ({"posted_on": 20260302}, "posted_on"),
        ({"description": ""}, "description"),
        ({"description": "x" * 501}, "description"),
        ({"description": "a\x00b"}, "description"),
        ({"voucher": "x" * 101}, "voucher"),
        ({"postings": []}, "postings"),
        ({"postings": {}}, "postings"),
        ({"postings": "all"}, "postings"),
        ({"entry_id": "mine"}, "entry_id"),
        ({"posted_by": "somebody else"}, "posted_by"),
        ({"total_fen": 1}, "total_fen"),
        ({"member_payment": {"kind": "dividend", "voucher": "V"}}, "member_payment.kind"),
        ({"member_payment": {"kind": "refund"}}, "member_payment.voucher"),
    ],
)
def test_a_faulty_field_is_named_and_nothing_is_posted(house: Finance, changes, field: str) -> None:
    answer = house.post_entry(("1002", 100), ("4101.donations", -100), **changes)

    assert answer.status_code == 422
    assert answer.json is not None
    assert field in {each["field"] for each in answer.json["errors"]}
    assert house.rows(tables.entries) == []


def test_an_unbalanced_entry_is_refused_under_article_eighteen(house: Finance) -> None:
    answer = house.post_entry(("1002", 100), ("4101.donations", -99))

    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["article"] == "18"
    assert answer.json["errors"][0]["field"] == "postings"
    assert "1" in answer.json["errors"][0]["message"]


def test_money_goes_to_a_member_only_as_far_as_it_is_owed_and_for_a_stated_reason(house: Finance) -> None:
    house.post_entry(("1002", 50_000), ("4101.donations", -50_000))
    house.post_entry(("5101.exchange", 3_000), ("1122.ZZ-m-1", -3_000))  # an outlay to be reimbursed
    reason = {"kind": "reimbursement", "voucher": "invoice 8"}

    unexplained = house.post_entry(("1122.ZZ-m-1", 3_000), ("1002", -3_000))
    too_much = house.post_entry(("1122.ZZ-m-1", 3_001), ("1002", -3_001), member_payment=reason)
    right = house.post_entry(("1122.ZZ-m-1", 3_000), ("1002", -3_000), member_payment=reason)
    again = house.post_entry(("1122.ZZ-m-1", 3_000), ("1002", -3_000), member_payment=reason)

    assert [answer.status_code for answer in (unexplained, too_much, right, again)] == [422, 422, 201, 422]
    assert right.json is not None
    assert right.json["member_payment"] == reason


def test_net_assets_are_not_handed_out_to_a_member(house: Finance) -> None:
    answer = house.post_entry(("3101", 100), ("1122.ZZ-m-1", -100))

    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["article"] == "18"


@pytest.mark.parametrize("role", ["secretariat", "representative", "committee", "operator", "authority"])
def test_nobody_but_the_treasurer_posts(house: Finance, role: str) -> None:
    assert house.post_entry(*BALANCED, role=role).status_code == 403
    assert house.rows(tables.entries) == []


def test_the_same_request_sent_twice_posts_once(house: Finance) -> None:
    ids = house.ids_by_code()
    headers = {**house.headers("treasurer"), "Idempotency-Key": "entry-17"}
    body = {
        "posted_on": "2026-03-02",
        "currency": "CNY",
        "description": "once",
        "postings": [
            {"account_id": ids["1002"], "amount_fen": 1},
            {"account_id": ids["4101.donations"], "amount_fen": -1},
        ],
    }

    answers = [house.client.post("/entries", headers=headers, json=body) for _ in range(3)]

    assert len({answer.json["entry_id"] for answer in answers if answer.json}) == 1
    assert len(house.rows(tables.entries)) == 1


def test_parallel_payments_never_pay_a_member_twice(house: Finance) -> None:
    house.post_entry(("5101.exchange", 3_000), ("1122.ZZ-m-1", -3_000))
    reason = {"kind": "reimbursement", "voucher": "invoice 8"}

    def pay(_number: int) -> int:
        lines = (("1122.ZZ-m-1", 3_000), ("1002", -3_000))
        return house.post_entry(*lines, member_payment=reason).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(pay, range(16)))

    assert statuses == [201] + [422] * 15
