"""What an authorization request must be like, and which verifier fits a challenge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.membership.domain import authorization as rules
from services.membership.domain.person_sessions import IDLE_LIMIT, SESSION_LIMIT, decide_expiry
from shared.errors import Invalid

HOUSE = "https://alliance.example.org"
BACK = f"{HOUSE}/sign-in/back"
GOOD = {
    "response_type": ["code"],
    "client_id": ["console"],
    "redirect_uri": [BACK],
    "code_challenge": ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
    "code_challenge_method": ["S256"],
}
NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def test_the_example_of_rfc_7636_fits() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    assert rules.fits_challenge(verifier, GOOD["code_challenge"][0])
    assert not rules.fits_challenge(verifier[:-1] + "K", GOOD["code_challenge"][0])


@given(st.text(max_size=200))
def test_hardly_any_text_is_a_verifier_and_none_is_a_fault(text: str) -> None:
    assert not rules.fits_challenge(text, GOOD["code_challenge"][0])


def test_a_good_request_is_taken_as_it_is() -> None:
    asked = rules.read_request({**GOOD, "state": ["s"]}, HOUSE)

    assert (asked.client_id, asked.redirect_uri, asked.state) == ("console", BACK, "s")


@given(st.dictionaries(st.sampled_from([*GOOD, "state", "scope", "prompt", "x"]), st.lists(st.text(), max_size=3)))
def test_whatever_is_asked_nobody_is_led_to_an_address_that_is_not_registered(changes: dict[str, list[str]]) -> None:
    try:
        led_to = rules.read_request({**GOOD, **changes}, HOUSE).redirect_uri
    except rules.AuthorizationRefused as refused:
        led_to = refused.redirect_uri
    except Invalid:
        return
    assert led_to == BACK


def test_an_address_of_another_house_may_be_registered_whole() -> None:
    client = rules.PublicClient("desk", ("https://desk.example.org/back", "/desk/back"))

    assert client.absolute_redirect_uris(HOUSE) == {"https://desk.example.org/back", f"{HOUSE}/desk/back"}


@pytest.mark.parametrize(("left", "lasts"), [(SESSION_LIMIT, IDLE_LIMIT), (timedelta(minutes=5), timedelta(minutes=5))])
def test_a_session_lasts_half_an_hour_and_never_beyond_its_end(left: timedelta, lasts: timedelta) -> None:
    assert decide_expiry(NOW + left, NOW) == NOW + lasts
