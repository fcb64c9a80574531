"""The sign-in page: whom it serves, what it says, where it leads, and who cannot make it lead elsewhere."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from services.membership.api.sign_in_page import COOKIE
from shared.runtime.clock import ManualClock
from shared.web.app_factory import create_app
from tests.fixtures.assemblies import MakeAssembly
from tests.service.membership.driver import Membership
from tests.service.membership.people import (
    AUTHORIZE,
    BACK,
    PASSWORD,
    Visitor,
    open_staff_account,
    request_of,
    token_in,
    told_by,
)


def test_the_page_asks_for_name_and_password_and_may_load_nothing_but_its_own_style(house: Membership) -> None:
    answer = Visitor(house).open()

    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert '<html lang="en">' in answer.text
    assert '<label for="username">' in answer.text
    assert 'autocomplete="username"' in answer.text
    assert '<label for="password">' in answer.text
    assert 'autocomplete="current-password"' in answer.text
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' http://127.0.0.1:8080; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_the_cookie_of_the_form_is_for_this_host_alone(house: Membership) -> None:
    visitor = Visitor(house)

    first = visitor.open()
    cookie = first.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}={token_in(first)};")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie
    # A second page in another tab must not spoil the first.
    assert token_in(visitor.open()) == token_in(first)


@pytest.mark.parametrize(
    ("locales", "accepted", "language"),
    [
        ("zh-CN", "en", "zh-CN"),
        ("en", "zh-CN", "en"),
        ("en-GB zh", "zh-CN", "en"),
        ("fr zh", "en", "zh-CN"),
        ("fr", "en", "en"),
        ("!!", "en", "en"),
        (None, "en", "en"),
        (None, "fr", "zh-CN"),
        (None, None, "zh-CN"),
    ],
)
def test_the_page_speaks_the_language_that_was_asked_for_or_the_browsers(
    house: Membership, locales: str | None, accepted: str | None, language: str
) -> None:
    answer = Visitor(house).open({"Accept-Language": accepted} if accepted else {}, ui_locales=locales)

    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["Content-Language"] == language
    assert ("登录联盟" in answer.text) == (language == "zh-CN")


def test_the_right_password_leads_back_with_a_code(house: Membership) -> None:
    open_staff_account(house, "secretariat")

    told = told_by(Visitor(house).send())

    assert re.fullmatch(r"[0-9a-f]{64}", told.pop("code"))
    assert told == {"state": "state-1", "iss": "urn:lianmeng:membership"}


def test_a_state_comes_back_as_it_was_and_none_stays_none(house: Membership) -> None:
    open_staff_account(house, "secretariat")
    odd = "a b&c=d#é\r\nLocation: x"

    assert told_by(Visitor(house).send(state=odd))["state"] == odd
    assert "state" not in told_by(Visitor(house).send(state=None))


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "nobody"},
        {"client_id": ["console", "console"]},
        {"client_id": "console\x00"},
        {"redirect_uri": None},
        {"redirect_uri": [BACK, BACK]},
        {"redirect_uri": f"{BACK}/"},
        {"redirect_uri": f"{BACK}?next=x"},
        {"redirect_uri": f"{BACK}#x"},
        {"redirect_uri": BACK.upper()},
        {"redirect_uri": "http://127.0.0.1:8080@evil.example/sign-in/back"},
        {"redirect_uri": "http://127.0.0.1:8080.evil.example/sign-in/back"},
        {"redirect_uri": "//evil.example/sign-in/back"},
        {"redirect_uri": "/sign-in/back"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "x" * 3000},
    ],
)
def test_an_unknown_application_or_address_gets_a_page_and_nobody_is_sent_there(
    house: Membership, changes: dict[str, Any]
) -> None:
    visitor = Visitor(house)
    token = token_in(visitor.open())
    form = {"username": "li.wei", "password": PASSWORD, "token": token}

    for answer in (visitor.open(**changes), visitor.post(form, **changes)):
        assert (answer.status_code, answer.mimetype) == (400, "text/html")
        assert "Location" not in answer.headers
        assert 'role="alert"' in answer.text
        assert "evil" not in answer.text
        assert "form-action 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": ["code", "code"]}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "x" * 44}, "invalid_request"),
        ({"code_challenge": "=" * 43}, "invalid_request"),
        ({"code_challenge": "x" * 42 + "\n"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": ["a", "b"]}, "invalid_request"),
        ({"scope": 'a"b'}, "invalid_scope"),
        ({"scope": "a  b"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"ui_locales": ["en", "zh-CN"]}, "invalid_request"),
    ],
)
def test_every_other_fault_is_told_to_the_application(house: Membership, changes: dict[str, Any], error: str) -> None:
    for answer in (Visitor(house).open(**changes), Visitor(house).post({}, **changes)):
        told = told_by(answer)
        assert (told["error"], told["state"], told["iss"]) == (error, "state-1", "urn:lianmeng:membership")
        assert told["error_description"].isascii()


def test_a_state_given_twice_is_a_fault_and_neither_comes_back(house: Membership) -> None:
    told = told_by(Visitor(house).open(state=["one", "two"]))

    assert told["error"] == "invalid_request"
    assert "state" not in told


def test_what_oauth_does_not_know_is_ignored(house: Membership) -> None:
    assert Visitor(house).open(nonce="x", colour="red", scope="account openid", prompt="login").status_code == 200


@pytest.mark.parametrize(("username", "password"), [("li.wei", "wrong password"), ("nobody", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_get_one_page_that_keeps_the_name(
    house: Membership, username: str, password: str
) -> None:
    open_staff_account(house, "secretariat")

    answer = Visitor(house).send(username, password)

    assert answer.status_code == 401
    assert '<div class="alert bad" role="alert">The user name or the password is wrong.</div>' in answer.text
    assert f'value="{username}"' in answer.text
    assert password not in answer.text
    assert "Location" not in answer.headers


def test_failures_make_one_wait_here_as_everywhere(house: Membership) -> None:
    open_staff_account(house, "secretariat")
    visitor = Visitor(house)
    for _ in range(5):
        assert visitor.send(password="wrong password").status_code == 401

    answer = visitor.send()

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert "1 seconds" in answer.text
    house.clock.advance(1)
    assert "code" in told_by(visitor.send())


@pytest.mark.parametrize("username", ['"><script>alert(1)</script>', "{{ 7 * 7 }}", "a\x00b", "\u202eevil"])
def test_what_somebody_types_is_shown_as_text(house: Membership, username: str) -> None:
    for answer in (Visitor(house).send(username), Visitor(house).open(login_hint=username)):
        assert answer.status_code in (200, 401, 422)
        assert "<script" not in answer.text
        assert "\x00" not in answer.text
        assert "\u202e" not in answer.text
        assert "49" not in re.findall(r'name="username" type="text" value="([^"]*)"', answer.text)


@pytest.mark.parametrize(
    ("username", "password", "field"),
    [
        ("", PASSWORD, "username"),
        ("  ", PASSWORD, "username"),
        ("li.wei", "", "password"),
        ("a\x00b", PASSWORD, "username"),
        ("x" * 65, PASSWORD, "username"),
        ("x" * 100_000, PASSWORD, "username"),
        ("ﷺ" * 20, PASSWORD, "username"),  # eighteen characters each, once normalised
        ("li.wei", "x" * 129, "password"),
    ],
)
def test_a_form_at_fault_names_its_field_and_stores_nothing(
    house: Membership, username: str, password: str, field: str
) -> None:
    before = house.stored()

    answer = Visitor(house).send(username, password)

    assert answer.status_code == 422
    assert f'aria-invalid="true" aria-describedby="{field}-error"' in answer.text
    assert f'<p class="error" id="{field}-error">' in answer.text
    assert house.stored() == before


def test_a_form_may_lack_everything(house: Membership) -> None:
    visitor = Visitor(house)

    answer = visitor.post({"token": token_in(visitor.open())})

    assert answer.status_code == 422
    assert answer.text.count('aria-invalid="true"') == 2


def test_a_stored_account_may_have_a_null_in_its_password_guess(house: Membership) -> None:
    open_staff_account(house, "secretariat")

    assert Visitor(house).send(password="a\x00b").status_code == 401


def test_a_name_to_begin_with_is_filled_in_unless_it_is_none(house: Membership) -> None:
    assert 'value="li.wei"' in Visitor(house).open(login_hint="li.wei").text
    assert 'value="xxx' not in Visitor(house).open(login_hint="x" * 65).text


def test_the_page_can_be_had_in_the_other_language_without_losing_the_request(house: Membership) -> None:
    page = Visitor(house).open(state="s-1", ui_locales="zh-CN").text

    assert 'lang="en" hreflang="en">English</a>' in page
    link = page.split('hreflang="en"')[0].rpartition('href="')[2]
    assert "ui_locales=en" in link
    assert "state=s-1" in link


# ---------------------------------------------------------------- forms from elsewhere


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
def test_a_form_sent_from_elsewhere_signs_nobody_in(house: Membership, headers: dict[str, str]) -> None:
    open_staff_account(house, "secretariat")

    answer = Visitor(house).send(headers=headers)

    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert house.stored()["authorization_codes"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "none"},
    ],
)
def test_a_form_of_our_own_page_is_taken(house: Membership, headers: dict[str, str]) -> None:
    open_staff_account(house, "secretariat")

    assert "code" in told_by(Visitor(house).send(headers=headers))


def test_the_form_must_repeat_the_cookie(house: Membership) -> None:
    open_staff_account(house, "secretariat")
    attacker, victim = Visitor(house), Visitor(house)
    theirs = token_in(attacker.open())
    form = {"username": "li.wei", "password": PASSWORD}

    # no cookie, another's token, no token, two tokens, not the form's media type
    answers = [victim.post({**form, "token": theirs})]
    ours = token_in(victim.open())
    answers += [
        victim.post({**form, "token": theirs}),
        victim.post(form),
        victim.post({**form, "token": [ours, ours]}),
        victim.http.post(f"{AUTHORIZE}?{urlencode(request_of())}", json={**form, "token": ours}),
    ]

    assert [each.status_code for each in answers] == [403] * 5
    assert "code" in told_by(victim.post({**form, "token": ours}))


# ---------------------------------------------------------------- the demo


@pytest.fixture
def demo(make_assembly: MakeAssembly, clock: ManualClock) -> Membership:
    """A demo whose password is known to everybody."""
    house = Membership(make_assembly("membership", profile="demo", demo_password=PASSWORD), clock)
    house.found()
    house.adopt_charter()
    return house


def test_a_demo_offers_its_people_with_one_click(demo: Membership) -> None:
    # given a secretary and an operator
    open_staff_account(demo, "secretariat")
    open_staff_account(demo, "operator", username="op")
    visitor = Visitor(demo)

    # when the page is opened
    page = visitor.open()

    # then each has a button that says who it is, and that works
    assert '<section class="demo"' in page.text
    assert re.findall(r'<button class="button">([^<]+)<', page.text) == ["Li Wei · secretariat", "Li Wei · operator"]
    assert visitor.send("op", PASSWORD).status_code == 303


@pytest.mark.parametrize("settings", [{"demo_password": PASSWORD}, {"profile": "demo"}])
def test_without_demo_or_without_its_password_nobody_is_offered(
    make_assembly: MakeAssembly, clock: ManualClock, settings: dict[str, Any]
) -> None:
    house = Membership(make_assembly("membership", **settings), clock)
    house.found()
    open_staff_account(house, "secretariat")

    page = Visitor(house).open()

    assert page.status_code == 200
    assert "demo" not in page.text
    assert PASSWORD not in page.text


def test_too_many_forms_from_one_address_get_the_page_that_says_so(
    make_assembly: MakeAssembly, clock: ManualClock
) -> None:
    from shared.security.rate_limits import RateLimits

    house = Membership(make_assembly("membership"), clock)
    house.found()
    visitor = Visitor(house)
    limits = RateLimits(clock)
    visitor.http = create_app(house.assembly, limits=limits).test_client()
    for _ in range(300):
        limits.ensure_within("sign-in", "address 127.0.0.1", per_minute=300, burst=300)

    answer = visitor.send()

    assert (answer.status_code, answer.mimetype) == (429, "text/html")
    assert int(answer.headers["Retry-After"]) >= 1
