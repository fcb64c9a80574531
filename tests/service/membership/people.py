"""A person with a browser, and an application that sends them to the sign-in page and takes them back.

Knows the protocol from outside only: addresses, forms, cookies.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import sqlalchemy as sa
from werkzeug.test import TestResponse

from services.membership import tables
from services.membership.commands.accounts import open_account
from services.membership.commands.passwords import hash_password
from shared.web.context import parts
from tests.service.membership.driver import Membership

AUTHORIZE = "/api/membership/v1/oauth/authorize"
PASSWORD = "correct horse battery"
BACK = "http://127.0.0.1:8080/sign-in/back"
VERIFIER = "a-verifier-of-forty-three-characters-or-more"


def challenge_of(verifier: str) -> str:
    """S256 (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def open_staff_account(house: Membership, *roles: str, username: str = "li.wei") -> str:
    """An active account; its id."""
    stored = hash_password(PASSWORD)
    with house.assembly.begin() as work:
        return open_account(
            work, username=username, roles=roles, member_id=None, person_name="Li Wei", password_hash=stored
        )


def request_of(**changes: Any) -> dict[str, Any]:
    """A good authorization request of the console; `changes` replace, None removes."""
    asked = {
        "response_type": "code",
        "client_id": "console",
        "redirect_uri": BACK,
        "state": "state-1",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "ui_locales": "en",
        **changes,
    }
    return {name: value for name, value in asked.items() if value is not None}


def told_by(answer: TestResponse) -> dict[str, str]:
    """What a redirect to the application says; it leads to the registered address and nowhere else."""
    assert answer.status_code == 303, answer.text
    address = answer.headers["Location"]
    assert address.startswith(f"{BACK}?"), address
    pairs = parse_qsl(urlsplit(address).query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def token_in(page: TestResponse) -> str:
    """The hidden token of the page's form."""
    found = re.search(r'name="token" value="([0-9a-f]{64})"', page.text)
    assert found is not None, page.text
    return found[1]


class Visitor:
    """One browser."""

    def __init__(self, house: Membership) -> None:
        self.house = house
        self.http = house.web.http.application.test_client()

    def open(self, headers: dict[str, str] | None = None, **changes: Any) -> TestResponse:
        """Follow the application's link to the sign-in page."""
        query = urlencode(request_of(**changes), doseq=True)
        return self.http.get(f"{AUTHORIZE}?{query}", headers=headers)

    def send(
        self,
        username: str = "li.wei",
        password: str = PASSWORD,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **changes: Any,
    ) -> TestResponse:
        """Fill in the form of the page that the link leads to, and send it."""
        form = {"username": username, "password": password, "token": token or token_in(self.open(**changes))}
        return self.post(form, headers=headers, **changes)

    def post(self, form: Any, headers: dict[str, str] | None = None, **changes: Any) -> TestResponse:
        """Send whatever form."""
        query = urlencode(request_of(**changes), doseq=True)
        return self.http.post(f"{AUTHORIZE}?{query}", data=form, headers=headers)

    def code(self, **changes: Any) -> str:
        """Sign in; the code that the application gets."""
        return told_by(self.send(**changes))["code"]


def exchange(house: Membership, code: str, /, **changes: Any) -> TestResponse:
    """The application asks for the tokens of a code."""
    form = {
        "grant_type": "authorization_code",
        "client_id": "console",
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    return house.web.post("/oauth/token", data={name: value for name, value in form.items() if value is not None})


def refresh(house: Membership, refresh_token: str, /, **changes: Any) -> TestResponse:
    """The application asks for the next tokens."""
    form = {"grant_type": "refresh_token", "client_id": "console", "refresh_token": refresh_token, **changes}
    return house.web.post("/oauth/token", data={name: value for name, value in form.items() if value is not None})


def signed_in(house: Membership, **changes: Any) -> dict[str, Any]:
    """Through the page and the code to the tokens of a session."""
    answer = exchange(house, Visitor(house).code(**changes))
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.get_json()
    return tokens


def bearing(tokens: dict[str, Any]) -> dict[str, str]:
    """Headers with the session's access token."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def refused_grant(answer: TestResponse, error: str = "invalid_grant", status: int = 400) -> None:
    """The token endpoint refuses in OAuth's words, and gives nothing away."""
    body = answer.get_json()
    assert (answer.status_code, body["error"]) == (status, error), answer.text
    assert set(body) == {"error", "error_description"}
    assert answer.headers["Cache-Control"] == "no-store"


def claims_of(house: Membership, tokens: dict[str, Any]) -> Any:
    """What the access token says, as every service verifies it."""
    with house.web.http.application.app_context():
        return parts().verifier.verify(tokens["access_token"])


def end_reasons(house: Membership) -> list[str | None]:
    """Why the sessions ended, oldest first; None of one that lasts."""
    with house.assembly.reading() as reading:
        table = tables.person_sessions
        return [row.end_reason for row in reading.all(sa.select(table.c.end_reason).order_by(table.c.session_id))]
