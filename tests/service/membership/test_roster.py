"""The roster as it is read, and what the database itself refuses to hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from services.membership import tables
from services.membership.commands.offices import fill_office
from services.membership.commands.roster import admit_member
from tests.service.membership.driver import Membership, refused


def founding_member(house: Membership, name: str, **changes: Any) -> str:
    """A unit of the founding."""
    told = {"kind": "quality_enterprise", "county": "liling", **changes}
    with house.assembly.begin() as work:
        return admit_member(work, unit_name=name, admitted_at=work.now, founding=True, **told).member_id


def numbers(house: Membership, **query: Any) -> list[str]:
    """Numbers of the units that a query finds."""
    answer = house.web.get("/members", headers=house.staff("representative"), query_string=query)
    assert answer.status_code == 200, answer.text
    return [each["number"] for each in answer.get_json()["items"]]


def test_the_roster_is_read_by_number_and_filtered(house: Membership) -> None:
    founding_member(house, "荷塘 Service Centre")
    founding_member(house, "100%_Alpha", county="tianyuan")
    founding_member(house, "Beta", kind="base")

    assert numbers(house) == ["ZZ-0001", "ZZ-0002", "ZZ-0003"]
    assert numbers(house, q="alpha") == ["ZZ-0002"]
    assert numbers(house, q="荷塘") == ["ZZ-0001"]
    assert numbers(house, q="0003") == ["ZZ-0003"]
    assert numbers(house, q="%_") == ["ZZ-0002"]
    assert numbers(house, county="tianyuan") == ["ZZ-0002"]
    assert numbers(house, kind="base") == ["ZZ-0003"]
    assert numbers(house, q="nothing") == []


def test_pages_follow_one_another_also_past_the_ten_thousandth_number(house: Membership) -> None:
    # given a roster around the point where numbers grow a digit
    with house.assembly.begin() as work:
        work.execute(sa.update(tables.sequences).values(last=9_998))
    for name in ("One", "Two", "Three"):
        founding_member(house, name)

    # when it is read a unit at a time
    seen, cursor = [], ""
    while True:
        query = f"/members?limit=1{cursor}"
        page = house.web.get(query, headers=house.staff()).get_json()
        seen += [each["number"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    # then none is missed and none comes twice
    assert seen == ["ZZ-9999", "ZZ-10000", "ZZ-10001"]


def test_an_admitted_unit_shows_what_it_does_but_no_personal_contact(house: Membership) -> None:
    receipt = house.admitted()
    member_id = house.application(receipt)["member_id"]

    answer = house.web.get(f"/members/{member_id}", headers=house.staff("representative"))

    shown = answer.get_json()
    assert shown["profile"]["representative"] == {"name": "李文静", "title": "副总经理"}
    assert "13800138000" not in answer.text
    assert "li.wenjing" not in answer.text


def test_the_roster_is_for_the_signed_in(house: Membership) -> None:
    refused(house.web.get("/members"), 401, "access.token_missing")
    refused(house.web.get("/members", headers=house.platform("ballots:read")), 403, "access.forbidden")
    assert house.web.get("/members", headers=house.platform("roster:read")).status_code == 200
    refused(house.web.get("/members/none", headers=house.staff()), 404, "member.not_found")


@pytest.mark.parametrize(
    ("query", "field"), [("limit=0", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor"), ("color=red", "color")]
)
def test_a_bad_query_names_its_parameter(house: Membership, query: str, field: str) -> None:
    answer = house.web.get(f"/members?{query}", headers=house.staff())

    assert answer.status_code == 422
    problem = answer.get_json()
    assert field in {each["field"] for each in problem.get("errors", [])} | {problem.get("field")}


def test_offices_are_shown_with_their_units(house: Membership) -> None:
    member_id = founding_member(house, "Window platform")
    with house.assembly.begin() as work:
        fill_office(
            work,
            body="executive_committee",
            office="director",
            member_id=member_id,
            term_from=work.now,
            term_to=work.now + timedelta(days=1461),
        )

    (office,) = house.web.get("/offices", headers=house.staff()).get_json()["items"]
    member = house.web.get(f"/members/{member_id}", headers=house.staff()).get_json()

    assert (office["office"], office["unit_name"]) == ("director", "Window platform")
    assert [each["office_id"] for each in member["offices"]] == [office["office_id"]]
    (event,) = house.told("membership.office.filled")
    assert (event["article"], event["data"]["member_id"]) == ("9", member_id)


def test_the_alliance_says_who_it_is(house: Membership, make_assembly) -> None:
    founding_member(house, "One")

    shown = house.web.get("/alliance").get_json()

    assert (shown["name"], shown["members"]) == ("Alliance of the test", 1)


def test_without_a_founding_there_is_no_alliance(bare: Membership) -> None:
    refused(bare.web.get("/alliance"), 404, "alliance.not_founded")


def test_the_database_itself_refuses_a_member_without_a_ballot(house: Membership) -> None:
    row = {
        "member_id": "m-1",
        "number": "ZZ-9999",
        "unit_name": "By the back door",
        "kind": "quality_enterprise",
        "county": "liling",
        "profile": {},
        "founding": False,
    }
    with pytest.raises(IntegrityError), house.assembly.begin() as work:
        work.execute(sa.insert(tables.members).values(**row, admitted_at=work.now))

    assert house.members() == []
