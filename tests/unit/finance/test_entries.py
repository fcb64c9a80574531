"""The rule of double entry, and what an entry may not be. Domain only: no database, no HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.finance.domain.chart import AccountClass
from services.finance.domain.entries import (
    AMOUNT_FEN_MAX,
    BALANCE_FEN_MAX,
    POSTINGS_MAX,
    AccountFacts,
    Draft,
    Posting,
    decide_entry,
)
from services.finance.domain.member_payments import MemberPayment, PaymentKind
from shared.errors import Invalid

TODAY = date(2026, 11, 22)
ACCOUNTS = {
    each.account_id: each
    for each in (
        AccountFacts("bank", AccountClass.ASSET, 0, is_money=True),
        AccountFacts("grants", AccountClass.INCOME, 0),
        AccountFacts("events", AccountClass.EXPENSE, 0),
        AccountFacts("reserve", AccountClass.NET_ASSETS, 0),
        AccountFacts("members", AccountClass.ASSET, 0, is_control=True),
        AccountFacts("old", AccountClass.INCOME, 0, is_closed=True),
        AccountFacts("hetang", AccountClass.ASSET, 0, member_id="m-1"),
        AccountFacts("lusong", AccountClass.ASSET, -500, member_id="m-2"),
        *(AccountFacts(f"a{number}", AccountClass.INCOME, 0) for number in range(POSTINGS_MAX + 1)),
    )
}


def draft(*lines: tuple[str, int], **changes) -> Draft:
    """`draft(("bank", 100), ("grants", -100))`: today, in yuan's fen, no payment to a member."""
    whole = Draft(posted_on=TODAY, currency="CNY", postings=tuple(Posting(*line) for line in lines))
    return replace(whole, **changes)


def codes(drafted: Draft, accounts=ACCOUNTS) -> set[tuple[str, str]]:
    """(field, code) of everything that is refused in the draft."""
    with pytest.raises(Invalid) as refused:
        decide_entry(drafted, accounts, TODAY)
    assert refused.value.article == "18"
    return {(fault.field, fault.code) for fault in refused.value.faults}


def test_a_balanced_entry_has_the_sum_of_its_debits_as_total() -> None:
    # bank 1200.00 Dr / grants 1000.00 Cr, events 200.00 Cr
    assert decide_entry(draft(("bank", 120_000), ("grants", -100_000), ("events", -20_000)), ACCOUNTS, TODAY) == 120_000


@given(st.lists(st.integers(1, AMOUNT_FEN_MAX // 100), min_size=1, max_size=20))
def test_whatever_the_amounts_a_difference_of_one_fen_is_refused(amounts: list[int]) -> None:
    lines = [(f"a{number}", amount) for number, amount in enumerate(amounts)]

    assert decide_entry(draft(*lines, ("bank", -sum(amounts))), ACCOUNTS, TODAY) == sum(amounts)
    assert ("postings", "entry.unbalanced") in codes(draft(*lines, ("bank", -sum(amounts) - 1)))


@pytest.mark.parametrize(
    ("drafted", "fault"),
    [
        (draft(), ("postings", "entry.too_few_postings")),
        (draft(("bank", 100)), ("postings", "entry.too_few_postings")),
        (draft(*[(f"a{n}", 1) for n in range(POSTINGS_MAX + 1)]), ("postings", "entry.too_many_postings")),
        (draft(("bank", 0), ("grants", 0)), ("postings.0.amount_fen", "entry.amount_out_of_bounds")),
        (
            draft(("bank", AMOUNT_FEN_MAX + 1), ("grants", -AMOUNT_FEN_MAX - 1)),
            ("postings.1.amount_fen", "entry.amount_out_of_bounds"),
        ),
        (draft(("bank", 1.0), ("grants", -1)), ("postings.0.amount_fen", "entry.amount_not_whole")),  # type: ignore[arg-type]
        (draft(("bank", True), ("grants", -1)), ("postings.0.amount_fen", "entry.amount_not_whole")),
        (draft(("bank", "1"), ("grants", -1)), ("postings.0.amount_fen", "entry.amount_not_whole")),  # type: ignore[arg-type]
        (draft(("bank", 1), ("bank", -1)), ("postings.1.account_id", "entry.account_repeated")),
        (draft(("bank", 1), ("nowhere", -1)), ("postings.1.account_id", "entry.account_unknown")),
        (draft(("bank", 1), ("members", -1)), ("postings.1.account_id", "entry.account_is_control")),
        (draft(("bank", 1), ("old", -1)), ("postings.1.account_id", "entry.account_closed")),
        (draft(("bank", 1), ("grants", -1), currency="USD"), ("currency", "entry.currency_unknown")),
        (
            draft(("bank", 1), ("grants", -1), posted_on=date(2026, 11, 23)),
            ("posted_on", "entry.posted_on_in_future"),
        ),
        (
            draft(("bank", 1), ("grants", -1), posted_on=date(1999, 12, 31)),
            ("posted_on", "entry.posted_on_too_early"),
        ),
    ],
)
def test_a_faulty_entry_is_refused_naming_the_field(drafted: Draft, fault: tuple[str, str]) -> None:
    assert fault in codes(drafted)


def test_every_fault_is_named_at_once() -> None:
    found = codes(draft(("bank", 0), ("nowhere", 5), currency="USD"))

    assert {field for field, _ in found} == {"currency", "postings.0.amount_fen", "postings.1.account_id"}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_balance_never_leaves_sixty_four_bits(sign: int) -> None:
    full = {**ACCOUNTS, "bank": replace(ACCOUNTS["bank"], balance_fen=sign * BALANCE_FEN_MAX)}

    assert decide_entry(draft(("bank", -sign), ("grants", sign)), full, TODAY) == 1
    assert ("postings.0.amount_fen", "entry.balance_out_of_bounds") in codes(
        draft(("bank", sign), ("grants", -sign)), full
    )


def test_a_member_is_paid_what_it_is_owed_for_a_stated_reason() -> None:
    refund = MemberPayment(PaymentKind.REFUND, "receipt 17")

    assert decide_entry(draft(("lusong", 500), ("bank", -500), member_payment=refund), ACCOUNTS, TODAY) == 500


def test_money_to_a_member_without_a_reason_is_refused() -> None:
    assert codes(draft(("lusong", 500), ("bank", -500))) == {("member_payment", "entry.member_payment_unexplained")}


def test_a_member_is_never_paid_more_than_it_is_owed() -> None:
    refund = MemberPayment(PaymentKind.REFUND, "receipt 17")

    assert codes(draft(("lusong", 501), ("bank", -501), member_payment=refund)) == {
        ("postings.0.amount_fen", "entry.member_payment_beyond_debt")
    }


def test_net_assets_are_never_distributed_to_members() -> None:
    assert codes(draft(("reserve", 100), ("hetang", -100))) == {
        ("postings.1.amount_fen", "entry.distribution_to_member")
    }


def test_a_member_paying_its_share_needs_no_reason() -> None:
    assert decide_entry(draft(("bank", 300), ("hetang", -300)), ACCOUNTS, TODAY) == 300
    assert decide_entry(draft(("hetang", 300), ("grants", -300)), ACCOUNTS, TODAY) == 300
