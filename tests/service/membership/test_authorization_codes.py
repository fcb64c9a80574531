"""Authorization codes: exchanged once, by the application that asked, in time, with the verifier; or worth nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from services.membership import tables
from tests.service.membership.driver import Membership, refused
from tests.service.membership.people import (
    BACK,
    PASSWORD,
    VERIFIER,
    Visitor,
    bearing,
    claims_of,
    end_reasons,
    exchange,
    refresh,
    refused_grant,
)
from tests.service.membership.test_concurrency import at_once


def test_a_code_becomes_a_session_with_the_persons_roles(house: Membership, person: str) -> None:
    code = Visitor(house).code()
    house.clock.advance(20)

    answer = exchange(house, code)

    tokens = answer.get_json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert (tokens["token_type"], tokens["expires_in"], tokens["refresh_expires_in"]) == ("Bearer", 600, 1800)
    assert tokens["scope"] == "account"
    claims = claims_of(house, tokens)
    assert (claims.subject, claims.kind, claims.roles) == (person, "person", {"secretariat"})
    assert claims.authenticated_at_epoch == int(house.clock.now().timestamp()) - 20
    assert claims.session_id is not None
    me = house.web.get("/me", headers=bearing(tokens))
    assert me.get_json()["username"] == "li.wei"


def test_no_code_and_no_refresh_token_is_stored(house: Membership, person: str) -> None:
    code = Visitor(house).code()
    tokens = exchange(house, code).get_json()

    with house.assembly.reading() as reading:
        stored = str([dict(row._mapping) for row in reading.all(sa.select(tables.person_sessions))])
    assert code not in stored
    assert tokens["refresh_token"] not in stored


def test_a_token_of_the_json_sign_in_says_when_the_password_was_given_and_has_no_session(
    house: Membership, person: str
) -> None:
    claims = claims_of(house, house.sign_in("li.wei", PASSWORD).get_json())

    assert claims.authenticated_at_epoch == int(house.clock.now().timestamp())
    assert claims.session_id is None


@pytest.mark.parametrize(
    ("changes", "error", "status"),
    [
        ({"code": None}, "invalid_request", 400),
        ({"code": "x" * 201}, "invalid_request", 400),
        ({"code": "0" * 64}, "invalid_grant", 400),
        ({"code": "a\x00b"}, "invalid_grant", 400),
        ({"code_verifier": None}, "invalid_request", 400),
        ({"code_verifier": ""}, "invalid_request", 400),
        ({"code_verifier": VERIFIER + "x"}, "invalid_grant", 400),
        ({"code_verifier": "short"}, "invalid_grant", 400),
        ({"code_verifier": "é" * 43}, "invalid_grant", 400),
        ({"redirect_uri": None}, "invalid_request", 400),
        ({"redirect_uri": f"{BACK}/"}, "invalid_grant", 400),
        ({"redirect_uri": "x" * 2001}, "invalid_request", 400),
        ({"client_id": None}, "invalid_request", 400),
        ({"client_id": "nobody"}, "invalid_client", 401),
        ({"client_secret": "x"}, "invalid_client", 401),
        ({"grant_type": "authorization-code"}, "invalid_client", 401),
    ],
)
def test_a_code_is_exchanged_only_as_it_was_asked_for(
    house: Membership, person: str, changes: dict[str, Any], error: str, status: int
) -> None:
    code = Visitor(house).code()

    refused_grant(exchange(house, code, **changes), error, status)

    # A stranger's try takes nothing from the application.
    assert house.stored()["person_sessions"] == 0
    assert exchange(house, code).status_code == 200


def test_a_repeated_parameter_is_refused(house: Membership, person: str) -> None:
    code = Visitor(house).code()

    refused_grant(exchange(house, code, code=[code, code]), "invalid_request")


def test_a_platforms_credentials_open_no_code(house: Membership, person: str) -> None:
    body = {"name": "County", "scopes": ["roster:read"]}
    platform = house.web.post("/clients", json=body, headers=house.staff("operator")).get_json()
    code = Visitor(house).code()

    refused_grant(exchange(house, code, client_id=platform["client_id"]), "invalid_client", 401)


def test_a_code_of_another_application_is_not_good(house: Membership, person: str) -> None:
    code = Visitor(house).code()
    with house.assembly.begin() as work:
        work.execute(sa.update(tables.authorization_codes).values(client_id="another"))

    refused_grant(exchange(house, code))


def test_a_code_lasts_for_a_minute(house: Membership, person: str) -> None:
    early, late = Visitor(house).code(), Visitor(house).code()

    house.clock.advance(59)
    assert exchange(house, early).status_code == 200
    house.clock.advance(1)
    refused_grant(exchange(house, late))


def test_a_code_used_twice_ends_the_session_it_made(house: Membership, person: str) -> None:
    # given a session
    code = Visitor(house).code()
    tokens = exchange(house, code).get_json()

    # when somebody comes with its code again, even without the verifier
    refused_grant(exchange(house, code, code_verifier="x" * 43))

    # then it is over for both
    assert end_reasons(house) == ["code_reused"]
    refused_grant(refresh(house, tokens["refresh_token"]))
    refused(house.web.get("/me", headers=bearing(tokens)), 401, "session.ended")


def test_a_code_exchanged_at_once_by_several_serves_at_most_one(house: Membership, person: str) -> None:
    code = Visitor(house).code()

    answers = at_once(*[lambda: exchange(house, code).status_code] * 5)

    assert Counter(answers) == {200: 1, 400: 4}
    assert end_reasons(house) == ["code_reused"]


def test_a_code_is_worth_nothing_once_the_account_is_closed(house: Membership, person: str) -> None:
    code = Visitor(house).code()

    house.web.delete(f"/accounts/{person}", headers=house.staff("operator"))

    refused_grant(exchange(house, code))
