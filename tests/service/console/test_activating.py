"""The first password of an invited account: refused beside its field, shown again nowhere, then on to signing in."""

from __future__ import annotations

from typing import Any

from tests.builders.admissions import Admitted
from tests.builders.console import Office, Visitor

GOOD = "雨过天青云破处 2026"


def invited(admitted: Admitted) -> Visitor:
    """The applicant's browser after the admission."""
    visitor = admitted.office.visitor()
    visitor.get("/status")
    visitor.send("/status", link=admitted.case.application_id, code=admitted.case.access_code)
    return visitor


def test_the_code_is_filled_in_for_whoever_followed_the_application(admitted: Admitted) -> None:
    page = invited(admitted).get(f"/activate?application={admitted.case.application_id}")

    assert f'value="{admitted.case.access_code}"' in page.html
    assert 'value="ZZ-0025"' in page.html


def test_nobody_else_gets_the_code(admitted: Admitted) -> None:
    page = admitted.office.visitor().get(f"/activate?application={admitted.case.application_id}")

    assert page.status == 200
    assert admitted.case.access_code not in page.html


def test_what_is_missing_or_differs_is_said_beside_its_field(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/activate")

    page = visitor.send("/activate", username="ZZ-0001", invitation_code="", password=GOOD, password_again="别的")

    assert page.status == 422
    assert 'id="e-invitation_code"' in page.html
    assert 'id="e-password_again"' in page.html
    assert 'value="ZZ-0001"' in page.html
    assert GOOD not in page.html


def test_a_password_that_membership_refuses_is_said_beside_its_field(admitted: Admitted) -> None:
    visitor = invited(admitted)
    visitor.get("/activate")
    for password in ("短", "aaaaaaaaaaaaaaaa", "zz-0025-zz-0025!", "长" * 200):
        typed: dict[str, Any] = {"username": "ZZ-0025", "invitation_code": admitted.case.access_code}

        page = visitor.send("/activate", **typed, password=password, password_again=password)

        assert page.status == 422
        assert 'id="e-password"' in page.html
        assert f'value="{password}"' not in page.html


def test_a_wrong_code_is_said_beside_the_code(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/activate")

    page = visitor.send("/activate", username="ZZ-0001", invitation_code="x" * 64, password=GOOD, password_again=GOOD)

    assert page.status == 401
    assert 'id="e-invitation_code"' in page.html


def test_membership_away_is_said(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/activate")
    with office.without("membership"):
        page = visitor.send("/activate", username="ZZ-0001", invitation_code="y", password=GOOD, password_again=GOOD)

    assert page.status == 503
    assert 'value="ZZ-0001"' in page.html


def test_the_account_is_activated_and_the_person_can_sign_in(admitted: Admitted) -> None:
    visitor = invited(admitted)
    page = visitor.get(f"/activate?application={admitted.case.application_id}")
    typed: dict[str, Any] = {"username": "ZZ-0025", "invitation_code": admitted.case.access_code}

    page = visitor.send("/activate", follow=True, **typed, password=GOOD, password_again=GOOD)

    assert "账号已启用" in page.text
    assert 'href="/sign-in"' in page.html
    assert admitted.office.api.signed_in("ZZ-0025", GOOD).get("membership/v1/me")["username"] == "zz-0025"
    visitor.get("/activate")
    again = visitor.send("/activate", **typed, password=GOOD, password_again=GOOD)
    assert again.status == 409
    assert "已经启用" in again.text


def test_everything_is_there_in_english(office: Office) -> None:
    assert "Activate your account" in office.visitor("en").get("/activate").text
    assert "The account is active" in office.visitor("en").get("/activate/done").text
