"""Accounts open by themselves: one per member, one per funding source and purpose, whatever order events come in."""

from __future__ import annotations

from services.finance import tables
from tests.service.finance.driver import Finance


def test_an_admitted_member_gets_an_account_with_nothing_in_it(house: Finance) -> None:
    answer = house.get("/members/m-1/account")

    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["code"] == "1122.ZZ-m-1"
    assert (answer.json["balance_fen"], answer.json["currency"], answer.json["article"]) == (0, "CNY", "18")


def test_the_opening_is_told_in_the_story_of_the_admission(bare: Finance) -> None:
    bare.admit("m-1", story="story-of-m-1")

    (told,) = bare.published("finance.account.opened")
    assert told["correlationid"] == "story-of-m-1"
    assert told["article"] == "18"
    assert told["data"]["member_id"] == "m-1"
    assert told["data"]["balance_fen"] == 0


def test_an_admission_told_twice_opens_one_account(bare: Finance) -> None:
    body = bare.admit("m-1")
    bare.again(body)  # the same event once more
    bare.admit("m-1")  # the same fact as another event

    assert len([row for row in bare.rows(tables.accounts) if row["member_id"]]) == 1
    assert len(bare.published("finance.account.opened")) == 1


def test_a_member_admitted_before_the_charter_arrives_does_not_wait_for_it(bare: Finance) -> None:
    bare.admit("m-1")
    bare.adopt()

    codes = set(bare.ids_by_code())
    assert {"1001", "1002", "1122", "1122.ZZ-m-1", "3101"} <= codes
    assert len(codes) == 6 + 6 + 6 + 1  # standard, sources, purposes, the member


def test_another_member_with_a_number_that_is_taken_is_parked_and_not_lost(bare: Finance) -> None:
    bare.admit("m-1", number="ZZ-1")
    bare.admit("m-2", number="ZZ-1")

    assert ["account.code_taken" in reason for reason in bare.parked()] == [True]


def test_a_source_that_a_new_charter_no_longer_names_is_closed_and_opens_again_with_the_next(house: Finance) -> None:
    source = {"code": "donations", "name": {"zh-CN": "捐赠", "en": "Donations"}, "article": "18(5)"}

    # when version 2 names donations only
    house.adopt(2, funding_sources=[source])
    refused = house.post_entry(("1002", 100), ("4301.service_income", -100))
    accepted = house.post_entry(("1002", 100), ("4101.donations", -100))

    # then money can come from nowhere else
    assert refused.status_code == 422
    assert refused.json is not None
    assert refused.json["errors"][0]["field"] == "postings.1.account_id"
    assert accepted.status_code == 201

    # and when version 3 names all six again, it can
    house.adopt(3)
    assert house.post_entry(("1002", 100), ("4301.service_income", -100)).status_code == 201


def test_an_older_charter_that_arrives_late_changes_nothing(house: Finance) -> None:
    house.adopt(3)
    house.adopt(2, funding_sources=[], purposes=[])

    assert [row for row in house.rows(tables.accounts) if row["closed_at"]] == []


def test_a_member_sees_its_own_account_and_no_other(house: Finance) -> None:
    house.admit("m-2")
    other = house.ids_by_code()["1122.ZZ-m-2"]

    assert house.get("/members/m-1/account", unit="m-1").status_code == 200
    assert house.get("/members/m-2/account", unit="m-1").status_code == 404
    assert house.get(f"/accounts/{other}", unit="m-1").status_code == 404
    assert house.get(f"/accounts/{other}/statement", unit="m-1").status_code == 404
    assert house.get(f"/accounts/{other}", unit="m-2").status_code == 200


def test_only_the_staff_lists_accounts(house: Finance) -> None:
    assert house.get("/accounts", "treasurer").status_code == 200
    assert house.get("/accounts", "secretariat").status_code == 200
    assert house.get("/accounts", "representative").status_code == 403
    assert house.client.get("/accounts").status_code == 401


def test_the_list_of_accounts_goes_on_where_it_stopped(house: Finance) -> None:
    codes: list[str] = []
    path = "/accounts?limit=5"
    while path:
        answer = house.get(path).json
        assert answer is not None
        codes += [item["code"] for item in answer["items"]]
        cursor = answer["next_cursor"]
        path = f"/accounts?limit=5&cursor={cursor}" if cursor else ""

    assert codes == sorted(house.ids_by_code())


def test_an_account_that_nobody_has_is_not_found(house: Finance) -> None:
    for path in ("/accounts/nope", "/accounts/nope/statement", "/members/nope/account", "/entries/nope"):
        assert house.get(path).status_code == 404
