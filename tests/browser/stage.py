"""What the alliance of browser tests has behind it, so that every page has a state to show: made over the APIs.

Decides nothing: the ballots are cast as in `admission.py`, only without anybody at a page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from services.console.commands import sessions
from services.console.sealing import digest_of
from services.console.tables import sessions as sessions_table
from tests.builders.admissions import COMMITTEE, Case, hand_in
from tests.builders.console import Office
from tests.waiting import wait_until

#: A representative without a seat, and that unit's number in the small founding.
REPRESENTATIVE, NUMBER = "chaling", "ZZ-0006"
#: One that could be right and is not: its last character is another's.
DOUBTFUL_CODE = "91350211M0000XUF46"
#: Longer than any unit's name should be, with a word that no line break divides by itself.
LONG_NAME = (
    "株洲市渌口区" + "数字化转型与智能制造公共服务" * 2 + "Zhuzhou-Smart-Manufacturing-PublicServicePlatform有限公司"
)


@dataclass(frozen=True)
class Stage:
    """Applications in every state that a story by clicks does not stay in, and a unit with an account that moves."""

    refused: Case
    withdrawn: Case
    doubtful: Case
    under_review: Case
    review: str
    unit: str


def set_stage(office: Office) -> Stage:
    """Make all of it."""
    refused = hand_in(office)
    ballot = refused.accept()
    for username in COMMITTEE:
        refused.vote(ballot, username, "no")
    wait_until(lambda: refused.get()["state"] == "refused", "the refusal")
    withdrawn = hand_in(office)
    withdrawn.withdraw()
    under_review = hand_in(office, unit_name=LONG_NAME)
    return Stage(
        refused=refused,
        withdrawn=withdrawn,
        doubtful=hand_in(office, credit_code=DOUBTFUL_CODE),
        under_review=under_review,
        review=f"/ballots/{under_review.accept()}",
        unit=f"/members/{_move_account(office)}",
    )


def _move_account(office: Office) -> str:
    """Lines in a unit's account; its id."""
    treasurer = office.api.signed_in("treasurer", "lianmeng-demo")
    unit = next(
        each["member_id"]
        for each in treasurer.get("membership/v1/members", limit=100)["items"]
        if each["number"] == NUMBER
    )
    account = treasurer.get(f"finance/v1/members/{unit}/account")["account_id"]
    accounts: list[Any] = treasurer.get("finance/v1/accounts", limit=100)["items"]
    income = next(each["account_id"] for each in accounts if each["code"].endswith("member_contributions"))
    for amount, words in ((2_000_00, "2026 年度分担费用"), (-50_00, "退回多缴"), (12_345_678_90, "联合采购")):
        postings = [{"account_id": account, "amount_fen": amount}, {"account_id": income, "amount_fen": -amount}]
        entry = {"posted_on": "2026-11-20", "currency": "CNY", "description": words, "postings": postings}
        treasurer.post("finance/v1/entries", {**entry, "voucher": "记-12"})
    return str(unit)


def age(office: Office, secret: str) -> None:
    """Let the password of a session have been given an hour ago."""
    house = office.assembly
    with house.begin() as work:
        session = sessions.find_session(work, secret)
        assert session is not None
        old = sessions._sealed(replace(session, authenticated_at=session.authenticated_at - 3_600))
        work.execute(
            sa.update(sessions_table)
            .where(sessions_table.c.session_digest == sa.literal(digest_of(secret)))
            .values(sealed=old)
        )
