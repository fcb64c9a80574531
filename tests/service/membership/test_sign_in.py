"""Signing in: invitations, passwords, waiting after failures, roles in the token, closed accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from services.membership import tables
from services.membership.commands.accounts import open_account
from services.membership.commands.offices import fill_office
from services.membership.commands.passwords import MEMORY_KIB, hash_password
from services.membership.timers import prune
from shared.web.context import parts
from tests.service.membership.driver import Membership, refused

PASSWORD = "correct horse battery"


def staff_account(house: Membership, *roles: str, username: str = "Li.Wei", password: str = PASSWORD) -> str:
    """An active account of the staff."""
    stored = hash_password(password)
    with house.assembly.begin() as work:
        return open_account(
            work, username=username, roles=roles, member_id=None, person_name="Li Wei", password_hash=stored
        )


def activate(house: Membership, receipt: dict[str, Any], **changes: Any) -> Any:
    """The representative of an admitted unit sets a password."""
    body = {"username": "ZZ-0001", "invitation_code": receipt["access_code"], "password": PASSWORD, **changes}
    return house.web.post("/accounts/activation", json=body)


def claims_of(house: Membership, answer: Any) -> Any:
    """What the token says, as the service itself verifies it."""
    with house.web.http.application.app_context():
        return parts().verifier.verify(answer.get_json()["access_token"])


def test_the_representative_of_a_new_member_activates_the_account_with_the_access_code(house: Membership) -> None:
    # given an admitted unit
    receipt = house.admitted()

    # when its representative takes up the invitation and signs in
    assert activate(house, receipt).get_json()["state"] == "active"
    answer = house.sign_in("zz-0001", PASSWORD)

    # then the token speaks for the unit
    body = answer.get_json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    assert answer.headers["Cache-Control"] == "no-store"
    claims = claims_of(house, answer)
    assert claims.roles == {"representative"}
    assert claims.unit_id == house.application(receipt)["member_id"]
    me = house.web.get("/me", headers={"Authorization": f"Bearer {body['access_token']}"}).get_json()
    assert (me["username"], me["name"], me["member"]["number"]) == ("zz-0001", "李文静", "ZZ-0001")


def test_an_invitation_needs_the_right_name_and_the_right_code(house: Membership) -> None:
    receipt = house.admitted()

    refused(activate(house, receipt, invitation_code="0" * 64), 401, "account.invitation_refused")
    refused(activate(house, receipt, username="ZZ-0002"), 401, "account.invitation_refused")
    refused(activate(house, receipt, password="short"), 422, "input.invalid", "password")
    refused(activate(house, receipt, password="zz-0001 zz-0001"), 422, "input.invalid", "password")
    refused(house.sign_in("ZZ-0001", PASSWORD), 401, "session.refused")


def test_an_invitation_is_taken_up_once(house: Membership) -> None:
    receipt = house.admitted()
    activate(house, receipt)

    refused(activate(house, receipt, password="another password"), 409, "account.already_active")

    assert house.sign_in("ZZ-0001", PASSWORD).status_code == 200


def test_a_unit_with_a_seat_makes_its_representative_a_committee_member_for_the_term(house: Membership) -> None:
    # given a member whose unit holds a seat for a day
    receipt = house.admitted()
    activate(house, receipt)
    with house.assembly.begin() as work:
        fill_office(
            work,
            body="executive_committee",
            office="vice_director",
            member_id=house.application(receipt)["member_id"],
            term_from=work.now,
            term_to=work.now + timedelta(days=1),
        )

    # then the role comes and goes with the term
    assert claims_of(house, house.sign_in("ZZ-0001", PASSWORD)).roles == {"representative", "committee"}
    house.clock.advance(86_400)
    assert claims_of(house, house.sign_in("ZZ-0001", PASSWORD)).roles == {"representative"}


def test_staff_sign_in_with_the_roles_they_were_given(house: Membership) -> None:
    staff_account(house, "secretariat", "operator")

    claims = claims_of(house, house.sign_in("ｌｉ．ｗｅｉ", PASSWORD))

    assert claims.roles == {"secretariat", "operator"}
    assert claims.unit_id is None


@pytest.mark.parametrize(("username", "password"), [("li.wei", "wrong password"), ("nobody", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_get_one_answer(house: Membership, username: str, password: str) -> None:
    staff_account(house, "secretariat")

    problem = refused(house.sign_in(username, password), 401, "session.refused")

    assert username not in str(problem)


def test_every_refused_sign_in_pays_for_a_hash(house: Membership) -> None:
    """Otherwise the clock would tell which names exist."""
    from services.membership.commands import passwords

    assert passwords._NOBODYS_HASH.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t=2,p=1$")
    assert not passwords.needs_rehash(passwords._NOBODYS_HASH)


def test_failures_make_one_wait_and_the_right_password_forgets_them(house: Membership) -> None:
    # given five wrong passwords
    staff_account(house, "secretariat")
    for _ in range(5):
        refused(house.sign_in("li.wei", "wrong password"), 401, "session.refused")

    # then even the right one has to wait, for no longer than it is told
    answer = house.sign_in("li.wei", PASSWORD)
    refused(answer, 429, "session.wait")
    house.clock.advance(int(answer.headers["Retry-After"]))
    assert house.sign_in("li.wei", PASSWORD).status_code == 200

    # and the count begins again
    refused(house.sign_in("li.wei", "wrong password"), 401, "session.refused")
    assert house.sign_in("li.wei", PASSWORD).status_code == 200


def test_an_unknown_name_waits_like_a_known_one(house: Membership) -> None:
    staff_account(house, "secretariat")

    def codes(username: str) -> list[str]:
        return [house.sign_in(username, "wrong password").get_json()["code"] for _ in range(7)]

    assert codes("nobody") == codes("li.wei")


def test_waiting_doubles_but_never_becomes_a_lock(house: Membership) -> None:
    staff_account(house, "secretariat")
    waits = []
    for _ in range(30):
        answer = house.sign_in("li.wei", "wrong password")
        if answer.status_code == 429:
            waits.append(int(answer.headers["Retry-After"]))
            house.clock.advance(waits[-1])

    assert waits[:4] == [1, 2, 4, 8]
    assert max(waits) <= 300
    house.clock.advance(300)
    assert house.sign_in("li.wei", PASSWORD).status_code == 200


def test_counts_of_yesterday_are_dropped(house: Membership) -> None:
    house.sign_in("nobody", "wrong password")
    assert house.stored()["sign_in_attempts"] == 1

    house.clock.advance(86_401)
    prune(house.assembly)

    assert house.stored()["sign_in_attempts"] == 0


def test_a_hash_of_weaker_parameters_is_renewed_at_sign_in(house: Membership) -> None:
    # given an account from a time of cheaper hashing
    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with house.assembly.begin() as work:
        open_account(work, username="old", roles=(), member_id=None, person_name="Old", password_hash=weak)

    # when its person signs in
    assert house.sign_in("old", PASSWORD).status_code == 200

    # then the hash has today's parameters, and the password is the same
    with house.assembly.reading() as reading:
        stored = reading.scalar(sa.select(tables.accounts.c.password_hash))
    assert f"m={MEMORY_KIB}" in stored
    assert house.sign_in("old", PASSWORD).status_code == 200


def test_a_closed_account_signs_in_no_more(house: Membership) -> None:
    account_id = staff_account(house, "secretariat")

    for _ in range(2):
        answer = house.web.delete(f"/accounts/{account_id}", headers=house.staff("operator"))
        assert answer.status_code == 204

    refused(house.sign_in("li.wei", PASSWORD), 401, "session.refused")
    listed = house.web.get("/accounts", headers=house.staff()).get_json()["items"]
    assert [(each["username"], each["state"]) for each in listed] == [("li.wei", "closed")]
    refused(house.web.delete("/accounts/none", headers=house.staff()), 404, "account.not_found")


def test_closing_an_account_is_told_once(house: Membership) -> None:
    account_id = staff_account(house, "secretariat")

    for _ in range(2):
        house.web.delete(f"/accounts/{account_id}", headers=house.staff("operator"))

    (told,) = house.told("membership.account.closed")
    assert (told["subject"], told["data"]) == (account_id, {"account_id": account_id})
    assert "article" not in told


def test_the_last_operator_stays(house: Membership) -> None:
    first = staff_account(house, "operator", username="first")
    second = staff_account(house, "operator", username="second")

    assert house.web.delete(f"/accounts/{first}", headers=house.staff("operator")).status_code == 204
    refused(house.web.delete(f"/accounts/{second}", headers=house.staff("operator")), 409, "account.last_operator")

    assert house.sign_in("second", PASSWORD).status_code == 200


def test_accounts_are_for_administrators(house: Membership) -> None:
    for method in ("GET", "DELETE"):
        path = "/accounts" if method == "GET" else "/accounts/some"
        refused(house.web.request(method, path, headers=house.staff("representative")), 403, "access.forbidden")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "username"),
        ({"username": "a"}, "password"),
        ({"username": 1, "password": "x"}, "username"),
        ({"username": "a", "password": ["x"]}, "password"),
        ({"username": "a" * 65, "password": "x"}, "username"),
        ({"username": "a", "password": "x" * 129}, "password"),
        ({"username": "a", "password": "x\u0000"}, "password"),
        ({"username": "a", "password": "x", "otp": "1"}, "otp"),
    ],
)
def test_a_bad_sign_in_names_its_field_and_stores_nothing(house: Membership, body: dict[str, Any], field: str) -> None:
    before = house.stored()

    refused(house.web.post("/sessions", json=body), 422, "input.invalid", field)

    assert house.stored() == before


def test_a_person_can_be_seen_by_themselves_only_with_a_token(house: Membership) -> None:
    refused(house.web.get("/me"), 401, "access.token_missing")
    refused(house.web.get("/me", headers={"Authorization": "Bearer x.y.z"}), 401, "access.token_refused")
