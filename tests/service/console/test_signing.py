"""Signing in and out: the whole way over membership's page, and every way in which it must not work."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from services.console.browser import SESSION_COOKIE, VISITOR_COOKIE
from tests.builders.console import ADDRESS, PASSWORD, Office, Visitor, founded_office


def session_cookie(visitor: Visitor) -> str | None:
    found = visitor.client.get_cookie(SESSION_COOKIE, domain="alliance.example")
    return found.value if found else None


def way_back(visitor: Visitor, username: str = "secretary") -> str:
    """The address at which membership sends the browser back, not followed yet."""
    start = visitor.get("/sign-in")
    page = visitor.get(start.location)
    form = {"token": page.value("token"), "username": username, "password": PASSWORD}
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": ADDRESS}
    return visitor.client.post(start.location, base_url=ADDRESS, data=form, headers=headers).headers["Location"]


def test_a_person_signs_in_over_memberships_page_and_comes_back_where_they_were(office: Office) -> None:
    visitor = office.visitor()

    page = visitor.sign_in("secretary", start="/sign-in?next=/style")

    assert page.status == 200
    assert "样式" in page.text
    assert "退出" in page.text


def test_a_wrong_password_leads_nowhere(office: Office) -> None:
    visitor = office.visitor()

    page = visitor.sign_in("clerk", "not-the-password")

    assert page.status == 401
    assert session_cookie(visitor) is None


def test_the_way_to_membership_carries_a_challenge_and_never_its_answer(office: Office) -> None:
    visitor = office.visitor()
    asked = parse_qs(urlsplit(visitor.get("/sign-in").location).query)

    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["code_challenge"][0]) == 43
    assert asked["redirect_uri"] == [f"{ADDRESS}/sign-in/back"]
    assert asked["ui_locales"] == ["zh-CN"]
    assert "code_verifier" not in asked


def test_a_code_of_another_browser_signs_nobody_in(office: Office) -> None:
    stolen = way_back(office.visitor())
    victim = office.visitor()
    victim.get("/sign-in")

    page = victim.get(stolen)

    assert page.status == 400
    assert session_cookie(victim) is None


def test_a_code_works_once(office: Office) -> None:
    visitor = office.visitor()
    back = way_back(visitor)
    assert visitor.get(back).status == 303

    page = visitor.get(back)

    assert page.status == 400


@pytest.mark.parametrize(
    "query", ["", "?code=x", "?code=x&state=", "?state=x", "?error=access_denied&state=x", "?code=%00&state=%00"]
)
def test_the_way_back_without_a_sign_in_on_its_way_is_refused(office: Office, query: str) -> None:
    visitor = office.visitor()

    page = visitor.get(f"/sign-in/back{query}")

    assert page.status == 400
    assert session_cookie(visitor) is None


def test_a_session_put_into_the_browser_beforehand_is_not_the_one_signed_in(office: Office) -> None:
    planted = "5" * 64
    visitor = office.visitor()
    visitor.client.set_cookie(SESSION_COOKIE, planted, domain="alliance.example", secure=True)

    visitor.sign_in("secretary")

    assert session_cookie(visitor) not in (None, planted)
    thief = office.visitor()
    thief.client.set_cookie(SESSION_COOKIE, planted, domain="alliance.example", secure=True)
    assert "登录" in thief.get("/").text


def test_signing_in_again_makes_a_new_session_and_ends_the_old(office: Office) -> None:
    visitor = office.visitor()
    visitor.sign_in("secretary")
    first = session_cookie(visitor)
    assert first is not None

    visitor.sign_in("secretary", start="/sign-in?again=1&next=/style")

    assert session_cookie(visitor) not in (None, first)
    other = office.visitor()
    other.client.set_cookie(SESSION_COOKIE, first, domain="alliance.example", secure=True)
    assert other.client.get("/members", base_url=ADDRESS).status_code == 401


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/%09/evil.example",
    ],
)
def test_after_signing_in_nobody_is_led_to_another_site(office: Office, elsewhere: str) -> None:
    visitor = office.visitor()
    visitor.get(f"/sign-in?next={elsewhere}")
    back = way_back_of_page(visitor, elsewhere)

    location = visitor.get(back).location

    assert urlsplit(location).netloc in ("", "alliance.example")
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


def way_back_of_page(visitor: Visitor, elsewhere: str) -> str:
    start = visitor.get(f"/sign-in?next={elsewhere}")
    page = visitor.get(start.location)
    form = {"token": page.value("token"), "username": "secretary", "password": PASSWORD}
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": ADDRESS}
    return visitor.client.post(start.location, base_url=ADDRESS, data=form, headers=headers).headers["Location"]


def test_signing_out_ends_the_session_at_membership_too(office: Office) -> None:
    visitor = office.visitor()
    visitor.sign_in("secretary")
    cookie = session_cookie(visitor)
    assert cookie is not None

    page = visitor.send("/sign-out", follow=True)

    assert "您已退出" in page.text
    assert not session_cookie(visitor)
    thief = office.visitor()
    thief.client.set_cookie(SESSION_COOKIE, cookie, domain="alliance.example", secure=True)
    assert thief.client.get("/members", base_url=ADDRESS).status_code == 401


def test_signing_out_everywhere_ends_every_browser(office: Office) -> None:
    first, second = office.visitor(), office.visitor()
    first.sign_in("clerk")
    second.sign_in("clerk")

    first.send("/sign-out/everywhere")

    assert second.client.get("/members", base_url=ADDRESS).status_code == 401


def test_a_closed_account_is_out_at_once(tmp_path: Path) -> None:
    with founded_office(tmp_path) as office:
        authority = office.visitor()
        authority.sign_in("authority")
        operator = office.api.signed_in("operator", PASSWORD)
        accounts = operator.get("membership/v1/accounts", limit=100)["items"]
        account_id = next(each["account_id"] for each in accounts if each["username"] == "authority")

        answer = operator.http.delete(
            f"/api/membership/v1/accounts/{account_id}", headers={"Authorization": f"Bearer {operator.token}"}
        )

        assert answer.status_code == 204
        assert authority.client.get("/members", base_url=ADDRESS).status_code == 401


def test_while_membership_is_away_people_stay_who_they_are(office: Office) -> None:
    visitor = office.visitor()
    visitor.sign_in("secretary")

    with office.without("membership"):
        page = visitor.get("/style")

    assert page.status == 200
    assert "退出" in page.text
    assert "成员服务暂时连不上" in page.text


def test_a_sign_in_while_membership_is_away_is_told_so(office: Office) -> None:
    visitor = office.visitor()
    back = way_back(visitor)

    with office.without("membership"):
        page = visitor.get(back)

    assert page.status == 503
    assert visitor.client.get_cookie(VISITOR_COOKIE, domain="alliance.example") is not None
