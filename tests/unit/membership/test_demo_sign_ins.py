"""A demo's sign-ins: every part of the house is among them, and there are no more than one can look over."""

from __future__ import annotations

from services.membership.domain.demo_sign_ins import SIGN_INS_MAX, DemoAccount, choose_demo_accounts


def staff(name: str, *roles: str) -> DemoAccount:
    """Somebody of the staff."""
    return DemoAccount(name, name.title(), None, roles, ())


def unit(name: str, *offices: str) -> DemoAccount:
    """The representative of a unit."""
    return DemoAccount(name, name.title(), f"Unit {name}", (), offices)


def test_every_role_is_there_once_then_seats_by_rank_then_representatives() -> None:
    accounts = [
        unit("plain"),
        unit("member", "committee_member"),
        unit("vice", "vice_director"),
        unit("head", "director"),
        staff("second", "secretariat"),
        staff("warden", "authority"),
        staff("admin", "operator"),
        staff("till", "treasurer"),
        staff("first", "secretariat"),
    ]

    chosen = [each.username for each in choose_demo_accounts(accounts)]

    assert chosen == ["second", "till", "admin", "warden", "head", "vice", "member", "plain"]


def test_among_many_seats_a_place_is_kept_for_a_plain_representative() -> None:
    accounts = [*(unit(f"seat-{n}", "committee_member") for n in range(20)), *(unit(f"plain-{n}") for n in range(20))]

    chosen = choose_demo_accounts(accounts)

    assert len(chosen) == SIGN_INS_MAX
    assert [each.username for each in chosen].count("plain-0") == 1
    assert chosen[-1].username == "plain-0"


def test_one_person_with_two_roles_has_one_button_that_names_both() -> None:
    (only,) = choose_demo_accounts([staff("both", "secretariat", "operator")])

    assert only.shown_roles == ("role.secretariat", "role.operator")


def test_an_office_that_is_no_seat_and_nobody_at_all_are_left_out() -> None:
    assert choose_demo_accounts([staff("idle")]) == []
    assert choose_demo_accounts([]) == []
    assert unit("desk", "secretary_general").shown_roles == ("role.representative",)
