"""A unit leaves at will (art. 7(3)): who may say so, from when it counts, and what ends with the membership."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from werkzeug.test import TestResponse

from services.membership import tables
from services.membership.commands.accounts import open_account
from services.membership.commands.offices import fill_office
from services.membership.commands.passwords import hash_password
from services.membership.commands.roster import admit_member
from services.membership.timers import leave_due
from tests.builders.applications import application_form
from tests.fixtures.assemblies import bearer
from tests.service.membership.driver import Membership, refused

PASSWORD = "correct horse battery"
CODE = application_form()["credit_code"]


class Unit:
    """A founding member with a seat of the committee and a person who speaks for it."""

    def __init__(self, house: Membership) -> None:
        self.house = house
        stored = hash_password(PASSWORD)
        with house.assembly.begin() as work:
            told = {"kind": "quality_enterprise", "county": "liling", "credit_code": CODE}
            self.id = admit_member(work, unit_name="Unit", admitted_at=work.now, founding=True, **told).member_id
            self.office_id = fill_office(
                work,
                body="executive_committee",
                office="committee_member",
                member_id=self.id,
                term_from=work.now,
                term_to=work.now + timedelta(days=1461),
            )
            self.account_id = open_account(
                work, username="rep", roles=(), member_id=self.id, person_name="Li Na", password_hash=stored
            )

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.house.assembly, roles=["representative"], subject=self.account_id, unit_id=self.id)

    def leave(self, headers: dict[str, str] | None = None, **body: Any) -> TestResponse:
        answer = self.house.web.post(f"/members/{self.id}/withdrawal", json=body, headers=headers or self.headers)
        # A second later, as people are.
        self.house.clock.advance(1)
        return answer

    def stay(self, headers: dict[str, str] | None = None) -> TestResponse:
        return self.house.web.delete(f"/members/{self.id}/withdrawal", headers=headers or self.headers)

    def shown(self, headers: dict[str, str] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.house.web.get(f"/members/{self.id}", headers=headers or self.headers).get_json()
        return found

    def day(self, days: int) -> str:
        china = self.house.clock.now() + timedelta(hours=8)
        return (china + timedelta(days=days)).date().isoformat()


@pytest.fixture
def unit(house: Membership) -> Unit:
    return Unit(house)


def roster(house: Membership, status: str = "") -> list[str]:
    query = {"status": status} if status else {}
    answer = house.web.get("/members", headers=house.staff(), query_string=query)
    return [each["unit_name"] for each in answer.get_json()["items"]]


# ------------------------------------------------------------ at once
def test_a_unit_that_leaves_is_off_the_present_roster_at_once_and_stays_on_record(
    house: Membership, unit: Unit
) -> None:
    now = house.clock.now()
    size = house.web.get("/alliance").get_json()["members"]

    answer = unit.leave(reason="We merge with another.")

    assert answer.status_code == 200, answer.text
    shown = answer.get_json()
    assert datetime.fromisoformat(shown["left_at"]) == now
    assert (shown["leaving"]["announced_by"], shown["leaving"]["reason"]) == (
        "representative",
        "We merge with another.",
    )
    assert shown["leaving"]["person_name"] == "Li Na"
    assert roster(house) == []
    assert roster(house, "left") == roster(house, "all") == ["Unit"]
    assert house.web.get("/alliance").get_json()["members"] == size - 1


def test_offices_end_and_the_people_are_signed_out_at_once(house: Membership, unit: Unit) -> None:
    now = house.clock.now()
    assert house.web.get("/me", headers=unit.headers).status_code == 200

    assert unit.leave().status_code == 200

    (office,) = unit.shown(house.staff())["offices"]
    assert datetime.fromisoformat(office["term_to"]) == now
    refused(house.web.get("/me", headers=unit.headers), 401, "session.ended")
    assert house.sign_in("rep", PASSWORD).status_code == 401
    (left,), (vacated,) = house.told("membership.member.left"), house.told("membership.office.vacated")
    (closed,) = house.told("membership.account.closed")
    assert (left["article"], left["data"]["left_at"]) == ("7(3)", office["term_to"])
    assert (vacated["article"], vacated["data"]["office_id"], vacated["subject"]) == (
        "9",
        unit.office_id,
        unit.office_id,
    )
    assert {each["correlationid"] for each in (left, vacated, closed)} == {
        unit.shown(house.staff())["leaving"]["correlation_id"]
    }


def test_an_office_that_has_ended_before_stays_as_it_was(house: Membership, unit: Unit) -> None:
    ended = house.clock.now() - timedelta(days=10)
    with house.assembly.begin() as work:
        work.execute(sa.update(tables.offices).values(term_from=ended - timedelta(days=1), term_to=ended))

    unit.leave()

    assert datetime.fromisoformat(unit.shown(house.staff())["offices"][0]["term_to"]) == ended
    assert house.told("membership.office.vacated") == []


def test_nobody_leaves_twice(house: Membership, unit: Unit) -> None:
    unit.leave()

    refused(unit.leave(), 409, "leaving.already_left")
    refused(unit.stay(), 409, "leaving.already_left")
    assert len(house.told("membership.member.left")) == 1


# ------------------------------------------------------------ who may say so
def test_a_unit_leaves_by_its_own_representatives_word_alone(house: Membership, unit: Unit) -> None:
    other = bearer(house.assembly, roles=["representative"], subject="x", unit_id="another-unit")

    refused(unit.leave(other), 403, "leaving.not_own_unit")
    refused(unit.stay(other), 403, "leaving.not_own_unit")
    refused(unit.leave(house.staff("treasurer")), 403, "access.forbidden")
    refused(house.web.post(f"/members/{unit.id}/withdrawal", json={}), 401, "access.token_missing")
    assert roster(house) == ["Unit"]


def test_a_letter_is_recorded_by_the_secretariat_with_what_it_rests_on(house: Membership, unit: Unit) -> None:
    refused(unit.leave(house.staff()), 422, "input.invalid", "reason")

    answer = unit.leave(house.staff(), reason="Letter of 3 March 2026")

    assert answer.get_json()["leaving"]["announced_by"] == "secretariat"
    assert house.told("membership.member.left")[0]["data"]["announced_by"] == "secretariat"


def test_a_password_given_long_ago_is_asked_for_again(house: Membership, unit: Unit) -> None:
    long_ago = int((house.clock.now() - timedelta(minutes=11)).timestamp())
    headers = bearer(
        house.assembly, roles=["representative"], subject=unit.account_id, unit_id=unit.id, auth_time=long_ago
    )

    refused(unit.leave(headers), 401, "access.step_up_needed")
    assert roster(house) == ["Unit"]


def test_why_a_unit_left_is_for_itself_and_the_secretariat(house: Membership, unit: Unit) -> None:
    unit.leave(leaves_on=unit.day(5), reason="between us")

    told = unit.shown(house.staff("representative"))["leaving"]
    assert (told["reason"], told["person_name"]) == (None, None)
    assert told["leaves_at"] is not None
    assert unit.shown(house.staff())["leaving"]["reason"] == unit.shown()["leaving"]["reason"] == "between us"
    assert "between us" not in str(house.told("membership.leaving.announced"))


def test_a_request_sent_again_has_one_effect(house: Membership, unit: Unit) -> None:
    headers = {**unit.headers, "Idempotency-Key": "key-number-one"}

    first, second = unit.leave(headers), unit.leave(headers)

    assert (first.status_code, first.data) == (second.status_code, second.data)
    assert len(house.told("membership.member.left")) == 1


# ------------------------------------------------------------ from a later day
def test_a_unit_that_leaves_later_is_a_member_until_its_day_and_none_from_its_first_instant(
    house: Membership, unit: Unit
) -> None:
    midnight = datetime.fromisoformat(f"{unit.day(10)}T00:00:00+08:00")

    shown = unit.leave(leaves_on=unit.day(10)).get_json()
    while leave_due(house.assembly):
        pass
    before = roster(house)
    # Nobody looks for an hour: it is dated from midnight all the same.
    house.clock.advance(seconds=(midnight - house.clock.now()).total_seconds() + 3600)
    leave_due(house.assembly)
    leave_due(house.assembly)

    assert (datetime.fromisoformat(shown["leaves_at"]), shown["left_at"]) == (midnight, None)
    assert before == ["Unit"]
    assert roster(house) == []
    (announced,), (left,) = house.told("membership.leaving.announced"), house.told("membership.member.left")
    assert datetime.fromisoformat(left["data"]["left_at"]) == midnight
    assert left["correlationid"] == announced["correlationid"], "one story from the word to the day"
    assert datetime.fromisoformat(unit.shown(house.staff())["offices"][0]["term_to"]) == midnight
    assert house.web.get("/me", headers=unit.headers).status_code == 401


def test_what_was_announced_can_be_taken_back_before_the_day(house: Membership, unit: Unit) -> None:
    refused(unit.stay(), 404, "leaving.not_announced")
    unit.leave(leaves_on=unit.day(10))

    assert unit.stay().status_code == 204

    house.clock.advance(seconds=20 * 86_400)
    leave_due(house.assembly)
    assert roster(house) == ["Unit"]
    assert (unit.shown()["leaves_at"], unit.shown()["leaving"]) == (None, None)
    assert len(house.told("membership.leaving.retracted")) == 1
    assert house.told("membership.member.left") == []


def test_said_again_before_the_day_the_later_word_counts(house: Membership, unit: Unit) -> None:
    unit.leave(leaves_on=unit.day(10))
    unit.leave(leaves_on=unit.day(30), reason="later")
    house.clock.advance(seconds=15 * 86_400)
    leave_due(house.assembly)
    still_there = roster(house)

    unit.leave()

    assert still_there == ["Unit"]
    assert roster(house) == []
    stories = {each["correlationid"] for each in house.told("membership.leaving.announced")}
    assert stories == {house.told("membership.member.left")[0]["correlationid"]}
    with house.assembly.reading() as look:
        kept = look.all(sa.select(tables.leavings.c.retracted_at, tables.leavings.c.took_effect_at))
    assert [row.retracted_at is None for row in kept].count(True) == 1
    assert [row.took_effect_at is not None for row in kept].count(True) == 1


@pytest.mark.parametrize("days", [0, -1, 367], ids=["today", "yesterday", "beyond a year"])
def test_a_day_that_makes_no_sense_is_refused_by_its_field(house: Membership, unit: Unit, days: int) -> None:
    refused(unit.leave(leaves_on=unit.day(days)), 422, "input.invalid", "leaves_on")

    assert roster(house) == ["Unit"]


# ------------------------------------------------------------ again
def test_a_unit_that_left_may_apply_again_and_is_a_member_under_a_new_number(house: Membership, unit: Unit) -> None:
    form = application_form(credit_code=CODE)
    refused(house.web.post("/applications", json=form), 409, "application.duplicate")
    unit.leave(leaves_on=unit.day(3))
    refused(house.web.post("/applications", json=form), 409, "application.duplicate")
    unit.leave()

    house.admitted(credit_code=CODE)

    assert len(roster(house)) == 1
    assert len(roster(house, "all")) == 2
    refused(house.web.post("/applications", json=form), 409, "application.duplicate")


# ------------------------------------------------------------ the database itself
def _delete(_work: Any, unit: Unit) -> sa.Executable:
    return sa.delete(tables.members).where(tables.members.c.member_id == unit.id)


def _end_again(work: Any, unit: Unit) -> sa.Executable:
    return sa.update(tables.members).where(tables.members.c.member_id == unit.id).values(left_at=work.now)


def _end_taken_back(_work: Any, unit: Unit) -> sa.Executable:
    return sa.update(tables.members).where(tables.members.c.member_id == unit.id).values(left_at=None)


@pytest.mark.parametrize("change", [_delete, _end_again, _end_taken_back])
def test_the_database_itself_keeps_every_entry_and_its_end(
    house: Membership, unit: Unit, change: Callable[[Any, Unit], sa.Executable]
) -> None:
    unit.leave()
    with house.assembly.begin() as work:
        for table in (tables.offices, tables.person_sessions, tables.accounts, tables.leavings):
            work.execute(sa.delete(table))
    house.clock.advance(5)

    with pytest.raises(IntegrityError), house.assembly.begin() as work:
        work.execute(change(work, unit))

    assert roster(house, "left") == ["Unit"]


def test_the_database_itself_holds_one_present_membership_per_credit_code(house: Membership, unit: Unit) -> None:
    told: dict[str, Any] = {"kind": "quality_enterprise", "county": "liling", "credit_code": CODE}

    with pytest.raises(IntegrityError), house.assembly.begin() as work:
        admit_member(work, unit_name="Twin", admitted_at=datetime(2026, 1, 1, tzinfo=UTC), founding=True, **told)

    assert roster(house) == ["Unit"]
