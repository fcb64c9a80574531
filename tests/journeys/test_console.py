"""The console where an alliance really runs: behind its gateway, or in the one embedded process. Pages are looked at elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.deployment import Deployment, Distributed
from tests.deployment.addresses import PASSWORD


@pytest.fixture
def address(deployment: Deployment, alliance: object) -> str:
    if isinstance(deployment, Distributed):
        pytest.skip("the services alone: nobody stands in front of them")
    return deployment.urls["membership"]


@pytest.fixture
def browser(address: str) -> Iterator[httpx.Client]:
    """Sends cookies as browsers do, which take the loopback address for a safe place; httpx does not."""
    with httpx.Client(base_url=address, follow_redirects=True, trust_env=False, timeout=30) as client:

        def with_cookies(request: httpx.Request) -> None:
            request.headers["Cookie"] = "; ".join(f"{each.name}={each.value}" for each in client.cookies.jar)

        client.event_hooks = {"request": [with_cookies]}
        yield client


def hidden(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None, f"no field {name} on {page.url}"
    return found[1]


def sign_in(browser: httpx.Client, username: str) -> httpx.Response:
    page = browser.get("/sign-in", params={"next": "/members"})
    form = {"token": hidden(page, "token"), "username": username, "password": PASSWORD}
    return browser.post(page.url, data=form, headers={"Origin": f"{page.url.scheme}://{page.url.netloc.decode()}"})


def test_a_visitor_is_told_what_the_alliance_is(browser: httpx.Client) -> None:
    page = browser.get("/")

    assert page.status_code == 200
    assert "申请入会" in page.text
    style = re.search(r'href="(/static/style\.css[^"]*)"', page.text)
    assert style is not None
    assert "immutable" in browser.get(style[1]).headers["Cache-Control"]


def test_a_person_signs_in_looks_at_the_roster_and_signs_out(browser: httpx.Client, address: str) -> None:
    roster = sign_in(browser, "secretary")

    assert roster.status_code == 200
    assert str(roster.url) == f"{address}/members"
    assert "ZZ-0001" in roster.text

    gone = browser.post("/sign-out", data={"form_token": hidden(roster, "form_token")}, headers={"Origin": address})

    assert gone.status_code == 200
    assert browser.get("/members").url.path == "/api/membership/v1/oauth/authorize"


def test_a_change_from_elsewhere_is_refused_behind_the_gateway_too(browser: httpx.Client) -> None:
    roster = sign_in(browser, "secretary")
    form = {"form_token": hidden(roster, "form_token")}

    answer = browser.post("/sign-out", data=form, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert browser.get("/members").url.path == "/members"
