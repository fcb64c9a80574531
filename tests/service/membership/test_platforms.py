"""Platforms: registering them, and OAuth 2 client credentials in OAuth's own words (RFC 6749)."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote_plus

import pytest

from shared.web.context import parts
from tests.service.membership.driver import Membership, refused

SCOPES = ["applications:write", "roster:read"]


@pytest.fixture
def platform(house: Membership) -> dict[str, Any]:
    """A registered platform, with the secret that is shown once."""
    answer = house.web.post("/clients", json={"name": "County platform", "scopes": SCOPES}, headers=house.staff())
    assert answer.status_code == 201, answer.text
    registered: dict[str, Any] = answer.get_json()
    return registered


def basic(client_id: str, secret: str) -> dict[str, str]:
    """HTTP Basic as RFC 6749, 2.3.1 wants it."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def token(house: Membership, headers: Any = None, **form: str) -> Any:
    """A request to the token endpoint."""
    return house.web.post("/oauth/token", data={"grant_type": "client_credentials", **form}, headers=headers)


def credentials(platform: dict[str, Any]) -> dict[str, str]:
    """Client authentication in the body."""
    return {"client_id": platform["client_id"], "client_secret": platform["client_secret"]}


def test_a_platform_gets_a_token_with_its_scopes(house: Membership, platform: dict[str, Any]) -> None:
    answer = token(house, basic(platform["client_id"], platform["client_secret"]))

    body = answer.get_json()
    assert (answer.status_code, body["token_type"], body["expires_in"]) == (200, "Bearer", 600)
    assert body["scope"] == "applications:write roster:read"
    assert answer.headers["Cache-Control"] == "no-store"
    with house.web.http.application.app_context():
        claims = parts().verifier.verify(body["access_token"])
    assert (claims.kind, claims.subject, claims.scopes) == ("platform", platform["client_id"], frozenset(SCOPES))


def test_a_platform_may_authenticate_in_the_body_and_ask_for_less(house: Membership, platform: dict[str, Any]) -> None:
    answer = token(house, scope="roster:read", **credentials(platform))

    assert answer.get_json()["scope"] == "roster:read"
    headers = {"Authorization": f"Bearer {answer.get_json()['access_token']}"}
    assert house.web.get("/members", headers=headers).status_code == 200
    assert house.web.post("/applications", json={}, headers=headers).status_code == 403
    me = house.web.get("/me", headers=headers).get_json()
    assert (me["kind"], me["client_id"], me["scopes"]) == ("platform", platform["client_id"], ["roster:read"])


def test_a_wrong_secret_and_an_unknown_client_get_one_answer(house: Membership, platform: dict[str, Any]) -> None:
    wrong = token(house, basic(platform["client_id"], "0" * 64))
    unknown = token(house, basic("nobody", platform["client_secret"]))

    for answer in (wrong, unknown):
        assert answer.status_code == 401
        assert answer.mimetype == "application/json"
        assert answer.get_json()["error"] == "invalid_client"
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert wrong.get_json() == unknown.get_json()


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
        ({"scope": "ballots:read"}, 400, "invalid_scope"),
        ({"scope": "roster:read admin"}, 400, "invalid_scope"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"client_secret": "x" * 500}, 401, "invalid_client"),
        ({"client_id": "a\u0000b"}, 401, "invalid_client"),
    ],
)
def test_a_refusal_speaks_oauth(
    house: Membership, platform: dict[str, Any], form: dict[str, str], status: int, error: str
) -> None:
    answer = token(house, **{**credentials(platform), **form})

    assert (answer.status_code, answer.get_json()["error"]) == (status, error)


def test_requests_that_are_not_oauth_are_refused_in_its_words(house: Membership, platform: dict[str, Any]) -> None:
    right = basic(platform["client_id"], platform["client_secret"])
    answers = [
        house.web.post("/oauth/token", json={"grant_type": "client_credentials"}, headers=right),
        house.web.post("/oauth/token", data={}, headers=right),
        house.web.post(
            "/oauth/token",
            data="grant_type=client_credentials&grant_type=client_credentials",
            content_type="application/x-www-form-urlencoded",
            headers=right,
        ),
        token(house, right, client_secret=platform["client_secret"]),
        token(house, right, client_id="another"),
    ]

    assert [(each.status_code, each.get_json()["error"]) for each in answers] == [(400, "invalid_request")] * 5


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Basic /zo=", "Digest x"])
def test_a_malformed_authorization_is_an_invalid_client(house: Membership, header: str) -> None:
    answer = token(house, {"Authorization": header})

    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")


def test_a_closed_platform_gets_no_token(house: Membership, platform: dict[str, Any]) -> None:
    for _ in range(2):
        path = f"/clients/{platform['client_id']}"
        assert house.web.delete(path, headers=house.staff("operator")).status_code == 204

    assert token(house, **credentials(platform)).get_json()["error"] == "invalid_client"
    (listed,) = house.web.get("/clients", headers=house.staff()).get_json()["items"]
    assert listed["closed_at"] is not None
    assert platform["client_secret"] not in str(listed)
    refused(house.web.delete("/clients/none", headers=house.staff()), 404, "client.not_found")


def test_closing_a_platform_is_told_once(house: Membership, platform: dict[str, Any]) -> None:
    for _ in range(2):
        house.web.delete(f"/clients/{platform['client_id']}", headers=house.staff("operator"))

    (told,) = house.told("membership.client.closed")
    assert (told["subject"], told["data"]) == (platform["client_id"], {"client_id": platform["client_id"]})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": SCOPES}, "name"),
        ({"name": "A"}, "scopes"),
        ({"name": "A", "scopes": []}, "scopes"),
        ({"name": "A", "scopes": ["root"]}, "scopes"),
        ({"name": "A", "scopes": "roster:read"}, "scopes"),
        ({"name": "A", "scopes": [7]}, "scopes.0"),
        ({"name": "A", "scopes": SCOPES, "secret": "mine"}, "secret"),
    ],
)
def test_a_bad_registration_names_its_field_and_stores_nothing(
    house: Membership, body: dict[str, Any], field: str
) -> None:
    before = house.stored()

    refused(house.web.post("/clients", json=body, headers=house.staff()), 422, "input.invalid", field)

    assert house.stored() == before


def test_platforms_are_registered_by_administrators_only(house: Membership) -> None:
    body = {"name": "A", "scopes": SCOPES}

    refused(house.web.post("/clients", json=body, headers=house.staff("representative")), 403, "access.forbidden")
    refused(house.web.post("/clients", json=body, headers=house.platform()), 403, "access.forbidden")
    refused(house.web.post("/clients", json=body), 401, "access.token_missing")


@pytest.mark.parametrize("scope", ["operations:read", "operations:write", "events:read"])
def test_only_an_operator_lets_a_platform_supervise(house: Membership, scope: str) -> None:
    """Otherwise the secretariat could make itself an operator by way of a platform."""
    body = {"name": "Supervision", "scopes": ["roster:read", scope]}
    before = house.stored()

    answer = house.web.post("/clients", json=body, headers=house.staff("secretariat"))
    refused(answer, 403, "client.scope_operators", "scopes")
    assert house.stored() == before

    assert house.web.post("/clients", json=body, headers=house.staff("operator")).status_code == 201
